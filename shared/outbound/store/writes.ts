// From moves to the operations of one transaction: the message merged, its listing row moved, its event inserted.
// What is too long for a row goes into a blob first, named by its hash, so that the row never points at nothing.
import { createHash } from 'node:crypto';
import { putText } from '../records/chunks.ts';
import type { Dependencies } from '../dependencies.ts';
import { eventKey, messageKey, servedKey } from '../records/keys.ts';
import { encodeMessage, encodeProgress, encodeRecipients, fieldBytes, placeRow } from '../records/message.ts';
import type { Message } from '../records/message.ts';
import { isExchangeId } from '../records/messageIds.ts';
import type { Move } from '../policy/transitions.ts';
import { omit } from '../../mail/omit.ts';
import type { Fields, Operation } from '../ports.ts';
import { toCloudEvent } from '../../contract/statusCloudEvent.ts';
import type { Told } from '../../contract/statusEvent.ts';

type Shelf = Pick<Dependencies, 'contents' | 'numbers'>;

export const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex');

/** A message's first rows: it, its due row, its event. */
export async function writeAccepted(
  message: Message,
  told: Told,
  shelf: Shelf,
): Promise<readonly Operation[]> {
  const place = placeRow(message);
  return [
    {
      kind: 'insert',
      key: messageKey(message.id),
      fields: encodeMessage(message, await shelveRecipients(message, shelf)),
    },
    ...(place === undefined ? [] : [{ kind: 'insert', ...place } as const]),
    await writeEvent(told, shelf),
  ];
}

/** At most five operations. */
export async function writeMove({ before, after, told }: Move, shelf: Shelf): Promise<readonly Operation[]> {
  const from = placeRow(before);
  const to = after === undefined ? undefined : placeRow(after);
  const stays = from !== undefined && from.key === to?.key;
  return [
    after === undefined
      ? { kind: 'delete', key: messageKey(before.id) }
      : {
          kind: 'merge',
          key: messageKey(before.id),
          fields: encodeProgress(after, await shelveRecipients(after, shelf)),
        },
    ...(from === undefined || stays ? [] : [{ kind: 'delete', key: from.key } as const]),
    ...(to === undefined || stays ? [] : [{ kind: 'insert', ...to } as const]),
    ...(told === undefined ? [] : [await writeEvent(told, shelf)]),
    ...served(before, after),
  ];
}

/** The server has given the message an id of its own: whoever answers it may know no other. */
function served(before: Message, after: Message | undefined): readonly Operation[] {
  const given = after?.serverMessageId;
  if (after === undefined || given === undefined || given === before.serverMessageId) return [];
  if (!isExchangeId(given)) return [];
  return [{ kind: 'insert', key: servedKey(given, after.id), fields: { at: after.changedAt } }];
}

async function shelveRecipients(message: Message, { contents, numbers }: Shelf): Promise<string> {
  const text = encodeRecipients(message.recipients);
  if (2 * text.length <= numbers.recipientsInRowBytes) return '';
  const name = sha256(text);
  await contents.put(name, Buffer.from(text));
  return name;
}

async function writeEvent(told: Told, shelf: Shelf): Promise<Operation> {
  const text = await eventText(told, shelf);
  return { kind: 'insert', key: eventKey(told.id ?? '', told.sequence ?? 0), fields: putText('text', text) };
}

/** The event as it goes on the queue; one that is too long leaves its recipients to a blob. */
export async function eventText(told: Told, { contents, numbers }: Shelf): Promise<string> {
  const text = toCloudEvent(told);
  if (text.length <= numbers.eventInRowBytes) return text;
  const bytes = Buffer.from(text);
  const name = sha256(bytes);
  await contents.put(name, bytes);
  const whole = { blob: contents.reference(name), sizeBytes: bytes.length };
  return toCloudEvent({ ...omit(told, 'recipients'), whole });
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
