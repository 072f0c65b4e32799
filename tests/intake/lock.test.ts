import { afterAll, expect, test } from '@jest/globals';
import { leaseRenewMs, leaseStaleMs, lockByLease, lockLocally } from '../../intake/spool/lock.ts';
import { systemRandom, type Clock } from '../../shared/clock.ts';
import { ForgetfulFiles } from './support/forgetfulFiles.ts';
import { newFolder, removeFolders } from './support/startedIntake.ts';

afterAll(removeFolders);

test('a local lock is held until it is released', async () => {
  const folder = await newFolder();
  const first = lockLocally(folder);
  expect(first.kind).toBe('held');
  expect(lockLocally(folder)).toEqual({
    kind: 'taken',
    detail: expect.stringContaining('Another intake works on the spool'),
  });
  if (first.kind === 'held') await first.lock.release();
  const second = lockLocally(folder);
  expect(second.kind).toBe('held');
  if (second.kind === 'held') await second.lock.release();
});

/** Virtual time: it jumps to the next sleeper when everybody sleeps. */
class VirtualClock implements Clock {
  #now = 1_000_000;
  readonly #sleepers: { readonly at: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      this.#sleepers.push({ at: this.#now + ms, wake: resolve });
      signal?.addEventListener('abort', () => {
        resolve();
      });
    });
  }

  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve));
      const [next] = this.#sleepers.toSorted((one, other) => one.at - other.at);
      if (next === undefined || next.at > until) break;
      this.#sleepers.splice(this.#sleepers.indexOf(next), 1);
      this.#now = next.at;
      next.wake();
    }
    this.#now = until;
  }
}

async function setUp(): Promise<{
  readonly files: ForgetfulFiles;
  readonly clock: VirtualClock;
  readonly take: () => ReturnType<typeof lockByLease>;
}> {
  const files = new ForgetfulFiles();
  await files.makeFolder('/spool');
  const clock = new VirtualClock();
  const take = (): ReturnType<typeof lockByLease> =>
    lockByLease(files, '/spool', { clock, random: systemRandom, signal: new AbortController().signal });
  return { files, clock, take };
}

test('a lease passes on once its holder has released it, without the wait for a dead one', async () => {
  const { clock, take } = await setUp();
  const first = take();
  await clock.pass(3 * leaseRenewMs);
  const held = await first;
  let second: string | undefined;
  void take().then(({ kind }) => (second = kind));
  await clock.pass(2 * leaseStaleMs);
  expect(second).toBeUndefined();
  if (held.kind === 'held') await held.lock.release();
  await clock.pass(5 * leaseRenewMs);
  expect(second).toBe('held');
});

test('a lease whose holder died is taken after a minute; a holder that wakes up again learns it', async () => {
  const { files, clock, take } = await setUp();
  const first = take();
  await clock.pass(3 * leaseRenewMs);
  const held = await first;
  let lost: string | undefined;
  if (held.kind === 'held') void held.lock.lost.then((detail) => (lost = detail));
  // Another host, whose writes come later than anything of the first one.
  const other = new VirtualClock();
  let second: string | undefined;
  void lockByLease(files, '/spool', {
    clock: other,
    random: systemRandom,
    signal: new AbortController().signal,
  }).then(({ kind }) => (second = kind));
  await other.pass(leaseStaleMs - leaseRenewMs);
  expect(second).toBeUndefined();
  await other.pass(5 * leaseRenewMs);
  expect(second).toBe('held');
  await clock.pass(2 * leaseRenewMs);
  expect(lost).toContain('Another intake took the spool');
});

test('of two that find no lease at the same time, one gets it', async () => {
  const { clock, take } = await setUp();
  const both = Promise.all([take(), take()]);
  await clock.pass(4 * leaseRenewMs);
  expect((await both).map(({ kind }) => kind).toSorted()).toEqual(['held', 'taken']);
});
