// The heartbeat's rules on a table and a queue in memory. tests/scenarios/heartbeat.test.ts runs it in a real host.
import { beforeEach, describe, expect, test } from '@jest/globals';
import { Heartbeat, type WatchedTimer } from '../../shared/ops/heartbeat.ts';
import { heartbeatNumbers } from '../../shared/ops/heartbeatNumbers.ts';
import { StorageTrouble } from '../../shared/storageErrors.ts';
import type { Rows } from '../../shared/outbound/ports.ts';
import { MemoryTable } from '../models/memoryRows.ts';

const minuteMs = 60_000;
const start = Date.UTC(2026, 10, 28, 10, 0, 0);

let now: number;
let queue: { readonly text: string; readonly visibleAt: number }[];
let ran: string[];
let off: Set<WatchedTimer>;
let logged: string[];
let putFails: boolean;
let failing: Set<WatchedTimer>;
let ids: number;
let rows: Rows;

beforeEach(() => {
  now = start;
  queue = [];
  ran = [];
  off = new Set();
  logged = [];
  putFails = false;
  failing = new Set();
  ids = 0;
  const table = new MemoryTable();
  rows = {
    read: (partition, key) => Promise.resolve(table.read(partition, key)),
    query: (partition, range) => Promise.resolve(table.query(partition, range)),
    commit: (partition, operations) => Promise.resolve(table.commit(partition, operations)),
  };
});

const heartbeat = (): Heartbeat =>
  new Heartbeat({
    rows,
    put: (text, delayMs) => {
      if (putFails) return Promise.reject(new StorageTrouble('no answer'));
      queue.push({ text, visibleAt: now + delayMs });
      return Promise.resolve();
    },
    schedules: { sweep: '30 * * * * *', fetch: '0 * * * * *', refresh: '0 43 4 * * *' },
    isOn: (timer) => !off.has(timer),
    clock: { now: () => now },
    random: { id: () => `token-${String((ids += 1))}` },
    numbers: heartbeatNumbers,
    log: ({ name }) => logged.push(name),
  });

const run = (timer: WatchedTimer): Promise<void> => {
  ran.push(timer);
  return failing.has(timer) ? Promise.reject(new Error('refused')) : Promise.resolve();
};

/** Handles the message of the queue that is visible first; time goes on until it is. */
async function next(): Promise<string> {
  queue.sort((one, other) => one.visibleAt - other.visibleAt);
  const message = queue.shift();
  if (message === undefined) throw new Error('The queue is empty');
  now = Math.max(now, message.visibleAt);
  await heartbeat().beat(JSON.parse(message.text), run);
  return message.text;
}

async function tickAll(): Promise<void> {
  for (const timer of ['sweep', 'fetch', 'refresh'] as const) await heartbeat().ticked(timer);
}

describe('while the timers tick', () => {
  test('it renews itself every two minutes and runs nothing', async () => {
    await heartbeat().ensure();
    for (let minute = 0; minute < 60; minute += 2) {
      await tickAll();
      await next();
    }
    expect(ran).toEqual([]);
    expect(now).toBe(start + 60 * minuteMs);
    expect(queue).toHaveLength(1);
  });

  test('a tick that is four minutes late is waited for', async () => {
    await heartbeat().ensure();
    await tickAll();
    await next();
    await next();
    expect(ran).toEqual([]);
  });
});

describe('when the timers have stopped', () => {
  test('after five minutes it runs sweep and fetch, then each minute as their schedules say', async () => {
    await heartbeat().ensure();
    await tickAll();
    while (now < start + 16 * minuteMs) await next();
    expect(ran.filter((timer) => timer === 'sweep')).toHaveLength(11);
    expect(ran.filter((timer) => timer === 'fetch')).toHaveLength(11);
    expect(ran).not.toContain('refresh');
    expect(logged).toContain('ops.timerLate');
  });

  test('the daily refresh is run once, five minutes after its time', async () => {
    await heartbeat().ensure();
    while (now < start + 24 * 60 * minuteMs) await next();
    expect(ran.filter((timer) => timer === 'refresh')).toHaveLength(1);
  });

  test('timers that never ticked at all count from the first message', async () => {
    await heartbeat().ensure();
    while (now < start + 7 * minuteMs) await next();
    expect(ran).toContain('sweep');
  });

  test('it stops when they tick again', async () => {
    await heartbeat().ensure();
    while (now < start + 10 * minuteMs) await next();
    await tickAll();
    ran = [];
    await next();
    await next();
    expect(ran).toEqual([]);
  });

  test('one that an administrator switched off is left alone', async () => {
    off.add('fetch');
    await heartbeat().ensure();
    while (now < start + 10 * minuteMs) await next();
    expect(new Set(ran)).toEqual(new Set(['sweep']));
  });

  test('a run that fails does not end the chain, nor the next timer’s work', async () => {
    failing.add('sweep');
    await heartbeat().ensure();
    while (now < start + 10 * minuteMs) await next();
    expect(ran).toContain('fetch');
    expect(logged).toContain('ops.heartbeatFailed');
    expect(queue).toHaveLength(1);
  });
});

describe('one chain is alive at most', () => {
  test('beginning many times at once leaves one message that renews itself', async () => {
    await Promise.all(Array.from({ length: 8 }, () => heartbeat().ensure()));
    for (let turn = 0; turn < 20; turn += 1) await next();
    expect(queue).toHaveLength(1);
  });

  test('a message delivered twice is renewed once', async () => {
    await heartbeat().ensure();
    const text = await next();
    await heartbeat().beat(JSON.parse(text), run);
    expect(queue).toHaveLength(1);
  });

  test('a crash between the new message and its token: the repeated message goes on, the orphan ends', async () => {
    await heartbeat().ensure();
    const [first] = queue;
    queue.push({ text: '{"heartbeat":"orphan"}', visibleAt: now }); // put, and its token was never written
    await next();
    expect(queue).toEqual([first]);
    await next();
    expect(queue).toHaveLength(1);
  });

  test('a message that was lost is replaced after a quarter of an hour, which is logged', async () => {
    await heartbeat().ensure();
    const [lost] = queue.splice(0);
    now += 10 * minuteMs;
    await heartbeat().ensure();
    expect(queue).toHaveLength(0);
    now += 10 * minuteMs;
    await heartbeat().ensure();
    expect(queue).toHaveLength(1);
    expect(logged).toContain('ops.heartbeatLost');
    // And if it comes back after all, it ends.
    await heartbeat().beat(JSON.parse(lost?.text ?? ''), run);
    expect(queue).toHaveLength(1);
  });

  test.each([[undefined], ['text'], [{}], [{ heartbeat: 7 }], [{ heartbeat: '' }]])(
    'what is not its message (%j) does nothing',
    async (payload) => {
      await heartbeat().ensure();
      await heartbeat().beat(payload, run);
      expect(queue).toHaveLength(1);
      expect(ran).toEqual([]);
    },
  );
});

test('a store that does not answer: beginning is logged, a message fails and is repeated by the host', async () => {
  putFails = true;
  await heartbeat().ensure();
  expect(logged).toEqual(['ops.heartbeatFailed']);
  putFails = false;
  await heartbeat().ensure();
  const [message] = queue;
  putFails = true;
  await expect(heartbeat().beat(JSON.parse(message?.text ?? ''), run)).rejects.toThrow(StorageTrouble);
});
