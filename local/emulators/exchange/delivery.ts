// What happens to an accepted message: the copy in Sent Items, the inboxes of recipients who have one
// here, reports of non-delivery, automatic replies. Nothing leaves this machine.
import type { Clock } from '../../../shared/clock.ts';
import { Content, headerFields, headerValue } from './content.ts';
import type { RecipientRule, SmtpQuirks } from './quirks.ts';
import { automaticReply, nonDeliveryReport } from './reports.ts';
import type { MailStore } from './mailStore.ts';
import type { MessageRecord } from './serverLog.ts';
import type { Names } from './smtpReplies.ts';

export interface DeliveryContext {
  readonly clock: Clock;
  readonly store: MailStore;
  readonly quirks: SmtpQuirks;
  readonly names: Names;
  readonly closing: AbortSignal;
  recipientRule(address: string): RecipientRule | undefined;
}

export function deliver(context: DeliveryContext, message: MessageRecord, content: Content): void {
  fileCopy(context, message, content);
  const delivered = rewritten(context, message, content, 'inbox');
  for (const address of message.to) {
    if (delivered !== undefined)
      context.store.find(address)?.deliver(received(context, message, address, delivered));
    const rule = context.recipientRule(address);
    // RFC 3834 2, RFC 5321 6.1: nothing is ever sent back to the null reverse-path.
    const sender = message.from === '' ? undefined : context.store.find(message.from);
    if (rule === undefined || sender === undefined) continue;
    const about = { message, content, recipient: address, now: context.clock.now(), names: context.names };
    if (rule.kind === 'bounce') {
      later(context, rule.afterMs, () => sender.deliver(nonDeliveryReport(about, rule)));
    } else if (rule.kind === 'outOfOffice' && !isAutomatic(content)) {
      later(context, rule.afterMs, () => sender.deliver(automaticReply(about, rule)));
    }
  }
}

function fileCopy(context: DeliveryContext, message: MessageRecord, content: Content): void {
  const { mailbox, delayMs, replaceMessageId } = context.quirks.sentItems;
  if (mailbox === 'none') return;
  const owner = context.store.find(mailbox === 'from' ? message.from : message.account);
  if (owner === undefined) return;
  const filed = rewritten(context, message, content, 'sentItems');
  if (filed === undefined) return;
  const copy = replaceMessageId ? withOtherMessageId(filed, message.serverId) : filed;
  later(context, delayMs, () =>
    owner.role('sent').add({ content: copy, internalDate: context.clock.now(), flags: new Set(['\\Seen']) }),
  );
}

function rewritten(
  { quirks }: DeliveryContext,
  message: MessageRecord,
  content: Content,
  place: 'sentItems' | 'inbox',
): Content | undefined {
  if (quirks.rewrite === undefined) return content;
  const bytes = quirks.rewrite(message, content.buffer(), place);
  return bytes === undefined ? undefined : Content.of(bytes);
}

function later(context: DeliveryContext, delayMs: number | undefined, act: () => unknown): void {
  if (delayMs === undefined || delayMs <= 0) {
    act();
    return;
  }
  void context.clock
    .sleep(delayMs, context.closing)
    .then(() => (context.closing.aborted ? undefined : act()));
}

/** As Outlook.com's SMTP is known to do: a new Message-ID, the old one in a field of its own. */
export function withOtherMessageId(content: Content, serverId: string): Content {
  const header = content.header();
  const fields = headerFields(header);
  const old = headerValue(fields, 'Message-ID');
  const kept = fields.filter(({ name }) => name.toLowerCase() !== 'message-id').map(({ raw }) => raw);
  const added = [
    `Message-ID: <${serverId}>\r\n`,
    ...(old === undefined ? [] : [`X-Microsoft-Original-Message-ID: ${old}\r\n`]),
  ];
  const head = Buffer.from([...added, ...kept, '\r\n'].join(''), 'latin1');
  return new Content([head, ...content.slices(header.sizeBytes)]);
}

function received(
  { clock, names }: DeliveryContext,
  message: MessageRecord,
  recipient: string,
  content: Content,
): Content {
  const date = new Date(clock.now()).toUTCString().replace('GMT', '+0000');
  const trace = `Received: from ${names.hostname} by ${names.hostname}\r\n with mapi id 15.20; for <${recipient}>; ${date}\r\nReturn-Path: <${message.from}>\r\n`;
  return new Content([Buffer.from(trace, 'utf8'), ...content.slices()]);
}

/** Exchange answers no mail that is itself automatic or asks for silence (RFC 3834 2, [MS-OXCMAIL]). */
function isAutomatic(content: Content): boolean {
  const fields = headerFields(content);
  const auto = headerValue(fields, 'Auto-Submitted');
  const suppress = headerValue(fields, 'X-Auto-Response-Suppress') ?? '';
  return (auto !== undefined && auto.toLowerCase() !== 'no') || /\b(all|oof)\b/i.test(suppress);
}
