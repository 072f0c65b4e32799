// npm run submit -- FILE.json…: puts submissions on the queue, as an integrator's program would.
//
//   --watch   follows each of them and tells its story, until nothing more happens to it by itself
//   --json    ends with one JSON object on the last line
//   --settings-file FILE   of a stack that was started with it
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../shared/clock.ts';
import { StorageTime } from '../../shared/limits/storageTime.ts';
import { makeStoreClients } from '../../shared/storage/clients.ts';
import { tableNames } from '../../shared/storage/names.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';
import { commandLine } from '../commandLine.ts';
import { commandSettings, commandTrouble } from '../commandSettings.ts';
import { Esm } from '../esm.ts';
import { Stories } from '../stories.ts';
import { table } from '../table.ts';

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
    witness: new StorageTime(systemClock),
  });
  const esm = new Esm(store);
  const texts = files.map((file) => ({ file, text: readFileSync(file, 'utf8') }));
  const puts: Put[] = [];
  for (const { file, text } of texts) {
    await esm.submit(text);
    puts.push({ file, ...identityOf(text) });
  }
  console.log(`${String(puts.length)} put on outbound-mail`);
  if (!flags.watch) {
    if (flags.json) console.log(JSON.stringify({ put: puts }));
    return true;
  }
  const ends = await watch(
    puts,
    new Stories(new TableRows(store.table(tableNames.outbox)), settings.accounts),
  );
  console.log('');
  console.log(
    table(
      ['file', 'submission', 'state', 'story', 'detail'],
      ends.map(({ file, id, state, told, detail }) => [basename(file), id ?? '', state, told, detail]),
    ),
  );
  if (flags.json) console.log(JSON.stringify({ put: puts, ends }));
  return ends.every(({ resting }) => resting);
}

interface End extends Put {
  readonly state: string;
  readonly told: string;
  readonly detail: string;
  /** Nothing more happens to it by itself. */
  readonly resting: boolean;
}

/** Follows the rows, one line for each change, until every submission rests. */
async function watch(puts: readonly Put[], stories: Stories): Promise<readonly End[]> {
  const ends = new Map<Put, End>(
    puts.map((put) => [put, { ...put, state: 'unknown', told: '', detail: '', resting: false }]),
  );
  const until = performance.now() + watchLimitMs;
  while (performance.now() < until && [...ends.values()].some(({ resting }) => !resting)) {
    for (const [put, known] of ends) {
      if (known.resting) continue;
      const end = { ...put, ...(await endOf(put, stories)) };
      if (end.told !== known.told) console.log(`${end.id ?? basename(end.file)}: ${end.told}`);
      ends.set(put, end);
    }
    await pause(500);
  }
  return [...ends.values()];
}

async function endOf({ id, mailbox }: Put, stories: Stories): Promise<Omit<End, keyof Put>> {
  // Without an id there is nothing to follow it by; the event on mail-status has its bytes' hash.
  if (id === undefined) return { state: 'rejected', told: 'rejected', detail: 'it has no id', resting: true };
  const story = await stories.of(id, mailbox);
  if (story !== undefined) return story;
  const rejection = await stories.rejection(id);
  if (rejection === undefined) return { state: 'unknown', told: '', detail: '', resting: false };
  return { state: 'rejected', told: 'rejected', detail: rejection, resting: true };
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
