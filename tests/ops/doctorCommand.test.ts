// `npm run doctor` and `npm run esm-settings` as a person calls them, against the stand-ins and a real store.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { startStack, type Stack } from '../../local/stack/stack.ts';
import { systemClock } from '../../shared/clock.ts';
import { readEsmSettings } from '../../shared/config/esmSettings.ts';
import { Problems } from '../../shared/config/problems.ts';

const desk = 'palvelupiste@kunta.example';
const robot = 'robotti@kunta.example';
const commands = join(import.meta.dirname, '../../local/commands');

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    clock: systemClock,
    mailboxes: [
      { address: desk, signIn: 'delegated' },
      { address: robot, signIn: 'application' },
    ],
  });
}, 60_000);
afterAll(() => stack.close(), 30_000);

interface Ended {
  readonly status: number;
  readonly out: string;
  readonly complaint: string;
}

function command(
  name: 'doctor' | 'esmSettings',
  args: readonly string[],
  settings: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(commands, `${name}.ts`), ...args],
      { env: { PATH: process.env['PATH'], ...stack.settings, ...settings }, timeout: 60_000 },
      (error, out, complaint) => {
        resolve({ status: error === null ? 0 : Number(error.code), out, complaint });
      },
    );
  });
}

const doctor = (mailbox: string, settings: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  command('doctor', ['--mailbox', mailbox, '--json'], settings);

test.each([desk, robot])(
  'everything works with %s: one JSON object, status 0, nothing sent',
  async (mailbox) => {
    const { status, out, complaint } = await doctor(mailbox);
    expect({ status, complaint }).toEqual({ status: 0, complaint: '' });
    expect(out.trim().split('\n')).toHaveLength(1);
    const found = JSON.parse(out) as { steps: readonly Readonly<Record<string, unknown>>[] };
    expect(Object.keys(found)).toEqual(['mailbox', 'ok', 'steps', 'causes']);
    expect(found).toMatchObject({ mailbox, ok: true, causes: [] });
    expect(found.steps.map((step) => Object.keys(step).join())).toEqual(Array(9).fill('step,ok,ms'));
    expect(stack.exchange.log.messages).toEqual([]);
  },
);

test('a step failed: status 1, its cause and remedy in JSON, and for a person', async () => {
  stack.exchange.account({ address: desk, smtpAuth: 'offMailbox' });
  try {
    const { status, out } = await doctor(desk);
    expect(status).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      causes: [
        {
          cause: expect.stringContaining('SMTP AUTH is switched off for the mailbox'),
          remedy: expect.stringContaining('Set-CASMailbox'),
          evidence: expect.stringContaining('5.7.139'),
        },
      ],
    });
    const told = await command('doctor', ['--mailbox', desk]);
    expect(told.status).toBe(1);
    expect(told.out).toMatch(/^palvelupiste@kunta\.example: something is wrong\n/);
    expect(told.out).toMatch(/\nok +IMAP login +\d+\n/);
    expect(told.out).toMatch(/\nFAILED +SMTP login +\d+\n/);
    expect(told.out).toMatch(/\n1\. SMTP AUTH .+\n {3}Remedy: .*Set-CASMailbox.+\n {3}Evidence: 535 /);
  } finally {
    stack.exchange.account({ address: desk, smtpAuth: 'on' });
  }
});

test('while mail is being sent, the doctor waits its turn like a message', async () => {
  const first = doctor(robot);
  const [one, other] = await Promise.all([first, doctor(robot)]);
  // Both may have fitted one after the other; if not, the one that did not says so and breaks nothing.
  for (const { status, out } of [one, other]) {
    if (status !== 0) expect(out).toContain('The account is sending at the moment');
  }
  expect([one.status, other.status]).toContain(0);
});

test('settings that cannot be used are the first step, all problems at once', async () => {
  const { status, out } = await doctor(desk, { KEY_VAULT_URL: '', SMTP_SERVER: 'smtp.office365.com:465' });
  expect(status).toBe(1);
  expect(JSON.parse(out)).toMatchObject({
    ok: false,
    steps: [{ step: 'settings', ok: false }],
    causes: [
      { cause: 'KEY_VAULT_URL is missing', evidence: 'KEY_VAULT_URL' },
      { cause: 'SMTP_SERVER names port 465', evidence: 'SMTP_SERVER' },
    ],
  });
});

test('the store is not reached: named, and not taken for the mail server', async () => {
  const { status, out } = await doctor(robot, {
    MailStore: stack.settings['MailStore']?.replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:1') ?? '',
  });
  expect(status).toBe(1);
  expect(JSON.parse(out)).toMatchObject({
    causes: [
      {
        cause: 'The storage account does not answer, or denied access.',
        remedy: expect.stringContaining('MailStore'),
      },
    ],
  });
}, 120_000);

test('without --mailbox it says how it is called', async () => {
  const { status, complaint } = await command('doctor', []);
  expect(status).toBe(2);
  expect(complaint).toContain('npm run doctor -- --mailbox ADDRESS');
});

test('esm-settings prints the four lines, and the two warnings', async () => {
  const { status, out } = await command('esmSettings', []);
  expect(status).toBe(0);
  const lines = out.split('\n').filter((line) => line.startsWith('mail.oauth.'));
  expect(lines).toHaveLength(4);
  const problems = new Problems();
  expect(readEsmSettings(lines.join('\n'), problems)).toEqual({
    authorizeEndpoint: stack.settings['OAUTH_AUTHORIZE_ENDPOINT'],
    clientId: stack.settings['OAUTH_CLIENT_ID'],
    scopes: stack.settings['OAUTH_SCOPES'],
  });
  expect(problems.found).toEqual([]);
  expect(out).toMatch(/redirect address must be registered/);
  expect(out).toMatch(/share one mailbox’s limits/);
});
