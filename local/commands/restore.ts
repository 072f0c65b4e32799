// npm run restore: brings back messages that disappeared from the outbox, from one of its daily exports. Each is held for a
// person, since it may have been sent after the export; what is still in the outbox is left as it is.
//
//   npm run restore                              the exports that are kept, the newest last
//   npm run restore -- --export NAME --dry-run   what it would bring back
//   npm run restore -- --export NAME             brings it back
//
//   --account KEY          only this account
//   --settings-file FILE   the app's settings, as `az functionapp config appsettings list` prints them: then your own
//                          Azure login reaches both storage accounts. Without it: the settings of the environment, or
//                          of the running local stack.
//   --by NAME              for the history of each message; your own login's name if absent
//   --json                 ends with one JSON object on the last line
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { AzureCliCredential } from '@azure/identity';
import { assembleOutbound } from '../../shared/assembly.ts';
import { systemClock } from '../../shared/clock.ts';
import { describeProblems, readSettings } from '../../shared/config/readSettings.ts';
import type { Settings } from '../../shared/config/settings.ts';
import { StorageTime } from '../../shared/limits/storageTime.ts';
import type { Dependencies } from '../../shared/outbound/dependencies.ts';
import type { RestoreReport } from '../../shared/outbound/operator/restoreExport.ts';
import type { Outbound } from '../../shared/outbound/outbound.ts';
import { BlobContents } from '../../shared/storage/blobContents.ts';
import { BlobExports, exportContainer } from '../../shared/storage/blobExports.ts';
import { makeStoreClients } from '../../shared/storage/clients.ts';
import { containerNames, tableNames } from '../../shared/storage/names.ts';
import { StorageQueues } from '../../shared/storage/storageQueues.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { commandSettings, commandTrouble } from '../commandLine/commandSettings.ts';
import { table } from '../commandLine/table.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: {
    export: { type: 'string' },
    account: { type: 'string' },
    'dry-run': { type: 'boolean', default: false },
    'settings-file': { type: 'string' },
    by: { type: 'string', default: userInfo().username },
    json: { type: 'boolean', default: false },
  },
});

try {
  const settings =
    flags['settings-file'] === undefined ? commandSettings() : readAppSettings(flags['settings-file']);
  const { outbound } = assembleOutbound(settings, overrides(settings));
  process.exitCode =
    flags.export === undefined ? await list(outbound) : await bringBack(outbound, flags.export);
} catch (error) {
  console.error(await commandTrouble(error, flags['settings-file']));
  process.exitCode = 1;
}

async function list(outbound: Outbound): Promise<number> {
  const names = await outbound.exports();
  console.log(names.length === 0 ? 'There is no complete export.' : names.join('\n'));
  if (flags.json) console.log(JSON.stringify({ exports: names }));
  return names.length === 0 ? 1 : 0;
}

async function bringBack(outbound: Outbound, name: string): Promise<number> {
  const report = await outbound.restore({
    export: name,
    by: flags.by,
    dryRun: flags['dry-run'],
    ...(flags.account === undefined ? {} : { account: flags.account }),
  });
  console.log(describe(report));
  if (flags.json) console.log(JSON.stringify(report));
  return report.kind === 'done' && report.failedCount === 0 ? 0 : 1;
}

function describe(report: RestoreReport): string {
  if (report.kind === 'unknown')
    return 'There is no complete export of that name: npm run restore lists them.';
  const { restoredCount, presentCount, failedCount, restored, failed } = report;
  const verb = flags['dry-run'] ? 'would be restored' : 'restored, held for a person';
  return [
    `${String(restoredCount)} ${verb}; ${String(presentCount)} are in the outbox and left as they are; ${String(failedCount)} can’t be restored`,
    ...(restored.length === 0
      ? []
      : [
          '',
          table(
            ['account', 'id'],
            restored.map(({ account, id }) => [account, id]),
          ),
        ]),
    ...(failed.length === 0
      ? []
      : [
          '',
          table(
            ['account', 'id', 'why not'],
            failed.map(({ account, id, detail }) => [account, id, detail]),
          ),
        ]),
  ].join('\n');
}

/** The list that Azure prints, or an object of names and texts. */
function readAppSettings(file: string): Settings {
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const environment = Array.isArray(parsed)
    ? Object.fromEntries(
        (parsed as readonly { readonly name: string; readonly value: string }[]).map(({ name, value }) => [
          name,
          value,
        ]),
      )
    : (parsed as Readonly<Record<string, string>>);
  const answer = readSettings(environment);
  if (answer.kind === 'ok') return answer.settings;
  throw new Error(describeProblems(answer));
}

/** The app's identity is not here: both accounts are reached with the caller's own login. */
function overrides({ store, exportStore, uploadContainer }: Settings): Partial<Dependencies> {
  if (store.kind !== 'identity') return {};
  const credential = new AzureCliCredential();
  const time = new StorageTime(systemClock);
  const clients = makeStoreClients(store, { clock: systemClock, clockSampler: time, credential });
  return {
    time,
    rows: new TableRows(clients.table(tableNames.outbox)),
    contents: new BlobContents(
      clients.blobs.getContainerClient(containerNames.outboundContent),
      clients.blobs.getContainerClient(uploadContainer),
    ),
    queues: new StorageQueues(clients.queues),
    ...(exportStore === undefined
      ? {}
      : { exports: new BlobExports(exportContainer(exportStore, credential)) }),
  };
}
