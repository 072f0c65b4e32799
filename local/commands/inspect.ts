// What the bridge takes a mail for, without a mailbox: the same parser and the same rules as in production.
//   npm run inspect -- FILE… [--json]        files and folders of raw mails (.eml), any line ends
// With --json one line per mail; without, an account for people. Thousands of files stream through.
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { systemClock } from '../../shared/clock.ts';
import { createMimeParser } from '../../shared/exchange/mimeParser.ts';
import type { BounceRecipient } from '../../shared/inbound/classification.ts';
import type { ParseAnswer, Parser, RawMail } from '../../shared/inbound/ports.ts';
import { outlineOf } from '../../shared/inbound/unparsedOutline.ts';

/** Mails at work at the same time; results keep the order of the files. */
const atOnce = 4;
/** Larger mails are parsed from the file, as the bridge does it. */
const inMemoryBytes = 1024 * 1024;

if (process.argv[1] === import.meta.filename) process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json');
  const paths = argv.filter((one) => one !== '--json');
  if (paths.length === 0) {
    console.error('npm run inspect -- FILE… [--json]: name at least one raw mail, or a folder of them.');
    return 2;
  }
  let failed = false;
  for await (const line of inspect(paths)) {
    if (line.kind === 'failed') {
      failed = true;
      console.error(`${line.file}: ${line.words}`);
      continue;
    }
    const text = json ? JSON.stringify(line.report) : account(line.report);
    if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
  }
  return failed ? 1 : 0;
}

/** One line of `--json`. */
export interface InspectReport {
  readonly file: string;
  readonly kind: string;
  readonly bounce?: { readonly severity: string; readonly recipients: readonly BounceRecipient[] };
  readonly recipients?: readonly BounceRecipient[];
  readonly feedbackType?: string;
  readonly list: boolean;
  readonly because: string;
  readonly from: readonly string[];
  readonly subject: string;
  readonly messageId: string;
  readonly returned: object;
  readonly loopGuard: { readonly mayAnswer: boolean; readonly reasons: readonly string[] };
  readonly parts: readonly {
    readonly filename: string;
    readonly contentType: string;
    readonly sizeBytes: number;
  }[];
  readonly remarks: readonly string[];
}

export type InspectLine =
  | { readonly kind: 'report'; readonly report: InspectReport }
  | { readonly kind: 'failed'; readonly file: string; readonly words: string };

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
    for await (const file of filesOf(paths)) {
      sequence += 1;
      pending.push(inspectOne(parser, file, join(folder, `${sequence}-`)));
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

async function* filesOf(paths: readonly string[]): AsyncIterable<string> {
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory() !== true) {
      yield path;
      continue;
    }
    const names = (await readdir(path)).sort();
    yield* filesOf(names.map((name) => join(path, name)));
  }
}

async function inspectOne(parser: Parser, file: string, prefix: string): Promise<InspectLine> {
  try {
    const { size } = await stat(file);
    const raw: RawMail =
      size <= inMemoryBytes
        ? { kind: 'bytes', bytes: await readFile(file) }
        : { kind: 'file', path: file, sizeBytes: size };
    const answer = await parser.parse(raw, prefix);
    return { kind: 'report', report: reportOf(file, answer, await headOf(file)) };
  } catch (error) {
    return { kind: 'failed', file, words: error instanceof Error ? error.message : String(error) };
  }
}

async function headOf(file: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of createReadStream(file, { end: 256 * 1024 })) {
    if (chunk instanceof Uint8Array) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function reportOf(file: string, answer: ParseAnswer, head: Uint8Array): InspectReport {
  const mail = answer.kind === 'parsed' ? answer.mail : outlineOf(head);
  const about = {
    from: mail.from.map(({ address }) => address),
    subject: mail.subject,
    messageId: mail.messageId,
    remarks: answer.kind === 'parsed' ? mail.remarks : [answer.words],
  };
  if (answer.kind === 'unparsed') {
    const loopGuard = { mayAnswer: false, reasons: ['it could not be parsed'] };
    return {
      file,
      kind: 'unparsed',
      list: false,
      because: answer.words,
      ...about,
      returned: {},
      loopGuard,
      parts: [],
    };
  }
  const { kind, bounce, recipients, feedbackType, list, because, returned, loopGuard } =
    answer.classification;
  return {
    file,
    kind,
    ...(bounce === undefined ? {} : { bounce }),
    ...(recipients === undefined ? {} : { recipients }),
    ...(feedbackType === undefined ? {} : { feedbackType }),
    list,
    because,
    ...about,
    returned,
    loopGuard,
    parts: answer.mail.parts.map(({ filename, contentType, sizeBytes }) => ({
      filename,
      contentType,
      sizeBytes,
    })),
  };
}

function account(report: InspectReport): string {
  const lines = [
    report.file,
    `  ${report.kind}${report.bounce === undefined ? '' : ` (${report.bounce.severity})`}, by: ${report.because}`,
    `  from ${report.from.join(', ') || '(nobody)'}: ${report.subject}`,
  ];
  for (const one of report.bounce?.recipients ?? report.recipients ?? []) {
    const codes = [one.replyCode, one.status].filter((code) => code !== '').join(' ');
    lines.push(
      `  ${one.action} ${one.address || '(no address)'}: ${one.hard ? 'dead address' : 'not the address'}, ${one.reason}${codes === '' ? '' : ` (${codes})`}`,
    );
  }
  for (const { filename, contentType, sizeBytes } of report.parts) {
    lines.push(`  part ${contentType}, ${sizeBytes} bytes${filename === '' ? '' : `: ${filename}`}`);
  }
  if (report.list) lines.push('  a mailing list or bulk mailer distributed it');
  lines.push(
    report.loopGuard.mayAnswer
      ? '  may be answered automatically'
      : `  not to be answered automatically: ${report.loopGuard.reasons.join('; ')}`,
  );
  lines.push(...report.remarks.map((remark) => `  note: ${remark}`));
  return lines.join('\n');
}
