// npm run submit -- FILE.json…: puts submissions on the queue, as an integrator's program would.
//
//   --watch   follows each submission and prints its events, until all are settled
//   --json    ends with one JSON object on the last line
//   --settings-file FILE   the settings file of the stack, if started with one
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../shared/clock.ts';
import { StorageTime } from '../../shared/limits/storageTime.ts';
import { makeStoreClients } from '../../shared/storage/clients.ts';
import { tableNames } from '../../shared/storage/names.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { commandSettings, commandTrouble } from '../commandLine/commandSettings.ts';
import { EsmQueueClient } from '../stack/esmQueueClient.ts';
import { SubmissionStatusReader } from '../commandLine/submissionStatus.ts';
import { table } from '../commandLine/table.ts';

const { values: flags, positionals: files } = commandLine(import.meta.filename, {
  allowPositionals: true,
  options: {
    watch: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    'settings-file': { type: 'string' },
  },
});

interface Put {
  readonly file: string;
  readonly id: string | undefined;
  readonly mailbox: string | undefined;
}

const watchLimitMs = 15 * 60_000;

try {
  if (files.length === 0) throw new Error('Name the files: npm run submit -- local/samples/*.json --watch');
  process.exitCode = (await run()) ? 0 : 1;
} catch (error) {
  console.error(await commandTrouble(error, flags['settings-file']));
  process.exitCode = 1;
}

async function run(): Promise<boolean> {
  const settings = commandSettings(flags['settings-file']);
  const store = makeStoreClients(settings.store, {
    clock: systemClock,
    clockSampler: new StorageTime(systemClock),
  });
  const esm = new EsmQueueClient(store);
  const texts = files.map((file) => ({ file, text: readFileSync(file, 'utf8') }));
  const puts: Put[] = [];
  for (const { file, text } of texts) {
    await esm.submit(text);
    puts.push({ file, ...identityOf(text) });
  }
  console.log(`${String(puts.length)} submissions put on outbound-mail`);
  if (!flags.watch) {
    if (flags.json) console.log(JSON.stringify({ put: puts }));
    return true;
  }
  const ends = await watch(
    puts,
    new SubmissionStatusReader(new TableRows(store.table(tableNames.outbox)), settings.accounts),
  );
  console.log('');
  console.log(
    table(
      ['file', 'submission', 'state', 'events', 'detail'],
      ends.map(({ file, id, state, history, detail }) => [basename(file), id ?? '', state, history, detail]),
    ),
  );
  if (flags.json) console.log(JSON.stringify({ put: puts, ends }));
  return ends.every(({ settled }) => settled);
}

interface End extends Put {
  readonly state: string;
  readonly history: string;
  readonly detail: string;
  /** No further change without an operator. */
  readonly settled: boolean;
}

/** Polls the rows and prints a line for each change, until every submission is settled. */
async function watch(puts: readonly Put[], statuses: SubmissionStatusReader): Promise<readonly End[]> {
  const ends = new Map<Put, End>(
    puts.map((put) => [put, { ...put, state: 'unknown', history: '', detail: '', settled: false }]),
  );
  const until = performance.now() + watchLimitMs;
  while (performance.now() < until && [...ends.values()].some(({ settled }) => !settled)) {
    for (const [put, known] of ends) {
      if (known.settled) continue;
      const end = { ...put, ...(await endOf(put, statuses)) };
      if (end.history !== known.history) console.log(`${end.id ?? basename(end.file)}: ${end.history}`);
      ends.set(put, end);
    }
    await pause(500);
  }
  return [...ends.values()];
}

async function endOf({ id, mailbox }: Put, statuses: SubmissionStatusReader): Promise<Omit<End, keyof Put>> {
  // Without an id it cannot be followed; the event on mail-status has the hash of its content.
  if (id === undefined)
    return { state: 'rejected', history: 'rejected', detail: 'the submission has no id', settled: true };
  const status = await statuses.of(id, mailbox);
  if (status !== undefined) return status;
  const rejection = await statuses.rejection(id);
  if (rejection === undefined) return { state: 'unknown', history: '', detail: '', settled: false };
  return { state: 'rejected', history: 'rejected', detail: rejection, settled: true };
}

function identityOf(text: string): { readonly id: string | undefined; readonly mailbox: string | undefined } {
  try {
    const { id, mailbox } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    return {
      id: typeof id === 'string' ? id : undefined,
      mailbox: typeof mailbox === 'string' ? mailbox : undefined,
    };
  } catch {
    return { id: undefined, mailbox: undefined };
  }
}
