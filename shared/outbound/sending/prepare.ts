// A due message is made ready before anything is claimed for it: its row read, its content fetched, its bytes
// composed. A message that can't be sent is found here, at no cost to the limits.
import type { Earliest } from '../../limits/storageTime.ts';
import { StorageTrouble } from '../../storageErrors.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import { mayReach } from '../../mail/deliver.ts';
import { modesOf } from '../accounts.ts';
import { deferUnsent, failUnsent, holdBySafeMode, type Transition } from '../policy/transitions.ts';
import type { Envelope, Stamp } from '../ports.ts';
import { remaining, type Message } from '../records/message.ts';
import { bridgeIdOf, bridgeTagOf } from '../records/messageIds.ts';
import { indexRow } from '../records/messageRow.ts';
import { decodeContent, type Content } from '../store/content.ts';
import type { DueEntry } from './dueQueue.ts';
import type { LeaseSession, ReadMessage } from './leaseSession.ts';
import { notePreparation, removeNote } from './preparationNotes.ts';

/** What becomes of a message instead of an attempt. */
export type Withdrawal = (message: Message, at: Earliest) => Transition;

export interface ReadyMessage extends ReadMessage {
  readonly kind: 'ready';
  readonly entry: DueEntry;
  readonly envelope: Envelope;
  readonly bytes: Uint8Array;
}

export type Prepared =
  | ReadyMessage
  | (ReadMessage & { readonly kind: 'unsendable'; readonly withdrawal: Withdrawal })
  /** The queue is older than the row. */
  | { readonly kind: 'gone' }
  /** The key of the private header can't be read: no message can be sent. */
  | { readonly kind: 'noTagKey' };

/** Throws StorageTrouble. */
export async function prepare(entry: DueEntry, session: LeaseSession): Promise<Prepared> {
  if (!session.isCautious) return prepareUnnoted(entry, session);
  if (session.unreadable.has(entry.key)) return { kind: 'gone' };
  const detail = await notePreparation(entry, session);
  try {
    if (detail === undefined) return await prepareUnnoted(entry, session);
    session.unreadable.set(entry.key, detail);
    return { kind: 'gone' };
  } finally {
    await removeNote(entry, session);
  }
}

async function prepareUnnoted(entry: DueEntry, session: LeaseSession): Promise<Prepared> {
  const { transactions, dependencies } = session;
  const tagKey = await dependencies.tagKey().catch(() => undefined);
  if (tagKey === undefined) return { kind: 'noTagKey' };
  const { generation } = transactions;
  const message = await session.readListed(entry.key);
  if (message?.state !== 'waiting' || indexRow(message)?.key !== entry.key) return { kind: 'gone' };
  // The one place that every message passes, however it came to be listed: accepted, replayed, restored.
  const modes = modesOf(session.mailboxOf(message.mailbox), message);
  if (!remaining(message).every((address) => mayReach(address, modes)))
    return { kind: 'unsendable', message, generation, withdrawal: holdBySafeMode };
  try {
    const content = remaining(message).length === 0 ? undefined : await readContent(message, session);
    if (content === undefined) return { kind: 'unsendable', message, generation, withdrawal: contentGone };
    const { submission, blobs } = content;
    const bytes = await dependencies.composer.compose(submission, blobs, stampOf(message, tagKey, session));
    const envelope = { from: submission.from.address, to: remaining(message) };
    return { kind: 'ready', entry, message, generation, envelope, bytes };
  } catch (error) {
    if (error instanceof StorageTrouble) throw error;
    // Content that is damaged, or an internal fault, must not block the lane: the message is deferred, and fails once its deferrals add up.
    const detail = error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 200) : 'unknown';
    dependencies.log(outboundEvents.composeFailed({ account: session.key, id: message.id, detail }));
    return { kind: 'unsendable', message, generation, withdrawal: notComposed(session) };
  }
}

const contentGone: Withdrawal = (message, at) =>
  failUnsent(message, at, {
    reason: 'contentGone',
    detail: 'Its content or its recipients are not in the content store any more.',
    remedy: 'Submit it again under a new id.',
  });

const notComposed =
  ({ dependencies: { numbers, random } }: LeaseSession): Withdrawal =>
  (message, at) =>
    deferUnsent(message, { at, numbers, chance: random.uniform() }, 'Its content could not be composed.');

interface ReadContent {
  readonly submission: Content['submission'];
  /** By the reference as the submission has it. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
}

/** Undefined if any part of it is not in the content store. */
async function readContent(
  message: Message,
  { dependencies: { contents } }: LeaseSession,
): Promise<ReadContent | undefined> {
  const stored = typeof message.content === 'string' ? await contents.get(message.content) : message.content;
  if (stored === undefined) return undefined;
  const content = decodeContent(stored);
  const blobs = new Map<string, Uint8Array>();
  for (const { reference, name, base64 } of content.blobs) {
    const blob = base64 === undefined ? await contents.get(name) : Buffer.from(base64, 'base64');
    if (blob === undefined) return undefined;
    blobs.set(reference, blob);
  }
  return { submission: content.submission, blobs };
}

/** Message-ID, Date and boundaries are the same in every attempt; the private header names this one. */
function stampOf(message: Message, tagKey: Uint8Array, { key }: LeaseSession): Stamp {
  const bridgeId = bridgeIdOf(key, message.id, message.attempt + 1);
  return {
    messageId: message.messageId,
    dateMs: message.datedAt,
    boundarySeed: message.hash,
    bridgeId,
    bridgeTag: bridgeTagOf(bridgeId, tagKey),
  };
}
