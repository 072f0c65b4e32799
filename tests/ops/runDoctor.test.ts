import { expect, test } from '@jest/globals';
import type { WebAnswer, WebRequest } from '../../shared/web/http.ts';
import { createRunDoctor } from '../../shared/ops/runDoctor.ts';

const ROLE = 'MailBridge.Administrator';
const origin = 'https://bridge.example';
const examined: string[] = [];

const principal = (...roles: readonly string[]): Readonly<Record<string, string>> => ({
  'x-ms-client-principal-idp': 'aad',
  'x-ms-client-principal': Buffer.from(
    JSON.stringify({ claims: [{ typ: 'oid', val: 'a1' }, ...roles.map((val) => ({ typ: 'roles', val }))] }),
  ).toString('base64'),
});

async function ask(
  headers: Readonly<Record<string, string>>,
  options: { readonly on?: boolean; readonly form?: Readonly<Record<string, string>> | null } = {},
): Promise<WebAnswer> {
  const { on = true, form = { mailbox: 'support@example.test' } } = options;
  examined.length = 0;
  const runDoctor = createRunDoctor({
    origin,
    role: ROLE,
    authenticationOn: on,
    examine: (address) => {
      examined.push(address);
      return Promise.resolve({ mailbox: address, ok: true, steps: [], causes: [] });
    },
  });
  const request: WebRequest = {
    method: 'POST',
    url: `${origin}/api/ops/doctor`,
    header: (name) => headers[name],
    text: () => Promise.resolve(''),
    form: () => Promise.resolve(form === null ? undefined : new URLSearchParams(form)),
  };
  return runDoctor(request);
}

test('an administrator on our own page gets the diagnosis as JSON, kept by no cache', async () => {
  const answer = await ask({ ...principal(ROLE), origin });
  expect(answer.status).toBe(200);
  expect(answer.headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
  });
  expect(JSON.parse(answer.body)).toEqual({
    mailbox: 'support@example.test',
    ok: true,
    steps: [],
    causes: [],
  });
});

test.each([
  { named: 'nobody', headers: { origin }, status: 401 },
  { named: 'another role', headers: { ...principal('Reader'), origin }, status: 403 },
  {
    named: 'a principal while authentication is off',
    headers: { ...principal(ROLE), origin },
    on: false,
    status: 401,
  },
  {
    named: 'a form on another site',
    headers: { ...principal(ROLE), origin: 'https://evil.test' },
    status: 403,
  },
  { named: 'no origin', headers: principal(ROLE), status: 403 },
  { named: 'no form', headers: { ...principal(ROLE), origin }, form: null, status: 400 },
  { named: 'no mailbox', headers: { ...principal(ROLE), origin }, form: { mailbox: '' }, status: 400 },
  {
    named: 'an address without end',
    headers: { ...principal(ROLE), origin },
    form: { mailbox: 'x'.repeat(321) },
    status: 400,
  },
])('refused, and nothing examined: $named', async ({ headers, status, ...more }) => {
  const answer = await ask(headers, more);
  expect(answer.status).toBe(status);
  expect(JSON.parse(answer.body)).toEqual({ error: expect.any(String) });
  expect(examined).toEqual([]);
});
