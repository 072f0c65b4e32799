// npm start: the local stack, kept running until Ctrl+C, with the true numbers (a minute is a minute). Says where
// everything is, and keeps what other commands need to know in .local/settings.json while it runs.
//
//   --port N      the host's port; 7071
//   --quick       the shortened numbers of the demo
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../../shared/clock.ts';
import { buildPackage } from '../build.ts';
import { domain, mailboxes, manners, reportBlob, reportBytes } from '../demo/scenario.ts';
import { Esm } from '../esm.ts';
import type { HostProcess, HostProcessLine } from '../host/hostProcess.ts';
import { quickHideMs, quickNumbers, quickSettings } from '../quick.ts';
import { runningSettingsFile, startStack } from '../stack.ts';
import { table } from '../table.ts';

const { values: flags } = parseArgs({
  options: { port: { type: 'string', default: '7071' }, quick: { type: 'boolean', default: false } },
});

const appFolder = join(dirname(runningSettingsFile), 'running-package');
await buildPackage(appFolder);
const stack = await startStack({
  clock: systemClock,
  mailboxes,
  ...(flags.quick ? { numbers: quickNumbers(20_000), settings: quickSettings, hideMs: quickHideMs } : {}),
  exchange: { periodMs: flags.quick ? 20_000 : 60_000 },
});
let host: HostProcess;
try {
  for (const [address, manner] of Object.entries(manners)) stack.exchange.recipient(address, manner);
  host = await stack.startHost({ appFolder, port: Number(flags.port), onLine: tell });
  // So that the sample with an attachment by reference can be submitted.
  await new Esm(stack.store).upload(reportBlob, Buffer.alloc(reportBytes, '%PDF-1.7 service report\n'));
} catch (error) {
  await stack.close();
  throw error;
}
mkdirSync(dirname(runningSettingsFile), { recursive: true });
writeFileSync(runningSettingsFile, JSON.stringify(stack.settings, undefined, 2), { mode: 0o600 });

console.log(
  table(
    ['what', 'where'],
    [
      ['Functions host', host.url],
      ['  function key', host.keys.function],
      ['  master key', host.keys.master],
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
      ['settings for commands', runningSettingsFile],
      ['mailboxes', mailboxes.map(({ address, signIn }) => `${address} (${signIn})`).join(', ')],
    ],
  ),
);
console.log(`
Submit the samples:  npm run submit -- local/samples/*.json --watch
Anybody at ${domain} can write to a mailbox. Ctrl+C ends it.
`);

let ending = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void end());

async function end(): Promise<void> {
  if (ending) process.exit(130);
  ending = true;
  rmSync(runningSettingsFile, { force: true });
  await host.stop();
  await stack.close();
  rmSync(appFolder, { recursive: true, force: true });
  process.exit(0);
}

/** The app's own events, one a line; what else a host says only where it is a warning or worse. */
function tell(line: HostProcessLine): void {
  const { kind, level, message } = line;
  if (typeof message !== 'string') return;
  const event = kind === 'log' && message.startsWith('{"event":');
  if (event && level !== 'debug') console.log(message);
  else if (level === 'warning' || level === 'error' || kind === 'console')
    console.log(`${String(kind)}: ${message}`);
}
