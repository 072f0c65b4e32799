// What comes back about a message that was sent: which submission a Message-ID or a private header belongs to,
// and the note that it bounced. A bounce never changes the message's state and never sends anything again;
// anybody can forge one. Only one whose keyed tag is ours may do more than be told: where it says that the
// sending side is at a limit or blocked, the mailbox pauses.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { upkeepEvents } from '../../telemetry/outboundEvents.ts';
import { Desk, readMessage } from '../store/accountTransaction.ts';
import type { Dependencies } from '../dependencies.ts';
import { idAtEnd, servedUnder } from '../records/keys.ts';
import { placeHold } from '../policy/holds.ts';
import type { HoldJudgement } from '../policy/judgement.ts';
import type { Message } from '../records/message.ts';
import { isExchangeId, submissionOf } from '../records/messageIds.ts';
import { noteBounce } from '../policy/transitions.ts';
import type { BouncedRecipient } from '../../contract/statusEvent.ts';
import { writeMove } from '../store/writes.ts';

/** A submission, as something that came back is related to it. */
export interface SentMessage {
  readonly account: string;
  readonly submissionId: string;
  readonly mailbox: string;
  readonly correlation: unknown;
}

export interface BounceNote {
  /** The stable id of the mail that told of it: the same bounce again changes nothing. */
  readonly noticeId: string;
  readonly submissionId: string;
  readonly mailbox: string;
  readonly recipients: readonly BouncedRecipient[];
  /** The keyed tag is ours; else it is told as unverified. */
  readonly verified: boolean;
  readonly pauses?: 'recipientsPerDay' | 'tenantLimit' | 'senderBlocked';
}

const hourMs = 3_600_000;
const pauses: Readonly<Record<NonNullable<BounceNote['pauses']>, Omit<HoldJudgement, 'do' | 'code'>>> = {
  recipientsPerDay: {
    scope: 'account',
    reason: 'quota',
    detail: 'Exchange Online returned a message: the day’s recipients of this mailbox are used up.',
    remedy:
      'It goes on by itself when the oldest recipients are 24 hours old. If other programs send from this mailbox, lower its limits in MAILBOXES.',
    firstProbeMs: hourMs,
  },
  tenantLimit: {
    scope: 'account',
    reason: 'quota',
    detail: 'Exchange Online returned a message: the tenant’s limit for external recipients is used up.',
    remedy:
      'See the report on tenant outbound external recipients in the Exchange admin center; it goes on by itself as the 24 hours pass.',
    firstProbeMs: hourMs,
  },
  senderBlocked: {
    scope: 'account',
    reason: 'blocked',
    detail: 'Exchange Online returned a message: this mailbox or tenant is blocked as a sender of spam.',
    remedy:
      'Find out why, then unblock it under Restricted entities in the Microsoft Defender portal (this can take hours).',
    firstProbeMs: hourMs,
  },
};

/** The account and message that a private header (`<id>.<attempt>`) or one of the Message-IDs names. */
export async function lookUpSent(
  by: { readonly bridgeId?: string; readonly messageIds: readonly string[] },
  doors: Dependencies,
): Promise<SentMessage | undefined> {
  const id = by.bridgeId === undefined ? undefined : /^(.+)\.[0-9]+$/.exec(by.bridgeId)?.[1];
  if (id !== undefined) {
    const found = await findMessage(id, doors, () => true);
    if (found !== undefined) return found;
  }
  for (const messageId of by.messageIds) {
    const named = submissionOf(messageId);
    const found =
      named === undefined
        ? await findServed(messageId, doors)
        : await findMessage(named, doors, (message) => message.messageId === messageId);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** One read for each account, at most a hundred; ids are unique within an account only. */
async function findMessage(
  id: string,
  doors: Dependencies,
  isIt: (message: Message) => boolean,
): Promise<SentMessage | undefined> {
  for (const { key } of doors.accounts) {
    const message = await readMessage(key, id, doors);
    if (message !== undefined && isIt(message)) {
      return {
        account: key,
        submissionId: id,
        mailbox: message.mailbox,
        correlation: message.correlation ?? null,
      };
    }
  }
  return undefined;
}

/** Exchange may have put an id of its own in the place of ours; its 250 said which. */
async function findServed(messageId: string, doors: Dependencies): Promise<SentMessage | undefined> {
  if (!isExchangeId(messageId)) return undefined;
  for (const { key } of doors.accounts) {
    const [row] = await doors.rows.query(key, { ...servedUnder(messageId), limit: 1 });
    if (row === undefined) continue;
    return findMessage(idAtEnd(row.key), doors, ({ serverMessageId }) => serverMessageId === messageId);
  }
  return undefined;
}

/** Whether `tag` is the keyed hash of `bridgeId`, in constant time. */
export async function checkTag(bridgeId: string, tag: string, { tagKey }: Dependencies): Promise<boolean> {
  const right = createHmac('sha256', await tagKey())
    .update(bridgeId)
    .digest();
  const given = Buffer.from(/^[0-9a-f]{64}$/.test(tag) ? tag : '', 'hex');
  return given.length === right.length && timingSafeEqual(given, right);
}

/** Tells `mail.bounced` for the submission, once for each notice. Throws StorageTrouble. */
export async function tellBounce(note: BounceNote, doors: Dependencies): Promise<void> {
  const { submissionId: id, noticeId } = note;
  const sent = await findMessage(id, doors, ({ mailbox }) => mailbox === note.mailbox);
  if (sent === undefined) return;
  const desk = new Desk(sent.account, doors);
  await desk.read();
  const told = await desk.transact<boolean>(async (box) => {
    const message = await desk.readMessage(id);
    if (message === undefined || message.bounces.includes(noticeId)) return { settled: false };
    const move = noteBounce(message, doors.time.early(), note);
    const judgement = note.verified && note.pauses !== undefined ? pauses[note.pauses] : undefined;
    const after =
      judgement === undefined
        ? box
        : placeHold(box, { judgement, mailbox: message.mailbox }, doors.time.late(), doors.numbers);
    return { box: after, operations: await writeMove(move, doors), result: true };
  });
  if (!told) return;
  doors.log(upkeepEvents.bounced({ account: sent.account, id, verified: note.verified }));
  await doors.queues.ring(sent.account);
}
