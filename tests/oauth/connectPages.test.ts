import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { grantName } from '../../shared/oauth/grants.ts';
import type { ConnectPages } from '../../shared/oauth/connectPages.ts';
import type { WebAnswer, WebRequest } from '../../shared/web/http.ts';
import { REDIRECT_URI, mailbox, robot, startWorld, support } from './world.ts';
import type { World } from './world.ts';

const ROLE = 'MailBridge.Admin';
const START = 'https://bridge.example/api/oauth/connect';
const odd = mailbox('odd+"><img@example.test');

let world: World;
let pages: ConnectPages;
const pagesOf = (authenticationOn: boolean): ConnectPages =>
  world.worker().connectPages({
    mailboxes: [support, robot, odd],
    redirectUri: REDIRECT_URI,
    role: ROLE,
    authenticationOn,
  });
beforeEach(async () => {
  world = await startWorld();
  pages = pagesOf(true);
});
afterEach(async () => {
  await world.close();
});

const principal = (...roles: readonly string[]): Readonly<Record<string, string>> => ({
  'x-ms-client-principal-idp': 'aad',
  'x-ms-client-principal': Buffer.from(
    JSON.stringify({
      claims: [{ typ: 'oid', val: 'a1' }, ...roles.map((val) => ({ typ: 'roles', val }))],
    }),
  ).toString('base64'),
});

function request(
  url: string,
  {
    method = 'GET',
    headers = {},
    form,
  }: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly form?: Readonly<Record<string, string>>;
  } = {},
): WebRequest {
  return {
    method,
    url,
    header: (name) => headers[name],
    text: () => Promise.resolve(''),
    form: () => Promise.resolve(form === undefined ? undefined : new URLSearchParams(form)),
  };
}

const post = (address: string, headers: Readonly<Record<string, string>>): Promise<WebAnswer> =>
  pages.connectMailbox(request(START, { method: 'POST', headers, form: { mailbox: address } }));
const ours = { origin: 'https://bridge.example' };

test('the whole way: the page, Entra, back, connected, and the page says since when', async () => {
  const first = await pages.connectMailbox(request(START, { headers: principal(ROLE) }));
  expect(first.body).toContain('Not connected yet.');
  expect(first.body).not.toContain(robot.address);
  const started = await post(support.address, { ...principal(ROLE), ...ours });
  expect(started.status).toBe(303);
  const location = started.headers['location'] ?? '';
  const login = await fetch(location, {
    method: 'POST',
    body: new URLSearchParams({ account: support.address, decision: 'accept' }),
    redirect: 'manual',
  });
  const ended = await pages.connectCallback(
    request(login.headers.get('location') ?? '', {
      headers: { cookie: started.headers['set-cookie']?.split(';')[0] ?? '' },
    }),
  );
  expect([ended.status, ended.headers['set-cookie']]).toEqual([200, expect.stringContaining('Max-Age=0')]);
  const after = await pages.connectMailbox(request(START, { headers: principal(ROLE) }));
  expect(after.body).toMatch(/Connected as support@example.test since \d{4}-\d\d-\d\d\./);
});

test.each([
  { who: 'nobody', headers: {}, on: true, status: 303 },
  { who: 'a person without the role', headers: principal('Reader'), on: true, status: 403 },
  { who: 'a forged principal while authentication is off', headers: principal(ROLE), on: false, status: 401 },
])('closed to $who, in reading and in starting', async ({ headers, on, status }) => {
  pages = pagesOf(on);
  for (const answer of [
    await pages.connectMailbox(request(START, { headers })),
    await post(support.address, { ...headers, ...ours }),
  ]) {
    expect(answer.status).toBe(status);
    expect(answer.body).not.toContain('<form');
    expect(answer.headers['location'] ?? '').not.toContain('authorize');
  }
  expect(world.rows.rows.size).toBe(0);
});

test('whoever is sent to sign in comes back to a fixed place, whatever the request said', async () => {
  for (const url of [
    `${START}?post_login_redirect_uri=//evil.test`,
    `${START}/%2f%2fevil.test`,
    '/\\evil.test',
  ]) {
    expect((await pages.connectMailbox(request(url))).headers['location']).toBe(
      '/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Foauth%2Fconnect',
    );
  }
});

test.each([
  undefined,
  'https://evil.test',
  'null',
  'https://bridge.example.evil.test',
  'http://bridge.example',
])('a start posted from origin %j is refused', async (origin) => {
  const answer = await post(support.address, {
    ...principal(ROLE),
    ...(origin === undefined ? {} : { origin }),
  });
  expect(answer.status).toBe(403);
  expect(world.rows.rows.size).toBe(0);
});

test('what is shown is escaped, and the policy lets nothing run or load', async () => {
  await world.worker().grants.connect(grantName(support.address), {
    refreshToken: 'x',
    account: '<script>alert(1)</script>',
  });
  const { body, headers } = await pages.connectMailbox(request(START, { headers: principal(ROLE) }));
  expect(body).toContain('&lt;script&gt;');
  expect(body).not.toMatch(/<(?:script|img)/);
  expect(headers['content-security-policy']).toContain("default-src 'none'");
  const style = /<style>([\s\S]*)<\/style>/.exec(body)?.[1] ?? '';
  const hash = createHash('sha256').update(style).digest('base64');
  expect(headers['content-security-policy']).toContain(`style-src 'sha256-${hash}'`);
  // With "no-referrer" a browser sends "Origin: null" with the form, and nobody could start.
  expect(headers['referrer-policy']).toBe('same-origin');
  const back = await pages.connectCallback(
    request(`${REDIRECT_URI}?state=x&error=<img>&error_description=<script>`, {}),
  );
  expect([back.status, /<(?:script|img)/.test(back.body)]).toEqual([400, false]);
});

test('what stood still for the mailbox is told of the sign-in, and trouble there spoils nothing', async () => {
  const told: string[] = [];
  const withHook = world.worker().connectPages({
    mailboxes: [support],
    redirectUri: REDIRECT_URI,
    role: ROLE,
    authenticationOn: true,
    onConnected: ({ address }) => {
      told.push(address);
      return Promise.reject(new Error('the store is down'));
    },
  });
  const started = await withHook.connectMailbox(
    request(START, {
      method: 'POST',
      headers: { ...principal(ROLE), ...ours },
      form: { mailbox: support.address },
    }),
  );
  const login = await fetch(started.headers['location'] ?? '', {
    method: 'POST',
    body: new URLSearchParams({ account: support.address, decision: 'accept' }),
    redirect: 'manual',
  });
  const callback = (): Promise<WebAnswer> =>
    withHook.connectCallback(
      request(login.headers.get('location') ?? '', {
        headers: { cookie: started.headers['set-cookie']?.split(';')[0] ?? '' },
      }),
    );
  expect((await callback()).status).toBe(200);
  expect(told).toEqual([support.address]);
  // The same answer again is refused, tells nobody, and leaves the cookie to whatever is under way by now.
  const again = await callback();
  expect([again.status, again.headers['set-cookie']]).toEqual([400, undefined]);
  expect(told).toEqual([support.address]);
});
