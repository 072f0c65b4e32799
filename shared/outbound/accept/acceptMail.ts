// Accepting is a promise. A submission is parsed, what it refers to is copied into our own store, and its
// message row (the idempotency record), its due row and the event `mail.accepted` are written in one transaction;
// only when that is certain does the caller let go of the queue message, or answer 202.
//
//   same id, same content    nothing happens; the first acceptance stands
//   same id, other content   rejected
//   can't be accepted        its bytes are kept, mail.rejected says why, and then the queue message may end too
//   the store does not say   StorageTrouble: the host delivers it again, and again ends here
//
// Then the account is rung, unless somebody is at work there, or the lane sleeps, or a hold stands.
import { acceptedEvents } from '../../telemetry/outboundEvents.ts';
import { canonicalJson } from '../../contract/canonicalJson.ts';
import { adoptBlobs } from './adoptBlobs.ts';
import type { BlobCopy } from './adoptBlobs.ts';
import { decodeBox } from '../records/accountState.ts';
import type { Box } from '../records/accountState.ts';
import type { Dependencies } from '../dependencies.ts';
import { isHeld } from '../policy/holds.ts';
import { encodeContent } from '../store/content.ts';
import { accountsPartition, boxKey, laneOf } from '../records/keys.ts';
import { readMessage } from '../store/accountTransaction.ts';
import type { Message } from '../records/message.ts';
import { makeMessageId } from '../records/messageIds.ts';
import { StorageTrouble } from '../ports.ts';
import { reject } from './reject.ts';
import type { Rejection } from './reject.ts';
import { parseSubmission } from '../../contract/submission.ts';
import type { Submission, SubmissionProblem } from '../../contract/submission.ts';
import type { Told } from '../../contract/statusEvent.ts';
import { sha256, writeAccepted } from '../store/writes.ts';

export type AcceptAnswer =
  /** `repeated`: the same submission had been accepted before. */
  | {
      readonly kind: 'accepted';
      readonly id: string;
      readonly account: string;
      readonly messageId: string;
      readonly repeated: boolean;
    }
  | { readonly kind: 'rejected'; readonly id?: string; readonly problems: readonly SubmissionProblem[] };

/** What an acceptance remembers from one call to the next: the accounts whose row is written. */
export type KnownAccounts = Set<string>;

/** Accepts one submission, or rejects it and says so. Throws StorageTrouble where neither is certain. */
export async function accept(
  payload: unknown,
  known: KnownAccounts,
  doors: Dependencies,
): Promise<AcceptAnswer> {
  const parsed = parseSubmission(payload, doors.submissions);
  if (parsed.kind === 'rejected') return rejected(payload, parsed, doors);
  const { submission } = parsed;
  const account = doors.accounts.find(({ mailboxes }) =>
    mailboxes.some(({ address }) => address.toLowerCase() === submission.mailbox.toLowerCase()),
  );
  if (account === undefined) return rejected(payload, { ...submission, problems: [notSending] }, doors);
  if (!doors.time.known) await doors.rows.read(account.key, boxKey);
  const answer = await store(submission, account.key, known, doors);
  if (answer.kind === 'rejected')
    return rejected(payload, { ...submission, problems: answer.problems }, doors);
  const { message, repeated } = answer;
  doors.log(acceptedEvents.accepted({ id: message.id, account: account.key, repeated }));
  await ringIfNeeded(account.key, message, doors);
  return { kind: 'accepted', id: message.id, account: account.key, messageId: message.messageId, repeated };
}

const notSending: SubmissionProblem = {
  field: 'mailbox',
  detail: 'mailbox is one that the bridge does not send for; write one that it does, or set it to send.',
};

type Stored =
  | { readonly kind: 'stored'; readonly message: Message; readonly repeated: boolean }
  | { readonly kind: 'rejected'; readonly problems: readonly SubmissionProblem[] };

async function store(
  submission: Submission,
  account: string,
  known: KnownAccounts,
  doors: Dependencies,
): Promise<Stored> {
  const submissionHash = sha256(canonicalJson(submission));
  const adopted = await adoptBlobs(submission, doors);
  if (adopted.kind === 'rejected') {
    // Its blobs may be deleted once it was accepted; a late repeat must not be called a fault.
    const first = await readMessage(account, submission.id, doors);
    if (first?.submissionHash === submissionHash) return { kind: 'stored', message: first, repeated: true };
    return adopted;
  }
  const message = await compile(submission, submissionHash, adopted, doors);
  await noteAccount(account, known, doors);
  const operations = await writeAccepted(message, toldAccepted(message), doors);
  const answer = await doors.rows.commit(account, operations);
  if (answer.kind === 'ok') return { kind: 'stored', message, repeated: false };
  const first = await readMessage(account, submission.id, doors);
  if (first === undefined) throw new StorageTrouble('an acceptance was neither written nor refused');
  if (first.hash === message.hash) {
    return { kind: 'stored', message: first, repeated: first.messageId !== message.messageId };
  }
  return { kind: 'rejected', problems: [otherContent] };
}

const otherContent: SubmissionProblem = {
  field: 'id',
  detail: 'id was used before for another content; the first one stands. Use a new id for a new message.',
};

/** The message as its row will have it; content that is too large for a row goes into a blob first. */
async function compile(
  submission: Submission,
  submissionHash: string,
  { blobs, recipients, messageId }: Adopted,
  { contents, numbers, time, random }: Dependencies,
): Promise<Message> {
  const content = encodeContent({ submission, blobs });
  const hash = sha256(content);
  if (content.length > numbers.contentInRowBytes) await contents.put(hash, content);
  const at = time.early();
  const domain = submission.from.address.slice(submission.from.address.lastIndexOf('@') + 1);
  return {
    id: submission.id,
    hash,
    submissionHash,
    mailbox: submission.mailbox,
    lane: laneOf[submission.priority],
    content: content.length > numbers.contentInRowBytes ? hash : content,
    blobs: blobs.map(({ name }) => name),
    messageId: messageId ?? makeMessageId(submission.id, domain, random),
    acceptedAt: at,
    datedAt: Math.max(at, submission.sendAt ?? at),
    ...(submission.correlation === undefined ? {} : { correlation: submission.correlation }),
    state: 'waiting',
    place: { kind: 'due', at: submission.sendAt ?? at },
    ...(submission.expiresAt === undefined ? {} : { expiresAt: submission.expiresAt }),
    attempt: 0,
    recipients: recipients.map((address) => ({ address, state: 'pending' })),
    deferrals: 0,
    deferredMs: 0,
    sequence: 1,
    changedAt: at,
    charged: 0,
    chargedAt: 0,
    story: [{ at, type: 'mail.accepted' }],
    bounces: [],
  };
}

interface Adopted {
  readonly blobs: readonly BlobCopy[];
  readonly recipients: readonly string[];
  readonly messageId?: string;
}

const toldAccepted = (message: Message): Told => ({
  type: 'mail.accepted',
  id: message.id,
  sequence: message.sequence,
  mailbox: message.mailbox,
  at: message.acceptedAt,
  messageId: message.messageId,
  ...(message.correlation === undefined ? {} : { correlation: message.correlation }),
});

/** One row per account, before its first transaction: the sweep forgets none, whatever the settings say later. */
async function noteAccount(account: string, known: KnownAccounts, { rows }: Dependencies): Promise<void> {
  if (known.has(account)) return;
  const answer = await rows.commit(accountsPartition, [{ kind: 'insert', key: account, fields: {} }]);
  if (answer.kind === 'unknown') throw new StorageTrouble(`the account's row: ${answer.detail}`);
  known.add(account);
}

async function ringIfNeeded(account: string, message: Message, doors: Dependencies): Promise<void> {
  const row = await doors.rows.read(account, boxKey);
  if (row === undefined || needsRing(decodeBox(row.fields), message, doors.time.early())) {
    await doors.queues.ring(account);
  }
}

/** Nobody is at work who would find it, and nothing speaks against looking now. */
function needsRing(box: Box, { lane, mailbox }: Message, early: number): boolean {
  if (box.lease !== undefined && early < box.lease.until) return false;
  return early >= box.sleep[lane] && !isHeld(box, mailbox, early);
}

async function rejected(payload: unknown, rejection: Rejection, doors: Dependencies): Promise<AcceptAnswer> {
  await reject(payload, rejection, doors);
  const { id, problems } = rejection;
  doors.log(
    acceptedEvents.rejected({
      ...(id === undefined ? {} : { id }),
      fields: problems.map(({ field }) => field).join(' '),
    }),
  );
  return { kind: 'rejected', ...(id === undefined ? {} : { id }), problems };
}
