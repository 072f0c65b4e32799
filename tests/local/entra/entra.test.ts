// The authority's emulator by its wire: what a client library would see, without one.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import https from 'node:https';
import { makeCertificates } from '../../../local/stack/certificates.ts';
import { startEntra } from '../../../local/emulators/entra/entra.ts';
import type { EntraOptions, EntraEmulator } from '../../../local/emulators/entra/entra.ts';
import type { Clock } from '../../../shared/clock.ts';

const TENANT = '11111111-2222-4333-8444-555555555555';
const APP = 'aaaaaaaa-2222-4333-8444-555555555555';
const REDIRECT = 'https://bridge.example/callback';
const MAIL = 'https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send';
const SCOPE = `openid ${MAIL} offline_access`;
const dayMs = 86_400_000;
const certificates = makeCertificates();

let now: number;
const clock: Clock = { now: () => now, monotonic: () => now, sleep: () => Promise.resolve() };
let entra: EntraEmulator;
const start = async (options: Partial<EntraOptions> = {}): Promise<EntraEmulator> => {
  const { cert, key } = await certificates;
  return startEntra({
    cert,
    key,
    clock,
    tenant: TENANT,
    apps: [
      {
        clientId: APP,
        redirectUris: [REDIRECT],
        secrets: [{ value: 'old', expiresAt: 1 }, { value: 'right' }],
      },
      { clientId: 'public', redirectUris: [REDIRECT], publicClient: true },
      { clientId: 'off', redirectUris: [REDIRECT], disabled: true },
    ],
    accounts: [{ upn: 'Ada@example.test' }, { upn: 'blocked@example.test', refusedWith: 53003 }],
    ...options,
  });
};
beforeEach(async () => {
  now = Date.parse('2026-11-25T09:00:00Z');
  entra = await start();
});
afterEach(async () => {
  await entra.close();
});

interface Answer {
  readonly status: number;
  readonly location: URL | undefined;
  readonly text: string;
}

async function ask(url: string, form?: Readonly<Record<string, string>>): Promise<Answer> {
  const { ca } = await certificates;
  return new Promise((resolve, reject) => {
    const body = form === undefined ? undefined : new URLSearchParams(form).toString();
    const request = https.request(
      url,
      { method: body === undefined ? 'GET' : 'POST', ca, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const { location } = response.headers;
          resolve({
            status: response.statusCode ?? 0,
            location: location === undefined ? undefined : new URL(location),
            text: Buffer.concat(chunks).toString(),
          });
        });
      },
    );
    request.on('error', reject);
    if (body !== undefined) request.setHeader('content-type', 'application/x-www-form-urlencoded');
    request.end(body);
  });
}

const token = async (form: Readonly<Record<string, string>>): Promise<Readonly<Record<string, unknown>>> =>
  JSON.parse(
    (await ask(entra.tokenEndpoint, { client_id: APP, client_secret: 'right', ...form })).text,
  ) as Readonly<Record<string, unknown>>;
const codeOf = async (form: Readonly<Record<string, string>>): Promise<unknown> => {
  const { error_codes: codes, error } = await token(form);
  return codes === undefined ? (error ?? 'ok') : (codes as number[])[0];
};

const verifier = randomBytes(32).toString('base64url');
function authorizeUrl(changes: Readonly<Record<string, string>> = {}): string {
  const url = new URL(entra.authorizeEndpoint);
  const parameters = {
    client_id: APP,
    redirect_uri: REDIRECT,
    response_type: 'code',
    scope: SCOPE,
    state: 's',
    nonce: 'n',
    prompt: 'select_account',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...changes,
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}
const login = async (
  account: string,
  changes: Readonly<Record<string, string>> = {},
): Promise<URLSearchParams> =>
  (await ask(authorizeUrl(changes), { account, decision: 'accept' })).location?.searchParams ??
  new URLSearchParams();
const exchange = (
  code: string,
  changes: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> => ({
  grant_type: 'authorization_code',
  code,
  redirect_uri: REDIRECT,
  code_verifier: verifier,
  ...changes,
});

describe('signing in', () => {
  test('the page offers the accounts with the hint filled in; any case of the name is the account', async () => {
    const page = await ask(authorizeUrl({ login_hint: 'ada@example.test' }));
    expect(page.text).toContain('value="ada@example.test"');
    expect(page.text).toContain('IMAP.AccessAsUser.All');
    const back = await login('ADA@example.test');
    expect(back.get('state')).toBe('s');
    const answer = await token(exchange(back.get('code') ?? ''));
    expect(answer).toMatchObject({ token_type: 'Bearer', expires_in: 4500, scope: MAIL });
    expect(await entra.checkToken(String(answer['access_token']))).toMatchObject({
      kind: 'ok',
      user: 'Ada@example.test',
    });
    const idToken = JSON.parse(
      Buffer.from(String(answer['id_token']).split('.')[1] ?? '', 'base64url').toString(),
    ) as unknown;
    expect(idToken).toMatchObject({ iss: entra.issuer, aud: APP, nonce: 'n', tid: TENANT });
  });

  test('the code is good once, for ten minutes, with its verifier and its redirect URI', async () => {
    const code = async (): Promise<string> => (await login('ada@example.test')).get('code') ?? '';
    const used = await code();
    expect(await codeOf(exchange(used))).toBe('ok');
    expect(await codeOf(exchange(used))).toBe(54005);
    expect(await codeOf(exchange(await code(), { code_verifier: 'other' }))).toBe(501481);
    expect(await codeOf(exchange(await code(), { code_verifier: '' }))).toBe(501481);
    expect(await codeOf(exchange(await code(), { redirect_uri: `${REDIRECT}/` }))).toBe(50011);
    const late = await code();
    now += 11 * 60_000;
    expect(await codeOf(exchange(late))).toBe(70008);
  });

  test('a redirect URI or client that is not known is never redirected to', async () => {
    for (const changes of [{ redirect_uri: 'https://evil.test/' }, { client_id: 'unknown' }]) {
      const { status, location } = await ask(authorizeUrl(changes));
      expect([status, location]).toEqual([400, undefined]);
    }
  });

  test('declining, Conditional Access and two resources come back as errors', async () => {
    const declined = await ask(authorizeUrl(), { account: 'ada@example.test', decision: 'decline' });
    expect(declined.location?.searchParams.get('error')).toBe('access_denied');
    expect((await login('blocked@example.test')).get('error_description')).toContain('AADSTS53003');
    const two = {
      scope: 'https://outlook.office.com/SMTP.Send https://outlook.office365.com/IMAP.AccessAsUser.All',
    };
    expect((await login('ada@example.test', two)).get('error_description')).toContain('AADSTS700022');
  });

  test('without a prompt the browser’s session is taken, which is how the wrong account consents', async () => {
    entra.setSignedIn('ada@example.test');
    expect((await ask(authorizeUrl())).status).toBe(200);
    const url = new URL(authorizeUrl());
    url.searchParams.delete('prompt');
    expect((await ask(url.href)).location?.searchParams.get('code')).not.toBeNull();
  });
});

describe('refreshing', () => {
  const refresh = (refreshToken: string, scope = SCOPE): Readonly<Record<string, string>> => ({
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
    scope,
  });

  test('each use gives a new refresh token and leaves the old one valid, by default', async () => {
    const first = entra.grant('ada@example.test', APP, SCOPE);
    const { refresh_token: second } = await token(refresh(first));
    expect(second).not.toBe(first);
    expect(await codeOf(refresh(first))).toBe('ok');
    entra.revokeUsed(true);
    expect(await codeOf(refresh(first))).toBe('ok');
    expect(await codeOf(refresh(first))).toBe(70000);
    expect(await codeOf(refresh(String(second)))).toBe('ok');
  });

  test('90 days without use end it; use keeps it', async () => {
    const used = entra.grant('ada@example.test', APP, SCOPE);
    const idle = entra.grant('ada@example.test', APP, SCOPE);
    now += 89 * dayMs;
    expect(await codeOf(refresh(used))).toBe('ok');
    now += dayMs;
    expect(await codeOf(refresh(used))).toBe('ok');
    expect(await codeOf(refresh(idle))).toBe(700082);
  });

  test('revoked sessions, a missing scope, a scope never consented to, another app’s token', async () => {
    const granted = entra.grant('ada@example.test', APP, SCOPE);
    expect(await codeOf(refresh(granted, ''))).toBe(900144);
    expect(await codeOf(refresh(granted, 'https://outlook.office.com/POP.AccessAsUser.All'))).toBe(65001);
    expect(await codeOf({ ...refresh(granted), client_id: 'public', client_secret: '' })).toBe(700025);
    entra.revokeSessions('ADA@example.test');
    expect(await codeOf(refresh(granted))).toBe(50173);
    now += 1;
    expect(await codeOf(refresh(entra.grant('ada@example.test', APP, SCOPE)))).toBe('ok');
  });

  test.each([
    [{ client_secret: 'wrong' }, 7000215],
    [{ client_secret: 'old' }, 7000222],
    [{ client_id: 'unknown' }, 700016],
    [{ client_id: 'off' }, 7000112],
    [{ grant_type: 'password' }, 70003],
  ])('%j is refused with %d', async (changes, code) => {
    expect(await codeOf({ ...refresh(entra.grant('ada@example.test', APP, SCOPE)), ...changes })).toBe(code);
  });

  test('an app with a web redirect URI that sends no proof', async () => {
    const form = { ...refresh(entra.grant('ada@example.test', APP, SCOPE)), client_id: APP };
    expect((await ask(entra.tokenEndpoint, form)).text).toContain('AADSTS7000218');
  });
});

describe('what a mail server makes of a token', () => {
  const claims = {
    aud: 'https://outlook.office.com',
    tid: TENANT,
    appid: APP,
    oid: 'o',
    upn: 'ada@example.test',
  };
  test('expired, for another resource, of another tenant, spoilt', async () => {
    const why = async (bearer: string): Promise<unknown> => {
      const check = await entra.checkToken(bearer);
      return check.kind === 'ok' ? 'ok' : check.why;
    };
    const good = await entra.sign(claims, 60_000);
    expect(await why(good)).toBe('ok');
    expect(await why(await entra.sign({ ...claims, aud: 'https://graph.microsoft.com' }, 60_000))).toBe(
      'audience',
    );
    expect(await why(await entra.sign({ ...claims, tid: 'other' }, 60_000))).toBe('tenant');
    expect(await why('nonsense')).toBe('malformed');
    const [head, payload] = good.split('.');
    expect(await why(`${head ?? ''}.${payload ?? ''}.${'A'.repeat(342)}`)).toBe('signature');
    now += 61_000;
    expect(await why(good)).toBe('expired');
  });
});
