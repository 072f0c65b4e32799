// One process at a time works on a spool.
//
// `local`: a file lock held for life by an open SQLite transaction (Node has no flock of its own); the system frees
// it when the process ends, however it ends. Not for network shares, where such locks are unreliable
// (sqlite.org/lockingv3.html).
// `lease`: for a share that two hosts can mount, as when a new revision of a container starts before the old one has
// ended. A file says who holds it and is renewed; who finds it not renewed for a while takes it. A process that was
// suspended for longer learns at its next renewal that it lost the lease, and ends. What both handed on in between
// does no harm: the bridge recognises a submission by its id.
import { DatabaseSync } from 'node:sqlite';
import * as z from 'zod';
import type { Clock, Random } from '../../shared/clock.ts';
import { readSmallFile, replaceFile, type SpoolFiles } from './files.ts';

export interface SpoolLock {
  /** Resolves with the reason if the lock is lost while it is held. */
  readonly lost: Promise<string>;
  release(): Promise<void>;
}

export type LockAnswer =
  | { readonly kind: 'held'; readonly lock: SpoolLock }
  /** A sentence. */
  | { readonly kind: 'taken'; readonly detail: string };

/** The lock of a spool on a disk of this machine. */
export function lockLocally(folder: string): LockAnswer {
  const database = new DatabaseSync(`${folder}/lock.db`);
  try {
    // An exclusive transaction that is never committed; nothing is written.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
  } catch {
    database.close();
    return {
      kind: 'taken',
      detail: `Another intake works on the spool ${folder}; stop it first, or give this one a folder of its own.`,
    };
  }
  return {
    kind: 'held',
    lock: {
      // Held until the process ends.
      lost: new Promise(() => undefined),
      release: () => {
        database.close();
        return Promise.resolve();
      },
    },
  };
}

export const leaseRenewMs = 5_000;
/** Far above the renewal, so that a slow share does not cost the lease. */
export const leaseStaleMs = 60_000;

const leaseShape = z.strictObject({ holder: z.string(), count: z.number() });
type Lease = z.infer<typeof leaseShape>;

/**
 * The lock of a spool on a share. Waits until a holder has not renewed for a minute by our own clock (clocks of two
 * hosts are not compared), or until `signal` is aborted.
 */
export async function lockByLease(
  files: SpoolFiles,
  folder: string,
  { clock, random, signal }: { readonly clock: Clock; readonly random: Random; readonly signal: AbortSignal },
): Promise<LockAnswer> {
  const me = random.id();
  const read = async (): Promise<Lease | undefined> => {
    const text = await readSmallFile(files, `${folder}/lease.json`);
    try {
      return text === undefined ? undefined : leaseShape.parse(JSON.parse(text));
    } catch {
      return undefined;
    }
  };
  const write = (count: number): Promise<void> =>
    replaceFile(files, folder, 'lease.json', JSON.stringify({ holder: me, count }), `-${me}`);
  let seen = await read();
  let seenAt = clock.monotonic();
  while (seen !== undefined && seen.holder !== '' && clock.monotonic() - seenAt < leaseStaleMs) {
    await clock.sleep(leaseRenewMs, signal);
    if (signal.aborted) return { kind: 'taken', detail: `Another intake holds the spool ${folder}.` };
    const now = await read();
    if (now?.holder !== seen.holder || now.count !== seen.count) {
      seen = now;
      seenAt = clock.monotonic();
    }
  }
  await write(1);
  // Two that saw the same stale lease wrote both; the later one holds it.
  await clock.sleep(2 * leaseRenewMs, signal);
  if ((await read())?.holder !== me)
    return { kind: 'taken', detail: `Another intake took the spool ${folder}.` };
  const ended = new AbortController();
  const lost = renew();
  return {
    kind: 'held',
    lock: {
      lost,
      release: async () => {
        ended.abort();
        if ((await read())?.holder === me) {
          await replaceFile(files, folder, 'lease.json', JSON.stringify({ holder: '', count: 0 }), `-${me}`);
        }
      },
    },
  };

  async function renew(): Promise<string> {
    let renewedAt = clock.monotonic();
    for (let count = 2; ; count += 1) {
      await clock.sleep(leaseRenewMs, ended.signal);
      if (ended.signal.aborted) return new Promise(() => undefined);
      try {
        if ((await read())?.holder !== me) return `Another intake took the spool ${folder}.`;
        await write(count);
        renewedAt = clock.monotonic();
      } catch {
        if (clock.monotonic() - renewedAt > leaseStaleMs / 2) {
          return `The lease of the spool ${folder} could not be renewed for ${leaseStaleMs / 2_000} s.`;
        }
      }
    }
  }
}
