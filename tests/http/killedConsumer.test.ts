// A consumer of the events over HTTP is killed at random steps: it gets every event at least once, and ends with the right
// state of each submission, although the order on the wire is another.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { seededRandom } from '../../local/seededRandom.ts';
import { queueNames } from '../../shared/storage/names.ts';
import { keys, startHttpRig, type HttpRig } from './rig.ts';

const submissionCount = 20;
const types = ['mail.accepted', 'mail.deferred', 'mail.sent'] as const;
let rig: HttpRig;
let folder: string;
beforeAll(async () => {
  rig = await startHttpRig();
  folder = mkdtempSync(join(tmpdir(), 'consumer-'));
}, 120_000);
afterAll(async () => {
  await rig.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** Runs the consumer until it has found nothing more, or kills it at the step of that number. */
function consume(file: string, killAtStep: number): Promise<'empty' | 'killed'> {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'consumer.ts'), file],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { BRIDGE_URL: rig.host.url, BRIDGE_KEY: keys.receiver },
    },
  );
  let steps = 0;
  let isEmpty = false;
  createInterface({ input: child.stdout }).on('line', (line) => {
    steps += 1;
    if (line === 'empty') isEmpty = true;
    if (steps === killAtStep) child.kill('SIGKILL');
  });
  return new Promise((resolve) => {
    child.on('close', () => {
      resolve(isEmpty ? 'empty' : 'killed');
    });
  });
}

test('every event at least once, and the right states', async () => {
  const random = seededRandom(5);
  const events = Array.from({ length: submissionCount }, (_, number) =>
    types.map((type, index) => ({
      id: `S-${String(number)}/${String(index + 1)}`,
      type,
      data: { submissionId: `S-${String(number)}`, sequence: index + 1 },
    })),
  ).flat();
  const shuffled = events
    .map((event) => ({ event, at: random.uniform() }))
    .toSorted((one, other) => one.at - other.at);
  const queue = rig.stack.store.queues.getQueueClient(queueNames.mailStatus);
  for (const { event } of shuffled) await queue.sendMessage(JSON.stringify(event), { messageTimeToLive: -1 });
  const file = join(folder, 'events');
  writeFileSync(file, '');
  let killedCount = 0;
  let ended: 'empty' | 'killed' = 'killed';
  for (let run = 0; run < 60 && ended === 'killed'; run++) {
    const killAtStep = run < 12 ? 1 + Math.floor(random.uniform() * 12) : Infinity;
    ended = await consume(file, killAtStep);
    if (ended === 'killed') killedCount += 1;
  }
  expect(ended).toBe('empty');
  expect(killedCount).toBeGreaterThan(5);
  const got = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as (typeof events)[number]);
  expect(new Set(got.map(({ id }) => id)).size).toBe(events.length);
  expect(got.length).toBeGreaterThan(events.length);
  const states = new Map<string, { sequence: number; type: string }>();
  for (const { type, data } of got) {
    const known = states.get(data.submissionId);
    if (known === undefined || data.sequence > known.sequence)
      states.set(data.submissionId, { sequence: data.sequence, type });
  }
  expect([...states.values()].filter(({ type }) => type !== 'mail.sent')).toEqual([]);
}, 240_000);
