// The try of a hold for which no message waits: MAIL, RCPT to the mailbox itself, RSET. It takes a slot like a
// message, so that nothing that talks SMTP escapes the limits.
import { permit, shorten, take } from '../../limits/window.ts';
import type { Hold } from '../records/accountState.ts';
import { dueForTry, endHold, noteTry, placeHold } from '../policy/holds.ts';
import { judgeFailure } from '../policy/judgeReply.ts';
import type { Line } from './connectionPool.ts';
import type { Shift } from './leaseSession.ts';

/** Makes the try over an idle line. False where the limits refuse it now. Throws StorageTrouble. */
export async function probe(hold: Hold, line: Line, shift: Shift): Promise<boolean> {
  const { time, numbers } = shift.doors;
  const address = hold.mailbox ?? shift.account?.mailboxes[0].address;
  if (address === undefined) return false;
  const taken = await shift.transact<{ readonly slot: number; readonly deadline: number } | undefined>(
    (box) => {
      const early = time.early();
      const tries = dueForTry(box, early).filter(({ mailbox }) => mailbox === hold.mailbox);
      if (box.lease?.tag !== shift.tag || tries.length === 0) return { settled: undefined };
      if (permit(box, shift.law, early, 0).kind !== 'permit') return { settled: undefined };
      const late = time.late();
      const deadline = late + Math.min(numbers.attemptMs, numbers.connectMs);
      const { taken: after, slot } = take(box, shift.law, deadline + numbers.graceMs, 0);
      return {
        box: { ...noteTry(box, tries, late, numbers), ...after },
        operations: [],
        result: { slot, deadline },
      };
    },
  );
  if (taken === undefined) return false;
  const answer = await line.connection.probe(
    { from: address, to: [address] },
    { remainingMs: () => taken.deadline - time.late() },
  );
  const knownAt = time.late();
  await shift.transact<undefined>((box) => {
    if (box.lease?.tag !== shift.tag) return { settled: undefined };
    const shortened = { ...box, ...shorten(box, shift.law, taken.slot, knownAt) };
    if (answer.kind === 'ok') return { box: endHold(shortened, hold), operations: [], result: undefined };
    const judgement = judgeFailure(answer.failure, false);
    const placed =
      judgement.do === 'hold' || judgement.do === 'configuration'
        ? placeHold(shortened, { judgement, mailbox: address }, knownAt, numbers)
        : shortened;
    return { box: placed, operations: [], result: undefined };
  });
  return true;
}
