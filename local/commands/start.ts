// npm start: runs the local stack until Ctrl+C, with the real numbers (a minute is a minute). Prints all addresses, and
// keeps the settings for other commands in .local/settings.json while it runs.
//
//   --port N               the host's port; 7071, or 0 for any that is free
//   --quick                the short intervals of the demo
//   --settings-file FILE   instead of .local/settings.json, for a second stack beside the first
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { systemClock, systemRandom } from '../../shared/clock.ts';
import { hashOf, writeCallers } from '../../shared/http/callers.ts';
import { callerSecretName } from '../../shared/oauth/callerSecret.ts';
import { buildPackage } from '../build/buildPackage.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { domain, mailboxes, recipientRules, reportBlob, reportBytes } from '../demo/scenario.ts';
import { makeCertificates } from '../stack/certificates.ts';
import { EsmQueueClient } from '../stack/esmQueueClient.ts';
import type { HostProcess, HostProcessLine } from '../functionsHost/hostProcess.ts';
import { startControlServer } from '../stack/controlServer.ts';
import { startFrontEnd, type Person } from '../stack/frontEnd.ts';
import { quickHideMs, quickNumbers, quickSettings } from '../stack/shortIntervals.ts';
import { isRunning, runningSettingsFile } from '../stack/runningStack.ts';
import { startStack } from '../stack/stack.ts';
import { table } from '../commandLine/table.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: {
    port: { type: 'string', default: '7071' },
    quick: { type: 'boolean', default: false },
    'settings-file': { type: 'string', default: runningSettingsFile },
  },
});
const settingsFile = resolve(flags['settings-file']);

if (await isRunning(settingsFile)) {
  console.error(
    `A stack is already running (${settingsFile}). Stop it with Ctrl+C, or start a second one: npm start -- --port 0 --settings-file FILE`,
  );
  process.exit(1);
}

const appFolder = join(dirname(runningSettingsFile), `running-package-${String(process.pid)}`);
await buildPackage(appFolder);
const certificates = await makeCertificates();
const administrator: Person = {
  name: `administrator@${domain}`,
  objectId: 'administrator',
  roles: ['MailBridge.Administrator'],
};
const frontEnd = await startFrontEnd(certificates, administrator);
const stack = await startStack({
  clock: systemClock,
  mailboxes,
  certificates,
  publicUrl: frontEnd.url,
  ...(flags.quick ? { numbers: quickNumbers(20_000), settings: quickSettings, hideMs: quickHideMs } : {}),
  exchange: { periodMs: flags.quick ? 20_000 : 60_000 },
});
let host: HostProcess;
try {
  for (const [address, rule] of Object.entries(recipientRules)) stack.exchange.recipient(address, rule);
  host = await stack.startHost({
    appFolder,
    port: Number(flags.port),
    // As the platform sets it while its sign-in is on; the front end plays that.
    settings: { WEBSITE_AUTH_ENABLED: 'True' },
    onLine: printLine,
  });
  frontEnd.serve(host.url);
  // For the sample with an attachment by reference.
  await new EsmQueueClient(stack.store).upload(
    reportBlob,
    Buffer.alloc(reportBytes, '%PDF-1.7 service report\n'),
  );
} catch (error) {
  await stack.close();
  await frontEnd.close();
  rmSync(appFolder, { recursive: true, force: true });
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
const callerKey = `emb_${systemRandom.id()}${systemRandom.id()}`;
stack.vault.seed(
  callerSecretName,
  writeCallers([
    {
      name: 'local',
      rights: ['send', 'receive'],
      keys: [{ sha256: hashOf(callerKey), createdAt: systemClock.now() }],
    },
  ]),
);
// For the commands: the operator API as this administrator, and what the emulators can be told.
const commandKey = `${systemRandom.id()}${systemRandom.id()}`;
frontEnd.acceptsToken(commandKey, administrator);
const control = await startControlServer({ stack, key: commandKey, clock: systemClock });
mkdirSync(dirname(settingsFile), { recursive: true });
writeFileSync(
  settingsFile,
  JSON.stringify(
    {
      ...stack.settings,
      LOCAL_APP_URL: frontEnd.loopbackUrl,
      LOCAL_CONTROL_URL: control.url,
      LOCAL_KEY: commandKey,
    },
    undefined,
    2,
  ),
  { mode: 0o600 },
);

console.log(
  table(
    ['service', 'address'],
    [
      ['operator’s page', `${frontEnd.url}/api/ops (its certificate is the stack’s own)`],
      ['Functions host', host.url],
      ['  function key', host.keys.function],
      ['  master key', host.keys.master],
      ['  key of a caller (x-bridge-key)', callerKey],
      [
        'storage (blob, queue, table)',
        Object.values(stack.azurite.ports)
          .map((port) => `127.0.0.1:${String(port)}`)
          .join(', '),
      ],
      ['SMTP (STARTTLS)', `127.0.0.1:${String(stack.exchange.smtpPort)}`],
      ['IMAP (TLS)', `127.0.0.1:${String(stack.exchange.imapPort)}`],
      ['Entra', stack.entra.origin],
      ['Key Vault', stack.vault.url],
      ['settings for commands', settingsFile],
      ['mailboxes', mailboxes.map(({ address, signIn }) => `${address} (${signIn})`).join(', ')],
    ],
  ),
);
const beside = settingsFile === runningSettingsFile ? '' : ` --settings-file ${settingsFile}`;
console.log(`
Submit the samples:  npm run submit -- local/samples/*.json --watch${beside}
Or over HTTP:        curl -H 'x-bridge-key: ${callerKey}' -H 'content-type: application/json' --data @local/samples/01-reply-with-emoji.json ${host.url}/api/mail
More keys:           npm run keys -- create NAME --rights send,receive
What left:           npm run sent${beside}
Mail to a mailbox:   npm run write -- --to ${mailboxes[0]?.address ?? ''} --subject Hei${beside}
What was reported:   npm run events${beside}
Something goes wrong: npm run fault -- lost-reply${beside}   (npm run fault lists more)
Any address at ${domain} can send to a mailbox. Stop with Ctrl+C.
`);

/** Ctrl+C reaches every process of the terminal, and the launcher forwards it too: both count as one. */
const oneStrokeMs = 1_000;
let endingSince: number | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void end());

async function end(): Promise<void> {
  if (endingSince !== undefined) {
    if (performance.now() - endingSince > oneStrokeMs) process.exit(130);
    return;
  }
  endingSince = performance.now();
  rmSync(settingsFile, { force: true });
  await control.close();
  await frontEnd.close();
  await host.stop();
  await stack.close();
  rmSync(appFolder, { recursive: true, force: true });
  process.exit(0);
}

/** Prints the app's own events, one a line, and other output of the host only if it is a warning or worse. */
function printLine(line: HostProcessLine): void {
  const { kind, level, message } = line;
  if (typeof message !== 'string') return;
  const event = kind === 'log' && message.startsWith('{"event":');
  if (event && level !== 'debug') console.log(message);
  else if (level === 'warning' || level === 'error' || kind === 'console')
    console.log(`${String(kind)}: ${message}`);
}
