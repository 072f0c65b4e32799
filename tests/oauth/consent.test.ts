import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { grantName } from '../../shared/oauth/grants.ts';
import type { Consent, ConsentEnd } from '../../shared/oauth/consent.ts';
import type { SignIn } from '../../shared/oauth/signIn.ts';
import { MINUTE_MS, REDIRECT_URI, SCOPES, mailbox, robot, startWorld, support } from './world.ts';
import type { World } from './world.ts';

const sales = mailbox('sales@example.test');
const shared = { ...mailbox('desk@example.test'), smtpUser: 'support@example.test' };
const admin = 'admin@example.test';

let world: World;
let signIn: SignIn;
let consent: Consent;
beforeEach(async () => {
  world = await startWorld({ signedIn: admin });
  signIn = world.worker();
  consent = signIn.consent({ mailboxes: [support, sales, shared, robot], redirectUri: REDIRECT_URI });
});
afterEach(async () => {
  await world.close();
});

interface Started {
  readonly location: URL;
  readonly cookies: string;
}

async function start(address = support.address, by = consent): Promise<Started> {
  const begun = await by.start(address);
  if (begun.kind !== 'redirect') throw new Error(begun.detail);
  return { location: new URL(begun.location), cookies: begun.cookie.split(';')[0] ?? '' };
}

/** What a person does on Entra's page; the address that the browser is then sent to. */
async function signInAs(
  { location }: Started,
  {
    account = support.address,
    decision = 'accept',
  }: { readonly account?: string; readonly decision?: string } = {},
): Promise<URL> {
  const page = await fetch(location, { redirect: 'manual' });
  if (page.status === 302) return new URL(page.headers.get('location') ?? '');
  const html = await page.text();
  const action = /action="([^"]+)"/.exec(html)?.[1]?.replaceAll('&amp;', '&') ?? '';
  const answer = await fetch(new URL(action, location), {
    method: 'POST',
    body: new URLSearchParams({ account, decision }),
    redirect: 'manual',
  });
  return new URL(answer.headers.get('location') ?? '');
}

const finish = (url: URL | string, { cookies }: Pick<Started, 'cookies'>): Promise<ConsentEnd> =>
  consent.finish({ url: String(url), cookies });

const versions = (address = support.address): number => world.vault.store.versions(grantName(address)).length;

describe('connecting', () => {
  test('the mailbox signs in as itself; its grant is stored, and a token comes of it', async () => {
    const started = await start();
    const { searchParams } = started.location;
    expect(Object.fromEntries(searchParams)).toMatchObject({
      client_id: world.clientId,
      response_type: 'code',
      redirect_uri: REDIRECT_URI,
      code_challenge_method: 'S256',
      login_hint: 'support@example.test',
      prompt: 'select_account',
      scope: `openid profile ${SCOPES.join(' ')}`,
    });
    const back = await signInAs(started);
    expect(await finish(back, started)).toMatchObject({
      kind: 'connected',
      mailbox: support.address,
      detail: expect.stringContaining('90 minutes'),
    });
    expect(world.entra.calls).toMatchObject([
      { grantType: 'authorization_code', proof: 'assertion', outcome: 'ok' },
    ]);
    expect((await signIn.tokens.get(support, 'smtp')).kind).toBe('token');
    expect(await signIn.grants.state(grantName(support.address))).toMatchObject({ account: support.address });
  });

  test('start and finish may be in two workers', async () => {
    const started = await start();
    const other = world.worker().consent({ mailboxes: [support], redirectUri: REDIRECT_URI });
    const ended = await other.finish({ url: String(await signInAs(started)), cookies: started.cookies });
    expect(ended.kind).toBe('connected');
  });

  test('a mailbox whose mail is sent by a delegate is connected by the delegate', async () => {
    const started = await start(shared.address);
    expect(started.location.searchParams.get('login_hint')).toBe('support@example.test');
    expect((await finish(await signInAs(started), started)).kind).toBe('connected');
  });

  test('neither cookie, verifier nor state lies in a row', async () => {
    const started = await start();
    const rows = JSON.stringify([...world.rows.rows.values()]);
    expect(rows).not.toContain(started.cookies.split('=')[1]);
    expect(rows).not.toContain(started.location.searchParams.get('state')?.slice(0, 64));
    expect(rows).not.toContain(started.location.searchParams.get('code_challenge'));
    expect(rows).toContain('stateHash');
  });

  test('the cookie is for this host, this browser and TLS only, and ends with the answer', async () => {
    const begun = await consent.start(support.address);
    expect(begun.kind === 'redirect' && begun.cookie).toMatch(
      /^__Host-connect=[0-9a-f]{64}; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=600$/,
    );
    expect(consent.endCookie).toContain('Max-Age=0');
  });
});

/** Each ends in a refusal, with nothing stored and the old grant untouched. */
const attacks: readonly (readonly [string, (started: Started) => Promise<ConsentEnd>, string])[] = [
  ['no state', async (s) => finish(without(await signInAs(s), 'state'), s), 'belongs to no sign-in'],
  [
    'an invented state',
    async (s) => finish(withParameter(await signInAs(s), 'state', 'abc'), s),
    'belongs to no sign-in',
  ],
  [
    'the state of the right form, but invented',
    async (s) => {
      const back = await signInAs(s);
      const mark = back.searchParams.get('state')?.slice(64) ?? '';
      return finish(withParameter(back, 'state', '0'.repeat(64) + mark), s);
    },
    'finished already, or another one',
  ],
  [
    'the state turned to another mailbox',
    async (s) => {
      const back = await signInAs(s);
      const other = (await start(sales.address)).location.searchParams.get('state') ?? '';
      const state = (back.searchParams.get('state') ?? '').slice(0, 64) + other.slice(64);
      return finish(withParameter(back, 'state', state), s);
    },
    'finished already, or another one',
  ],
  ['no cookie (login CSRF)', async (s) => finish(await signInAs(s), { cookies: '' }), 'did not start'],
  [
    'the cookie of another session',
    async (s) => finish(await signInAs(s), await start(sales.address)),
    'did not start',
  ],
  [
    'a cookie of the wrong form',
    async (s) => finish(await signInAs(s), { cookies: '__Host-connect=x' }),
    'did not start',
  ],
  [
    'two cookies of the name',
    async (s) => finish(await signInAs(s), { cookies: `__Host-connect=${'0'.repeat(64)}; ${s.cookies}` }),
    'did not start',
  ],
  [
    'the answer a second time',
    async (s) => {
      const back = await signInAs(s);
      await finish(withParameter(back, 'code', 'spoilt'), s);
      return finish(back, s);
    },
    'finished already',
  ],
  [
    'two workers with the same answer: after the first, whose exchange fails',
    async (s) => {
      const back = await signInAs(s);
      world.entra.injectFault({ kind: 'refusal', code: 54005, times: 1 });
      const [first, second] = await Promise.all([finish(back, s), finish(back, s)]);
      return first.detail.includes('finished already') ? first : second;
    },
    'finished already',
  ],
  [
    'eleven minutes later',
    async (s) => {
      const back = await signInAs(s);
      world.clock.pass(11 * MINUTE_MS);
      return finish(back, s);
    },
    'longer than ten minutes',
  ],
  [
    'after a newer start for the same mailbox',
    async (s) => {
      await start();
      return finish(await signInAs(s), s);
    },
    'another one was started after it',
  ],
  [
    'a code from another sign-in (injection)',
    async (s) => {
      const foreign = await signInAs(await start(sales.address), { account: support.address });
      return finish(withParameter(await signInAs(s), 'code', foreign.searchParams.get('code') ?? ''), s);
    },
    'PKCE',
  ],
  [
    'an invented code',
    async (s) => finish(withParameter(await signInAs(s), 'code', 'abc'), s),
    'has expired',
  ],
  ['no code', async (s) => finish(without(await signInAs(s), 'code'), s), 'did not match'],
  [
    'the state twice',
    async (s) => {
      const back = await signInAs(s);
      back.searchParams.append('state', 'x');
      return finish(back, s);
    },
    'belongs to no sign-in',
  ],
  [
    'the issuer of another tenant (mix-up)',
    async (s) => finish(withParameter(await signInAs(s), 'iss', 'https://evil.example/v2.0'), s),
    'did not match',
  ],
  [
    'an address of 20 kB',
    async (s) => finish(withParameter(await signInAs(s), 'x', 'y'.repeat(20_000)), s),
    'belongs to no',
  ],
  ['something that is no address', async (s) => finish('//', s), 'belongs to no'],
  [
    'consent by the administrator in place of the mailbox',
    async (s) => finish(await signInAs(s, { account: admin }), s),
    'Another account signed in than support@example.test',
  ],
  [
    'the administrator’s single sign-on, with the prompt taken out',
    async (s) => {
      s.location.searchParams.delete('prompt');
      return finish(await signInAs(s), s);
    },
    'Another account signed in',
  ],
  ['the person declines', async (s) => finish(await signInAs(s, { decision: 'decline' }), s), 'declined'],
  ...(
    [
      ['an ID token of another tenant', { tid: '99999999-2222-4333-8444-555555555555' }, 'another tenant'],
      ['an ID token of another issuer', { iss: 'https://evil.example/v2.0' }, 'did not match'],
      ['an ID token for another app', { aud: 'other' }, 'did not match'],
      ['an ID token of another sign-in (replay)', { nonce: 'other' }, 'did not match'],
      ['an ID token without a name', { preferred_username: undefined }, 'Another account'],
    ] as const
  ).map(
    ([named, claims, says]) =>
      [
        named,
        async (s: Started): Promise<ConsentEnd> => {
          world.entra.alterNext(async (body) => ({
            ...body,
            id_token: await world.entra.sign(
              { ...decodeJwt(String(body['id_token'])), ...claims },
              MINUTE_MS,
            ),
          }));
          return finish(await signInAs(s), s);
        },
        says,
      ] as const,
  ),
  [
    'an ID token that another key signed',
    async (s) => {
      world.entra.alterNext((body) => {
        const [head = '', payload = '', signature = ''] = String(body['id_token']).split('.');
        const spoilt = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
        return { ...body, id_token: [head, payload, spoilt].join('.') };
      });
      return finish(await signInAs(s), s);
    },
    'did not match',
  ],
  [
    'an ID token signed by nobody',
    async (s) => {
      world.entra.alterNext((body) => {
        const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
        return { ...body, id_token: `${none}.${String(body['id_token']).split('.')[1] ?? ''}.` };
      });
      return finish(await signInAs(s), s);
    },
    'did not match',
  ],
  [
    'no ID token',
    async (s) => {
      world.entra.alterNext((body) => leaveOut(body, 'id_token'));
      return finish(await signInAs(s), s);
    },
    'did not match',
  ],
  [
    'no refresh token',
    async (s) => {
      world.entra.alterNext((body) => leaveOut(body, 'refresh_token'));
      return finish(await signInAs(s), s);
    },
    'offline_access',
  ],
  [
    'half of the scopes',
    async (s) => {
      world.entra.alterNext((body) => ({ ...body, scope: SCOPES[0] }));
      return finish(await signInAs(s), s);
    },
    'did not grant https://outlook.office365.com/SMTP.Send',
  ],
];

describe(`${attacks.length} attacks and accidents`, () => {
  test.each(attacks)('%s', async (_named, attack, says) => {
    await world.connect(support);
    const before = await signIn.grants.load(grantName(support.address));
    const ended = await attack(await start());
    expect(ended).toMatchObject({ kind: 'refused', detail: expect.stringContaining(says) });
    expect([versions(), versions(sales.address)]).toEqual([1, 0]);
    expect(await signIn.grants.load(grantName(support.address))).toEqual(before);
    expect((await world.worker().tokens.get(support, 'smtp')).kind).toBe('token');
  });

  test.each([
    robot.address,
    'nobody@example.test',
    '',
    '//evil.test',
    'support@example.test\r\nSet-Cookie: x',
  ])('nothing starts for %j', async (address) => {
    expect(await consent.start(address)).toMatchObject({ kind: 'refused' });
    expect(world.rows.rows.size).toBe(0);
  });

  test('the host in the callback’s address changes nothing: the registered redirect URI is what counts', async () => {
    const started = await start();
    const back = await signInAs(started);
    expect((await finish(`http://evil.test/%2f%2fevil${back.search}`, started)).kind).toBe('connected');
  });
});

test('a redirect URI that is not registered is shown on Entra’s own page, and the number has a sentence', async () => {
  const other = signIn.consent({ mailboxes: [support], redirectUri: 'https://bridge.example/other' });
  const page = await fetch((await start(support.address, other)).location);
  expect(await page.text()).toContain('AADSTS50011');
});

test('the vault is down at the end: said as that, with nothing half-stored', async () => {
  const started = await start();
  const back = await signInAs(started);
  world.vault.injectFault({ kind: 'outage' });
  expect(await finish(back, started)).toMatchObject({
    kind: 'refused',
    detail: expect.stringContaining('could not be stored. The key vault'),
  });
  expect(await signIn.grants.state(grantName(support.address))).toBeUndefined();
});

function withParameter(url: URL, name: string, value: string): URL {
  const changed = new URL(url);
  changed.searchParams.set(name, value);
  return changed;
}

function without(url: URL, name: string): URL {
  const changed = new URL(url);
  changed.searchParams.delete(name);
  return changed;
}

function leaveOut(body: Readonly<Record<string, unknown>>, field: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(body).filter(([name]) => name !== field));
}
