// Connecting a mailbox in a real browser: Chromium against the real functions on the local host, the front end of
// App Service played by local/stack/frontEnd.ts, and the Entra emulator. Everything runs over TLS, so that the
// `__Host-` cookie is what it is in production. With BROWSER_SHOTS=FOLDER the pages are kept as pictures.
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash, createHmac } from 'node:crypto';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { makeCertificates } from '../../local/stack/certificates.ts';
import { startFrontEnd, type FrontEnd } from '../../local/stack/frontEnd.ts';
import type { HostProcess } from '../../local/functionsHost/hostProcess.ts';
import { grantName } from '../../shared/oauth/grants.ts';
import { everythingIn, findIn } from '../scenarios/canaries.ts';
import { never, scenarioNumbers, startRig, submission, until, type Rig } from '../scenarios/rig.ts';

const domain = 'kunta.example';
const desk = `palvelupiste@${domain}`;
const sales = `myynti@${domain}`;
const pool = `yhteinen@${domain}`;
const admin = { name: `admin@${domain}`, objectId: 'a1', roles: ['MailBridge.Administrator'] };
const reader = { name: `reader@${domain}`, objectId: 'b2', roles: [] };
const shots = process.env['BROWSER_SHOTS'];

let frontEnd: FrontEnd;
let rig: Rig;
let host: HostProcess;
let browser: Browser;
let context: BrowserContext | undefined;
/** What the browser's console complained of; a breach of the content security policy is among it. */
let complaints: string[] = [];
/** What no log line, row, blob or queue message may hold: codes, verifiers, cookies, states and every token. */
const secrets = new Set<string>();
/** What the doctor answered. */
const diagnoses: string[] = [];

beforeAll(async () => {
  const certificates = await makeCertificates();
  frontEnd = await startFrontEnd(certificates, admin);
  rig = await startRig({
    mailboxes: [
      { address: desk, signIn: 'delegated', receive: true },
      { address: sales, signIn: 'delegated', receive: false },
      { address: pool, signIn: 'delegated', smtpUser: sales, receive: false },
    ],
    connected: false,
    certificates,
    publicUrl: frontEnd.url,
    // A hold is not tried again within this test, unless somebody signs in.
    numbers: { ...scenarioNumbers, longestProbeMs: 3_600_000 },
    // The platform says so where authentication is on; no template sets it.
    settings: { WEBSITE_AUTH_ENABLED: 'True', REFRESH_SCHEDULE: never },
  });
  rig.stack.entra.setAccount({ upn: admin.name });
  const sign = rig.stack.entra.sign.bind(rig.stack.entra);
  const checkToken = rig.stack.entra.checkToken.bind(rig.stack.entra);
  Object.assign(rig.stack.entra, {
    // Assertions of the managed identity, and the access tokens that mail servers are shown.
    sign: async (...claims: Parameters<typeof sign>) => noted(await sign(...claims)),
    checkToken: (token: string) => checkToken(noted(token)),
  });
  host = await rig.startHost();
  frontEnd.serve(host.url);
  // Root has no sandbox in Chromium.
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
}, 120_000);
afterAll(async () => {
  await browser.close();
  await rig.close();
  await frontEnd.close();
}, 60_000);
afterEach(async () => {
  await context?.close();
  context = undefined;
  frontEnd.signsIn(admin);
  expect(complaints).toEqual([]);
});

/** A browser with nothing in it. The emulators' authority is not in its store; TLS itself is tried elsewhere. */
async function newPage(javaScriptEnabled = true): Promise<Page> {
  complaints = [];
  context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled });
  // Sooner than the test's own end, so that the error says which step it was.
  context.setDefaultTimeout(15_000);
  return tab();
}

async function tab(): Promise<Page> {
  if (context === undefined) throw new Error('no browser context');
  const page = await context.newPage();
  page.on('console', (message) => {
    // A page that answers 400 or 403 is told to the console by the browser itself.
    const told = /^Failed to load resource: the server responded with a status of 40[013]/.test(
      message.text(),
    );
    if ((message.type() === 'error' || message.type() === 'warning') && !told)
      complaints.push(message.text());
  });
  page.on('request', (request) => {
    const code = new URL(request.url()).searchParams.get('code');
    if (code !== null && request.url().startsWith(frontEnd.url)) noted(code);
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  return page;
}

function noted(secret: string): string {
  secrets.add(secret);
  return secret;
}

const connectUrl = (): string => `${frontEnd.url}/api/oauth/connect`;
const row = (page: Page, address: string): ReturnType<Page['locator']> =>
  page.locator('li', { has: page.locator(`strong:text-is("${address}")`) });

/** From the list of mailboxes to Entra's page. */
async function begin(page: Page, address: string): Promise<void> {
  await page.goto(connectUrl());
  await row(page, address).getByRole('button').click();
  await page.waitForURL(`${rig.stack.entra.origin}/**`);
  const cookies = (await context?.cookies()) ?? [];
  const binder = cookies.find(({ name }) => name === '__Host-connect')?.value ?? '';
  const state = new URL(page.url()).searchParams.get('state') ?? '';
  const verifier = createHmac('sha256', binder).update(`verifier|${state}`).digest('base64url');
  // So it is the verifier: its hash is what Entra was shown.
  expect(createHash('sha256').update(verifier).digest('base64url')).toBe(
    new URL(page.url()).searchParams.get('code_challenge'),
  );
  [binder, state, verifier].forEach(noted);
}

/** On Entra's page, and back at the bridge. */
async function answer(page: Page, button: 'Accept' | 'Cancel', account?: string): Promise<void> {
  if (account !== undefined) await page.getByLabel('Account').fill(account);
  await page.getByRole('button', { name: button }).click();
  await page.waitForURL(`${frontEnd.url}/**`);
}

const heading = (page: Page): Promise<string> => page.locator('h1').innerText();
const versions = (address: string): number => rig.stack.vault.store.versions(grantName(address)).length;

async function shoot(page: Page, name: string): Promise<void> {
  if (shots !== undefined) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
}

describe.each([{ script: true }, { script: false }])('with script: $script', ({ script }) => {
  const address = script ? desk : sales;

  test('an administrator connects a mailbox: sign in, list, Entra, connected, and the list says so', async () => {
    const page = await newPage(script);
    await page.goto(connectUrl());
    expect(page.url()).toBe(connectUrl());
    expect(await row(page, address).innerText()).toContain('Not connected yet.');
    await shoot(page, 'list');
    await row(page, address).getByRole('button').click();
    await page.waitForURL(`${rig.stack.entra.origin}/**`);
    expect(await page.getByLabel('Account').inputValue()).toBe(address);
    await shoot(page, 'entra');
    await answer(page, 'Accept');
    expect(await heading(page)).toBe('Connected');
    expect(await page.getByRole('status').innerText()).toContain(`${address} is connected.`);
    await shoot(page, 'connected');
    await page.goto(connectUrl());
    expect(await row(page, address).innerText()).toContain(`Connected as ${address} since `);
    expect(versions(address)).toBe(1);
    expect((await context?.cookies())?.map(({ name }) => name)).toEqual(['AppServiceAuthSession']);
  });
});

describe('what goes wrong, in front of a person', () => {
  test('another account signs in: refused in words, nothing stored, the old grant untouched', async () => {
    const page = await newPage();
    const before = versions(desk);
    await begin(page, desk);
    await answer(page, 'Accept', admin.name);
    expect(await heading(page)).toBe('Not connected');
    expect(await page.getByRole('alert').innerText()).toContain(`Another account signed in than ${desk}`);
    await shoot(page, 'wrongAccount');
    expect(versions(desk)).toBe(before);
  });

  test('the person cancels', async () => {
    const page = await newPage();
    await begin(page, desk);
    await answer(page, 'Cancel');
    expect(await page.getByRole('alert').innerText()).toContain('was declined');
    await shoot(page, 'cancelled');
  });

  test('two tabs: the older one is refused in words, the newer one goes on', async () => {
    const older = await newPage();
    await begin(older, desk);
    const newer = await tab();
    await begin(newer, desk);
    await answer(older, 'Accept');
    expect(await older.getByRole('alert').innerText()).toContain('another one was started after it');
    await shoot(older, 'olderTab');
    await answer(newer, 'Accept');
    expect(await heading(newer)).toBe('Connected');
  });

  test('the finished address again, by the back button or a bookmark', async () => {
    const page = await newPage();
    await begin(page, desk);
    await answer(page, 'Accept');
    await page.goto(page.url());
    expect(await heading(page)).toBe('Not connected');
    expect(await page.getByRole('alert').innerText()).toContain('finished already');
  });

  test('the link is opened in another browser', async () => {
    const page = await newPage();
    await begin(page, desk);
    const link = page.url();
    await context?.close();
    const other = await newPage();
    await other.goto(link);
    await answer(other, 'Accept');
    expect(await other.getByRole('alert').innerText()).toContain('This browser did not start the sign-in');
  });

  test('a person without the app role sees a closed page', async () => {
    frontEnd.signsIn(reader);
    const page = await newPage();
    await page.goto(connectUrl());
    expect(await heading(page)).toBe('Closed');
    expect(await page.locator('main').innerText()).toContain('without the app role MailBridge.Administrator');
    await shoot(page, 'withoutRole');
  });

  test('a principal brought along from outside is taken off', async () => {
    const forged = Buffer.from(
      JSON.stringify({
        claims: [{ typ: 'oid', val: 'x' }, ...admin.roles.map((val) => ({ typ: 'roles', val }))],
      }),
    ).toString('base64');
    const page = await newPage();
    const answered = await page.request.get(connectUrl(), {
      headers: { 'x-ms-client-principal': forged, 'x-ms-client-principal-idp': 'aad' },
      maxRedirects: 0,
    });
    expect([answered.status(), answered.headers()['location']]).toEqual([
      303,
      '/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Foauth%2Fconnect',
    ]);
  });
});

describe('what follows from a sign-in', () => {
  test('the doctor, as the page calls it, finds nothing wrong: the address from outside as well', async () => {
    const page = await newPage();
    await page.goto(connectUrl());
    const ask = (headers: Readonly<Record<string, string>>): ReturnType<typeof page.request.post> =>
      page.request.post(`${frontEnd.url}/api/ops/doctor`, { headers, form: { mailbox: desk } });
    const answered = await ask({ origin: frontEnd.url });
    expect(answered.status()).toBe(200);
    const diagnosis: unknown = await answered.json();
    diagnoses.push(JSON.stringify(diagnosis));
    expect(diagnosis).toMatchObject({ mailbox: desk, ok: true, causes: [] });
    expect(diagnosis).toMatchObject({
      steps: [
        'settings',
        'vault',
        'keys',
        'token',
        'imapLogin',
        'folder',
        'sentItems',
        'smtpLogin',
        'envelope',
        'outside',
      ].map((step) => ({ step, ok: true, ms: expect.any(Number) })),
    });
    expect((await ask({ origin: 'https://evil.test' })).status()).toBe(403);
  });

  test('sessions revoked: one alert, mail waits; connected again in the browser: it is sent at once', async () => {
    rig.stack.entra.revokeSessions(sales);
    expect(await host.run('refreshTokens')).toBe(true);
    // Every refresh after the first finds the state in the row.
    expect(await host.run('refreshTokens')).toBe(true);
    await until('one alert', () => rig.events('oauth.consentNeeded').length > 0);
    await rig.esm.submit(submission('waits', sales));
    await until(
      'held for want of consent',
      async () => (await rig.outbound.watch(sales)).state.holds.some(({ reason }) => reason === 'consent'),
      async () => (await rig.outbound.watch(sales)).state.holds,
    );
    expect(rig.eventTypes('waits')).not.toContain('sent');
    const page = await newPage();
    await page.goto(connectUrl());
    expect(await row(page, sales).innerText()).toContain(
      'The password was reset or the sessions were revoked',
    );
    await shoot(page, 'needsConsent');
    await begin(page, sales);
    await answer(page, 'Accept');
    expect(await heading(page)).toBe('Connected');
    await until(
      'sent',
      () => rig.eventTypes('waits').includes('sent'),
      () => rig.eventTypes('waits'),
    );
    expect((await rig.outbound.watch(sales)).state.holds).toEqual([]);
    expect(rig.events('oauth.consentNeeded')).toHaveLength(1);
  }, 180_000);

  test('the daily refresh keeps alive what is connected, and counts what is not', async () => {
    const before = rig.events('oauth.grantsRefreshed').length;
    expect(await host.run('refreshTokens')).toBe(true);
    await until('told', () => rig.events('oauth.grantsRefreshed').length > before);
    // The desk and the sales; nobody has connected the pool.
    expect(rig.events('oauth.grantsRefreshed').at(-1)).toMatchObject({ refreshedCount: 2, failedCount: 1 });
  });
});

test('no code, verifier, cookie, state, assertion or token is in what was logged, answered or stored beside the vault', async () => {
  const { store } = rig.stack.vault;
  for (const name of store.names()) {
    for (const { value } of store.versions(name)) noted(/"refreshToken":"([^"]+)"/.exec(value)?.[1] ?? value);
  }
  // Of each sign-in a code, a verifier, a cookie and a state; assertions, access tokens, refresh tokens, the key.
  expect(secrets.size).toBeGreaterThan(25);
  expect(rig.lines.length).toBeGreaterThan(30);
  const places = [
    ...rig.lines.map((line, index) => ({
      name: `line ${String(index)}`,
      content: Buffer.from(JSON.stringify(line)),
    })),
    { name: 'the doctor', content: Buffer.from(diagnoses.join('\n')) },
    { name: 'the vault’s log', content: Buffer.from(JSON.stringify(rig.stack.vault.calls)) },
    ...(await everythingIn(rig.stack.store)),
  ];
  expect(findIn(places, secrets)).toEqual([]);
  // The search finds what is there.
  const [one = ''] = secrets;
  expect(findIn([{ name: 'x', content: Buffer.from(`a ${encodeURIComponent(one)} b`) }], secrets)).toEqual([
    'x',
  ]);
}, 120_000);
