// Messages set aside for the end of their mailbox's hold. The box lists the mailboxes that have some; the hold's
// end brings them back, in batches; a hold's try brings one.
import type { Box } from '../records/accountState.ts';
import { mailboxOf } from './doubts.ts';
import { asideRange, idAtEnd } from '../records/keys.ts';
import type { Message } from '../records/message.ts';
import { unpark } from '../policy/transitions.ts';
import type { Shift } from './leaseSession.ts';

/** A mailbox with messages set aside that nothing holds any more. */
export const freedMailbox = (box: Box, isServed: (address: string) => boolean): string | undefined =>
  box.parked.find((mailbox) => isServed(mailbox) && !box.holds.some((hold) => hold.mailbox === mailbox));

/** Brings back one batch of what no hold keeps aside any more; false where there is none. Throws StorageTrouble. */
export async function returnParked(shift: Shift): Promise<boolean> {
  const mailbox = freedMailbox(shift.desk.box, (address) => mailboxOf(address, shift) !== undefined);
  if (mailbox === undefined) return false;
  const most = shift.doors.numbers.settleMostCount;
  if (await bringBack(mailbox, most, shift)) return true;
  return shift.transact<boolean>((box) => {
    if (box.lease?.tag !== shift.tag || !box.parked.includes(mailbox)) return { settled: false };
    const parked = box.parked.filter((other) => other !== mailbox);
    return { box: { ...box, parked }, operations: [], result: true };
  });
}

/** Brings back the longest waiting one, to make the hold's try. False where none is set aside. */
export const parkedToReturn = (mailbox: string, shift: Shift): Promise<boolean> =>
  shift.desk.box.parked.includes(mailbox) ? bringBack(mailbox, 1, shift) : Promise.resolve(false);

async function bringBack(mailbox: string, most: number, shift: Shift): Promise<boolean> {
  const { generation } = shift.desk;
  const rows = await shift.doors.rows.query(shift.key, { ...asideRange({ mailbox }), limit: most });
  const messages: { readonly message: Message; readonly generation: number }[] = [];
  for (const { key } of rows) {
    const message = await shift.desk.readMessage(idAtEnd(key));
    if (message !== undefined) messages.push({ message, generation });
  }
  const moves = await shift.move(messages, (message) =>
    message.state === 'held' && message.place.kind === 'aside' && typeof message.place.group !== 'string'
      ? unpark(message, shift.doors.time.early())
      : undefined,
  );
  return moves.length > 0;
}
