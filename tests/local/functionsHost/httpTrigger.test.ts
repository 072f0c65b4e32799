import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import { startHostProcess, type HostProcess } from '../../../local/functionsHost/hostProcess.ts';
import { Listening } from './listening.ts';

const keys = { function: 'a function key', master: 'the master key' };
const listening = new Listening();
let host: HostProcess;

beforeAll(async () => {
  host = await startHostProcess({
    appFolder: fileURLToPath(new URL('fixtures/http', import.meta.url)),
    settings: {},
    keys,
    onLine: listening.onLine,
  });
});
afterAll(async () => {
  await host.kill();
});

const ask = (path: string, init?: RequestInit): Promise<Response> => fetch(`${host.url}${path}`, init);

test('a request reaches its function with parameters, query, headers and body, and its answer comes back', async () => {
  const answer = await ask('/api/things/a%20b/c?x=1&x=2&y=%C3%A4', {
    method: 'POST',
    headers: { 'x-sent': 'yes' },
    body: 'Hyvää päivää',
  });
  expect(answer.status).toBe(201);
  expect(answer.headers.get('x-seen')).toBe('yes');
  expect(answer.headers.getSetCookie()).toEqual([
    'state=a%20b; max-age=600; path=/api; secure; samesite=lax; httponly',
  ]);
  expect(await answer.json()).toEqual({
    method: 'POST',
    params: { id: 'a b', part: 'c' },
    query: { x: '1,2', y: 'ä' },
    body: 'Hyvää päivää',
  });
});

test('five megabytes go in and come out as they are', async () => {
  const sent = Buffer.alloc(5_000_000, '\u0000\u00ff');
  const answer = await ask('/api/bytes', { method: 'POST', body: sent });
  expect(Buffer.from(await answer.arrayBuffer()).equals(sent)).toBe(true);
});

describe('addresses', () => {
  test.each([
    ['GET', '/api/things/special', 200, 'literal'],
    ['GET', '/api/files/a/b', 200, 'a/b'],
    ['GET', '/api/nothing', 204, ''],
    ['GET', '/api/thrower', 500, ''],
    ['GET', '/api/bytes', 404, ''],
    ['HEAD', '/api/things/special', 404, ''],
    ['GET', '/things/special', 404, ''],
    ['GET', '/api/adminPage', 404, ''],
    ['GET', '/api/runtime/page', 404, ''],
  ])('%s %s is answered with %i', async (method, path, status, body) => {
    const answer = await ask(path, { method });
    expect(answer.status).toBe(status);
    expect(await answer.text()).toBe(body);
  });

  test('that the host keeps to itself leave their functions out', () => {
    expect(Object.keys(host.inError).sort()).toEqual(['adminPage', 'runtimePage']);
  });
});

describe('keys', () => {
  test.each([
    ['/api/keyed', {}, 401],
    ['/api/keyed', { 'x-functions-key': 'another' }, 401],
    ['/api/keyed', { 'x-functions-key': keys.function }, 200],
    ['/api/keyed', { 'x-functions-key': keys.master }, 200],
    [`/api/keyed?code=${encodeURIComponent(keys.function)}`, {}, 200],
    ['/api/mastered', { 'x-functions-key': keys.function }, 401],
    ['/api/mastered', { 'x-functions-key': keys.master }, 200],
    ['/admin/host/status', { 'x-functions-key': keys.function }, 401],
    ['/admin/host/status', { 'x-functions-key': keys.master }, 200],
  ])('%s with %j is answered with %i', async (path, headers, status) => {
    expect((await ask(path, { headers })).status).toBe(status);
  });
});

test('a function that throws shows the caller nothing, and the log everything', async () => {
  const answer = await ask('/api/thrower');
  expect(await answer.text()).toBe('');
  expect(listening.invocations('thrower', 'failed')[0]).toMatchObject({
    error: expect.stringContaining('secret words') as unknown,
  });
});
