// An absent box row is an empty one, for an account that never sent; or it was lost, and then the limits must
// not be. The messages tell how many recipients were charged and until when; how many arrived in the last
// minutes, and which attempts were open, nobody can tell, so the minute counts as full for as long as an unknown
// attempt could still arrive. Where there are too many messages to read, the day counts as full too.
import { take } from '../../limits/window.ts';
import type { Taken } from '../../limits/window.ts';
import { emptyBox } from '../records/accountState.ts';
import type { Box } from '../records/accountState.ts';
import type { Dependencies } from '../dependencies.ts';
import { after, messageRange } from '../records/keys.ts';
import { lawOf } from '../rateLimits.ts';

const pageCount = 1_000;
const mostPages = 200;

/** The box that an account without one gets. Throws StorageTrouble. */
export async function rebuildBox(account: string, doors: Dependencies): Promise<Box> {
  const law = lawOf(account, doors);
  const { graceMs, attemptMs } = doors.numbers;
  const early = doors.time.early();
  const latestAt = doors.time.late() + attemptMs + graceMs;
  let taken: Taken = { slots: [], day: [] };
  let everSent = false;
  let range = messageRange;
  for (let page = 0; page < mostPages; page += 1) {
    const rows = await doors.rows.query(account, { ...range, limit: pageCount }, [
      'charged',
      'chargedAt',
      'attempt',
    ]);
    for (const { fields } of rows) {
      const { charged, chargedAt, attempt } = fields;
      if (typeof attempt === 'number' && attempt > 0) everSent = true;
      if (typeof charged !== 'number' || typeof chargedAt !== 'number') continue;
      if (charged > 0 && chargedAt + law.dayMs > early)
        taken = { ...taken, day: take(taken, law, chargedAt, charged).taken.day };
    }
    const last = rows.at(-1);
    if (rows.length < pageCount || last === undefined) {
      return everSent ? { ...emptyBox, slots: minuteFull(taken, latestAt), day: taken.day } : emptyBox;
    }
    range = after(messageRange, last.key);
  }
  return {
    ...emptyBox,
    slots: minuteFull(taken, latestAt),
    day: take(taken, law, latestAt, law.recipientsPerDay).taken.day,
  };

  function minuteFull(from: Taken, until: number): Taken['slots'] {
    let full = from;
    for (let slot = 0; slot < law.messagesPerMinute; slot += 1) full = take(full, law, until, 0).taken;
    return full.slots;
  }
}
