// One worker at a time writes to a card. The lease is a row per card; one that was never given back ends by its time.
import { z } from 'zod';
import type { EsmDependencies, Wait } from './dependencies.ts';

const columns = z.object({ leaseTag: z.string(), leaseUntil: z.number() });
const partition = 'card';
/** A worker that finds the card taken looks again after that time. */
const busyMs = 5_000;

/** Runs `act` while the card is ours, and gives it back whatever became of it. Throws StorageTrouble. */
export async function withCard<Result>(
  card: { readonly template: string; readonly cardId: string },
  { rows, clock, random, numbers }: Pick<EsmDependencies, 'rows' | 'clock' | 'random' | 'numbers'>,
  act: () => Promise<Result>,
): Promise<Result | Wait> {
  const key = `${card.template}|${card.cardId}`;
  const now = clock.now();
  const found = await rows.read(partition, key);
  const held = found === undefined ? undefined : columns.parse(found.fields);
  const busy: Wait = {
    kind: 'wait',
    reason: 'busy',
    detail: 'another worker writes to the card',
    notBefore: now + busyMs,
    isPlanned: true,
  };
  if (held !== undefined && held.leaseUntil > now) return busy;
  const leaseTag = random.id();
  const taken = await rows.write(partition, key, {
    etag: found?.etag,
    fields: { leaseTag, leaseUntil: now + numbers.leaseMs },
  });
  if (taken.kind === 'conflict') return busy;
  try {
    return await act();
  } finally {
    // If it has been taken over, it is another's: the write is refused, and nothing is to be given back.
    await rows.write(partition, key, { etag: taken.etag, fields: { leaseTag: '', leaseUntil: 0 } });
  }
}
