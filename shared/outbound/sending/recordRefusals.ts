// Some recipients were refused at RCPT and others taken. The copy in Sent Items will prove the message, and not say
// for whom; should this process die after the final dot, nobody else would know. So before any of the content is
// given, the refusals are written into the message's row, each under the number of the attempt: whoever finds the
// attempt abandoned leaves those as they are. It is a transaction like any other, which only this case costs; the
// attempt must still be open and within its deadline, or else another has made a doubt of it. Where it can't be
// written, the dialog ends before the content: an ordinary deferral.
import { refusedAtRcpt } from '../policy/attemptResult.ts';
import type { Flight } from './inFlightAttempts.ts';
import type { Message } from '../records/message.ts';
import type { SendResult } from '../ports.ts';
import type { Shift } from './leaseSession.ts';
import { writeMove } from '../store/writes.ts';

/** Answers every flight that asks; true where one did. Throws StorageTrouble; then that flight is answered no. */
export async function noteRefusals(asking: readonly Flight[], shift: Shift): Promise<boolean> {
  for (const flight of asking) {
    if (flight.asking === undefined) continue;
    const { recipients, answer } = flight.asking;
    let isNoted = false;
    try {
      const noted = await note(flight, recipients, shift);
      if (noted === undefined) continue;
      flight.message = noted;
      flight.generation = shift.desk.generation;
      isNoted = flight.landing === undefined;
    } finally {
      answer(isNoted);
    }
  }
  return asking.length > 0;
}

/** The message as it is written; undefined where the attempt is not ours to go on with any more. */
function note(
  { open, message: claimed, generation }: Flight,
  recipients: SendResult['recipients'],
  shift: Shift,
): Promise<Message | undefined> {
  const { doors, desk } = shift;
  return shift.transact<Message | undefined>(async (box, { rowsMayHaveChanged }) => {
    const isOpen = box.open.some(({ tag }) => tag === open.tag);
    if (!isOpen || doors.time.late() >= open.deadline) return { settled: undefined };
    const isOld = rowsMayHaveChanged || generation !== desk.generation;
    const before = isOld ? await desk.readMessage(open.id) : claimed;
    if (before === undefined) return { settled: undefined };
    const after = { ...before, recipients: refusedAtRcpt(before, open.attempt, recipients) };
    return { box, operations: await writeMove({ before, after }, doors), result: after };
  });
}
