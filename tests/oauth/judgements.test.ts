// What the sign-in judges, without a network: what an answer of Entra means, whether a new grant may be stored, whether a
// callback belongs to the browser that started.
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { SignInSettings } from '../../shared/config/settings.ts';
import * as binding from '../../shared/oauth/consentBinding.ts';
import { grantProblem, issuerOf, requestedScopes, type CodeGrant } from '../../shared/oauth/consentChecks.ts';
import { judgeErrorResponse, retryAfterMs, unreachable } from '../../shared/oauth/errorResponse.ts';
import { explainTokenError, knownCodes } from '../../shared/oauth/tokenErrors.ts';
import { mailbox } from '../models/world.ts';

const now = Date.parse('2026-11-25T09:00:00Z');
const tenant = '11111111-2222-3333-4444-555555555555';
const host = 'https://login.example.test';
const desk = mailbox('desk@example.com');
const signIn = (change: object = {}): SignInSettings =>
  ({
    authorityHost: host,
    tenant,
    scopes: [
      'https://outlook.office365.com/IMAP.AccessAsUser.All',
      'https://outlook.office365.com/SMTP.Send',
      'offline_access',
    ],
    ...change,
  }) as unknown as SignInSettings;

describe('an explanation for the administrator', () => {
  const ways = ['refresh', 'consent', 'application'] as const;
  const sentences = /^[A-Z].{15,}\. .{15,}\. \([^()]+\)$/;

  test.each(knownCodes.flatMap((code) => ways.map((way) => [code, way] as const)))(
    'AADSTS%i (%s) says what happened, what to do and where',
    (code, way) => {
      const detail = explainTokenError({ error: 'invalid_grant', code, way });
      expect(detail).toMatch(sentences);
      // A path in the portal begins with the portal’s name, and “connect again” with where.
      expect(detail).not.toMatch(/\(\s*→|(?:in|to|of) +→|→ *→|→ *\)/);
      expect(detail.split(' → ').length > 1 ? detail : 'admin center').toContain('admin center');
      expect(detail).not.toContain('  ');
    },
  );

  test.each(ways)('of a number that is not known, by the error (%s)', (way) => {
    for (const error of [
      'invalid_grant',
      'interaction_required',
      'login_required',
      'consent_required',
      'invalid_client',
      'unauthorized_client',
      'invalid_scope',
      'invalid_resource',
      'access_denied',
      'temporarily_unavailable',
    ]) {
      const detail = explainTokenError({ error, code: 1, way });
      expect(detail).toMatch(/^[A-Z].{15,}\. .{10,}\. \(AADSTS1\)$/);
      expect(detail).not.toContain('Entra refused to give a token');
      expect(detail).not.toMatch(/\(\s*→/);
    }
    expect(explainTokenError({ error: 'odd', way })).toBe(
      'Entra refused to give a token. Look the code up, and the sign-in in Entra admin center → Enterprise applications → the bridge’s app → Sign-in logs. (odd)',
    );
  });

  test('the person is sent to the bridge’s page, an application never is', () => {
    expect(explainTokenError({ error: 'invalid_grant' })).toBe(
      'The saved sign-in is no longer valid. Open the bridge’s page and connect the mailbox again, signed in as the mailbox itself. (invalid_grant)',
    );
    for (const code of knownCodes) {
      const detail = explainTokenError({ error: 'invalid_grant', code, way: 'application' });
      expect(detail).not.toMatch(/connect the mailbox again|bridge’s page|or use application sign-in/);
    }
    expect(explainTokenError({ error: 'invalid_grant', way: 'application' })).toContain(
      'Look the sign-in up (Entra admin center → Enterprise applications → the bridge’s app → Sign-in logs → Service principal sign-ins) and check the app’s permission and credential.',
    );
  });

  test.each([
    [53003, 'policy for workload identities'],
    [65001, 'IMAP.AccessAsApp and SMTP.SendAsApp'],
  ])('AADSTS%i has a remedy of its own for an application', (code, words) => {
    expect(explainTokenError({ error: 'x', code, way: 'application' })).toContain(words);
    expect(explainTokenError({ error: 'x', code, way: 'consent' })).not.toContain(words);
  });

  test('501051 is about the app’s permission, for an application above all', () => {
    expect(explainTokenError({ error: 'x', code: 501051, way: 'application' })).toContain(
      'not assigned to the role',
    );
  });

  test('70000 speaks of the refresh token where one was used, and of the code where one was', () => {
    expect(explainTokenError({ error: 'x', code: 70000 })).toMatch(/refresh token.*bridge’s page/);
    expect(explainTokenError({ error: 'x', code: 70000, way: 'consent' })).toMatch(
      /authorization code.*open the link only once/,
    );
  });

  test('the reference has the number and the correlation id', () => {
    const detail = explainTokenError({ error: 'x', code: 50173, correlationId: tenant });
    expect(detail).toMatch(new RegExp(`\\(AADSTS50173, correlation id ${tenant}\\)$`));
    expect(new Set(knownCodes).size).toBe(knownCodes.length);
  });
});

describe('an answer without a token', () => {
  const judge = (status: number, body: unknown = {}, retryAfter?: string) =>
    judgeErrorResponse({ status, body, retryAfter }, now);

  test.each<[string, number, unknown, string]>([
    [
      '429 is asked too often',
      429,
      {},
      'answers that it is asked too often (HTTP 429); the bridge tries again.',
    ],
    ['500 is a fault', 500, {}, 'answers with a fault (HTTP 500); the bridge tries again.'],
    [
      '499 is no OAuth',
      499,
      {},
      'sent a response that is not OAuth (HTTP 499): check OAUTH_AUTHORIZE_ENDPOINT',
    ],
    [
      'a fault with a number says what the number means',
      503,
      { error: 'x', error_codes: [90033] },
      'See https://status.cloud.microsoft',
    ],
    ['temporarily_unavailable', 400, { error: 'temporarily_unavailable' }, 'Entra has a temporary fault.'],
    ['server_error', 400, { error: 'server_error' }, '(server_error)'],
    [
      'a number that means later, though the error says a person',
      400,
      { error: 'invalid_grant', error_codes: [50196] },
      'requested too often',
    ],
  ])('is tried again: %s', (_what, status, body, words) => {
    const answer = judge(status, body, '7');
    expect(answer.kind).toBe('unavailable');
    expect(answer.detail).toContain(words);
    if (status !== 499) expect(answer).toHaveProperty('retryAfterMs', 7_000);
    expect(judge(status, body)).not.toHaveProperty('retryAfterMs');
  });

  test.each([50196, 90055, 90033, 90006, 50033, 90024, 90012])('AADSTS%i means later', (code) => {
    expect(judge(400, { error: 'invalid_grant', error_codes: [code] })).toMatchObject({
      kind: 'unavailable',
      code: `AADSTS${code}`,
    });
  });

  test.each(['invalid_grant', 'interaction_required', 'consent_required', 'login_required'])(
    '%s needs a person, unless it is an application',
    (error) => {
      expect(judge(400, { error })).toMatchObject({ kind: 'needsConsent', code: error });
      const way = 'application';
      expect(judgeErrorResponse({ status: 400, body: { error } }, now, way).kind).toBe('configuration');
    },
  );

  test.each<[string, unknown, string | undefined]>([
    ['the first number', { error: 'x', error_codes: [50173, 1] }, 'AADSTS50173'],
    ['the number of the text', { error: 'x', error_description: 'AADSTS70043: words' }, 'AADSTS70043'],
    [
      'the list before the text',
      { error: 'x', error_codes: [1], error_description: 'AADSTS2: x' },
      'AADSTS1',
    ],
    ['no number that is none', { error: 'x', error_codes: ['5'], error_description: 'AADSTS7 x' }, 'AADSTS7'],
    ['no fraction', { error: 'x', error_codes: [1.5] }, 'x'],
    ['not in the middle of the text', { error: 'x', error_description: 'see AADSTS7' }, 'x'],
    ['not of ten digits', { error: 'x', error_description: 'AADSTS1234567890' }, 'x'],
    ['not with letters after it', { error: 'x', error_description: 'AADSTS7x' }, 'x'],
    ['no error of forty-one letters', { error: 'x'.repeat(41) }, undefined],
    ['an error of forty letters', { error: 'x'.repeat(40) }, 'x'.repeat(40)],
    ['no error with a blank', { error: 'two words' }, undefined],
    ['no error with something before it', { error: '1x' }, undefined],
    ['no empty error', { error: '' }, undefined],
  ])('is named by %s', (_what, body, code) => {
    expect(judge(400, body).code).toBe(code);
  });

  test.each([
    ['a correlation id', tenant, true],
    ['one in capitals', tenant.replaceAll('1', 'A'), true],
    ['something before it', `x${tenant}`, false],
    ['something after it', `${tenant}x`, false],
    ['one that is too short', tenant.slice(1), false],
    ['another alphabet', tenant.replaceAll('1', 'g'), false],
    ['a group too few', '11111111-2222-3333-555555555555', false],
  ])('%s is repeated only if it is one', (_what, id, repeated) => {
    const { detail } = judge(400, { error: 'x', correlation_id: id });
    expect(detail.includes(id)).toBe(repeated);
  });

  test('the authority that could not be reached is named', () => {
    expect(unreachable('The key vault')).toEqual({
      kind: 'unavailable',
      detail: 'The key vault could not be reached or did not answer in time; the bridge tries again.',
    });
  });

  test.each<[string | null | undefined, number | undefined]>([
    [null, undefined],
    ['', undefined],
    ['0', 0],
    ['3600', 3_600_000],
    ['3601', 3_600_000],
    ['12x', undefined],
    ['x12', undefined],
    ['1234567890', undefined],
    ['Wed, 25 Nov 2026 09:00:01 GMT', 1_000],
  ])('Retry-After %j is %j', (header, ms) => {
    expect(retryAfterMs(header, now)).toBe(ms);
  });
});

describe('whether a new grant may be stored', () => {
  const claims = { tid: tenant, preferred_username: 'Desk@example.com' };
  const scope =
    'https://outlook.office.com/imap.accessasuser.all https://outlook.office.com/SMTP.Send openid';
  const problem = (
    change: {
      readonly claims?: object | undefined;
      readonly scope?: string | undefined;
      readonly refresh?: string | undefined;
    } = {},
    settings = signIn(),
    issuer = `${host}/${tenant}/v2.0`,
  ): string | undefined => {
    const given = 'claims' in change ? change.claims : claims;
    const answer = {
      claims: () => given,
      ...('scope' in change ? (change.scope === undefined ? {} : { scope: change.scope }) : { scope }),
      ...('refresh' in change ? { refresh_token: change.refresh } : { refresh_token: 'r' }),
    } as unknown as CodeGrant;
    return grantProblem(desk, answer, { settings, issuer });
  };

  test('an account of the tenant with its permissions and a refresh token', () => {
    expect(problem()).toBeUndefined();
  });

  test.each<[string, Parameters<typeof problem>[0], RegExp]>([
    ['another tenant', { claims: { ...claims, tid: 'other' } }, /another tenant.*Nothing was stored/],
    ['no claims', { claims: undefined }, /another tenant/],
    [
      'another account',
      { claims: { ...claims, preferred_username: 'anna@example.com' } },
      /Another account signed in than desk@example\.com.*Nothing was stored/,
    ],
    ['no account', { claims: { tid: tenant } }, /Another account signed in/],
    [
      'one permission too few',
      { scope: 'https://outlook.office365.com/SMTP.Send' },
      /^Entra did not grant https:\/\/outlook\.office365\.com\/IMAP\.AccessAsUser\.All\. Add it.*Nothing was stored/,
    ],
    ['no permissions', { scope: '' }, /IMAP\.AccessAsUser\.All and https:.*SMTP\.Send\./],
    ['no list of permissions', { scope: undefined }, /IMAP\.AccessAsUser\.All and https:.*SMTP\.Send\./],
    ['no refresh token', { refresh: undefined }, /no refresh token.*offline_access.*Nothing was stored/],
    ['an empty refresh token', { refresh: '' }, /no refresh token/],
  ])('not with %s', (_what, change, words) => {
    expect(problem(change)).toMatch(words);
  });

  test('a tenant that is named by its domain is the one of the issuer', () => {
    const settings = signIn({ tenant: 'example.com' });
    expect(problem({}, settings)).toBeUndefined();
    expect(problem({}, settings, `${host}/other/v2.0`)).toMatch(/another tenant/);
    expect(problem({}, settings, 'x')).toMatch(/another tenant/);
    expect(problem({}, signIn(), `${host}/other/v2.0`)).toBeUndefined();
    // A domain may begin or end like an id.
    for (const domain of [`x${tenant}`, `${tenant}.example`])
      expect(problem({}, signIn({ tenant: domain }))).toBeUndefined();
  });

  test('what is asked for: who it is, the mail scopes and a refresh token, each once', () => {
    expect(requestedScopes(signIn({ scopes: ['a', 'offline_access', 'b', 'a'] }))).toEqual([
      'openid',
      'profile',
      'a',
      'offline_access',
      'b',
    ]);
    expect(requestedScopes(signIn({ scopes: ['a'] })).at(-1)).toBe('offline_access');
  });
});

describe('the one issuer that is accepted', () => {
  const realFetch = globalThis.fetch;
  afterEach(() => {
    globalThis.fetch = realFetch;
  });
  const asked: string[] = [];
  const answer = (respond: () => Response | Promise<Response>): void => {
    asked.length = 0;
    globalThis.fetch = (url) => {
      asked.push(url instanceof Request ? url.url : String(url));
      return Promise.resolve().then(respond);
    };
  };

  test('of a tenant named by its id it is known', async () => {
    answer(() => Promise.reject(new Error('not asked')));
    expect(await issuerOf(signIn())).toBe(`${host}/${tenant}/v2.0`);
    expect(asked).toEqual([]);
  });

  test('of a tenant named by its domain Entra’s metadata say it', async () => {
    answer(() => Response.json({ issuer: `${host}/${tenant}/v2.0` }));
    expect(await issuerOf(signIn({ tenant: 'example.com' }))).toBe(`${host}/${tenant}/v2.0`);
    expect(asked).toEqual([`${host}/example.com/v2.0/.well-known/openid-configuration`]);
  });

  test.each<[string, () => Response | Promise<Response>]>([
    ['another host', () => Response.json({ issuer: `https://login.evil.test/${tenant}/v2.0` })],
    ['a host that begins alike', () => Response.json({ issuer: `${host}x/${tenant}/v2.0` })],
    ['a tenant that is no id', () => Response.json({ issuer: `${host}/${'g'.repeat(36)}/v2.0` })],
    ['an id that is too short', () => Response.json({ issuer: `${host}/${tenant.slice(1)}/v2.0` })],
    ['something after it', () => Response.json({ issuer: `${host}/${tenant}/v2.0x` })],
    ['something before the id', () => Response.json({ issuer: `${host}/x/${tenant}/v2.0` })],
    ['another version', () => Response.json({ issuer: `${host}/${tenant}/v2x0` })],
    ['no text', () => Response.json({ issuer: 7 })],
    ['nothing', () => Response.json({})],
    ['no JSON', () => new Response('<html>')],
    ['no answer', () => Promise.reject(new TypeError('fetch failed'))],
  ])('metadata with %s are as good as none', async (_what, respond) => {
    answer(respond);
    expect(await issuerOf(signIn({ tenant: 'example.com' }))).toEqual(unreachable('The sign-in service'));
  });
});

describe('what binds a callback to its browser', () => {
  const hex = 'a1'.repeat(32);

  test('the cookie goes to this host alone, over TLS alone, and ends', () => {
    expect(binding.startCookie(hex, 600_000)).toBe(
      `__Host-connect=${hex}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600`,
    );
    expect(binding.endCookie).toBe('__Host-connect=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0');
  });

  test.each<[string, string | null | undefined, string | undefined]>([
    ['ours', `__Host-connect=${hex}`, hex],
    ['ours among others', `a=b; __Host-connect=${hex};c=d`, hex],
    ['none', null, undefined],
    ['none at all', undefined, undefined],
    ['an empty header', '', undefined],
    ['another', `connect=${hex}`, undefined],
    ['ours twice', `__Host-connect=${hex}; __Host-connect=${hex}`, undefined],
    ['ours without a value', '__Host-connect', undefined],
    ['too short', `__Host-connect=${hex.slice(1)}`, undefined],
    ['too long', `__Host-connect=${hex}a`, undefined],
    ['with something before it', `__Host-connect=x${hex}`, undefined],
    ['another alphabet', `__Host-connect=${hex.replaceAll('a', 'g')}`, undefined],
    ['a header that is too long', `__Host-connect=${hex}; x=${'y'.repeat(16_384)}`, undefined],
  ])('the cookie: %s', (_what, header, value) => {
    expect(binding.readCookie(header)).toBe(value);
  });

  test('a header as long as may be is read', () => {
    const start = `__Host-connect=${hex}; x=`;
    expect(binding.readCookie(start + 'y'.repeat(16_384 - start.length))).toBe(hex);
    expect(binding.readCookie(start + 'y'.repeat(16_385 - start.length))).toBeUndefined();
  });

  test.each<[string, boolean]>([
    [`${hex}.${'0'.repeat(16)}`, true],
    [`${hex}.${'0'.repeat(15)}`, false],
    [`${hex}.${'0'.repeat(17)}`, false],
    [`${hex.slice(1)}.${'0'.repeat(16)}`, false],
    [`x${hex}.${'0'.repeat(16)}`, false],
    [`${hex}x${'0'.repeat(16)}`, false],
    [`${'g'.repeat(64)}.${'0'.repeat(16)}`, false],
    [`${hex}.${'g'.repeat(16)}`, false],
  ])('a state has its form: %s %s', (text, expected) => {
    expect(binding.isState(text)).toBe(expected);
  });

  test('the callback’s parameters: each once, of an address', () => {
    expect(binding.readQuery('https://x.test/?code=a&state=b')?.get('code')).toBe('a');
    expect(binding.readQuery('https://x.test/?code=a&code=b')).toBeUndefined();
    expect(binding.readQuery('not an address')).toBeUndefined();
    const start = 'https://x.test/?code=';
    expect(binding.readQuery(start + 'y'.repeat(16_384 - start.length))).toBeDefined();
    expect(binding.readQuery(start + 'y'.repeat(16_385 - start.length))).toBeUndefined();
  });

  test('a hash is compared whole, and nothing else is a hash', () => {
    const hash = createHash('sha256').update('a').digest('hex');
    expect(binding.sameHash(hash, 'a')).toBe(true);
    expect(binding.sameHash(hash, 'b')).toBe(false);
    expect(binding.sameHash(undefined, 'a')).toBe(false);
    expect(binding.sameHash('short', 'a')).toBe(false);
  });

  test('secrets differ by cookie, state and purpose', () => {
    const all = [
      binding.derive('c', 'nonce', 's'),
      binding.derive('d', 'nonce', 's'),
      binding.derive('c', 'nonce', 't'),
      binding.derive('c', 'verifier', 's'),
    ];
    expect(new Set(all).size).toBe(4);
    for (const one of all) expect(one).toMatch(/^[\w-]{43}$/);
    expect(binding.derive('c', 'nonce', 's')).toBe(all[0]);
  });
});
