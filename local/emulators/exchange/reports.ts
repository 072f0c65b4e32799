// Mail that Exchange itself generates: non-delivery reports (RFC 3464 in Exchange's form) and automatic replies. Both
// are delivered to the inbox of the sender of the message they refer to.
import { randomUUID } from 'node:crypto';
import type { Content } from './content.ts';
import { headerFields, headerValue } from './content.ts';
import type { MessageRecord } from './serverLog.ts';
import type { Names } from './smtpReplies.ts';

export interface About {
  readonly message: MessageRecord;
  readonly content: Content;
  readonly recipient: string;
  readonly now: number;
  readonly names: Names;
}

/** A report that the recipient was not reached, with the headers of what was sent. */
export function nonDeliveryReport(
  { message, content, recipient, now, names }: About,
  options: { readonly status?: string; readonly diagnostic?: string },
): Buffer {
  const status = options.status ?? '5.1.10';
  const diagnostic =
    options.diagnostic ??
    `550 ${status} RESOLVER.ADR.RecipientNotFound; Recipient ${recipient} not found by SMTP address lookup`;
  const original = headerFields(content);
  const header = content.header().buffer().toString('latin1');
  const boundary = randomUUID();
  const domain = message.from.split('@').at(-1) ?? 'localhost';
  return mail([
    `From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@${domain}>`,
    `To: <${message.from}>`,
    `Date: ${mailDate(now)}`,
    `Message-ID: <${randomUUID()}@${names.hostname}>`,
    ...relation(original),
    `Subject: Undeliverable: ${headerValue(original, 'Subject') ?? ''}`,
    'Auto-Submitted: auto-replied',
    'X-MS-Exchange-Message-Is-Ndr:',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="${boundary}"`,
    'Return-Path: <>',
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset="us-ascii"',
    '',
    'Delivery has failed to these recipients or groups:',
    '',
    recipient,
    "The email address you entered couldn't be found. Please check the recipient's email address and try to resend the message.",
    '',
    'Diagnostic information for administrators:',
    '',
    `Generating server: ${names.hostname}`,
    '',
    recipient,
    `Remote Server returned '${diagnostic}'`,
    '',
    'Original message headers:',
    '',
    `--${boundary}`,
    'Content-Type: message/delivery-status',
    '',
    `Reporting-MTA: dns;${names.hostname}`,
    `Received-From-MTA: dns;${names.frontEnd}`,
    `Arrival-Date: ${mailDate(message.acceptedAt)}`,
    '',
    `Final-Recipient: rfc822;${recipient}`,
    'Action: failed',
    `Status: ${status}`,
    `Diagnostic-Code: smtp;${diagnostic}`,
    '',
    `--${boundary}`,
    'Content-Type: message/rfc822',
    '',
    `${header.trimEnd()}\r\n`,
    '',
    `--${boundary}--`,
    '',
  ]);
}

/** An out-of-office reply (RFC 3834, with Exchange's own header). */
export function automaticReply(
  { message, content, recipient, now, names }: About,
  options: { readonly text?: string },
): Buffer {
  const original = headerFields(content);
  return mail([
    `From: <${recipient}>`,
    `To: <${message.from}>`,
    `Date: ${mailDate(now)}`,
    `Message-ID: <${randomUUID()}@${names.hostname}>`,
    ...relation(original),
    `Subject: Automatic reply: ${headerValue(original, 'Subject') ?? ''}`,
    'Auto-Submitted: auto-generated',
    'X-Auto-Response-Suppress: All',
    'Precedence: bulk',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset="utf-8"',
    'Content-Transfer-Encoding: 8bit',
    'Return-Path: <>',
    '',
    latin1(options.text ?? 'I am out of the office.'),
    '',
  ]);
}

function relation(original: ReturnType<typeof headerFields>): readonly string[] {
  const id = headerValue(original, 'Message-ID');
  return id === undefined ? [] : [`In-Reply-To: ${id}`, `References: ${id}`];
}

/** Header fields were read as latin1, byte for byte; they are written the same way. */
function mail(lines: readonly string[]): Buffer {
  return Buffer.from(lines.join('\r\n'), 'latin1');
}

/** UTF-8 bytes in the form that `mail` writes. */
function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function mailDate(now: number): string {
  return new Date(now).toUTCString().replace('GMT', '+0000');
}
