// Shows how the bridge classifies a mail, without a mailbox: the same parser and the same rules as in production.
//   npm run inspect -- FILE… [--json]                  files and folders of raw mails (.eml), with any line ends
//   npm run inspect -- --mutated N [--seed S] [--json]   instead: parses N randomly corrupted mails
// With --json one line per mail, otherwise a summary. Any number of files is processed in a stream. A file that cannot be
// read is reported on standard error; the others are processed, and the exit status is 1.
import { createReadStream } from 'node:fs';
import { lstat, mkdir, mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { systemClock } from '../../shared/clock.ts';
import { createMimeParser } from '../../shared/exchange/mimeParser.ts';
import { verdictFields } from '../../shared/contract/notice.ts';
import type { ParseAnswer, Parser, RawMail } from '../../shared/inbound/ports.ts';
import { messageFields, type MessageFields } from '../../shared/inbound/noticeFields.ts';
import { parseMutated } from '../../tests/inbound/mutatedMails.ts';

/** Mails at work at the same time; results keep the order of the files. */
const atOnce = 4;
/** Larger mails are parsed from the file, as the bridge does it. */
const inMemoryBytes = 1024 * 1024;

const usage =
  'npm run inspect -- FILE… [--json]: name at least one raw mail, or a folder of them.\n' +
  'npm run inspect -- --mutated N [--seed S] [--json]: N randomly corrupted mails.';

async function main(argv: readonly string[]): Promise<number> {
  const flags = flagsOf(argv);
  if (flags === undefined) {
    console.error(usage);
    return 2;
  }
  if (flags.mutated !== undefined) return runMutated(flags.mutated, flags.seed, flags.json);
  // The reader may close the pipe early (`| head`).
  const reader = new AbortController();
  process.stdout.on('error', () => {
    reader.abort();
  });
  let failed = false;
  for await (const line of inspect(flags.paths)) {
    if (reader.signal.aborted) break;
    if (line.kind === 'failed') {
      failed = true;
      console.error(printable(`${line.file}: ${line.detail}`));
      continue;
    }
    const text = flags.json ? JSON.stringify(line.report) : summary(line.report);
    if (process.stdout.write(`${text}\n`)) continue;
    await once(process.stdout, 'drain', { signal: reader.signal }).catch(() => undefined);
  }
  return failed ? 1 : 0;
}

interface Flags {
  readonly paths: readonly string[];
  readonly json: boolean;
  readonly mutated: number | undefined;
  readonly seed: number;
}

/** Undefined if no file is named, or a flag is unknown. */
function flagsOf(argv: readonly string[]): Flags | undefined {
  try {
    const { values, positionals: paths } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        mutated: { type: 'string' },
        seed: { type: 'string', default: '1' },
      },
    });
    const whole = (text: string): boolean => /^\d{1,9}$/.test(text);
    if (!whole(values.seed) || (values.mutated !== undefined && !whole(values.mutated))) return undefined;
    if (values.mutated === undefined && paths.length === 0) return undefined;
    const mutated = values.mutated === undefined ? undefined : Number(values.mutated);
    return { paths, json: values.json, mutated, seed: Number(values.seed) };
  } catch {
    return undefined;
  }
}

async function runMutated(count: number, seed: number, json: boolean): Promise<number> {
  const startedAt = performance.now();
  const result = await parseMutated({ count, seed });
  const { parsed, unparsed, crashes, slow, slowestMs } = result;
  if (!json) {
    const tookS = Math.round((performance.now() - startedAt) / 1000);
    console.log(
      `${count} randomly corrupted mails: ${parsed} parsed, ${unparsed} unparsed, ${crashes.length} crashes, ${slow} over 2 s, the slowest ${slowestMs} ms; ${tookS} s`,
    );
    for (const crash of crashes.slice(0, 20)) console.log(`  ${crash}`);
  }
  console.log(JSON.stringify({ seed, ...result, crashes: crashes.length }));
  return crashes.length === 0 && slow === 0 ? 0 : 1;
}

/** One line of `--json`: the verdict, and the notice with its texts as they would go out. */
export interface InspectReport extends Omit<ReturnType<typeof verdictFields>, 'list' | 'loopGuard'> {
  readonly file: string;
  readonly kind: string;
  readonly because: string;
  readonly list: boolean;
  readonly loopGuard: { readonly mayAnswer: boolean; readonly reasons: readonly string[] };
  readonly notice: MessageFields['fields'] & {
    readonly remarks: readonly string[];
    readonly parts: readonly {
      readonly filename: string;
      readonly contentType: string;
      readonly disposition: string;
      readonly contentId: string;
      readonly sizeBytes: number;
    }[];
  };
  /** At most 100,000 characters each; null where the mail has none. */
  readonly text: string | null;
  readonly html: string | null;
}

const shownCharacters = 100_000;

export type InspectLine =
  | { readonly kind: 'report'; readonly report: InspectReport }
  | { readonly kind: 'failed'; readonly file: string; readonly detail: string };

/** Reports in the order of the files; a folder is walked in the order of its names. */
export async function* inspect(paths: readonly string[]): AsyncIterable<InspectLine> {
  const folder = await mkdtemp(join(tmpdir(), 'inspect-'));
  const parser = createMimeParser({
    worker: new URL('../../shared/exchange/mimeParserWorker.ts', import.meta.url),
    clock: systemClock,
  });
  const pending: Promise<InspectLine>[] = [];
  let sequence = 0;
  try {
    for await (const found of filesOf(paths)) {
      sequence += 1;
      const line =
        found.kind === 'failed'
          ? Promise.resolve(found)
          : inspectOne(parser, found.file, join(folder, String(sequence)));
      pending.push(line);
      const ready = pending.length >= atOnce ? pending.shift() : undefined;
      if (ready !== undefined) yield await ready;
    }
    for (const one of pending) yield await one;
  } finally {
    await Promise.allSettled(pending);
    await parser.close();
    await rm(folder, { recursive: true, force: true });
  }
}

type Found = { readonly kind: 'file'; readonly file: string } | Extract<InspectLine, { kind: 'failed' }>;

/** Inside a folder, links to folders are skipped: they may be circular. */
async function* filesOf(paths: readonly string[], inFolder = false): AsyncIterable<Found> {
  for (const path of paths) {
    let names: readonly string[] | undefined;
    try {
      const found = await stat(path);
      if (found.isDirectory()) {
        if (inFolder && (await lstat(path)).isSymbolicLink()) continue;
        names = (await readdir(path)).sort();
      } else if (!found.isFile()) {
        // Reading a pipe or a device may never end.
        throw new Error('neither a file nor a folder');
      }
    } catch (error) {
      yield { kind: 'failed', file: path, detail: messageOf(error) };
      continue;
    }
    if (names === undefined) yield { kind: 'file', file: path };
    else
      yield* filesOf(
        names.map((name) => join(path, name)),
        true,
      );
  }
}

/** `workFolder` holds the parser's files for this mail, and is removed afterwards. */
async function inspectOne(parser: Parser, file: string, workFolder: string): Promise<InspectLine> {
  try {
    const { size } = await stat(file);
    const raw: RawMail =
      size <= inMemoryBytes
        ? { kind: 'bytes', bytes: await readFile(file) }
        : { kind: 'file', path: file, sizeBytes: size };
    await mkdir(workFolder);
    const answer = await parser.parse(raw, `${workFolder}${sep}`);
    return { kind: 'report', report: reportOf(file, answer, await headOf(file)) };
  } catch (error) {
    return { kind: 'failed', file, detail: messageOf(error) };
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
}

const knownFailures: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'no such file'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'permission denied'],
  ['ELOOP', 'circular links'],
]);

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  return knownFailures.get(code) ?? error.message;
}

async function headOf(file: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of createReadStream(file, { end: 256 * 1024 })) {
    if (chunk instanceof Uint8Array) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function reportOf(file: string, answer: ParseAnswer, head: Uint8Array): InspectReport {
  const { fields, remarks } = messageFields(answer, head);
  if (answer.kind === 'unparsed') {
    return {
      file,
      kind: 'unparsed',
      because: answer.detail,
      list: false,
      loopGuard: { mayAnswer: false, reasons: ['it could not be parsed'] },
      notice: { ...fields, remarks, parts: [] },
      text: null,
      html: null,
    };
  }
  const { mail, classification } = answer;
  const { kind, because } = classification;
  const { list, loopGuard, ...about } = verdictFields(classification);
  const parts = mail.parts.map(({ filename, contentType, disposition, contentId, sizeBytes }) => ({
    filename,
    contentType,
    disposition,
    contentId,
    sizeBytes,
  }));
  return {
    file,
    kind,
    because,
    list,
    loopGuard,
    ...about,
    notice: { ...fields, remarks, parts },
    text: shown(mail.text),
    html: shown(mail.html),
  };
}

/** Cut between characters. */
function shown(text: string | undefined): string | null {
  if (text === undefined || text === '') return null;
  return text.slice(0, shownCharacters).replace(/[\ud800-\udbff]$/, '');
}

function summary(report: InspectReport): string {
  const { notice } = report;
  const lines = [
    report.file,
    `  ${report.kind}${report.bounce === undefined ? '' : ` (${report.bounce.severity})`}, by: ${report.because}`,
    `  from ${notice.from.map(({ address }) => address).join(', ') || '(no sender)'}: ${notice.subject}`,
  ];
  for (const one of (report.bounce ?? report.receipt ?? report.complaint)?.recipients ?? []) {
    const codes = [one.replyCode, one.status].filter((code) => code !== '').join(' ');
    lines.push(
      `  ${one.action} ${one.address || '(no address)'}: ${one.hard ? 'dead address' : 'not the address'}, ${one.reason}${codes === '' ? '' : ` (${codes})`}`,
    );
  }
  for (const { filename, contentType, sizeBytes } of notice.parts) {
    lines.push(`  part ${contentType}, ${sizeBytes} bytes${filename === '' ? '' : `: ${filename}`}`);
  }
  if (report.list) lines.push('  a mailing list or bulk mailer distributed it');
  lines.push(
    report.loopGuard.mayAnswer
      ? '  may be answered automatically'
      : `  not to be answered automatically: ${report.loopGuard.reasons.join('; ')}`,
  );
  lines.push(...notice.remarks.map((remark) => `  note: ${remark}`));
  return lines.map(printable).join('\n');
}

/** Control characters of a mail must not reach the terminal. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, ' ');
}

if (process.argv[1] === import.meta.filename) {
  process.exitCode = await main(process.argv.slice(2));
}
