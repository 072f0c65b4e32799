// npm run acceptance: about 20 checks of a deployed bridge on a mailbox of your tenant, in 30 minutes, with a report to
// keep. What it needs and what it leaves: docs/acceptance.md.
//
//   npm run acceptance -- --app https://NAME.azurewebsites.net --mailbox ADDRESS --store ACCOUNT --client-id ID
//
//   --app URL             the address of the app
//   --mailbox ADDRESS     the test mailbox, one of MAILBOXES
//   --store ACCOUNT       the storage account of the mail; reached with your own Azure login (az login)
//   --client-id ID        the public client with which the test mailbox signs in
//   --tenant ID           its tenant; that of your Azure login if absent
//
//   --alias ADDRESS       an alias of the mailbox; without it that check is not done
//   --send-as ADDRESS     another mailbox that is sent through it
//   --absent ADDRESS      somebody whose automatic reply is on
//   --gone ADDRESS        an address that does not exist; one at the mailbox's own domain if absent
//   --no-receive          the mailbox is not fetched (receive: false)
//   --folder NAME         the folder that is fetched; INBOX
//   --after-fetch ACTION  as in the setting: none, seen, delete or move:FOLDER (move:Processed)
//   --smtp-user ADDRESS   the setting smtpUser, if it has one
//   --only ID[,ID…]       only these checks
//   --keep                leave the messages in the mailbox
//   --out FOLDER          where the report goes; .local/acceptance
//   --json                end with the report as one JSON object on the last line
//   --local               on the local stack, which is started for it
//
// Exit status 1 if a check failed, 2 if the run could not begin.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { AzureCliCredential } from '@azure/identity';
import { systemClock, systemRandom } from '../../shared/clock.ts';
import { makeStoreClients } from '../../shared/storage/clients.ts';
import { checkIds, runAcceptance, type RunOptions } from '../acceptance/acceptance.ts';
import { storeAccess } from '../acceptance/bridgeAccess.ts';
import { realNumbers } from '../acceptance/check.ts';
import { once, startRehearsal, type Rehearsal } from '../acceptance/rehearsal.ts';
import { lineOf, markdownOf, summaryOf } from '../acceptance/report.ts';
import { signInAs } from '../acceptance/signIn.ts';
import { buildPackage } from '../build/buildPackage.ts';
import { commandLine } from '../commandLine/commandLine.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: {
    app: { type: 'string' },
    mailbox: { type: 'string' },
    store: { type: 'string' },
    'client-id': { type: 'string' },
    tenant: { type: 'string' },
    alias: { type: 'string' },
    'send-as': { type: 'string' },
    absent: { type: 'string' },
    gone: { type: 'string' },
    'no-receive': { type: 'boolean', default: false },
    folder: { type: 'string', default: 'INBOX' },
    'after-fetch': { type: 'string', default: 'move:Processed' },
    'smtp-user': { type: 'string' },
    only: { type: 'string' },
    keep: { type: 'boolean', default: false },
    out: { type: 'string', default: join(import.meta.dirname, '..', '..', '.local', 'acceptance') },
    json: { type: 'boolean', default: false },
    local: { type: 'boolean', default: false },
  },
});
const run = systemRandom.id().slice(0, 6);
const scopes = [
  'https://outlook.office365.com/IMAP.AccessAsUser.All',
  'https://outlook.office365.com/SMTP.Send',
];

try {
  // Idle connections of the client libraries would keep the process for minutes.
  process.exit(flags.local ? await rehearse() : await report(tenantOptions()));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(2);
}

async function rehearse(): Promise<number> {
  const appFolder = join(
    import.meta.dirname,
    '..',
    '..',
    '.local',
    `acceptance-package-${String(process.pid)}`,
  );
  await buildPackage(appFolder);
  let rehearsal: Rehearsal | undefined;
  try {
    rehearsal = await startRehearsal({ appFolder, clock: systemClock });
    return await report(rehearsal.options);
  } finally {
    await rehearsal?.close();
    rmSync(appFolder, { recursive: true, force: true });
  }
}

/** What the command line says, checked before anything is asked for. */
function tenantOptions(): Omit<RunOptions, 'run'> {
  const app = origin(given('app'));
  const address = given('mailbox');
  const clientId = given('client-id');
  const store = makeStoreClients(storeAddress(given('store')), {
    clock: systemClock,
    clockSampler: { observe: () => undefined },
    credential: new AzureCliCredential(),
  });
  const domain = address.slice(address.lastIndexOf('@') + 1);
  return {
    app,
    clock: systemClock,
    mailbox: {
      address,
      smtpUser: flags['smtp-user'] ?? address,
      receive: !flags['no-receive'],
      folder: flags.folder,
      afterFetch: flags['after-fetch'],
    },
    ...(flags.alias === undefined ? {} : { alias: flags.alias }),
    ...(flags['send-as'] === undefined ? {} : { sendAs: flags['send-as'] }),
    ...(flags.absent === undefined ? {} : { absent: flags.absent }),
    gone: flags.gone ?? `nobody-${run}@${domain}`,
    numbers: realNumbers,
    servers: {
      smtp: { host: 'smtp.office365.com', port: 587 },
      imap: { host: 'outlook.office365.com', port: 993 },
      token: once(() => personSignsIn(clientId, address)),
    },
    bridge: storeAccess(app, store),
  };
}

async function report(options: Omit<RunOptions, 'run'>): Promise<number> {
  const only = flags.only?.split(',').map((id) => id.trim());
  const unknown = only?.find((id) => !checkIds.includes(id));
  if (unknown !== undefined)
    throw new Error(`There is no check ${unknown}; the checks are ${checkIds.join(', ')}.`);
  const result = await runAcceptance({
    ...options,
    run,
    keep: flags.keep,
    ...(only === undefined ? {} : { only }),
    onResult: (one) => {
      console.log(lineOf(one));
    },
  });
  console.log(`\n${summaryOf(result)}`);
  const folder = resolve(flags.out);
  mkdirSync(folder, { recursive: true });
  const name = `acceptance-${result.startedAt.slice(0, 16).replaceAll(/[-:]/g, '')}-${run}`;
  writeFileSync(join(folder, `${name}.md`), markdownOf(result));
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(result, undefined, 2)}\n`);
  console.log(`\nReport: ${join(folder, name)}.md and .json`);
  if (flags.json) console.log(JSON.stringify(result));
  return result.failedCount === 0 ? 0 : 1;
}

async function personSignsIn(clientId: string, mailbox: string): Promise<string> {
  const authority = `https://login.microsoftonline.com/${flags.tenant ?? tenantOfLogin()}`;
  const lines = createInterface({ input: process.stdin });
  try {
    return await signInAs({
      authorizeEndpoint: `${authority}/oauth2/v2.0/authorize`,
      tokenEndpoint: `${authority}/oauth2/v2.0/token`,
      issuer: `${authority}/v2.0`,
      clientId,
      scopes,
      mailbox,
      show: (url) => {
        console.log(`Open this address in a browser and sign in as ${mailbox}, not as yourself:

${url}

If the browser runs on another machine, it ends at an address that begins with
http://localhost and cannot be loaded: paste that address here.
`);
      },
      pasted: new Promise((answer) => {
        lines.on('line', (line) => {
          if (line.trim().startsWith('http://localhost')) answer(line);
        });
      }),
    });
  } finally {
    lines.close();
  }
}

/** The tenant of `az login`. */
function tenantOfLogin(): string {
  const { status, stdout } = spawnSync('az', ['account', 'show', '--query', 'tenantId', '--output', 'tsv'], {
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  const tenant = stdout.trim();
  if (status !== 0 || tenant === '') throw new Error('Which tenant? Run az login, or give --tenant ID.');
  return tenant;
}

function given(name: 'app' | 'mailbox' | 'store' | 'client-id'): string {
  const value = flags[name];
  if (value === undefined || value === '')
    throw new Error(
      `--${name} is missing; docs/acceptance.md says where it comes from. To try it here: --local.`,
    );
  return value;
}

/** Only https, and no more than the origin: a path or a password in it is a mistake. */
function origin(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol !== 'https:' || url.username !== '' || url.pathname !== '/')
    throw new Error('--app is the address of the app, such as https://NAME.azurewebsites.net.');
  return url.origin;
}

/** `NAME`, or `NAME.core.chinacloudapi.cn` in another cloud. */
function storeAddress(text: string): Parameters<typeof makeStoreClients>[0] {
  const [account = '', ...rest] = text.split('.');
  if (!/^[a-z0-9]{3,24}$/.test(account))
    throw new Error('--store is the name of the storage account: out storageName says it.');
  const suffix = rest.length === 0 ? 'core.windows.net' : rest.join('.');
  const uri = (service: string): string => `https://${account}.${service}.${suffix}`;
  return {
    kind: 'identity',
    tableServiceUri: uri('table'),
    blobServiceUri: uri('blob'),
    queueServiceUri: uri('queue'),
  };
}
