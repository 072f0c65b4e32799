// The test mailbox's own sign-in against the emulator of Entra, and what the command says before it asks for anything.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import tls from 'node:tls';
import { loopbackRedirect, signInAs, type SignInOptions } from '../../local/acceptance/signIn.ts';
import { startEntra, type EntraEmulator } from '../../local/emulators/entra/entra.ts';
import { makeCertificates } from '../../local/stack/certificates.ts';
import { systemClock } from '../../shared/clock.ts';

const mailbox = 'acceptance@kunta.example';
const clientId = '3d7c1a52-90b7-4a0e-8f43-5c2d9e6b1f08';
let entra: EntraEmulator;

beforeAll(async () => {
  const { ca, cert, key } = await makeCertificates();
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), ca]);
  entra = await startEntra({
    cert,
    key,
    clock: systemClock,
    tenant: '5f2f2a1e-7c0a-4c58-9b7e-2f6d1c3b9a10',
    apps: [{ clientId, redirectUris: [loopbackRedirect], publicClient: true }],
    accounts: [{ upn: mailbox }],
  });
});

afterAll(() => entra.close());

const options = (over: Partial<SignInOptions> & Pick<SignInOptions, 'show'>): SignInOptions => ({
  authorizeEndpoint: entra.authorizeEndpoint,
  tokenEndpoint: entra.tokenEndpoint,
  issuer: entra.issuer,
  clientId,
  scopes: ['https://outlook.office365.com/IMAP.AccessAsUser.All'],
  mailbox,
  ...over,
});

/** A person at the sign-in page; the address at which their browser ends. */
async function decide(address: string, decision: 'accept' | 'decline'): Promise<string> {
  const body = new URLSearchParams({ account: mailbox, decision });
  const answer = await fetch(address, { method: 'POST', body, redirect: 'manual' });
  return answer.headers.get('location') ?? '';
}

test('a person signs in as the mailbox, and the browser comes back by itself', async () => {
  const shown: string[] = [];
  const token = await signInAs(
    options({
      show: (address) => {
        shown.push(address);
        void decide(address, 'accept').then((back) => fetch(back));
      },
    }),
  );
  expect(await entra.checkToken(token)).toMatchObject({ kind: 'ok', way: 'delegated', user: mailbox });
  const asked = new URL(shown[0] ?? '').searchParams;
  expect(asked.get('login_hint')).toBe(mailbox);
  expect(asked.get('code_challenge_method')).toBe('S256');
  expect(asked.get('scope')).not.toContain('offline_access');
});

test('without a browser on this machine, the address that it ended at is pasted', async () => {
  let paste: (text: string) => void = () => undefined;
  const pasted = new Promise<string>((resolve) => {
    paste = resolve;
  });
  const show = (address: string): void => {
    void decide(address, 'accept').then((back) => {
      paste(`  ${back}\n`);
    });
  };
  const token = await signInAs(options({ show, pasted }));
  expect(await entra.checkToken(token)).toMatchObject({ kind: 'ok' });
});

test('a refusal is told in Entra’s own words', async () => {
  const show = (address: string): void => {
    void decide(address, 'decline').then((back) => fetch(back));
  };
  await expect(signInAs(options({ show }))).rejects.toThrow(/AADSTS65004/);
});

test('an answer to another request is not believed', async () => {
  const show = (address: string): void => {
    void decide(address, 'accept').then((back) => {
      const other = new URL(back);
      other.searchParams.set('state', 'another');
      return fetch(other);
    });
  };
  await expect(signInAs(options({ show }))).rejects.toThrow(/state/);
});

test('nobody signs in: it ends', async () => {
  await expect(signInAs(options({ show: () => undefined, limitMs: 50 }))).rejects.toThrow('Nobody signed in');
});

test.each([
  [[], '--app is missing'],
  [['--app', 'http://app.example', '--mailbox', mailbox], '--app is the address'],
  [['--app', 'https://user:secret@app.example'], '--app is the address'],
  [['--app', 'https://app.example'], '--mailbox is missing'],
  [['--app', 'https://app.example', '--mailbox', mailbox, '--client-id', 'x'], '--store is missing'],
  [
    ['--app', 'https://app.example', '--mailbox', mailbox, '--client-id', 'x', '--store', 'a.b/c'],
    '--store is the name',
  ],
  [
    [
      '--app',
      'https://app.example',
      '--mailbox',
      mailbox,
      '--client-id',
      'x',
      '--store',
      'stmail',
      '--only',
      'sned',
    ],
    'There is no check sned; the checks are app, signIn, send',
  ],
])('before anything is asked for, the command line is checked: %j', (args, said) => {
  const command = join(import.meta.dirname, '..', '..', 'local', 'commands', 'acceptance.ts');
  const { status, stderr } = spawnSync(process.execPath, [command, ...args], { encoding: 'utf8' });
  expect(status).toBe(2);
  expect(stderr).toContain(said);
});
