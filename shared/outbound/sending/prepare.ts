// A message at the head of its lane, made ready before anything is claimed for it: its row read, its content
// fetched, its bytes composed. What can't be sent is found here, at no cost to the limits.
import { createHmac } from 'node:crypto';
import { drainEvents } from '../../telemetry/outboundEvents.ts';
import { decodeContent } from '../store/content.ts';
import type { Content } from '../store/content.ts';
import type { Head } from './dueQueue.ts';
import { placeRow, remaining } from '../records/message.ts';
import type { Message } from '../records/message.ts';
import { deferUnsent, failUnsent } from '../policy/transitions.ts';
import type { Move } from '../policy/transitions.ts';
import { StorageTrouble } from '../ports.ts';
import type { Envelope, Stamp } from '../ports.ts';
import type { Shift } from './leaseSession.ts';

export type Prepared =
  | {
      readonly kind: 'ready';
      readonly head: Head;
      readonly message: Message;
      /** Of the desk, when the row was read: a claim under another one is refused. */
      readonly generation: number;
      readonly envelope: Envelope;
      readonly bytes: Uint8Array;
    }
  /** Listed, but not sendable: what becomes of it. */
  | {
      readonly kind: 'unsendable';
      readonly message: Message;
      readonly generation: number;
      readonly why: Unsendable;
    }
  /** The list is older than the row. */
  | { readonly kind: 'gone' };

type Unsendable = (message: Message, at: number) => Move;

/** Throws StorageTrouble, and whatever the vault has to say about the tag's key. */
export async function prepare(head: Head, shift: Shift): Promise<Prepared> {
  const { generation } = shift.desk;
  const message = await shift.desk.readMessage(head.id);
  if (message?.state !== 'waiting' || placeRow(message)?.key !== head.key) return { kind: 'gone' };
  const content = await readContent(message, shift);
  if (content === undefined) return { kind: 'unsendable', message, generation, why: contentGone };
  const stamp = await stampOf(message, shift);
  try {
    const bytes = await shift.doors.composer.compose(content.submission, content.bytes, stamp);
    const envelope = { from: content.submission.from.address, to: remaining(message) };
    return { kind: 'ready', head, message, generation, envelope, bytes };
  } catch (error) {
    if (error instanceof StorageTrouble) throw error;
    // A fault of ours must not stop the lane: the message steps aside, and fails once its deferrals add up.
    const detail = error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 200) : 'unknown';
    shift.doors.log(drainEvents.notComposed({ account: shift.key, id: message.id, detail }));
    return { kind: 'unsendable', message, generation, why: notComposed(shift) };
  }
}

const contentGone: Unsendable = (message, at) =>
  failUnsent(message, at, {
    reason: 'contentGone',
    detail: 'Its content is not in the content store any more.',
    remedy: 'Submit it again under a new id.',
  });

const notComposed =
  ({ doors: { numbers, random } }: Shift): Unsendable =>
  (message, at) =>
    deferUnsent(message, { at, numbers, chance: random.uniform() }, 'It could not be made into a message.');

async function readContent(
  message: Message,
  { doors: { contents } }: Shift,
): Promise<
  { readonly submission: Content['submission']; readonly bytes: ReadonlyMap<string, Uint8Array> } | undefined
> {
  const stored = typeof message.content === 'string' ? await contents.get(message.content) : message.content;
  if (stored === undefined) return undefined;
  const { submission, blobs } = decodeContent(stored);
  const bytes = new Map<string, Uint8Array>();
  for (const { reference, name } of blobs) {
    const blob = await contents.get(name);
    if (blob === undefined) return undefined;
    bytes.set(reference, blob);
  }
  return { submission, bytes };
}

/** Message-ID, Date and boundaries are the same in every attempt; the private header names this one. */
async function stampOf(message: Message, { doors }: Shift): Promise<Stamp> {
  const bridgeId = bridgeIdOf(message.id, message.attempt + 1);
  return {
    messageId: message.messageId,
    dateMs: message.datedAt,
    boundarySeed: message.hash,
    bridgeId,
    bridgeTag: createHmac('sha256', await doors.tagKey())
      .update(bridgeId)
      .digest('hex'),
  };
}

/** Value of X-Mail-Bridge-Id: attempt 1's copy in Sent Items must not prove attempt 2. */
export const bridgeIdOf = (id: string, attempt: number): string => `${id}.${attempt}`;
