// The checks of the acceptance run that need no bridge, against Postfix and Dovecot: two servers that nobody here wrote,
// and that have neither Exchange's limits nor its folders' names alone.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import tls from 'node:tls';
import { runAcceptance, type AcceptanceReport } from '../../../local/acceptance/acceptance.ts';
import type { BridgeAccess } from '../../../local/acceptance/bridgeAccess.ts';
import { realNumbers } from '../../../local/acceptance/check.ts';
import { systemClock } from '../../../shared/clock.ts';
import { certificates, closeAll } from '../../local/exchange/harness.ts';
import { desk, startServers, type Servers } from './servers.ts';

let servers: Servers;

beforeAll(async () => {
  servers = await startServers();
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), (await certificates()).ca]);
});

afterAll(async () => {
  await closeAll();
  await servers.close();
});

const noBridge = (): never => {
  throw new Error('There is no bridge here.');
};
const bridge: BridgeAccess = {
  health: noBridge,
  submit: noBridge,
  upload: noBridge,
  removeUpload: noBridge,
  stateOf: noBridge,
  isRejected: noBridge,
  received: noBridge,
};

function run(name: string, token: () => string, only: readonly string[]): Promise<AcceptanceReport> {
  return runAcceptance({
    app: 'https://nowhere.invalid',
    clock: systemClock,
    run: name,
    mailbox: { address: desk, smtpUser: desk, receive: true, folder: 'INBOX', afterFetch: 'none' },
    gone: 'nobody@example.com',
    numbers: { ...realNumbers, periodMs: 5_000, pollMs: 200, folderCount: 300 },
    servers: {
      smtp: { host: 'localhost', port: servers.postfix.port },
      imap: { host: 'localhost', port: servers.dovecot.imapPort },
      token: () => Promise.resolve(token()),
    },
    bridge,
    only,
  });
}

const outcomes = ({ checks }: AcceptanceReport): Readonly<Record<string, string>> =>
  Object.fromEntries(checks.map(({ id, outcome, detail }) => [id, `${outcome}: ${detail}`]));

test('mailbox, move, large folder and both limits pass', async () => {
  const report = await run('real', () => servers.dovecot.token(desk), [
    'signIn',
    'move',
    'largeFolder',
    'overRate',
    'overConnections',
  ]);
  expect(outcomes(report)).toEqual({
    signIn: 'passed: Logged in; Sent Items is called Sent Items.',
    move: 'passed: Moved in one command; the answer has the new UID (COPYUID).',
    largeFolder: expect.stringMatching(/^passed: 300 messages .* found all 3\.$/),
    // Neither server limits what a mailbox sends.
    overRate: expect.stringMatching(/^passed: 3[1-3] messages in \d+ s were taken without a delay\.$/),
    overConnections: 'passed: A fourth connection was served.',
  });
  // What was sent past the bridge came to the mailbox and was removed again.
  expect(report.left.join()).toMatch(/nothing; 3[2-4] messages were deleted/);
});

test('a token of somebody else opens nothing, and the check says what the server said', async () => {
  const report = await run('other', () => servers.dovecot.token('kim@example.com'), ['signIn', 'move']);
  expect(outcomes(report)['signIn']).toMatch(/^failed: .+/);
  expect(outcomes(report)['move']).toMatch(/^notDone: /);
});
