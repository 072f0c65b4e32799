// From transitions to the operations of one transaction: the message merged, its index row moved, its event inserted.
// What is too long for a row goes into a blob first, named by its hash, so that the row never points at nothing.
import { sha256 } from '../../mail/fingerprint.ts';
import { putText } from '../records/chunks.ts';
import type { Dependencies } from '../dependencies.ts';
import { reportFields } from '../records/reportRow.ts';
import { eventKey, messageKey, serverIdKey } from '../records/keys.ts';
import {
  encodeMessage,
  encodeProgress,
  encodeRecipients,
  fieldBytes,
  indexRow,
  withoutContent,
} from '../records/messageRow.ts';
import type { Message } from '../records/message.ts';
import { isExchangeId } from '../records/messageIds.ts';
import type { Transition } from '../policy/transitions.ts';
import type { Fields, Operation } from '../ports.ts';
import { toCloudEvent } from '../../contract/statusCloudEvent.ts';
import type { HoldEvent, MessageEvent, StatusEvent } from '../../contract/statusEvent.ts';

type BlobStore = Pick<Dependencies, 'contents' | 'numbers'>;

/** A message's first rows: it, its due row, its event. */
export async function writeAccepted(
  message: Message,
  event: MessageEvent,
  blobs: BlobStore,
): Promise<readonly Operation[]> {
  const index = indexRow(message);
  return [
    {
      kind: 'insert',
      key: messageKey(message.id),
      fields: encodeMessage(message, await storeRecipients(message, blobs)),
    },
    ...(index === undefined ? [] : [{ kind: 'insert', ...index } as const]),
    await writeEvent(event, blobs),
  ];
}

/** At most five operations. */
export async function writeTransition(
  { before, after, event, dropsContent }: Transition,
  blobs: BlobStore,
): Promise<readonly Operation[]> {
  const from = indexRow(before);
  const to = after === undefined ? undefined : indexRow(after);
  const stays = from !== undefined && from.key === to?.key;
  return [
    after === undefined
      ? { kind: 'delete', key: messageKey(before.id) }
      : {
          kind: 'merge',
          key: messageKey(before.id),
          fields: {
            ...encodeProgress(after, await storeRecipients(after, blobs)),
            ...(dropsContent === true ? withoutContent : {}),
          },
        },
    ...(from === undefined || stays ? [] : [{ kind: 'delete', key: from.key } as const]),
    ...(to === undefined || stays ? [] : [{ kind: 'insert', ...to } as const]),
    ...(event === undefined ? [] : [await writeEvent(event, blobs, before.reportsFailures)]),
    ...serverIdRows(before, after),
  ];
}

/** The server has given the message an id of its own: a reply may know no other. */
function serverIdRows(before: Message, after: Message | undefined): readonly Operation[] {
  const given = after?.serverMessageId;
  if (after === undefined || given === undefined || given === before.serverMessageId) return [];
  if (!isExchangeId(given)) return [];
  return [{ kind: 'insert', key: serverIdKey(given, after.id), fields: { at: after.changedAt } }];
}

async function storeRecipients(message: Message, { contents, numbers }: BlobStore): Promise<string> {
  const text = encodeRecipients(message.recipients);
  if (2 * text.length <= numbers.recipientsInRowBytes) return '';
  const name = sha256(text);
  await contents.put(name, Buffer.from(text));
  return name;
}

/** The row of an event that is to be published. */
export async function writeEvent(
  event: MessageEvent,
  blobs: BlobStore,
  reportsFailures?: boolean,
): Promise<Operation> {
  const { submissionId, sequence } = event;
  const fields = {
    ...putText('text', await eventText(event, blobs)),
    ...(reportsFailures === true ? reportFields(event) : {}),
  };
  return { kind: 'insert', key: eventKey(submissionId, sequence), fields };
}

/** The row of an event about a hold: two for each hold and mailbox. */
export async function writeHoldEvent(event: HoldEvent, blobs: BlobStore): Promise<Operation> {
  const { type, mailbox, scope, since } = event;
  const name = `hold.${since}.${scope}.${sha256(mailbox.toLowerCase()).slice(0, 32)}`;
  const fields = putText('text', await eventText(event, blobs));
  return { kind: 'insert', key: eventKey(name, type === 'mailbox.held' ? 1 : 2), fields };
}

/** The event as it goes on the queue, at most `eventInRowBytes`; what is too long for that is only in a blob. */
export async function eventText(event: StatusEvent, { contents, numbers }: BlobStore): Promise<string> {
  const text = toCloudEvent(event);
  if (text.length <= numbers.eventInRowBytes) return text;
  const bytes = Buffer.from(text);
  const name = sha256(bytes);
  await contents.put(name, bytes);
  const whole = { blob: contents.reference(name), sizeBytes: bytes.length };
  const shortened = toCloudEvent(event, whole);
  // Of a message's event the rest is bounded; a rejection quotes what a caller wrote.
  if (shortened.length <= numbers.eventInRowBytes || event.type !== 'mail.rejected') return shortened;
  return toCloudEvent({ ...event, problems: [] }, whole);
}

/** What the operations weigh, about: a transaction has an upper bound. */
export function weigh(operations: readonly Operation[]): number {
  const rowOverheadBytes = 500;
  const fieldsOf = (operation: Operation): Fields => (operation.kind === 'delete' ? {} : operation.fields);
  return operations.reduce(
    (sum, operation) =>
      sum +
      rowOverheadBytes +
      Object.values(fieldsOf(operation)).reduce<number>((bytes, field) => bytes + fieldBytes(field), 0),
    0,
  );
}
