import { expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readHostNumbers, timeSpanMs } from '../../../local/functionsHost/hostNumbers.ts';

function numbersOf(hostJson: unknown): ReturnType<typeof readHostNumbers> {
  const folder = mkdtempSync(join(tmpdir(), 'host-json-'));
  try {
    writeFileSync(join(folder, 'host.json'), JSON.stringify(hostJson));
    return readHostNumbers(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('what host.json leaves out has the documented default', () => {
  expect(numbersOf({ version: '2.0' })).toEqual({
    queues: {
      batchSize: 16,
      newBatchThreshold: 8,
      maxDequeueCount: 5,
      visibilityTimeoutMs: 0,
      maxPollingIntervalMs: 60_000,
      messageEncoding: 'base64',
    },
    routePrefix: 'api',
    functionTimeoutMs: 1_800_000,
  });
});

test('the threshold of a next batch is half a batch', () => {
  const { queues } = numbersOf({ version: '2.0', extensions: { queues: { batchSize: 5 } } });
  expect(queues.newBatchThreshold).toBe(2);
});

test('a time-out of -1 is none', () => {
  expect(numbersOf({ version: '2.0', functionTimeout: '-1' }).functionTimeoutMs).toBeUndefined();
});

test.each([
  [{ version: '1.0' }, 'version'],
  [{ version: '2.0', functionTimeout: '10' }, 'no span of time'],
  [{ version: '2.0', extensions: { queues: { batchSize: 33 } } }, 'batchSize'],
  [{ version: '2.0', extensions: { queues: { messageEncoding: 'utf8' } } }, 'messageEncoding'],
])('%j is refused', (hostJson, detail) => {
  expect(() => numbersOf(hostJson)).toThrow(detail);
});

test.each([
  ['00:00:30', 30_000],
  ['00:10:00', 600_000],
  ['1.02:03:04', 93_784_000],
  ['00:00:00.200', 200],
  ['30', undefined],
])('%s is %p ms', (text, expected) => {
  expect(timeSpanMs(text)).toBe(expected);
});
