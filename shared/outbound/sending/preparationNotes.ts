// A message may end the process while it is prepared: its content needs more memory than there is, or a fault is met that
// no handler sees. Nothing would be written then, and the next process would end in the same way. So while the
// connections of a lease that was never given back count (policy/connections.ts), each message is noted before it is prepared; the note goes when the message is ready,
// or found not to be. One in whose preparation several processes ended is set aside (quarantine.ts).
import { createHash } from 'node:crypto';
import { StorageTrouble } from '../../storageErrors.ts';
import { returnedPartition } from '../records/keys.ts';
import type { DueEntry } from './dueQueue.ts';
import type { LeaseSession } from './leaseSession.ts';

/** A process that ends for another reason has the same effect: three in a row, in the middle of one message, are no chance. */
const mostDeaths = 3;

/** Why the message is to be set aside; undefined once its note is written. Throws StorageTrouble. */
export async function notePreparation(entry: DueEntry, session: LeaseSession): Promise<string | undefined> {
  const { rows, time } = session.dependencies;
  const key = noteKey(entry, session);
  const row = await rows.read(returnedPartition, key);
  const known = row?.fields['count'];
  const deaths = typeof known === 'number' ? known : 0;
  if (deaths >= mostDeaths) return `The process ended ${deaths} times while this message was prepared.`;
  const fields = { at: time.earliest(), count: deaths + 1 };
  const answer = await rows.commit(returnedPartition, [
    row === undefined ? { kind: 'insert', key, fields } : { kind: 'merge', key, fields },
  ]);
  // Refused: the first call was applied, and its answer lost.
  if (answer.kind === 'unknown')
    throw new StorageTrouble(`a preparation could not be noted: ${answer.detail}`);
  return undefined;
}

/** Nothing ended here. A note that can't be removed counts one process more than there were. Never throws. */
export async function removeNote(entry: DueEntry, session: LeaseSession): Promise<void> {
  const { rows } = session.dependencies;
  await rows
    .commit(returnedPartition, [{ kind: 'delete', key: noteKey(entry, session) }])
    .catch(() => undefined);
}

const noteKey = ({ id }: DueEntry, { key: account }: LeaseSession): string =>
  createHash('sha256')
    .update(JSON.stringify(['prepare', account, id]))
    .digest('hex');
