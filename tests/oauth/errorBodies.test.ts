// An answer of the token endpoint is judged by its body, whatever class of error the library makes of it.
import { afterEach, describe, expect, test } from '@jest/globals';
import * as oidc from 'openid-client';
import type { SignInSettings } from '../../shared/config/settings.ts';
import { judgeErrorResponse } from '../../shared/oauth/errorResponse.ts';
import { createTokenEndpoint } from '../../shared/oauth/tokenEndpoint.ts';
import { StillClock } from './world.ts';

const authority = 'https://login.example.test';
const settings = {
  authorityHost: authority,
  tenant: 't',
  clientId: 'c',
  authorizeEndpoint: `${authority}/t/oauth2/v2.0/authorize`,
  tokenEndpoint: `${authority}/t/oauth2/v2.0/token`,
  scopes: ['https://outlook.office365.com/SMTP.Send', 'offline_access'],
} as unknown as SignInSettings;

const realFetch = globalThis.fetch;
afterEach(() => {
  globalThis.fetch = realFetch;
});

/** What a refresh comes to if the endpoint answers so. */
async function refresh(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: unknown,
): Promise<Awaited<ReturnType<ReturnType<typeof createTokenEndpoint>['refresh']>>> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  globalThis.fetch = () =>
    Promise.resolve(
      new Response(text, { status, headers: { 'content-type': 'application/json', ...headers } }),
    );
  const endpoint = createTokenEndpoint(
    settings,
    () => Promise.resolve({ kind: 'auth', auth: oidc.None() }),
    new StillClock(),
  );
  return endpoint.refresh('a refresh token');
}

const challenge = { 'www-authenticate': 'Bearer realm="token"' };
const error = (name: string, code: number): Readonly<Record<string, unknown>> => ({
  error: name,
  error_description: `AADSTS${code}: x`,
  error_codes: [code],
});

test.each([
  [
    '401 invalid_client with a challenge',
    401,
    challenge,
    error('invalid_client', 7000222),
    'configuration',
    'client secret has expired',
  ],
  [
    '401 invalid_client with another challenge',
    401,
    { 'www-authenticate': 'Basic realm="x", Bearer error="invalid_client"' },
    error('invalid_client', 7000215),
    'configuration',
    'client secret is wrong',
  ],
  [
    '400 invalid_grant with a challenge',
    400,
    challenge,
    error('invalid_grant', 50173),
    'needsConsent',
    'sessions were revoked',
  ],
  ['200 with an error body', 200, {}, error('invalid_grant', 50173), 'needsConsent', 'sessions were revoked'],
  [
    '200 with the error of a client',
    200,
    {},
    error('invalid_client', 7000222),
    'configuration',
    'client secret has expired',
  ],
  [
    '200 without token_type',
    200,
    {},
    { access_token: 'a', expires_in: 3600 },
    'unavailable',
    'not OAuth (HTTP 200)',
  ],
  ['200 without a token', 200, {}, { token_type: 'Bearer' }, 'unavailable', 'not OAuth (HTTP 200)'],
  [
    '200 with an empty token',
    200,
    {},
    { access_token: '', token_type: 'Bearer' },
    'unavailable',
    'not OAuth (HTTP 200)',
  ],
  ['503 with a challenge', 503, challenge, 'down', 'unavailable', 'HTTP 503'],
  ['400 invalid_grant 70000', 400, {}, error('invalid_grant', 70000), 'needsConsent', 'refresh token'],
])('%s', async (_what, status, headers, body, kind, detail) => {
  const answer = await refresh(status, headers, body);
  expect(answer.kind).toBe(kind);
  expect('detail' in answer ? answer.detail : '').toContain(detail);
  expect('detail' in answer ? answer.detail : '').not.toContain('could not be reached');
});

test('429 with a challenge keeps its Retry-After', async () => {
  expect(await refresh(429, { ...challenge, 'retry-after': '17' }, {})).toMatchObject({
    kind: 'unavailable',
    retryAfterMs: 17_000,
  });
});

describe('a refusal of an application has a remedy that fits an application', () => {
  const codes = [
    53003, 65001, 501051, 530003, 50173, 70043, 50076, 530035, 50053, 700024, 700027, 7000222, 1,
  ];
  test.each(codes)('AADSTS%i', (code) => {
    for (const name of ['invalid_grant', 'invalid_client', 'interaction_required']) {
      const answer = judgeErrorResponse({ status: 400, body: error(name, code) }, 0, 'application');
      expect(answer.kind).toBe('configuration');
      expect(answer.detail).not.toMatch(/connect the mailbox|bridge’s page/i);
    }
  });

  test.each(['invalid_grant', 'interaction_required', 'login_required', 'consent_required'])(
    '%s without a number',
    (name) => {
      const answer = judgeErrorResponse({ status: 400, body: { error: name } }, 0, 'application');
      expect(answer.kind).toBe('configuration');
      expect(answer.detail).not.toMatch(/connect the mailbox|bridge’s page/i);
    },
  );

  test('700024 names the clock and the age of the assertion; 700027 the certificate', () => {
    const detail = (code: number): string =>
      judgeErrorResponse({ status: 401, body: error('invalid_client', code) }, 0, 'application').detail;
    expect(detail(700024)).toMatch(/clock/);
    expect(detail(700024)).toMatch(/too old/);
    expect(detail(700027)).toMatch(/certificate/);
    expect(detail(700027)).not.toMatch(/managed identity/);
  });
});

test('70000 in the consent speaks of the authorization code', () => {
  expect(
    judgeErrorResponse({ status: 400, body: error('invalid_grant', 70000) }, 0, 'consent').detail,
  ).toContain('authorization code');
});
