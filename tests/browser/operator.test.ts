// The operator's page in a real browser: Chromium against the real functions on the local host, with the platform's
// front end played by local/stack/frontEnd.ts. Every act is driven, what strangers write stays text, and axe finds
// nothing. With BROWSER_SHOTS=FOLDER the pages are kept as pictures.
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import type { HostProcess } from '../../local/functionsHost/hostProcess.ts';
import { makeCertificates } from '../../local/stack/certificates.ts';
import { startFrontEnd, type FrontEnd } from '../../local/stack/frontEnd.ts';
import { never, scenarioNumbers, startRig, submission, until, type Rig } from '../scenarios/rig.ts';

const domain = 'kunta.example';
const desk = `palvelupiste@${domain}`;
const admin = { name: `admin@${domain}`, objectId: 'a1', roles: ['MailBridge.Administrator'] };
const viewer = { name: `viewer@${domain}`, objectId: 'v1', roles: ['MailBridge.Viewer'] };
const nobody = { name: `reader@${domain}`, objectId: 'b2', roles: [] };
const shots = process.env['BROWSER_SHOTS'];
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** What a stranger may write, in every field that is shown. */
const attack = '"><img src=https://evil.test/x onerror=alert(1)><script>alert(2)</script>\u202E';

let frontEnd: FrontEnd;
let rig: Rig;
let host: HostProcess;
let browser: Browser;
let context: BrowserContext | undefined;
let complaints: string[] = [];

beforeAll(async () => {
  const certificates = await makeCertificates();
  frontEnd = await startFrontEnd(certificates, admin);
  rig = await startRig({
    mailboxes: [{ address: desk, signIn: 'delegated', receive: false }],
    certificates,
    publicUrl: frontEnd.url,
    numbers: scenarioNumbers,
    settings: { WEBSITE_AUTH_ENABLED: 'True', REFRESH_SCHEDULE: never },
  });
  for (const id of ['one', 'two', 'three', 'four'])
    rig.stack.exchange.recipient(`${id}@muu.example`, { kind: 'refuse', reply: `550 5.1.1 ${attack}` });
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

async function newPage(
  options: NonNullable<Parameters<Browser['newContext']>[0]> = {},
): Promise<{ readonly page: Page; readonly foreign: readonly string[] }> {
  complaints = [];
  const foreign: string[] = [];
  context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  page.on('console', (message) => {
    const told = /^Failed to load resource: the server responded with a status of 4\d\d/.test(message.text());
    if ((message.type() === 'error' || message.type() === 'warning') && !told)
      complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(frontEnd.url)) foreign.push(request.url());
  });
  return { page, foreign };
}

const ops = (path = ''): string => `${frontEnd.url}/api/ops${path}`;
const state = async (id: string): Promise<string | undefined> =>
  (await rig.outbound.message(desk, id))?.message.state;
const heading = (page: Page): Promise<string> => page.locator('h1').innerText();
const shoot = async (page: Page, name: string): Promise<void> => {
  if (shots !== undefined) await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
};

/** Accessibility violations, each with its elements. The checker is let in by the browser's own door, past the policy. */
async function violations(page: Page): Promise<unknown> {
  await page.evaluate(axe);
  return page.evaluate(
    '(async () => (await axe.run()).violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]))()',
  );
}

/** Dead letters whose every field holds what a stranger wrote. */
async function withDeadLetters(): Promise<void> {
  for (const id of ['one', 'two', 'three', 'four'])
    await rig.esm.submit(
      submission(`INC-${id}`, desk, {
        to: [{ address: `${id}@muu.example`, name: attack }],
        subject: attack,
        text: `${attack}\nHei.`,
        correlation: { ticket: attack },
      }),
    );
  await until('they are dead letters', async () => (await state('INC-four')) === 'failed');
}

/** The sweep of the host, which stores what the first screen shows. */
async function sweepNow(): Promise<void> {
  await host.run('sweepOutbound');
}

describe('the page', () => {
  beforeAll(withDeadLetters, 120_000);

  test.each([
    { named: 'wide', options: { viewport: { width: 1280, height: 900 } } },
    { named: 'phone', options: { viewport: { width: 360, height: 740 } } },
    { named: 'dark', options: { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' as const } },
    { named: 'without script', options: { javaScriptEnabled: false } },
  ])(
    'every page is readable, accessible and shows what strangers wrote as text: $named',
    async ({ named, options }) => {
      await sweepNow();
      const { page, foreign } = await newPage(options);
      for (const [path, name, title] of [
        ['', 'overview', 'Overview'],
        ['/messages?state=failed', 'messages', 'Messages'],
        [`/mailboxes/${desk}`, 'mailbox', desk],
        [`/messages/INC-one?mailbox=${desk}`, 'message', 'Message INC-one'],
        ['/audit', 'audit', 'Audit'],
        ['/settings', 'settings', 'Settings as understood'],
      ] as const) {
        // The sign-in leads back to the overview, whatever was asked for.
        if (path === '') await page.goto(ops());
        const answer = await page.goto(ops(path));
        expect([path, answer?.status(), await heading(page)]).toEqual([path, 200, title]);
        await shoot(page, `${name}-${named}`);
        const { width = 0 } = page.viewportSize() ?? {};
        if (named !== 'without script') {
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
          expect([path, await violations(page)]).toEqual([path, []]);
        }
        expect(await page.locator('img').count()).toBe(0);
        expect(await page.locator('script').count()).toBe(1);
      }
      expect(foreign).toEqual([]);
    },
    120_000,
  );

  test('the first screen says how old it is, and loads itself again while nobody types', async () => {
    const { page } = await newPage();
    await page.clock.install();
    await page.goto(ops());
    await page.waitForSelector('[data-since]');
    await page.clock.fastForward('02:00');
    const loaded = page.waitForEvent('load');
    await page.clock.fastForward('01:00');
    await loaded;
    expect(await page.locator('[data-since]').innerText()).toMatch(/^(just now|\d+ min ago)$/);
  }, 60_000);

  test('a dead letter is found by its ticket and sent again, another marked as sent, another deleted', async () => {
    const { page } = await newPage();
    await page.goto(ops());
    rig.stack.exchange.recipient('one@muu.example', undefined);
    await page.getByRole('link', { name: 'Messages', exact: true }).first().click();
    await page.getByLabel('Id').fill('INC-one');
    await page.getByRole('button', { name: 'Find' }).click();
    await page.getByRole('link', { name: 'INC-one' }).click();
    await page.getByRole('button', { name: 'Send again' }).click();
    expect(await page.getByRole('status').innerText()).toBe('Will be sent again: INC-one.');
    await until('it is sent', async () => (await state('INC-one')) === 'sent');
    for (const [id, label, end] of [
      ['INC-two', 'Mark as sent', 'sent'],
      ['INC-three', 'Delete', undefined],
    ] as const) {
      await page.goto(ops(`/messages/${id}`));
      await page.getByRole('button', { name: label }).click();
      if (end !== undefined) expect(await state(id)).toBe(end);
      await page.goto(ops(`/messages/${id}`));
      expect(await heading(page)).toBe(end === undefined ? 'There is no such thing.' : `Message ${id}`);
    }
  }, 120_000);

  test('the content is shown with a reason, and the audit trail has it', async () => {
    const { page } = await newPage();
    await page.goto(ops());
    await page.goto(ops('/messages/INC-four'));
    expect(await page.locator('main').innerText()).not.toContain('Hei.');
    await page.getByLabel('Why it must be seen').fill('asked by the sender');
    await page.getByRole('button', { name: 'Show subject and content' }).click();
    expect(await page.locator('main').innerText()).toContain('Hei.');
    await shoot(page, 'reveal');
    await page.goto(ops('/audit'));
    const audit = await page.locator('main').innerText();
    for (const detail of ['reveal', 'asked by the sender', 'replay', 'markSent', 'remove', admin.name])
      expect(audit).toContain(detail);
  }, 60_000);

  test('a mailbox is paused, examined and resumed, by the keyboard alone', async () => {
    const { page } = await newPage();
    await page.goto(ops());
    await page.getByRole('link', { name: desk }).first().focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(/mailboxes/);
    await page.getByRole('button', { name: 'Pause sending' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=status]');
    expect(await page.getByRole('status').innerText()).toBe(`Paused: ${desk}.`);
    await sweepNow();
    await page.goto(ops());
    expect(await page.locator('main').innerText()).toContain(`Paused by ${admin.name}.`);
    await shoot(page, 'paused');
    await page.getByRole('button', { name: 'Resume for' }).click();
    expect(await page.getByRole('status').innerText()).toBe(`Resumed: ${desk}.`);
    await page.goto(ops(`/mailboxes/${desk}`));
    await page.getByRole('button', { name: 'Run the doctor' }).first().click();
    expect(await heading(page)).toBe(`Doctor: ${desk}`);
    await shoot(page, 'doctor');
  }, 90_000);
});

describe('who gets in', () => {
  test('a viewer sees states and counts, no message and no act; somebody without a role sees nothing', async () => {
    frontEnd.signsIn(viewer);
    const { page } = await newPage();
    await page.goto(ops());
    const seen = await page.locator('main').innerText();
    expect(seen).toContain(desk);
    expect(seen).not.toContain('muu.example');
    expect(await page.locator('form[method=post]').count()).toBe(0);
    for (const path of ['/messages', '/messages/INC-four', '/audit'])
      expect((await page.goto(ops(path)))?.status()).toBe(403);
    await context?.close();
    frontEnd.signsIn(nobody);
    const { page: other } = await newPage();
    expect((await other.goto(ops()))?.status()).toBe(403);
    expect(await other.locator('main').innerText()).not.toContain(desk);
  }, 60_000);

  test('a form on another site does nothing, whether or not it has the right fields', async () => {
    const { page } = await newPage();
    await page.goto(ops());
    await page.setContent(
      `<form method="post" action="${ops('/act')}"><input name="act" value="pause"><input name="mailbox" value="${desk}"><button>x</button></form>`,
    );
    const answered = page.waitForResponse((response) => response.request().method() === 'POST');
    await page.getByRole('button').click();
    expect((await answered).status()).toBe(403);
    // The browser itself keeps the cookie from a page of another site, or sends its origin: no other site is needed.
    const foreign = await context?.request.post(ops('/act'), {
      form: { act: 'pause', mailbox: desk },
      headers: { origin: 'https://evil.test' },
    });
    expect(foreign?.status()).toBe(403);
    const state = await rig.outbound.watch(desk);
    expect(state.state.holds).toEqual([]);
  }, 60_000);

  test('headers that only the platform may write are worth nothing from outside', async () => {
    const forged = Buffer.from(
      JSON.stringify({
        claims: [
          { typ: 'oid', val: 'a1' },
          { typ: 'azp', val: 'x' },
          { typ: 'roles', val: 'MailBridge.Administrator' },
        ],
      }),
    ).toString('base64');
    const { page } = await newPage();
    const answer = await page.request.get(ops('/v1/audit'), {
      headers: { 'x-ms-client-principal': forged, 'x-ms-client-principal-idp': 'aad' },
    });
    expect(answer.status()).toBe(401);
  }, 60_000);
});
