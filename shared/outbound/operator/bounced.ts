// What comes back about a message that was sent: which submission a Message-ID or a private header belongs to,
// and the note that it bounced. A bounce never changes the message's state and never sends anything again;
// anybody can forge one. Only one with a keyed tag of ours does more than publish an event: if it says that the
// sending side is at a limit or blocked, the mailbox pauses.
import type {
  BounceNote,
  FoundSubmission,
  SenderLimit,
  SentLookup,
  SentMessage,
} from '../../contract/sentMessage.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import { accountSendingFor } from '../accounts.ts';
import type { Dependencies } from '../dependencies.ts';
import { placeHold } from '../policy/holds.ts';
import { countTransition } from '../policy/hourlyCounts.ts';
import type { HoldJudgement } from '../policy/judgement.ts';
import { recordBounce } from '../policy/transitions.ts';
import { idAtEnd, serverIdRange } from '../records/keys.ts';
import type { Message } from '../records/message.ts';
import {
  accountDigest,
  isBridgeTag,
  isExchangeId,
  parseBridgeId,
  parseMessageId,
  type NamedSubmission,
} from '../records/messageIds.ts';
import { AccountTransactions, readIfReadable } from '../store/accountTransaction.ts';
import { writeTransition } from '../store/writes.ts';

const hourMs = 3_600_000;
const pause = (
  reason: HoldJudgement['reason'],
  what: string,
  remedy: string,
): Omit<HoldJudgement, 'do' | 'code'> => ({
  scope: 'account',
  reason,
  detail: `Exchange Online returned a message: ${what}`,
  remedy,
  firstProbeMs: hourMs,
});
const pauses: Readonly<Record<SenderLimit, ReturnType<typeof pause>>> = {
  recipientsPerDay: pause(
    'quota',
    'the day’s recipients of this mailbox are used up.',
    'It goes on by itself when the oldest recipients are 24 hours old. If other programs send from this mailbox, lower its limits in MAILBOXES.',
  ),
  tenantLimit: pause(
    'quota',
    'the tenant’s limit for external recipients is used up.',
    'See the report on tenant outbound external recipients in the Exchange admin center; it goes on by itself as the 24 hours pass.',
  ),
  senderBlocked: pause(
    'blocked',
    'this mailbox or tenant is blocked as a sender of spam.',
    'Find out why, then unblock it under Restricted entities in the Microsoft Defender portal (this can take hours).',
  ),
};

/** Of one lookup: a stranger may write any number of ids, and accounts may be many. */
const mostReads = 20;

/**
 * The submission that a private header or one of the Message-IDs names. Our own ids name their account: one read. Exchange
 * may have replaced one by an id of its own, which names none; its 250 said which, and the account of the receiving
 * mailbox is asked for all of these before any other account. Throws StorageTrouble.
 */
export async function findSubmission(
  { bridgeId, messageIds, receivedBy }: SentLookup,
  dependencies: Dependencies,
): Promise<FoundSubmission | undefined> {
  const named = bridgeId === undefined ? undefined : parseBridgeId(bridgeId);
  const byHeader = named === undefined ? undefined : await readNamed(named, dependencies, () => true);
  if (byHeader !== undefined) return byHeader;
  let readsLeft = named === undefined ? mostReads : mostReads - 1;
  const own = accountSendingFor(receivedBy, dependencies)?.key;
  const others = dependencies.accounts.map(({ key }) => key).filter((key) => key !== own);
  const unknownIds = messageIds.filter(
    (messageId) => parseMessageId(messageId) === undefined && isExchangeId(messageId),
  );
  const tries = [
    ...messageIds.flatMap((messageId) => {
      const ours = parseMessageId(messageId);
      if (ours !== undefined)
        return [
          { messageId, read: () => readNamed(ours, dependencies, (sent) => sent.messageId === messageId) },
        ];
      if (own === undefined || !unknownIds.includes(messageId)) return [];
      return [{ messageId, read: () => findByServerId(messageId, own, dependencies) }];
    }),
    ...unknownIds.flatMap((messageId) =>
      others.map((key) => ({ messageId, read: () => findByServerId(messageId, key, dependencies) })),
    ),
  ];
  for (const { messageId, read } of tries) {
    readsLeft -= 1;
    // What is found takes one more: the row that lists it only says where the message is.
    if (readsLeft < 1) return undefined;
    const sent = await read();
    if (sent !== undefined) return { ...sent, byMessageId: messageId };
  }
  return undefined;
}

/** One read, whatever the number of accounts: the id names its account. */
async function readNamed(
  { account, id }: NamedSubmission,
  dependencies: Dependencies,
  matches: (message: Message) => boolean,
): Promise<SentMessage | undefined> {
  const found = dependencies.accounts.find(({ key }) => accountDigest(key) === account);
  return found === undefined ? undefined : readSent(found.key, id, dependencies, matches);
}

async function readSent(
  account: string,
  id: string,
  dependencies: Dependencies,
  matches: (message: Message) => boolean,
): Promise<SentMessage | undefined> {
  const message = await readIfReadable(account, id, dependencies);
  if (message === undefined || !matches(message)) return undefined;
  return {
    submissionId: id,
    mailbox: message.mailbox,
    correlation: message.correlation ?? null,
    recipients: message.recipients.map(({ address }) => address),
  };
}

async function findByServerId(
  messageId: string,
  account: string,
  dependencies: Dependencies,
): Promise<SentMessage | undefined> {
  const [row] = await dependencies.rows.query(account, { ...serverIdRange(messageId), limit: 1 });
  return row === undefined
    ? undefined
    : readSent(account, idAtEnd(row.key), dependencies, (sent) => sent.serverMessageId === messageId);
}

/** Whether `tag` is the keyed hash of `bridgeId`. */
export const checkTag = async (bridgeId: string, tag: string, { tagKey }: Dependencies): Promise<boolean> =>
  isBridgeTag(bridgeId, tag, await tagKey());

/** Publishes `mail.bounced` for the submission, once for each notice. Throws StorageTrouble. */
export async function publishBounce(note: BounceNote, dependencies: Dependencies): Promise<void> {
  const { submissionId: id, noticeId } = note;
  const served = accountSendingFor(note.mailbox, dependencies);
  if (served === undefined) return;
  const { key: account, user: smtpUser } = served;
  const { time, numbers } = dependencies;
  const transactions = new AccountTransactions(account, dependencies);
  const isNew = await transactions.transact<boolean>('bounce', async (state) => {
    const message = await readIfReadable(account, id, dependencies);
    if (message?.mailbox !== note.mailbox || message.bounces.includes(noticeId)) return { result: false };
    const judgement = note.verified && note.pauses !== undefined ? pauses[note.pauses] : undefined;
    const transition = recordBounce(message, time.earliest(), note);
    const counted = countTransition(state, transition, time.earliest());
    return {
      state:
        judgement === undefined
          ? counted
          : placeHold(counted, { judgement, mailbox: message.mailbox, smtpUser }, time.latest(), numbers),
      operations: await writeTransition(transition, dependencies),
      result: true,
    };
  });
  if (!isNew) return;
  dependencies.log(outboundEvents.bounced({ account, id, verified: note.verified }));
  await dependencies.queues.wake(account);
}
