// What the bridge knows of the SMTP intakes: stored, listed, forgotten, and told each minute.
import { describe, expect, test } from '@jest/globals';
import type { Heartbeat } from '../../shared/intake/heartbeat.ts';
import { intakesMost, IntakeStates } from '../../shared/intake/intakeStates.ts';
import { intakesView } from '../../shared/ops/page/intakesView.ts';
import { reportStates } from '../../shared/ops/reportStates.ts';
import type { LogEvent } from '../../shared/telemetry/log.ts';
import { MemoryRows, MemoryTable } from '../models/memoryRows.ts';
import { World } from '../models/world.ts';

const minuteMs = 60_000;
const beat = (change: Partial<Heartbeat> = {}, spool: Partial<Heartbeat['spool']> = {}): Heartbeat => ({
  version: '0.1.0',
  instance: 'a',
  startedAt: '2026-11-23T08:00:00.000Z',
  node: 'v24.21.0',
  rejectedCount: 0,
  accepting: true,
  ...change,
  spool: { count: 0, bytes: 0, oldestAgeSeconds: 0, freeBytes: 1e9, damagedCount: 0, ...spool },
});

interface Rig {
  readonly world: World;
  readonly states: IntakeStates;
  readonly put: (name: string, said: Heartbeat) => Promise<string>;
  /** The state lines of one minute. */
  readonly lines: () => Promise<readonly LogEvent['fields'][]>;
  readonly page: () => Promise<string>;
}

function rig(): Rig {
  const world = new World();
  const clock = { now: () => world.clock.now };
  const states = new IntakeStates(new MemoryRows(new MemoryTable(), world.host().wire), clock);
  const log: LogEvent[] = [];
  const list = (): ReturnType<IntakeStates['list']> => world.run(states.list());
  return {
    world,
    states,
    put: (name, said) => world.run(states.put(name, 'esm', said)),
    lines: async () => {
      log.length = 0;
      await reportStates({
        mailboxes: [],
        cursors: () => Promise.resolve(new Map()),
        grant: () => Promise.resolve(undefined),
        expirations: () => [],
        queues: () => Promise.resolve([]),
        maintenance: () => Promise.resolve([]),
        jobs: () => Promise.resolve(new Map()),
        intakes: list,
        boards: { write: () => Promise.resolve() },
        clock: { ...world.host().dependencies.clock, now: clock.now },
        log: (event) => log.push(event),
      });
      return log.filter(({ name }) => name === 'ops.intakeState').map(({ fields }) => fields);
    },
    page: async () => String(await intakesView(await list(), world.clock.now)),
  };
}

test('what it said is told each minute, with how long ago that was; what waits has grown older since', async () => {
  const { world, put, lines, page } = rig();
  expect(await page()).toBe('');
  const said = beat(
    { waitingFor: 'The bridge answered 503', certificateDaysLeft: 61 },
    { count: 2, oldestAgeSeconds: 60 },
  );
  expect(await put('esm-1', said)).toBe('stored');
  await world.pass(6 * minuteMs);
  const [line] = await lines();
  expect(line).toMatchObject({
    intake: 'esm-1',
    isDrained: false,
    waitingCount: 2,
    rejectedCount: 0,
    isTwin: false,
    certificateDaysLeft: 61,
    waitingFor: 'The bridge answered 503',
  });
  expect(line?.['silentMs']).toBeGreaterThanOrEqual(6 * minuteMs);
  expect(line?.['oldestMs']).toBe(minuteMs + Number(line?.['silentMs']));
  expect(await page()).toContain('It does not report any more.');
});

test('drained before it ended: its silence is no trouble', async () => {
  const { world, put, lines, page } = rig();
  await put('esm-1', beat({ accepting: false }));
  await world.pass(60 * minuteMs);
  expect(await lines()).toMatchObject([{ isDrained: true, oldestMs: 0 }]);
  expect(await page()).toContain('drained');
});

test('a restart is no second process; two that report in turn are', async () => {
  const { world, put, lines, page } = rig();
  for (const instance of ['a', 'b', 'b', 'c']) await put('esm-1', beat({ instance }));
  expect(await lines()).toMatchObject([{ isTwin: false }]);
  await put('esm-1', beat({ instance: 'b' }));
  expect(await lines()).toMatchObject([{ isTwin: true }]);
  expect(await page()).toContain('Two processes');
  await world.pass(16 * minuteMs);
  await put('esm-1', beat({ instance: 'b' }));
  expect(await lines()).toMatchObject([{ isTwin: false }]);
});

describe('bounds', () => {
  test('one name more than are kept is refused; a known one is not', async () => {
    const { put, lines } = rig();
    for (let number = 0; number < intakesMost; number += 1) await put(`esm-${number}`, beat());
    expect(await put('one-more', beat())).toBe('tooMany');
    expect(await put('esm-7', beat())).toBe('stored');
    expect(await lines()).toHaveLength(intakesMost);
  });

  test('silent for 30 days: forgotten', async () => {
    const { world, put, lines } = rig();
    await put('esm-1', beat());
    await world.pass(29 * 1_440 * minuteMs);
    expect(await lines()).toHaveLength(1);
    await world.pass(2 * 1_440 * minuteMs);
    expect(await lines()).toHaveLength(0);
    expect(await put('esm-1', beat())).toBe('stored');
  });
});
