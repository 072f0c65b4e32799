// What comes back about a message that was sent: which submission a Message-ID or a private header belongs to,
// and the note that it bounced. A bounce never changes the message's state and never sends anything again;
// anybody can forge one. Only one with a keyed tag of ours does more than publish an event: if it says that the
// sending side is at a limit or blocked, the mailbox pauses.
import type { BounceNote, SenderLimit, SentMessage } from '../../contract/sentMessage.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import { accountSendingFor } from '../accounts.ts';
import type { Dependencies } from '../dependencies.ts';
import { placeHold } from '../policy/holds.ts';
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

/** The submission that a private header or one of the Message-IDs names. Throws StorageTrouble. */
export async function findSubmission(
  by: { readonly bridgeId?: string; readonly messageIds: readonly string[] },
  dependencies: Dependencies,
): Promise<SentMessage | undefined> {
  const named = by.bridgeId === undefined ? undefined : parseBridgeId(by.bridgeId);
  const found = named === undefined ? undefined : await readNamed(named, dependencies, () => true);
  if (found !== undefined) return found;
  for (const messageId of by.messageIds) {
    const ours = parseMessageId(messageId);
    const sent =
      ours === undefined
        ? await findByServerId(messageId, dependencies)
        : await readNamed(ours, dependencies, (message) => message.messageId === messageId);
    if (sent !== undefined) return sent;
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

/** Exchange may have replaced our Message-ID with one of its own, which names no account; its 250 said which. */
async function findByServerId(
  messageId: string,
  dependencies: Dependencies,
): Promise<SentMessage | undefined> {
  if (!isExchangeId(messageId)) return undefined;
  for (const { key } of dependencies.accounts) {
    const [row] = await dependencies.rows.query(key, { ...serverIdRange(messageId), limit: 1 });
    if (row !== undefined)
      return readSent(key, idAtEnd(row.key), dependencies, (sent) => sent.serverMessageId === messageId);
  }
  return undefined;
}

/** Whether `tag` is the keyed hash of `bridgeId`. */
export const checkTag = async (bridgeId: string, tag: string, { tagKey }: Dependencies): Promise<boolean> =>
  isBridgeTag(bridgeId, tag, await tagKey());

/** Publishes `mail.bounced` for the submission, once for each notice. Throws StorageTrouble. */
export async function publishBounce(note: BounceNote, dependencies: Dependencies): Promise<void> {
  const { submissionId: id, noticeId } = note;
  const account = accountSendingFor(note.mailbox, dependencies)?.key;
  if (account === undefined) return;
  const { time, numbers } = dependencies;
  const transactions = new AccountTransactions(account, dependencies);
  const isNew = await transactions.transact<boolean>('bounce', async (state) => {
    const message = await readIfReadable(account, id, dependencies);
    if (message?.mailbox !== note.mailbox || message.bounces.includes(noticeId)) return { result: false };
    const judgement = note.verified && note.pauses !== undefined ? pauses[note.pauses] : undefined;
    return {
      state:
        judgement === undefined
          ? state
          : placeHold(state, { judgement, mailbox: message.mailbox }, time.latest(), numbers),
      operations: await writeTransition(recordBounce(message, time.earliest(), note), dependencies),
      result: true,
    };
  });
  if (!isNew) return;
  dependencies.log(outboundEvents.bounced({ account, id, verified: note.verified }));
  await dependencies.queues.wake(account);
}
