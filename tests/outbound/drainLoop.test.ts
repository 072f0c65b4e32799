// The drain loop alone: its modes and how it ends, over tasks that a test arranges.
import { expect, test } from '@jest/globals';
import type { Clock } from '../../shared/clock.ts';
import { defaultNumbers } from '../../shared/outbound/numbers.ts';
import { DrainLoop } from '../../shared/outbound/sending/drainLoop.ts';
import type { DrainMode, DrainTasks } from '../../shared/outbound/sending/drainLoop.ts';
import { Signal } from '../../shared/outbound/sending/signal.ts';
import { finish, progress } from '../../shared/outbound/sending/stepResult.ts';
import type { Finish, StepResult } from '../../shared/outbound/sending/stepResult.ts';
import { StorageTrouble } from '../../shared/storageErrors.ts';
import type { LogEvent } from '../../shared/telemetry/log.ts';

const { drainBudgetMs, functionMs, leaseMarginMs, leaseMs } = defaultNumbers;

/** Time passes only while the loop waits. */
class WaitingClock implements Clock {
  time = 0;
  onWait: () => void = () => undefined;

  now(): number {
    return this.time;
  }

  monotonic(): number {
    return this.time;
  }

  sleep(ms: number): Promise<void> {
    this.time += ms;
    this.onWait();
    return Promise.resolve();
  }
}

/** One account's work, arranged by assignments and by what `dispatch` returns in turn. */
class ArrangedTasks implements DrainTasks {
  holdsLease = true;
  leaseLeftMs = leaseMs;
  inFlightCount = 0;
  dialogCount = 0;
  connecting = false;
  lookingUp = false;
  readonly publisher = {
    idle: true,
    closed: false,
    start: (): void => undefined,
    close: (): void => {
      this.publisher.closed = true;
    },
  };
  readonly results: StepResult[] = [];
  /** What each step does first. */
  recording: () => boolean = () => false;
  dispatchCount = 0;
  closedIdleCount = 0;
  isClosed = false;

  record(): Promise<boolean> {
    return new Promise((resolve) => {
      resolve(this.recording());
    });
  }

  noticeChanges(): void {
    // Nothing is read here.
  }

  housekeeping(): Promise<boolean> {
    return Promise.resolve(false);
  }

  startLookup(): void {
    // None is due.
  }

  dispatch(): Promise<StepResult> {
    this.dispatchCount += 1;
    return Promise.resolve(this.results.shift() ?? finish('empty'));
  }

  closeIdle(): Promise<void> {
    this.closedIdleCount += 1;
    return Promise.resolve();
  }

  cutDialogs(): void {
    this.dialogCount = 0;
  }

  closeAll(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

interface Rig {
  readonly clock: WaitingClock;
  readonly tasks: ArrangedTasks;
  readonly loop: DrainLoop;
  readonly log: LogEvent[];
  /** At each wait. */
  readonly modes: DrainMode[];
  /** What happens at a wait, by its number from 1. */
  readonly at: Map<number, () => void>;
}

function rig(): Rig {
  const clock = new WaitingClock();
  const tasks = new ArrangedTasks();
  const log: LogEvent[] = [];
  const modes: DrainMode[] = [];
  const at = new Map<number, () => void>();
  const stop = { isRequested: false, isUrgent: false };
  const options = { account: 'desk', owner: 'one', endsAt: drainBudgetMs, signal: new Signal(clock), stop };
  const dependencies = { clock, numbers: defaultNumbers, log: (event: LogEvent) => log.push(event) };
  const loop = new DrainLoop(tasks, options, dependencies);
  clock.onWait = () => {
    modes.push(loop.mode);
    at.get(modes.length)?.();
  };
  return { clock, tasks, loop, log, modes, at };
}

const reasonOf = ({ reason }: Finish): string => reason;
const namesOf = (log: readonly LogEvent[]): readonly string[] => log.map(({ name }) => name);

test('nothing is due: it ends, and everything is closed', async () => {
  const { loop, tasks } = rig();
  expect(loop.mode).toBe('working');
  expect(reasonOf(await loop.run())).toBe('empty');
  expect([loop.mode, tasks.isClosed]).toEqual(['ended', true]);
});

test('it works as long as there is progress or something to wait for', async () => {
  const { loop, tasks, modes, clock } = rig();
  tasks.results.push(progress, { kind: 'wait', ms: 2_000 }, progress, { kind: 'wait', ms: 60_000 });
  expect(reasonOf(await loop.run())).toBe('empty');
  expect(tasks.dispatchCount).toBe(5);
  expect(modes).toEqual(['working', 'working']);
  // A long wait is made in parts: leases and attempts are looked after meanwhile.
  expect(clock.time).toBe(2_000 + defaultNumbers.pollMs);
});

test.each(['inFlightCount', 'connecting', 'lookingUp'] as const)(
  '%s: finishing waits for its end',
  async (what) => {
    const { loop, tasks, modes, at } = rig();
    if (what === 'inFlightCount') tasks.inFlightCount = 1;
    else tasks[what] = true;
    at.set(3, () => {
      tasks.inFlightCount = 0;
      tasks.connecting = false;
      tasks.lookingUp = false;
    });
    expect(reasonOf(await loop.run())).toBe('empty');
    expect(modes).toEqual(['finishing', 'finishing', 'finishing']);
  },
);

test('finishing goes back to working if a message can be claimed meanwhile', async () => {
  const { loop, tasks, modes, at } = rig();
  tasks.inFlightCount = 1;
  tasks.results.push(finish('hold'), { kind: 'wait', ms: 1 });
  at.set(2, () => {
    tasks.inFlightCount = 0;
  });
  expect(reasonOf(await loop.run())).toBe('empty');
  expect(modes).toEqual(['finishing', 'working']);
});

test('the time is over: nothing is dispatched, and what is to be published is left', async () => {
  const { loop, tasks, clock } = rig();
  clock.time = drainBudgetMs;
  expect(reasonOf(await loop.run())).toBe('timeOver');
  expect([tasks.dispatchCount, tasks.publisher.closed]).toEqual([0, true]);
});

test('it waits for publishing, but not for ever', async () => {
  const { loop, tasks, clock } = rig();
  tasks.publisher.idle = false;
  expect(reasonOf(await loop.run())).toBe('timeOver');
  expect(clock.time).toBeGreaterThanOrEqual(drainBudgetMs + leaseMs);
  expect(clock.time).toBeLessThan(functionMs);
});

test('the lease is about to expire: nothing is claimed until a transaction has extended it', async () => {
  const { loop, tasks, modes, at } = rig();
  tasks.leaseLeftMs = leaseMarginMs;
  at.set(2, () => {
    expect([tasks.dispatchCount, tasks.closedIdleCount]).toEqual([0, 2]);
    tasks.leaseLeftMs = leaseMs;
  });
  tasks.results.push({ kind: 'wait', ms: 1 });
  expect(reasonOf(await loop.run())).toBe('empty');
  expect(modes).toEqual(['expiring', 'expiring', 'working']);
});

test('the lease is lost: attempts in flight end and are settled, nothing is claimed, and the log says so once', async () => {
  const { loop, tasks, modes, at, log } = rig();
  tasks.results.push({ kind: 'wait', ms: 1 });
  tasks.inFlightCount = 1;
  at.set(1, () => {
    tasks.holdsLease = false;
  });
  at.set(3, () => {
    tasks.recording = () => {
      tasks.recording = () => false;
      tasks.inFlightCount = 0;
      return true;
    };
  });
  expect(reasonOf(await loop.run())).toBe('leaseLost');
  expect(modes).toEqual(['working', 'leaseLost', 'leaseLost']);
  expect(tasks.dispatchCount).toBe(1);
  expect(namesOf(log)).toEqual(['outbound.leaseLost']);
});

test('the store does not answer: it goes on while the lease may be held, then gives the account up', async () => {
  const { loop, tasks, modes, at, log } = rig();
  tasks.recording = () => {
    throw new StorageTrouble('no answer');
  };
  at.set(2, () => {
    tasks.leaseLeftMs = 0;
  });
  expect(reasonOf(await loop.run())).toBe('leaseLost');
  expect(modes).toEqual(['working', 'working']);
  expect(namesOf(log)).toEqual([...Array<string>(3).fill('outbound.storageFailed'), 'outbound.leaseLost']);
});

test('an unexpected error: dialogs in flight end and are settled before it is thrown', async () => {
  const { loop, tasks, modes, at } = rig();
  const settled: string[] = [];
  tasks.dialogCount = 1;
  tasks.recording = () => {
    throw new RangeError('a row that cannot be read');
  };
  at.set(1, () => {
    expect(tasks.isClosed).toBe(false);
    tasks.recording = () => {
      tasks.recording = () => false;
      tasks.dialogCount = 0;
      settled.push('a');
      return true;
    };
  });
  await expect(loop.run()).rejects.toThrow('a row that cannot be read');
  expect([modes, settled, loop.mode, tasks.isClosed]).toEqual([['failing'], ['a'], 'ended', true]);
  expect(tasks.dispatchCount).toBe(0);
});

test('an error that lasts does not keep it from ending', async () => {
  const { loop, tasks, clock } = rig();
  tasks.dialogCount = 1;
  tasks.recording = () => {
    throw new RangeError('always');
  };
  await expect(loop.run()).rejects.toThrow('always');
  expect(clock.time).toBeLessThanOrEqual(functionMs);
});

test('the function is about to be ended by the platform: it throws, and the store is named as the cause', async () => {
  const { loop, tasks, clock } = rig();
  tasks.inFlightCount = 1;
  await expect(loop.run()).rejects.toThrow(StorageTrouble);
  expect(clock.time).toBeGreaterThanOrEqual(functionMs - leaseMarginMs);
  expect([loop.mode, tasks.isClosed]).toEqual(['ended', true]);
});

test('a transition that the table does not allow is an error', async () => {
  const { loop, tasks, at } = rig();
  tasks.inFlightCount = 1;
  tasks.holdsLease = false;
  at.set(1, () => {
    tasks.holdsLease = true;
  });
  tasks.results.push(progress);
  await expect(loop.run()).rejects.toThrow("a drain can't go from leaseLost to working");
});
