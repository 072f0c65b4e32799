import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readHostNumbers } from '../../local/functionsHost/hostNumbers.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const hostJson = JSON.parse(readFileSync(`${root}/host.json`, 'utf8')) as Record<string, unknown>;

test('host.json says what the functions were written for', () => {
  expect(readHostNumbers(root)).toEqual({
    queues: {
      batchSize: 32,
      newBatchThreshold: 96,
      maxDequeueCount: 10,
      visibilityTimeoutMs: 30_000,
      maxPollingIntervalMs: 1000,
      messageEncoding: 'none',
    },
    routePrefix: 'api',
    functionTimeoutMs: 600_000,
  });
  expect(hostJson['extensionBundle']).toEqual({
    id: 'Microsoft.Azure.Functions.ExtensionBundle',
    version: '[4.*, 5.0.0)',
  });
});

test('no trace is sampled away: counters are read from them', () => {
  expect(hostJson['logging']).toEqual({ applicationInsights: { samplingSettings: { isEnabled: false } } });
});

test('the default telemetry mode is left alone', () => {
  expect(hostJson).not.toHaveProperty('telemetryMode');
});
