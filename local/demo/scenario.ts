// The demo's scenario: mailboxes, submissions, incoming mail, and the expected outcome of each.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RecipientRule } from '../emulators/exchange/quirks.ts';
import type { MailboxSetting } from '../stack/stack.ts';

export const domain = 'kaupunki.example';
export const serviceDesk = `palvelupiste@${domain}`;
export const alerts = `halytykset@${domain}`;

/** One mailbox with delegated sign-in, one with application sign-in. */
export const mailboxes: readonly MailboxSetting[] = [
  { address: serviceDesk, signIn: 'delegated', afterFetch: 'move:Käsitellyt', fetchFrom: 'all' },
  { address: alerts, signIn: 'application', afterFetch: 'seen', fetchFrom: 'all' },
];

/** How the receiving side handles some addresses. */
export const recipientRules: Readonly<Record<string, RecipientRule>> = {
  'former.employee@nordbygg.example': {
    kind: 'bounce',
    status: '5.1.1',
    diagnostic: '550 5.1.1 User unknown',
    afterMs: 1_000,
  },
  [`eronnut@${domain}`]: { kind: 'refuse' },
  'bjorn.astrom@nordbygg.example': {
    kind: 'outOfOffice',
    text: 'Jag är på semester till 7 december.',
    afterMs: 1_000,
  },
};

/** The expected final event. */
export type End = 'sent' | 'rejected';

export interface Planned {
  readonly id: string;
  readonly mailbox: string;
  readonly what: string;
  readonly end: End;
  /** Kinds of the incoming mails that must be related to it. */
  readonly back: readonly string[];
  /** Recipients that the server must refuse. */
  readonly refused: readonly string[];
  /** The queue message. */
  readonly submission: unknown;
}

export const burstCount = 45;
export const reportBlob = 'service-report-2026-11.pdf';
export const reportBytes = 5 * 1_048_576;

/** The subject of each sample, and its expected end. */
const samples: Readonly<
  Record<string, Pick<Planned, 'what' | 'end'> & Partial<Pick<Planned, 'back' | 'refused'>>>
> = {
  'INC-2041.reply-1': { what: 'UTF-8 and emoji in the subject', end: 'sent', back: ['message'] },
  'REQ-0877.order-1': { what: 'Scandinavian attachment names', end: 'sent', back: ['autoReply'] },
  'INC-2044.update-2': { what: 'inline images', end: 'sent' },
  'RPT-2026-11': { what: '5 MB attachment by reference', end: 'sent' },
  'CHG-0310.notice': { what: '40 recipients, one unknown', end: 'sent', refused: [`eronnut@${domain}`] },
  'INC-1990.closing': { what: 'unknown recipient: sent, then bounced', end: 'sent', back: ['bounce'] },
  'INC-2050.broken': { what: 'malformed submission', end: 'rejected' },
  'INC-2051.reply-1': { what: 'unknown mailbox', end: 'rejected' },
  'MAJ-0007.alarm': { what: 'urgent', end: 'sent' },
};

/** The samples of local/samples/, in the order of their names. */
export function plannedSamples(): readonly Planned[] {
  const folder = join(dirname(import.meta.dirname), 'samples');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => {
      const submission = JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
        id: string;
        mailbox: string;
      };
      const { what, end, back = [], refused = [] } = samples[submission.id] ?? { what: name, end: 'sent' };
      return { id: submission.id, mailbox: submission.mailbox, what, end, back, refused, submission };
    });
}

/** Alerts in a burst: more than the limit allows in one period. */
export function plannedBurst(): readonly Planned[] {
  return Array.from({ length: burstCount }, (_, index) => {
    const number = String(index + 1).padStart(2, '0');
    const id = `EVT-7300.alert-${number}`;
    return {
      id,
      mailbox: alerts,
      what: 'burst',
      end: 'sent',
      back: [],
      refused: [],
      submission: {
        version: 1,
        id,
        mailbox: alerts,
        to: [`valvomo@${domain}`],
        subject: `[EVT-7300] Disk space alert ${number}/${String(burstCount)}`,
        text: `Server srv-${number}: less than 10 % of disk space is left.`,
        correlation: { template: 'event', card: 'EVT-7300', number: index + 1 },
      },
    };
  });
}

/** A mail that arrives from outside while the burst drains, and the expected kind of its notice. */
export interface Arriving {
  readonly what: string;
  readonly kind: string;
  /** A reply belongs to this submission. */
  readonly submission?: string;
  /** Called once the server has accepted the message it replies to, with that one's Message-ID. */
  bytes(answered: string): Buffer;
}

const crlf = (lines: readonly string[]): Buffer => Buffer.from(`${lines.join('\r\n')}\r\n`, 'utf8');
const base64 = (bytes: Buffer): string[] => bytes.toString('base64').match(/.{1,76}/g) ?? [];

export const arriving: readonly Arriving[] = [
  {
    what: 'reply to INC-2041.reply-1',
    kind: 'message',
    submission: 'INC-2041.reply-1',
    bytes: (answered) =>
      crlf([
        `From: Aino Virtanen <aino.virtanen@${domain}>`,
        `To: Palvelupiste <${serviceDesk}>`,
        'Subject: =?utf-8?Q?VS:_[INC-2041]_Tulostin_toimii_taas_?=',
        'Date: Wed, 25 Nov 2026 09:31:00 +0200',
        `Message-ID: <reply.2041@${domain}>`,
        `In-Reply-To: ${answered}`,
        `References: ${answered}`,
        'MIME-Version: 1.0',
        'Content-Type: text/plain; charset=utf-8',
        'Content-Transfer-Encoding: 8bit',
        '',
        'Hei, nyt tulostaa. Kiitos paljon!',
      ]),
  },
  {
    what: 'calendar invitation, Scandinavian names',
    kind: 'message',
    bytes: () =>
      crlf([
        'From: =?utf-8?Q?Bj=C3=B6rn_=C3=85str=C3=B6m?= <bjorn.astrom@nordbygg.example>',
        `To: ${serviceDesk}`,
        'Subject: =?utf-8?Q?Inbjudan:_Genomg=C3=A5ng_av_=C3=A4rendek=C3=B6n?=',
        'Date: Wed, 25 Nov 2026 08:32:00 +0100',
        'Message-ID: <invitation.1@nordbygg.example>',
        'MIME-Version: 1.0',
        'Content-Type: multipart/mixed; boundary="=_mixed"',
        '',
        '--=_mixed',
        'Content-Type: multipart/alternative; boundary="=_alternative"',
        '',
        '--=_alternative',
        'Content-Type: text/plain; charset=iso-8859-1',
        'Content-Transfer-Encoding: quoted-printable',
        '',
        'Genomg=E5ng av =E4rendek=F6n p=E5 torsdag.',
        '--=_alternative',
        'Content-Type: text/calendar; charset=utf-8; method=REQUEST',
        'Content-Transfer-Encoding: 8bit',
        '',
        'BEGIN:VCALENDAR',
        'VERSION:2.0',
        'PRODID:-//nordbygg.example//calendar//SV',
        'METHOD:REQUEST',
        'BEGIN:VEVENT',
        'UID:genomgang-1@nordbygg.example',
        'DTSTAMP:20261125T073200Z',
        'DTSTART:20261126T120000Z',
        'DTEND:20261126T130000Z',
        'SUMMARY:Genomgång av ärendekön',
        'ORGANIZER;CN=Björn Åström:mailto:bjorn.astrom@nordbygg.example',
        `ATTENDEE;CN=Palvelupiste:mailto:${serviceDesk}`,
        'END:VEVENT',
        'END:VCALENDAR',
        '--=_alternative--',
        '--=_mixed',
        "Content-Type: text/plain; charset=utf-8; name*=utf-8''f%C3%B6redragningslista.txt",
        "Content-Disposition: attachment; filename*=utf-8''f%C3%B6redragningslista.txt",
        'Content-Transfer-Encoding: 8bit',
        '',
        '1. Öppna ärenden',
        '--=_mixed--',
      ]),
  },
  {
    what: 'mail of 20 MB',
    kind: 'message',
    bytes: () =>
      crlf([
        `From: Siiri Mäkelä <siiri.makela@${domain}>`,
        `To: ${serviceDesk}`,
        'Subject: Lokit',
        'Date: Wed, 25 Nov 2026 09:33:00 +0200',
        `Message-ID: <logs.1@${domain}>`,
        'MIME-Version: 1.0',
        'Content-Type: multipart/mixed; boundary="=_logs"',
        '',
        '--=_logs',
        'Content-Type: text/plain; charset=utf-8',
        '',
        'Lokit liitteenä.',
        '--=_logs',
        'Content-Type: application/zip; name="lokit.zip"',
        'Content-Disposition: attachment; filename="lokit.zip"',
        'Content-Transfer-Encoding: base64',
        '',
        ...base64(Buffer.alloc(14_600_000, 'log line of a server that talks much\n')),
        '--=_logs--',
      ]),
  },
  {
    what: 'malformed mail: 1,500 nested parts',
    kind: 'unparsed',
    bytes: () =>
      crlf([
        'From: x@elsewhere.example',
        `To: ${serviceDesk}`,
        'Subject: broken',
        'Message-ID: <broken.1@elsewhere.example>',
        'MIME-Version: 1.0',
        'Content-Type: multipart/mixed; boundary="b0"',
        '',
        ...Array.from({ length: 1_500 }, (_, depth) => [
          `--b${String(depth)}`,
          `Content-Type: multipart/mixed; boundary="b${String(depth + 1)}"`,
          '',
        ]).flat(),
      ]),
  },
];
