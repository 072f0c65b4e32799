// Acceptance of a complete message: it is checked and, if no check refuses it, accepted. Both happen synchronously, so
// that the log counts exactly what the limits allowed.
import { createHash } from 'node:crypto';
import type { AccountOptions } from './accounts.ts';
import { headerFrom } from './addresses.ts';
import { headerFields, headerValue } from './content.ts';
import type { Content } from './content.ts';
import type { ConnectionRecord, MessageRecord, Violation } from './serverLog.ts';
import { replies } from './smtpReplies.ts';
import type { SmtpContext } from './smtpContext.ts';

const defaultSendBytes = 35 * 1024 * 1024;

/** From MAIL to the final dot. */
export interface Transaction {
  readonly account: AccountOptions;
  /** Whose token logged in: a user or an application. */
  readonly holder: string;
  readonly from: string;
  readonly mailNs: number;
  readonly to: string[];
  readonly refused: { address: string; reply: string }[];
  readonly chunks: Buffer[];
}

/** The refusal that a message earns after its final dot, in the order in which Exchange's layers look. */
export function judge(
  context: SmtpContext,
  connection: ConnectionRecord,
  transaction: Transaction,
  content: Content,
): string | undefined {
  const { limits, quirks, names, rates, connections, accounts, log } = context;
  const { account, holder } = transaction;
  const violation = (kind: Violation['kind'], count: number, limit: number): void => {
    noteViolation(context, connection, account, { kind, count, limit });
  };
  const sendBytes = account.sendSizeBytes ?? defaultSendBytes;
  if (content.sizeBytes > sendBytes) {
    violation('messageSize', content.sizeBytes, sendBytes);
    return replies.tooLarge;
  }
  const senders = [transaction.from, headerFrom(headerFields(content)) ?? ''].filter((one) => one !== '');
  if (senders.some((one) => !accounts.maySendAs(account, holder, one))) return replies.sendAsDenied(names);
  if (account.full === true) return replies.mailboxFull(names);
  if (connections.rank(connection) > limits.connections) return replies.tooManyConnections(names);
  const now = log.nowNs();
  const recipients = rates.recipients(account.address, now) + transaction.to.length;
  if (recipients > limits.recipientsPerDay) {
    violation('recipientRate', recipients, limits.recipientsPerDay);
    return replies.quota(names);
  }
  const messages = rates.messages(account.address, now) + 1;
  if (messages > limits.messagesPerPeriod) {
    violation('messageRate', messages, limits.messagesPerPeriod);
    if (quirks.overRate === 'refuse') return replies.tooFast(names);
  }
  return undefined;
}

/** Accepts the message: from here on it is counted, filed and delivered, whether or not the client gets the reply. */
export function take(
  context: SmtpContext,
  transaction: Transaction,
  content: Content,
  at: { readonly connection: number; readonly dotNs: number; readonly clientThere: boolean },
): MessageRecord {
  const fields = headerFields(content);
  const bridgeId = headerValue(fields, 'X-Mail-Bridge-Id');
  const bridgeTag = headerValue(fields, 'X-Mail-Bridge-Tag');
  const messageId = headerValue(fields, 'Message-ID');
  const subject = headerValue(fields, 'Subject');
  const hash = createHash('sha256');
  for (const piece of content.slices()) hash.update(piece);
  const record = context.log.accepted({
    ...at,
    account: transaction.account.address,
    from: transaction.from,
    to: [...transaction.to],
    refused: [...transaction.refused],
    mailNs: transaction.mailNs,
    sizeBytes: content.sizeBytes,
    sha256: hash.digest('hex'),
    serverId: context.newServerId(),
    ...(bridgeId === undefined ? {} : { bridgeId }),
    ...(bridgeTag === undefined ? {} : { bridgeTag }),
    ...(messageId === undefined ? {} : { messageId }),
    ...(subject === undefined ? {} : { subject }),
  });
  context.rates.took(record);
  context.deliver(record, content);
  return record;
}

export function noteViolation(
  { log }: SmtpContext,
  connection: ConnectionRecord,
  account: AccountOptions,
  what: Pick<Violation, 'kind' | 'count' | 'limit'>,
): void {
  log.violations.push({
    ...what,
    account: account.address,
    connection: connection.number,
    atNs: log.nowNs(),
  });
}
