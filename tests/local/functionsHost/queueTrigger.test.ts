import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { QueueServiceClient, type QueueClient } from '@azure/storage-queue';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startAzurite, type Azurite } from '../../../local/stack/azurite.ts';
import {
  startHostProcess,
  type HostProcess,
  type HostProcessLine,
  type HostProcessOptions,
} from '../../../local/functionsHost/hostProcess.ts';
import { Listening, until } from './listening.ts';

// The fixture's host.json: three tries, a failed message hidden for 1 s, five seconds a function.
const appFolder = fileURLToPath(new URL('fixtures/queues', import.meta.url));

let azurite: Azurite;
let queue: QueueClient;
let poison: QueueClient;
let listening: Listening;
let host: HostProcess | undefined;

beforeAll(async () => {
  azurite = await startAzurite();
}, 60_000);
afterAll(async () => {
  await azurite.stop();
});
beforeEach(async () => {
  const name = `work-${randomUUID().slice(0, 8)}`;
  const service = QueueServiceClient.fromConnectionString(azurite.connectionString);
  queue = service.getQueueClient(name);
  poison = service.getQueueClient(`${name}-poison`);
  await queue.create();
  listening = new Listening();
});
afterEach(async () => {
  await host?.kill();
  host = undefined;
});

const settings = (): Record<string, string> => ({
  MailStore: azurite.connectionString,
  WORK_QUEUE: queue.name,
});

async function start(options: Partial<HostProcessOptions> = {}): Promise<HostProcess> {
  host = await startHostProcess({
    appFolder,
    settings: settings(),
    hideMs: 600_000,
    onLine: listening.onLine,
    ...options,
  });
  return host;
}

async function count(client: QueueClient): Promise<number> {
  const exists = await client.exists();
  return exists ? ((await client.getProperties()).approximateMessagesCount ?? 0) : 0;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const work = (): readonly Readonly<Record<string, unknown>>[] =>
  listening.appLines().filter((line) => 'type' in line);
const atOf = (line: HostProcessLine): number => Date.parse(String(line['at']));
const ended = (event: string): number => listening.invocations('work', event).length;

describe('a message', () => {
  test('is handed out once and deleted when the function succeeds', async () => {
    await start();
    const { messageId } = await queue.sendMessage('{"ItemId":"Äiti 📮"}');
    await until('the function ran', () => ended('succeeded') === 1);
    expect(work()).toEqual([
      { function: 'work', type: 'object', payload: { ItemId: 'Äiti 📮' }, dequeueCount: 1, id: messageId },
    ]);
    await until('the message is gone', async () => (await count(queue)) === 0);
  });

  test.each([
    ['null', 'null', null],
    ['123', 'number', 123],
    ['"detail"', 'string', 'detail'],
    ['plain words', 'string', 'plain words'],
    // With messageEncoding "none" base64 is a text like any other, also if it decodes to no UTF-8.
    ['eyJhIjoxfQ==', 'string', 'eyJhIjoxfQ=='],
    ['//4=', 'string', '//4='],
  ])('%s arrives as %s', async (text, type, payload) => {
    await start();
    await queue.sendMessage(text);
    await until('the function ran', () => ended('succeeded') === 1);
    expect(work()).toMatchObject([{ type, payload }]);
  });

  test('that fails is shown again after the time of host.json, and after its tries goes to the poison queue', async () => {
    await start();
    await queue.sendMessage('{"do":"throw"}');
    await until('the poison function ran', () => listening.invocations('poison', 'succeeded').length === 1);
    expect(work().map(({ dequeueCount }) => dequeueCount)).toEqual([1, 2, 3]);
    const starts = listening.invocations('work', 'started').map(atOf);
    const gaps = starts.slice(1).map((at, index) => at - (starts[index] ?? 0));
    for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(900);
    expect(listening.appLines()).toContainEqual({ function: 'poison', poison: { do: 'throw' } });
    await until('both queues are empty', async () => (await count(queue)) + (await count(poison)) === 0);
  });

  test('whose tries were used up by crashes goes to the poison queue without a run, with seven days to live', async () => {
    await queue.sendMessage('{"do":"nothing"}');
    for (let crash = 0; crash < 3; crash++) {
      const { receivedMessageItems } = await queue.receiveMessages({ visibilityTimeout: 1 });
      expect(receivedMessageItems).toHaveLength(1);
      await sleep(1100);
    }
    await start({ settings: { ...settings(), 'AzureWebJobs.poison.Disabled': 'true' } });
    await until('it is in the poison queue', async () => (await count(poison)) === 1);
    const { peekedMessageItems } = await poison.peekMessages();
    const [copy] = peekedMessageItems;
    expect(copy?.messageText).toBe('{"do":"nothing"}');
    expect(Number(copy?.expiresOn) - Number(copy?.insertedOn)).toBe(7 * 86_400_000);
    await until('the message is gone', async () => (await count(queue)) === 0);
    expect(ended('started')).toBe(0);
  });

  test('of a poison queue is hidden after each failure and run again, without a bound, and never moved', async () => {
    await start({ hideMs: 2000 });
    await poison.createIfNotExists();
    await poison.sendMessage('{"poison":"throw"}');
    // maxDequeueCount is three
    await until('it was tried five times', () => listening.invocations('poison', 'failed').length >= 5);
    expect(await count(poison)).toBe(1);
  });

  test('in work stays hidden for longer than its first hidden time', async () => {
    await start({ hideMs: 3000 });
    await queue.sendMessage('{"do":"wait","ms":4500}');
    await until('the function ended', () => ended('succeeded') === 1);
    expect(ended('started')).toBe(1);
    await until('the message is gone', async () => (await count(queue)) === 0);
  });
});

describe('with messageEncoding base64 a message', () => {
  const base64Folder = fileURLToPath(new URL('fixtures/queuesBase64', import.meta.url));

  test.each([
    ['of UTF-8 arrives decoded', '{"a":"ä"}', 'object', { a: 'ä' }],
    ['of other bytes arrives as bytes', Buffer.from([0xff, 0xfe, 0x41]), 'bytes', 'fffe41'],
  ])('%s', async (_name, body, type, payload) => {
    await start({ appFolder: base64Folder });
    await queue.sendMessage(Buffer.from(body).toString('base64'));
    await until('the function ran', () => ended('succeeded') === 1);
    expect(work()).toMatchObject([{ type, payload }]);
  });

  test('that is no base64 goes to the poison queue untried', async () => {
    const quiet = { ...settings(), 'AzureWebJobs.poison.Disabled': 'true' };
    await start({ appFolder: base64Folder, settings: quiet });
    await queue.sendMessage('{"a":1}');
    await until('it is in the poison queue', async () => (await count(poison)) === 1);
    expect(ended('started')).toBe(0);
  });
});

describe('a crash', () => {
  test('of the whole host leaves the message hidden, and it comes back with its count', async () => {
    const first = await start({ hideMs: 3000 });
    await queue.sendMessage('{"do":"wait","ms":1500}');
    await until('the function is at it', () => work().length === 1);
    await first.kill();
    await start({ hideMs: 3000 });
    await until('the function ended', () => ended('succeeded') === 1);
    expect(work().map(({ dequeueCount }) => dequeueCount)).toEqual([1, 2]);
    const [before = NaN, after = NaN] = listening.invocations('work', 'started').map(atOf);
    expect(after - before).toBeGreaterThan(2000);
  });

  test('of the host alone takes the worker with it: half a host does not go on', async () => {
    const running = await start();
    const worker = listening.lines.find((line) => line['kind'] === 'worker');
    const pid = Number(worker?.['pid']);
    expect(isAlive(pid)).toBe(true);
    process.kill(running.pid, 'SIGKILL');
    await until('the worker is gone', () => !isAlive(pid));
    await running.ended;
  });

  test('of the worker fails what it ran, and another worker goes on', async () => {
    await start();
    await queue.sendMessage('{"do":"wait","ms":4000}');
    await until('the function is at it', () => work().length === 1);
    await queue.sendMessage('{"do":"exit"}');
    await until('both have failed', () => ended('failed') >= 2);
    await queue.sendMessage('{"do":"nothing"}');
    await until('the next one succeeded', () => ended('succeeded') >= 1);
    const workers = listening.lines.filter(
      (line) => line['kind'] === 'worker' && line['event'] === 'started',
    );
    expect(workers.length).toBeGreaterThanOrEqual(2);
  });

  test('by functionTimeout kills the worker and what else it ran', async () => {
    await start();
    await queue.sendMessage('{"do":"hang"}');
    await until('the function is at it', () => work().length === 1);
    await queue.sendMessage('{"do":"wait","ms":5500}');
    await until('both have failed', () => ended('failed') >= 2);
    const errors = listening.invocations('work', 'failed').map((line) => String(line['error']));
    expect(errors[0]).toContain('Timeout value of 5000 ms exceeded');
    expect(errors[1]).toContain('the worker process ended (SIGKILL)');
  });
});

test('SIGTERM takes nothing new, lets what runs end, and runs the terminate hooks', async () => {
  const running = await start();
  await queue.sendMessage('{"do":"wait","ms":1500}');
  await until('the function is at it', () => work().length === 1);
  await running.stop();
  expect(ended('succeeded')).toBe(1);
  expect(await count(queue)).toBe(0);
  expect(listening.lines).toContainEqual(
    expect.objectContaining({ kind: 'console', message: 'terminating' }),
  );
  expect(await running.ended).toEqual({ code: 0, signal: null });
});

test('no more than a batch and a threshold run at once', async () => {
  for (let each = 0; each < 30; each++) await queue.sendMessage('{"do":"wait","ms":1500}');
  await start();
  await until('a first one ended', () => ended('succeeded') > 0);
  const before = listening.lines.findIndex((line) => line['event'] === 'succeeded');
  const atOnce = listening.lines
    .slice(0, before)
    .filter((line) => line['kind'] === 'invocation' && line['event'] === 'started');
  // The fixture leaves batchSize and newBatchThreshold at 16 and 8: a batch of 16 is above the threshold.
  expect(atOnce).toHaveLength(16);
  await until('all ended', () => ended('succeeded') === 30);
  let running = 0;
  let most = 0;
  for (const line of listening.lines.filter(({ kind }) => kind === 'invocation')) {
    running += line['event'] === 'started' ? 1 : -1;
    most = Math.max(most, running);
  }
  expect(most).toBeLessThanOrEqual(24);
});

test('an app that cannot be loaded stops the start, with its own error message', async () => {
  const broken = fileURLToPath(new URL('fixtures/broken', import.meta.url));
  await expect(start({ appFolder: broken })).rejects.toThrow('this app cannot be loaded');
});

test('a queue function runs at once when asked to, and reports the result', async () => {
  const running = await start();
  expect(await running.run('work', '{"do":"nothing"}')).toBe(true);
  expect(await running.run('work', '{"do":"throw"}')).toBe(false);
  await expect(running.run('noSuch')).rejects.toThrow('404');
});
