// At most so many new cards a minute from one sender: a loop between two machines must not fill the desk. What is above
// waits for the next minute; it is not lost.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { EsmDependencies, Wait } from '../dependencies.ts';

const columns = z.object({ minute: z.number(), count: z.number() });
const partition = 'sender';
const minuteMs = 60_000;
const tryCount = 5;

/** Counts one card; a Wait if the minute is full. Throws StorageTrouble. */
export async function countNewCard(
  address: string,
  mostCount: number,
  { rows, clock }: Pick<EsmDependencies, 'rows' | 'clock'>,
): Promise<Wait | undefined> {
  const key = createHash('sha256').update(address.toLowerCase()).digest('hex');
  const minute = Math.floor(clock.now() / minuteMs);
  for (let turn = 0; turn < tryCount; turn++) {
    const found = await rows.read(partition, key);
    const held = found === undefined ? undefined : columns.parse(found.fields);
    const count = held?.minute === minute ? held.count : 0;
    if (count >= mostCount) break;
    const answer = await rows.write(partition, key, {
      etag: found?.etag,
      fields: { minute, count: count + 1 },
    });
    if (answer.kind === 'written') return undefined;
  }
  return {
    kind: 'wait',
    reason: 'busy',
    detail: `one sender makes more than ${mostCount} cards a minute`,
    notBefore: (minute + 1) * minuteMs,
    isPlanned: true,
  };
}
