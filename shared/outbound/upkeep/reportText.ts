// A failure report as a message: plain text with the subject of the message that failed, so that the service desk files it
// on the ticket. No multipart/report: Exchange writes one anew from its properties (MS-OXCMAIL 2.1.3.6), and desks park
// what looks like a bounce. Its sender is no address that mail can reach (RFC 2606), so an answer to it goes nowhere.
import { createHash } from 'node:crypto';
import { bridgeTagOf, isBridgeTag } from '../records/messageIds.ts';
import type { DueReport } from '../records/reportRow.ts';

export const reportDomain = 'bridge.invalid';
const from = `"Mail bridge" <mail-bridge@${reportDomain}>`;
/** RFC 5322 2.1.1 recommends 78 with the line end. */
const columns = 76;
const subjectCharacters = 900;

/** The Message-ID of a report: the same at every try, and nobody else can make it. */
export function reportMessageId(
  { account, id, kind }: Pick<DueReport, 'account' | 'id' | 'kind'>,
  key: Uint8Array,
): string {
  const name = createHash('sha256')
    .update(JSON.stringify([account, id, kind]))
    .digest('hex')
    .slice(0, 32);
  return `<report.${name}.${tagOf(name, key)}@${reportDomain}>`;
}

const tagOf = (name: string, key: Uint8Array): string => bridgeTagOf(`report.${name}`, key);

/** Whether a Message-ID is one of our reports. */
export function isReportId(messageId: string, key: Uint8Array): boolean {
  const [, name, tag] =
    /^<report\.([0-9a-f]{32})\.([0-9a-f]{64})@bridge\.invalid>$/.exec(messageId.trim()) ?? [];
  return name !== undefined && tag !== undefined && isBridgeTag(`report.${name}`, tag, key);
}

export interface Reported {
  readonly report: DueReport;
  readonly messageId: string;
  /** Of the message that failed: its subject as a header has it, and its Message-ID. */
  readonly subject: string;
  readonly ofMessageId?: string;
  readonly autoSubmitted: boolean;
  /** UTC ms. */
  readonly at: number;
}

/** The bytes of the report: ASCII, CRLF, no line above 76 columns but an address or id that is longer. */
export function reportBytes({
  report,
  messageId,
  subject,
  ofMessageId,
  autoSubmitted,
  at,
}: Reported): Uint8Array {
  const reference = ofMessageId === undefined ? undefined : ascii(ofMessageId);
  const header = [
    `Message-ID: ${messageId}`,
    `Date: ${new Date(at).toUTCString().replace('GMT', '+0000')}`,
    `From: ${from}`,
    `To: <${ascii(report.mailbox)}>`,
    fold('Subject', ascii(subject).slice(0, subjectCharacters)),
    ...(reference === undefined ? [] : [`In-Reply-To: ${reference}`, `References: ${reference}`]),
    ...(autoSubmitted ? ['Auto-Submitted: auto-replied'] : []),
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
    'Content-Transfer-Encoding: 7bit',
  ];
  const lines = textOf(report).flatMap((line) => wrap(ascii(line)));
  return Buffer.from([...header, '', ...lines, ''].join('\r\n'), 'ascii');
}

function textOf({ id, kind, said }: DueReport): readonly string[] {
  const { type, detail, remedy, recipients, moreCount } = said;
  const opening =
    kind === 'recipients'
      ? 'This message was not sent to all of its recipients: some could not be used.'
      : type === 'mail.bounced'
        ? 'This message was sent, and came back.'
        : type === 'mail.held' || type === 'hold'
          ? 'This message has not been sent yet: it has been held for an hour.'
          : type === 'mail.sent'
            ? 'This message did not reach all of its recipients.'
            : 'This message was not sent.';
  return [
    opening,
    '',
    ...(recipients.length === 0 ? [] : ['Not reached:']),
    ...recipients.flatMap((one) => [
      `  ${one.address}`,
      ...(one.detail === undefined ? [] : [`    ${one.detail}`]),
    ]),
    ...(moreCount === 0 ? [] : [`  and ${moreCount} more.`]),
    ...(recipients.length === 0 ? [] : ['']),
    ...(detail === undefined || detail === '' ? [] : [`Reason: ${detail}`]),
    ...(remedy === undefined || remedy === '' ? [] : [`Remedy: ${remedy}`]),
    `Number of the message in the mail bridge: ${id}`,
  ];
}

/** Printable ASCII on one line; anything else becomes a question mark. */
const ascii = (text: string): string =>
  text.replaceAll(/\s+/gu, (space) => space.replaceAll(/[^ ]+/g, ' ')).replaceAll(/[^\x20-\x7e]/gu, '?');

/** At spaces; what has none stays whole. */
function fold(name: string, value: string): string {
  const lines: string[] = [];
  let line = `${name}:`;
  for (const word of value.split(' ')) {
    if (line.length + 1 + word.length > columns && line.trim() !== `${name}:` && line.trim() !== '') {
      lines.push(line);
      line = '';
    }
    line += ` ${word}`;
  }
  return [...lines, line].join('\r\n');
}

function wrap(line: string): readonly string[] {
  const indent = /^ */.exec(line)?.[0] ?? '';
  const lines: string[] = [];
  let rest = line;
  while (rest.length > columns) {
    const space = rest.lastIndexOf(' ', columns);
    if (space <= indent.length) {
      if (rest.length <= 900) break;
      lines.push(rest.slice(0, 900));
      rest = indent + rest.slice(900);
      continue;
    }
    lines.push(rest.slice(0, space));
    rest = indent + rest.slice(space + 1);
  }
  return [...lines, rest];
}
