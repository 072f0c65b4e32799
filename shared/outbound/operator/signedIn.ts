// A person has signed a mailbox in: whatever stood still for want of a sign-in is tried now, not in a quarter of
// an hour. The hold itself stays until the try went well, so a sign-in that helps nothing ends nothing.
import { Desk } from '../store/accountTransaction.ts';
import type { Dependencies } from '../dependencies.ts';
import type { HoldReason } from '../policy/judgement.ts';

const cured: ReadonlySet<HoldReason> = new Set(['consent', 'signIn', 'noToken']);

/** Makes the account's holds for want of a sign-in due for a try, and rings. Throws StorageTrouble. */
export async function trySignedIn(account: string, doors: Dependencies): Promise<void> {
  const desk = new Desk(account, doors);
  await desk.read();
  const held = await desk.transact<boolean>((box) => {
    const early = doors.time.early();
    const isDue = (until: number | undefined): boolean => until !== undefined && until <= early;
    const waiting = box.holds.filter(({ reason, until }) => cured.has(reason) && !isDue(until));
    if (waiting.length === 0) return { settled: box.holds.some(({ reason }) => cured.has(reason)) };
    const holds = box.holds.map((hold) =>
      waiting.includes(hold) ? { ...hold, until: early, tries: 0 } : hold,
    );
    return { box: { ...box, holds, sleep: { 0: 0, 1: 0, 2: 0 } }, operations: [], result: true };
  });
  if (held) await doors.queues.ring(account);
}
