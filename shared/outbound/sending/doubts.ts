// In doubt: the final dot may have been sent and nobody knows the reply. Never resent blindly. The copy that
// Exchange files in Sent Items proves that it was taken, if its private header names exactly this attempt; its
// absence proves nothing, so there are two looks, a settle time apart, and then the policy. A look that could
// not be made counts as none. Looking may take minutes: it runs beside the work, and reports when it is done.
import { drainEvents } from '../../telemetry/outboundEvents.ts';
import type { Mailbox } from '../../mail/mailbox.ts';
import type { Box } from '../records/accountState.ts';
import { doubtRange, idAtEnd } from '../records/keys.ts';
import { placeRow } from '../records/message.ts';
import type { Message } from '../records/message.ts';
import { doubtAbandoned, foundInSentItems, notInSentItems, putOffLook } from '../policy/transitions.ts';
import type { Move } from '../policy/transitions.ts';
import type { Wanted } from '../ports.ts';
import { bridgeIdOf } from './prepare.ts';
import type { Shift } from './leaseSession.ts';
import { writeMove } from '../store/writes.ts';

/** Doubts looked at together. */
const mostAtOnce = 40;

/** What one look said about one doubtful message. */
export interface Looked {
  readonly message: Message;
  readonly generation: number;
  readonly answer:
    { readonly kind: 'found'; readonly messageId?: string } | { readonly kind: 'absent' | 'notMade' };
}

/** Open attempts past their deadline that nobody here has in the air become doubts. True where there was one. */
export async function doubtAbandonedAttempts(inTheAir: readonly string[], shift: Shift): Promise<boolean> {
  const { time, numbers, log } = shift.doors;
  const overdue = (box: Box): Box['open'] =>
    box.open.filter(({ deadline, tag }) => deadline < time.early() && !inTheAir.includes(tag)).slice(0, 20);
  if (overdue(shift.desk.box).length === 0) return false;
  const abandoned = await shift.transact<Box['open']>(async (box) => {
    const late = overdue(box);
    if (box.lease?.tag !== shift.tag || late.length === 0) return { settled: [] };
    const moves: Move[] = [];
    for (const open of late) {
      const message = await shift.desk.readMessage(open.id);
      if (message?.state === 'waiting') moves.push(doubtAbandoned(message, open, time.early(), numbers));
    }
    const operations = (await Promise.all(moves.map((move) => writeMove(move, shift.doors)))).flat();
    // The slot stays as it is: the server may accept until deadline + grace.
    return {
      box: { ...box, open: box.open.filter((open) => !late.includes(open)) },
      operations,
      result: late,
    };
  });
  shift.teller.expect();
  for (const { id, attempt } of abandoned) log(drainEvents.abandoned({ account: shift.key, id, attempt }));
  return abandoned.length > 0;
}

/** Looks in Sent Items for every doubt that is due. Changes nothing; never throws. */
export async function lookForDoubts(shift: Shift): Promise<readonly Looked[]> {
  const { doors, key } = shift;
  try {
    const { generation } = shift.desk;
    const rows = await doors.rows.query(key, { ...doubtRange(doors.time.early()), limit: mostAtOnce });
    const messages: Message[] = [];
    for (const row of rows) {
      const message = await shift.desk.readMessage(idAtEnd(row.key));
      if (message?.place.kind === 'doubt') messages.push(message);
    }
    const looked: Looked[] = [];
    for (const mailbox of new Set(messages.map((message) => message.mailbox))) {
      const mine = messages.filter((message) => message.mailbox === mailbox);
      const answers = await lookIn(mailbox, mine, shift);
      looked.push(...mine.map((message) => ({ message, generation, answer: answers(message) })));
    }
    return looked;
  } catch (error) {
    const detail = error instanceof Error ? error.message : 'unknown trouble';
    doors.log(drainEvents.storageTrouble({ account: key, doing: 'look', detail }));
    return [];
  }
}

async function lookIn(
  address: string,
  messages: readonly Message[],
  shift: Shift,
): Promise<(message: Message) => Looked['answer']> {
  const { sentItems, clock, numbers, log } = shift.doors;
  const mailbox = mailboxOf(address, shift);
  if (shift.account === undefined || mailbox === undefined) return () => ({ kind: 'notMade' });
  const until = clock.monotonic() + numbers.lookMs;
  const answer = await sentItems.look(shift.account, mailbox, messages.map(wanted), {
    remainingMs: () => until - clock.monotonic(),
  });
  if (answer.kind === 'notMade') {
    log(drainEvents.lookNotMade({ account: shift.key, detail: answer.detail }));
    return () => ({ kind: 'notMade' });
  }
  log(drainEvents.looked({ account: shift.key, wanted: messages.length, found: answer.found.size }));
  return (message) => {
    const copy = answer.found.get(bridgeIdOf(message.id, message.attempt));
    return copy === undefined ? { kind: 'absent' } : { kind: 'found', ...copy };
  };
}

const wanted = (message: Message): Wanted => ({
  bridgeId: bridgeIdOf(message.id, message.attempt),
  notBefore: message.place.kind === 'doubt' ? message.place.claimedAt : message.changedAt,
});

/** The settings' mailbox of that address, where this account still sends for it. */
export const mailboxOf = (address: string, { account }: Shift): Mailbox | undefined =>
  account?.mailboxes.find((mailbox) => mailbox.address.toLowerCase() === address.toLowerCase());

/** Writes what a look said, as far as the doubt is still the one that was looked at. Throws StorageTrouble. */
export async function concludeLooks(looked: readonly Looked[], shift: Shift): Promise<void> {
  const { time, numbers } = shift.doors;
  await shift.move(looked, (message) => {
    const one = looked.find((other) => other.message.id === message.id);
    if (one === undefined || placeRow(message)?.key !== placeRow(one.message)?.key) return undefined;
    const at = time.early();
    switch (one.answer.kind) {
      case 'found':
        return foundInSentItems(message, at, numbers, one.answer.messageId);
      case 'absent':
        return notInSentItems(message, at, numbers);
      case 'notMade':
        return putOffLook(message, at + numbers.lookPutOffMs);
    }
  });
}
