// What the checks send and put into the mailbox.
import { createHash } from 'node:crypto';

/** Letters that systems of the desk's neighbours are known to break, and one outside the BMP. */
export const letters = 'Åäö ÅÄÖ øæ – “Hyvää päivää” 🚀';

/** Names with which attachments were seen to arrive broken: letters, blanks, an en dash, and one beyond a line. */
export const attachmentNames = [
  'Tjänsteärende åäö.txt',
  'Hyvää päivää – Öljyä & ääkkösiä.txt',
  `${'Pitkä nimi '.repeat(10)}loppu.txt`,
] as const;

/** A picture of one pixel. */
export const pixelPng = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

/** Bytes that do not compress and are the same each time. */
export function fillBytes(count: number): Buffer {
  const block = Buffer.concat(
    Array.from({ length: 2_048 }, (_, at) => createHash('sha256').update(String(at)).digest()),
  );
  const bytes = Buffer.alloc(count);
  for (let at = 0; at < count; at += block.length) block.copy(bytes, at);
  return bytes;
}

/** Base64 in lines of 76 characters makes 78 octets of 57; some room for the rest of the message. */
export const attachmentBytesFor = (messageBytes: number): number =>
  Math.floor(((messageBytes - 16_384) * 57) / 78);

const crlf = (lines: readonly string[]): string => lines.join('\r\n');
const day = (at: number): string => new Date(at).toUTCString().replace('GMT', '+0000');
const stamp = (at: number): string => new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, '');

/** A message as a customer would write it. */
export function customerMail({
  to,
  subject,
  run,
  at,
}: {
  readonly to: string;
  readonly subject: string;
  readonly run: string;
  readonly at: number;
}): Buffer {
  return Buffer.from(
    crlf([
      'From: A Customer <customer@customer.example>',
      `To: <${to}>`,
      `Date: ${day(at)}`,
      `Message-ID: <${run}.${String(at)}@customer.example>`,
      `Subject: ${subject}`,
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: 8bit',
      '',
      'The printer on the second floor prints åäö as question marks.',
      '',
    ]),
  );
}

/** A plain message for the checks that send past the bridge. */
export function plainMail(mailbox: string, subject: string, at: number): string {
  return crlf([
    `From: <${mailbox}>`,
    `To: <${mailbox}>`,
    `Date: ${day(at)}`,
    `Message-ID: <${String(at)}.${subject.replaceAll(/[^a-z0-9]+/gi, '-')}@acceptance.invalid>`,
    `Subject: ${subject}`,
    'Auto-Submitted: auto-generated',
    'X-Auto-Response-Suppress: All',
    '',
    'A message of the acceptance run.',
    '',
  ]);
}

/** An invitation to a meeting tomorrow (RFC 5545, RFC 5546). */
export function invitation({
  mailbox,
  uid,
  subject,
  at,
}: {
  readonly mailbox: string;
  readonly uid: string;
  readonly subject: string;
  readonly at: number;
}): string {
  const start = at + 24 * 3_600_000;
  return crlf([
    'BEGIN:VCALENDAR',
    'PRODID:-//esm-mail-bridge//acceptance//EN',
    'VERSION:2.0',
    'METHOD:REQUEST',
    'BEGIN:VEVENT',
    `UID:${uid}`,
    `DTSTAMP:${stamp(at)}`,
    `DTSTART:${stamp(start)}`,
    `DTEND:${stamp(start + 1_800_000)}`,
    `SUMMARY:${subject}`,
    `ORGANIZER:mailto:${mailbox}`,
    `ATTENDEE;ROLE=REQ-PARTICIPANT;RSVP=TRUE:mailto:${mailbox}`,
    'SEQUENCE:0',
    'END:VEVENT',
    'END:VCALENDAR',
    '',
  ]);
}
