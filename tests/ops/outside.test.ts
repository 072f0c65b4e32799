import { afterEach, expect, test } from '@jest/globals';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { examineOutside } from '../../shared/ops/outside.ts';
import type { GuardedRoute } from '../../shared/ops/outside.ts';

let server: http.Server | undefined;
afterEach(() => {
  server?.close();
  server?.closeAllConnections();
});

const routes: readonly GuardedRoute[] = [
  { method: 'POST', path: '/api/mail' },
  { method: 'GET', path: '/api/ops' },
  { method: 'GET', path: '/api/oauth/connect' },
];

/** An app that answers each path with what is given: a status, or where it sends the browser. */
async function app(answers: Readonly<Record<string, number | string>>): Promise<string> {
  server = http.createServer((request, response) => {
    const answer = answers[request.url ?? ''] ?? 404;
    if (typeof answer === 'number') response.writeHead(answer);
    else response.writeHead(303, { location: answer });
    response.end('x'.repeat(1000));
  });
  await new Promise<void>((done) => server?.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('keys, roles and the way to sign in refuse: nothing is open', async () => {
  const base = await app({ '/api/mail': 401, '/api/ops': '/.auth/login/aad?x=y', '/api/oauth/connect': 403 });
  expect(await examineOutside(base, routes)).toEqual([]);
});

test.each([
  ['200', 200],
  ['400: the handler looked at the request', 400],
  ['500: the handler fell over it', 500],
  ['a redirect to somewhere else', '/welcome'],
])('open: %s', async (_named, answer) => {
  const base = await app({ '/api/mail': 401, '/api/ops': answer, '/api/oauth/connect': 401 });
  const causes = await examineOutside(base, routes);
  expect(causes.map(({ cause }) => cause)).toEqual([
    'The route /api/ops answers a request without credentials.',
  ]);
});

test('an address that nobody answers is one cause, not three', async () => {
  const base = await app({});
  server?.close();
  server?.closeAllConnections();
  expect(await examineOutside(base, routes)).toMatchObject([
    { cause: 'The app’s address cannot be reached from here.' },
  ]);
});
