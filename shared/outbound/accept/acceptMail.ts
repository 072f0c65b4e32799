// Accepting is a promise. A submission is parsed, what it refers to is copied into our own store, and its
// message row (the idempotency record), its due row and the event `mail.accepted` are written in one transaction;
// only when that is certain does the caller delete the queue message, or answer 202.
//
//   same id, same content         nothing happens; the first acceptance is valid
//   same id, other content        rejected
//   can't be accepted             its bytes are kept, mail.rejected says why, and then the queue message may go too
//   the store gives no answer     StorageTrouble: the host delivers it again, and again it ends here
//
// Then the account is woken, unless a worker holds its lease, or the lane is in backoff, or it is on hold.
import { deliveryOf, type Deliver } from '../../mail/deliver.ts';
import { present } from '../../mail/omit.ts';
import type { Earliest } from '../../limits/storageTime.ts';
import { canonicalJson } from '../../contract/canonicalJson.ts';
import type { MessageEvent } from '../../contract/statusEvent.ts';
import { parseSubmission, type Submission, type SubmissionProblem } from '../../contract/submission.ts';
import { fieldDescriptions } from '../../contract/submissionSchema.ts';
import { StorageTrouble } from '../../storageErrors.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import { accountOf, accountSendingFor, mailboxIn, modesOf } from '../accounts.ts';
import type { Dependencies } from '../dependencies.ts';
import { isHeld } from '../policy/holds.ts';
import type { AccountState } from '../records/accountState.ts';
import { accountsPartition, laneOf, stateKey } from '../records/keys.ts';
import type { Message } from '../records/message.ts';
import { makeMessageId } from '../records/messageIds.ts';
import { noneIfUnreadable } from '../records/unreadableRow.ts';
import { readIfReadable, readMessage, readState } from '../store/accountTransaction.ts';
import { encodeContent, identityOf } from '../store/content.ts';
import { sha256 } from '../../mail/fingerprint.ts';
import { boundedText } from '../../mail/text.ts';
import { writeAccepted } from '../store/writes.ts';
import { adoptBlobs, type Adopted, type Handover } from './adoptBlobs.ts';
import { reject, type Rejection } from './reject.ts';

export type AcceptAnswer =
  /** `repeated`: the same submission had been accepted before. */
  | {
      readonly kind: 'accepted';
      readonly id: string;
      readonly account: string;
      readonly messageId: string;
      readonly repeated: boolean;
    }
  | {
      readonly kind: 'rejected';
      readonly id?: string;
      readonly problems: readonly SubmissionProblem[];
      /** The id is in use with other content; the first submission is unchanged. */
      readonly idInUse?: true;
    };

/** Of the subject, for the search: long enough for what an administrator remembers of it. */
const subjectCharacters = 200;

/** What an acceptance remembers from one call to the next: the accounts whose row is written. */
export type KnownAccounts = Set<string>;

/** Accepts one submission, or rejects it and says so. Throws StorageTrouble where neither is certain. */
export async function accept(
  payload: unknown,
  known: KnownAccounts,
  dependencies: Dependencies,
): Promise<AcceptAnswer> {
  const answer = await acceptOrRefuse(payload, {}, known, dependencies);
  if (answer.kind === 'accepted') return answer;
  await reject(payload, answer, dependencies);
  const { id, problems } = answer;
  dependencies.log(outboundEvents.rejected({ ...present({ id }), fields: fieldsOf(problems) }));
  return { kind: 'rejected', ...present({ id }), problems };
}

type Refused = Rejection & { readonly kind: 'rejected'; readonly idInUse?: true };

/** Accepts one submission, or returns what is wrong with it and keeps nothing. Throws StorageTrouble. */
export async function acceptOrRefuse(
  payload: unknown,
  handover: Handover,
  known: KnownAccounts,
  dependencies: Dependencies,
): Promise<Extract<AcceptAnswer, { readonly kind: 'accepted' }> | Refused> {
  const parsed = parseSubmission(payload, dependencies.submissions);
  if (parsed.kind === 'rejected') return parsed;
  const { submission } = parsed;
  const refused = (problems: readonly SubmissionProblem[]): Refused => ({
    kind: 'rejected',
    ...present({ id: submission.id, mailbox: submission.mailbox, correlation: submission.correlation }),
    problems,
  });
  const account = accountSendingFor(submission.mailbox, dependencies);
  if (account === undefined) return refused([notSending]);
  if (!dependencies.time.known) await dependencies.rows.read(account.key, stateKey);
  const answer = await store(submission, { account: account.key, handover, known }, dependencies);
  if (answer.kind === 'rejected')
    return { ...refused(answer.problems), ...present({ idInUse: answer.idInUse }) };
  const { message, repeated } = answer;
  dependencies.log(
    outboundEvents.accepted({
      id: message.id,
      account: account.key,
      repeated,
      ...present({ caller: handover.caller }),
    }),
  );
  await wakeIfNeeded(account.key, message, dependencies);
  return { kind: 'accepted', id: message.id, account: account.key, messageId: message.messageId, repeated };
}

const notSending: SubmissionProblem = {
  field: 'mailbox',
  detail: 'mailbox is one that the bridge does not send for; write one that it does, or set it to send.',
};

type Stored =
  | { readonly kind: 'stored'; readonly message: Message; readonly repeated: boolean }
  | {
      readonly kind: 'rejected';
      readonly problems: readonly SubmissionProblem[];
      readonly idInUse?: true;
    };

async function store(
  submission: Submission,
  { account, handover, known }: Arrival,
  dependencies: Dependencies,
): Promise<Stored> {
  const submissionHash = sha256(canonicalJson(submission));
  const adopted = await adoptBlobs(submission, handover, dependencies);
  if (adopted.kind === 'rejected') {
    // Its blobs may be deleted once it was accepted; a repeat that comes later must not be called a fault.
    const first = await readIfReadable(account, submission.id, dependencies);
    if (first?.submissionHash === submissionHash) return { kind: 'stored', message: first, repeated: true };
    return adopted;
  }
  const { caller, deliver } = handover;
  const reportsFailures = handover.reportsFailures === true ? (true as const) : undefined;
  const mailbox = mailboxIn(accountOf(account, dependencies), submission.mailbox);
  const delivery = deliveryOf(adopted.recipients, modesOf(mailbox, present({ deliver })));
  const { recipients } = delivery;
  const message = await compile(
    {
      submissionHash,
      account,
      adopted: { ...adopted, recipients },
      ...present({ caller, deliver, reportsFailures }),
    },
    dependencies,
  );
  const remarks = [...adopted.remarks, ...(delivery.remark === undefined ? [] : [delivery.remark])];
  await registerAccount(account, known, dependencies);
  const operations = await writeAccepted(message, acceptedEvent(message, remarks), dependencies);
  const answer = await dependencies.rows.commit(account, operations);
  if (answer.kind === 'ok') return { kind: 'stored', message, repeated: false };
  const first = await readMessage(account, submission.id, dependencies).catch(noneIfUnreadable);
  if (first === undefined && answer.kind === 'refused' && answer.reason === 'exists')
    return { kind: 'rejected', problems: [unreadableFirst], idInUse: true };
  if (first === undefined) throw new StorageTrouble('an acceptance was neither written nor refused');
  if (first.hash === message.hash) {
    // Else it is this call's own row, its answer lost. A raw message brings its Message-ID: then the time tells.
    const repeated = first.messageId !== message.messageId || first.acceptedAt !== message.acceptedAt;
    return { kind: 'stored', message: first, repeated };
  }
  return { kind: 'rejected', problems: [otherContent], idInUse: true };
}

interface Arrival {
  readonly account: string;
  readonly handover: Handover;
  readonly known: KnownAccounts;
}

const otherContent: SubmissionProblem = {
  field: 'id',
  detail:
    'id was used before for another content. The first submission lives on unchanged and its events go on; this one is not sent. Use a new id for a new message.',
};

const unreadableFirst: SubmissionProblem = {
  field: 'id',
  detail:
    'id was used before, and the row of that message can’t be read; an administrator sees it with npm run outbox -- unreadable. Use a new id for a new message.',
};

/** The message as its row will have it; content that is too large for a row goes into a blob first. */
async function compile(
  { submissionHash, account, adopted, caller, deliver, reportsFailures }: Acceptable,
  { contents, numbers, time, random }: Dependencies,
): Promise<Message> {
  const { submission, blobs, recipients, messageId } = adopted;
  const subject = boundedText(adopted.subject ?? '', subjectCharacters);
  const content = encodeContent({ submission, blobs });
  const isLarge = content.length > numbers.contentInRowBytes;
  const name = sha256(content);
  if (isLarge) await contents.put(name, content);
  const at = time.earliest();
  const domain = submission.from.address.slice(submission.from.address.lastIndexOf('@') + 1);
  return {
    id: submission.id,
    hash: identityOf({ submission, blobs }),
    submissionHash,
    mailbox: submission.mailbox,
    lane: laneOf[submission.priority],
    content: isLarge ? name : content,
    blobs: blobs.filter(({ base64 }) => base64 === undefined).map((blob) => blob.name),
    messageId: messageId ?? makeMessageId(account, submission.id, domain, random),
    acceptedAt: at,
    datedAt: Math.max(at, submission.sendAt ?? at),
    ...present({ correlation: submission.correlation, caller, deliver, reportsFailures }),
    ...(subject === '' ? {} : { subject }),
    state: 'waiting',
    indexEntry: { kind: 'due', at: submission.sendAt ?? at },
    ...present({ expiresAt: submission.expiresAt }),
    attempt: 0,
    recipients: recipients.map((address) => ({ address, state: 'pending' })),
    deferrals: 0,
    deferredMs: 0,
    sequence: 1,
    changedAt: at,
    charged: 0,
    chargedAt: 0,
    history: [{ at, type: 'mail.accepted' }],
    bounces: [],
  };
}

interface Acceptable {
  readonly submissionHash: string;
  readonly account: string;
  readonly adopted: Adopted;
  readonly caller?: string;
  readonly deliver?: Deliver;
  readonly reportsFailures?: true;
}

const acceptedEvent = (message: Message, remarks: readonly string[]): MessageEvent => ({
  type: 'mail.accepted',
  submissionId: message.id,
  sequence: message.sequence,
  mailbox: message.mailbox,
  at: message.acceptedAt,
  messageId: message.messageId,
  ...present({ correlation: message.correlation, caller: message.caller }),
  ...(remarks.length === 0 ? {} : { detail: remarks.join(' ') }),
});

/** One row per account, before its first transaction: the sweep forgets none, whatever the settings say later. */
async function registerAccount(account: string, known: KnownAccounts, { rows }: Dependencies): Promise<void> {
  if (known.has(account)) return;
  const answer = await rows.commit(accountsPartition, [{ kind: 'insert', key: account, fields: {} }]);
  if (answer.kind === 'unknown') throw new StorageTrouble(`the account's row: ${answer.detail}`);
  known.add(account);
}

async function wakeIfNeeded(account: string, message: Message, dependencies: Dependencies): Promise<void> {
  // The message is accepted whether or not anyone can be woken for it: the sweep reports a state that can't be read.
  const state = await readState(account, dependencies).catch(noneIfUnreadable);
  if (state !== undefined && needsWake(state, message, dependencies.time.earliest()))
    await dependencies.queues.wake(account);
}

/** No worker is there to find it, and it may be sent now. */
function needsWake(state: AccountState, { lane, mailbox }: Message, earliest: Earliest): boolean {
  if (state.lease !== undefined && earliest < state.lease.until) return false;
  return earliest >= state.backoffUntil[lane] && !isHeld(state, mailbox, earliest);
}

/** The top-level fields that are wrong. What a caller made up is not quoted. */
const fieldsOf = (problems: readonly SubmissionProblem[]): string =>
  [...new Set(problems.map(({ field }) => knownField(field)))].join(' ');

function knownField(field: string): string {
  const [name = ''] = field.split(/[.[]/);
  return name === '' || Object.hasOwn(fieldDescriptions, name) ? name : '(unknown)';
}
