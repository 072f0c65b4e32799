// The commands on a deployed bridge: over its front end, with an Azure login alone. The Azure CLI is a script that says
// what the real one says; the token goes to the host that it was asked for.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { appAddress, loginRemedy } from '../../../local/commandLine/operatorClient.ts';
import { makeCertificates } from '../../../local/stack/certificates.ts';
import { startFrontEnd, type FrontEnd } from '../../../local/stack/frontEnd.ts';
import { never, scenarioNumbers, startRig, submission, until, type Rig } from '../../scenarios/rig.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const desk = 'palvelupiste@kunta.example';
const admin = { name: 'anna@kunta.example', objectId: 'a1', roles: ['MailBridge.Administrator'] };

let folder: string;
let frontEnd: FrontEnd;
let rig: Rig;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'operator-'));
  const certificates = await makeCertificates();
  writeFileSync(join(folder, 'authority.pem'), certificates.ca);
  frontEnd = await startFrontEnd(certificates, admin);
  frontEnd.acceptsToken('a-token-for-localhost', admin);
  rig = await startRig({
    mailboxes: [{ address: desk, signIn: 'delegated', receive: false }],
    certificates,
    publicUrl: frontEnd.url,
    numbers: scenarioNumbers,
    settings: { WEBSITE_AUTH_ENABLED: 'True', REFRESH_SCHEDULE: never },
  });
  rig.stack.exchange.recipient('gone@muu.example', { kind: 'refuse' });
  frontEnd.serve((await rig.startHost()).url);
  await rig.esm.submit(submission('INC-1', desk, { to: ['gone@muu.example'] }));
  await until(
    'it is a dead letter',
    async () => (await rig.outbound.message(desk, 'INC-1'))?.message.state === 'failed',
  );
  await rig.outbound.sweep();
}, 400_000);
afterAll(async () => {
  await rig.close();
  await frontEnd.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

interface Ended {
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

/** `az` prints the token of the resource that is asked for, or this complaint. */
async function run(name: string, args: readonly string[], complaint?: string): Promise<Ended> {
  const az =
    complaint === undefined
      ? `#!/bin/sh\nfor a in "$@"; do r=$a; done\ncase "$*" in *"--resource api://localhost"*) echo '{"accessToken":"a-token-for-localhost","expires_on":"4102444800","expiresOn":"2100-01-01 00:00:00.000000"}';; *) echo "wrong resource: $*" >&2; exit 1;; esac\n`
      : `#!/bin/sh\necho "${complaint}" >&2\nexit 1\n`;
  writeFileSync(join(folder, 'az'), az, { mode: 0o755 });
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  const [, ...script] = (scripts[name] ?? '').split(' ');
  const child = spawn(process.execPath, [...script, ...args], {
    cwd: root,
    env: {
      PATH: `${folder}:${process.env['PATH'] ?? ''}`,
      HOME: folder,
      NODE_EXTRA_CA_CERTS: join(folder, 'authority.pem'),
      AZURE_TOKEN_CREDENTIALS: 'AzureCliCredential',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, output, errors };
}

const outbox = (...args: readonly string[]): Promise<Ended> =>
  run('outbox', ['--app', frontEnd.url, ...args]);

test('outbox: what waits, the dead letters, one of them, and it is sent again', async () => {
  const all = await outbox();
  expect(all).toMatchObject({ status: 0, errors: '' });
  expect(all.output).toContain('palvelupiste@kunta.exa');
  const failed = await outbox('failed', desk, '--json');
  expect(failed.output).toContain('INC-1');
  for (const line of failed.output.split('\n').slice(0, 3)) expect(line.length).toBeLessThanOrEqual(80);
  expect(JSON.parse(failed.output.trim().split('\n').at(-1) ?? '')).toMatchObject({
    messages: [{ id: 'INC-1' }],
  });
  expect((await outbox('show', 'INC-1')).output).toContain('gone@muu.example: failed 550');
  expect((await outbox('replay', '--state', 'failed', '--dry-run')).output).toContain('nothing was done');
  rig.stack.exchange.recipient('gone@muu.example', undefined);
  const replayed = await outbox('replay', 'INC-1', 'INC-none', '--reason', 'mended');
  expect(replayed.status).toBe(1);
  expect(replayed.output).toContain('There is no message INC-none.');
  expect(replayed.output).toContain('1 of 2 done.');
  await until(
    'it is sent',
    async () => (await rig.outbound.message(desk, 'INC-1'))?.message.state === 'sent',
  );
  expect((await outbox('list', '--state', 'failed')).output).toContain('No message is found.');
  expect((await outbox('audit')).output).toContain('replay');
}, 400_000);

test('outbox: pause and resume; an unknown account is an error with those that there are', async () => {
  expect((await outbox('pause', desk.toUpperCase())).output).toContain(`Paused: ${desk}.`);
  expect((await outbox()).output).toContain(`Paused by ${admin.name}.`);
  expect((await outbox('resume', '--mailbox', desk)).output).toContain(`Resumed: ${desk}.`);
  const unknown = await outbox('pause', 'nobody@kunta.example');
  expect(unknown.status).toBe(1);
  expect(unknown.errors).toContain('There is no account nobody@kunta.example.');
  expect(unknown.errors).toContain(desk);
}, 400_000);

test('quota and doctor', async () => {
  const quota = await run('quota', ['--app', frontEnd.url, '--json']);
  expect(quota).toMatchObject({ status: 0, errors: '' });
  expect(quota.output).toMatch(/palvelupiste@kun… +\d+\/30/);
  const doctor = await run('doctor', ['--app', frontEnd.url, '--mailbox', desk, '--json']);
  expect(doctor).toMatchObject({ status: 0, errors: '' });
  expect(doctor.output.trim().split('\n')).toHaveLength(1);
  expect(JSON.parse(doctor.output)).toMatchObject({ mailbox: desk, ok: true, causes: [] });
  rig.stack.exchange.account({ address: desk, smtpAuth: 'offMailbox' });
  try {
    const failed = await run('doctor', ['--app', frontEnd.url, '--mailbox', desk]);
    expect(failed.status).toBe(1);
    expect(failed.output).toMatch(/^palvelupiste@kunta\.example: something is wrong\n/);
    expect(failed.output).toMatch(/\nok +Sent Items +\d+\n/);
    expect(failed.output).toMatch(/\nFAILED +SMTP login +\d+\n/);
    expect(failed.output).toMatch(/\n1\. SMTP AUTH .+\n {3}Remedy: .*Set-CASMailbox.+\n {3}Evidence: 535 /);
  } finally {
    rig.stack.exchange.account({ address: desk, smtpAuth: 'on' });
  }
  const unknown = await run('doctor', ['--app', frontEnd.url, '--mailbox', 'nobody@kunta.example']);
  expect([unknown.status, unknown.output]).toEqual([1, '']);
  expect(unknown.errors).toContain('nobody@kunta.example is not one of the mailboxes');
}, 400_000);

test('without an Azure login: a sentence with the remedy, and what the CLI said', async () => {
  const { status, errors } = await run(
    'outbox',
    ['--app', frontEnd.url],
    'AADSTS65001: The user or administrator has not consented',
  );
  expect(status).toBe(1);
  expect(errors).toContain('infra/entra.bicep');
  expect(errors).toContain('AADSTS65001');
}, 60_000);

test.each([
  'http://bridge.azurewebsites.net',
  'https://bridge.azurewebsites.net/api',
  'https://user@bridge.azurewebsites.net',
  'https://bridge.azurewebsites.net/?x=1',
  'bridge.azurewebsites.net',
  '',
])('an address that is not one of an app is refused before anybody is asked for a token: %s', (text) => {
  expect(() => appAddress(text)).toThrow('--app is the app’s address alone');
});

test('each cause of a refused login has its own remedy', () => {
  const scope = 'api://bridge.azurewebsites.net/.default';
  expect(loginRemedy('AADSTS500011: resource not found', scope)).toContain('--tenant');
  expect(loginRemedy('Azure CLI could not be found', scope)).toContain('install the Azure CLI');
  expect(loginRemedy("Please run 'az login'", scope)).toContain(`az login --scope ${scope}`);
});
