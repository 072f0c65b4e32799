// Hostile submissions: made from good ones, from those of the corpus and from the rows of bad ones, field by field and
// byte by byte, in every form in which a queue hands them over. Each is accepted or rejected by the production code over a
// model of the store; what is accepted is composed by the real composer and sent to the end.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../shared/clock.ts';
import { parseSubmission, type SubmissionContext } from '../../shared/contract/submission.ts';
import { badSubmissions } from '../outbound/submissions.ts';
import { composer, none, stamp } from '../exchange/composing.ts';
import { seededRandom } from '../models/seededRandom.ts';
import { mailbox, World, type Host } from '../models/world.ts';
import { limitMs, note, timed, type FuzzResult, type Progress } from './fuzzResult.ts';

/** Accepted into one world, which is then emptied to the end. */
const perWorld = 100;

type Json = unknown;
type Fields = Readonly<Record<string, Json>>;

const corpus: readonly Json[] = [
  ...(JSON.parse(readFileSync(join(import.meta.dirname, 'corpus', 'submissions.json'), 'utf8')) as Json[]),
  ...badSubmissions.map(({ payload }) => payload),
];

const texts = [
  '',
  'x',
  'Hello, world',
  'Päivää',
  '漢字',
  '😀',
  '\u202e',
  '\u2028',
  '\u0085',
  '\ud800',
  '\u0000',
  '\r\nBcc: e@evil.test',
  '\n.\n',
  '=?utf-8?q?=0D=0A?=',
  '=?utf-7?q?+AAo-?=',
  ' ',
  '\t',
  '"',
  '<',
  '>',
  ',',
  ';',
  ':',
  '@',
  '\\',
  '(',
  'a'.repeat(1_000),
  'ä'.repeat(3_000),
] as const;
const addresses = [
  'aino@example.net',
  'A.B+c@Example.NET',
  "o'brien@example.org",
  'a@xn--esimerkki-4za.fi',
  'a@esimerkkiä.fi',
  'x@a.b',
] as const;
const badAddresses = [
  '',
  '@',
  'a@',
  '@b.c',
  'a b@c.d',
  '"a b"@c.d',
  'a@[1.2.3.4]',
  'a@b',
  'a..b@c.d',
  'a@c..d',
  `${'x'.repeat(65)}@c.d`,
  'a@c.d,b@c.d',
  '<a@c.d>',
  'a@c.d NOTIFY=NEVER',
  'a@c.d\r\nRCPT TO:<b@c.d>',
  `a@${'x'.repeat(250)}.fi`,
  'mailto:a@c.d',
  'a\uff20c.d',
] as const;

/** The second is served for reading only. */
const badMailboxes = ['inbox@example.com', 'elsewhere@example.com', ...badAddresses] as const;
const mediaTypes = ['application/pdf', 'text/plain; charset=utf-8', 'text/calendar; method=REQUEST'] as const;
const badMediaTypes = ['text', 'message/rfc822', 'multipart/mixed', 'a/b; c', 'text/plain\r\nX: y'] as const;
const badNames = ['../x', 'a.', 'a?b', 'x'.repeat(1_040), '', '%2e%2e/x', 'https://evil.test/x'] as const;
const htmls = [
  '<p>It is <b>solved</b>.</p>',
  '<img src="cid:a1@b"><img src=CID:logo>',
  '<img src="cid:a&#64;b"><img src="cid:a&#x40;b"><img src="cid:a&#9999999;b"><img src="cid:a%40b"><img src="cid:a%zz">',
  Array.from({ length: 1_100 }, (_, index) => `<img src="cid:${String(index)}">`).join(''),
] as const;
const references: readonly [Json, ...Json[]] = [
  '<a@b>',
  '<a@b> <c@d>',
  ['<a@b>', '<c@d>'],
  [],
  Array.from({ length: 150 }, (_, index) => `<${String(index)}@example.net>`),
  Array.from({ length: 30 }, (_, index) => `<${String(index)}${'x'.repeat(800)}@example.net>`),
];
const badReferences: readonly [Json, ...Json[]] = [
  'x',
  ['<a@b>', 1],
  '<a@b>,<c@d>',
  [`<${'x'.repeat(900)}>`],
];
const headers: readonly [Json, ...Json[]] = [
  { 'X-Ticket': '4711' },
  { 'X-Ticket': 'ä'.repeat(50), Keywords: 'a' },
  { 'Auto-Submitted': 'auto-generated', importance: 'High' },
  {},
];
const badHeaders: readonly [Json, ...Json[]] = [
  { Bcc: 'e@evil.test' },
  { 'X-A': 'a\r\nb' },
  [],
  { 'x-mail-bridge-id': 'a' },
  { Precedence: 'very' },
  { 'X-A': 'a', 'x-a': 'b' },
  { 'X-A': 'x'.repeat(901) },
  Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`X-${String(index)}`, 'x'])),
];
const correlations: readonly [Json, ...Json[]] = [{ ticket: 4711 }, 'x', null, [1, [2, [3]]], 1.5, false];
const badCorrelations: readonly [Json, ...Json[]] = [
  'x'.repeat(5_000),
  1e300,
  2 ** 60,
  nested(15),
  nested(40),
];

function nested(depth: number): Json {
  return depth === 0 ? 1 : [nested(depth - 1)];
}

/** Forms of which one alone takes long to make, or that no field can be put into. */
const whole: readonly Json[] = [
  undefined,
  null,
  '',
  ' \n',
  '4711',
  '"text"',
  'null',
  'QQ==',
  '/////w==',
  Buffer.from([0xff, 0xfe, 0x7b]),
  '{"id":"twice","id":"twice","mailbox":"desk@example.com"}',
  '{"id":"a","mailbox":"desk@example.com","to":["a@b.c"],"to":["e@evil.test"]}',
  '{"id":"broken",',
  '['.repeat(2_000),
  'x'.repeat(9_000_000),
  `"${'ä'.repeat(4_500_000)}"`,
  Buffer.alloc(9_000_000, 0x20),
  // Nothing that a queue delivers.
  { id: 'bigint', mailbox: 'desk@example.com', to: 'a@b.cd', text: 'x', correlation: { a: 1n } },
  { id: 'many', mailbox: 'desk@example.com', to: Array.from({ length: 21_000 }, () => 'a@b.cd') },
  {
    id: 'many',
    mailbox: 'desk@example.com',
    to: Array.from({ length: 600 }, (_, n) => `a${String(n)}@b.cd`),
    text: 'x',
  },
  { id: 'many', mailbox: 'desk@example.com', to: Array.from({ length: 30 }, () => 'nobody'), text: 'x' },
  { id: 'large', mailbox: 'desk@example.com', to: 'a@b.cd', text: 'x'.repeat(5_000_000) },
  {
    id: 'large',
    mailbox: 'desk@example.com',
    to: 'a@b.cd',
    text: 'ä'.repeat(3_900_000),
    html: 'ä'.repeat(3_900_000),
  },
  {
    id: 'large',
    mailbox: 'desk@example.com',
    to: 'a@b.cd',
    text: ['x'.repeat(5_000_000), 'x'.repeat(5_000_000)],
  },
];

/** Each once as it is. */
const first: readonly Json[] = [...whole, ...corpus];

/** The production parser's answer is final: an `id` of each run makes every submission one of its own. */
class Maker {
  readonly #random: Random;
  constructor(random: Random) {
    this.#random = random;
  }

  below(count: number): number {
    return Math.floor(this.#random.uniform() * count);
  }

  chance(perHundred: number): boolean {
    return this.below(100) < perHundred;
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[this.below(list.length)] ?? list[0];
  }

  text(): string {
    return Array.from({ length: 1 + this.below(4) }, () => this.pick(texts)).join('');
  }

  /** Of those that are as they should be; rarely one of the others. */
  mostly<T>(good: readonly [T, ...T[]], bad: readonly [T, ...T[]]): T {
    return this.chance(98) ? this.pick(good) : this.pick(bad);
  }

  person(): Json {
    const address = this.chance(99) ? this.pick(addresses) : this.pick(badAddresses);
    return this.chance(70)
      ? address
      : { address, name: this.mostly(['Aino Virtanen', '', 'Ä'.repeat(300)], [this.text()]) };
  }

  people(): Json {
    return this.chance(20) ? this.person() : Array.from({ length: 1 + this.below(4) }, () => this.person());
  }

  attachment(): Json {
    return {
      filename: this.mostly(['report.pdf', 'kuitti ä.txt', 'a.tar.gz'], [this.text()]),
      ...(this.chance(60) ? { contentType: this.mostly(mediaTypes, badMediaTypes) } : {}),
      ...(this.chance(20)
        ? { contentId: this.mostly([`a${String(this.below(1_000))}@b`], ['logo', '<x>', '']) }
        : {}),
      ...this.mostly<Fields>(
        [
          { content: Buffer.from(this.pick(texts)).toString('base64') },
          { content: '' },
          { blob: 'esm-upload/report' },
        ],
        [
          { blob: 'esm-upload/none' },
          { blob: `esm-upload/${this.pick(badNames)}` },
          { blob: 'esm/x' },
          { blob: 'esm-upload/report', content: 'QQ==' },
          { content: 'QQ=' },
        ],
      ),
    };
  }

  /** A submission that is mostly as it should be. */
  likely(id: string): Fields {
    const may = (perHundred: number, fields: () => Fields): Fields =>
      this.chance(perHundred) ? fields() : {};
    const hour = (hours: number): string => new Date(Date.UTC(2026, 10, 25, 9 + hours)).toISOString();
    const raw = this.chance(2);
    return {
      id,
      mailbox: this.mostly(['desk@example.com', 'Desk@example.com'], badMailboxes),
      to: this.people(),
      ...(raw
        ? { raw: { blob: this.mostly(['esm-upload/report'], ['esm-upload/none', '']) } }
        : this.composed()),
      ...may(20, () => ({ cc: this.people() })),
      ...may(10, () => ({ bcc: this.people() })),
      ...may(10, () => ({ version: this.mostly<Json>([1], [2, '1']) })),
      ...may(10, () => ({ priority: this.mostly<Json>(['high', 'normal', 'bulk'], ['urgent', 5]) })),
      ...may(5, () => ({ sendAt: this.mostly([hour(1), hour(-1)], ['tomorrow', '2026-13-01T00:00:00Z']) })),
      ...may(5, () => ({
        expiresAt: this.mostly<Json>(
          [hour(300), hour(2)],
          ['2026-11-25T09:00:00+15:00', 0, '1999-01-01T00:00:00Z'],
        ),
      })),
      ...may(15, () => ({ correlation: this.mostly<Json>(correlations, badCorrelations) })),
      ...may(1, () => ({ [this.text()]: this.text() })),
    };
  }

  composed(): Fields {
    const may = (perHundred: number, fields: () => Fields): Fields =>
      this.chance(perHundred) ? fields() : {};
    return {
      ...may(95, () => ({
        subject: this.mostly(['Your ticket', 'Tiketti 4711: päivä', 'x'.repeat(400), ''], [this.text()]),
      })),
      ...may(90, () => ({
        text: this.mostly(['It is solved.\n-- \nThe desk', 'ä'.repeat(3_000)], [this.text()]),
      })),
      ...may(40, () => ({ html: this.mostly(htmls, [this.text()]) })),
      ...may(10, () => ({ replyTo: this.person() })),
      ...may(10, () => ({
        from: this.mostly(['desk@example.com', 'DESK@example.com'], ['boss@example.com', 'x']),
      })),
      ...may(15, () => ({
        inReplyTo: this.mostly(['<a@b>', '<x.y@example.net>'], ['a@b', '<a b@c>', '<>']),
      })),
      ...may(15, () => ({ references: this.mostly<Json>(references, badReferences) })),
      ...may(15, () => ({ headers: this.mostly<Json>(headers, badHeaders) })),
      ...may(20, () => ({ attachments: Array.from({ length: 1 + this.below(3) }, () => this.attachment()) })),
    };
  }

  /** One field becomes something else. */
  damaged(fields: Fields): Fields {
    const name = this.pick(['id', ...Object.keys(fields)]);
    const value = this.pick<Json>([
      null,
      0,
      -1,
      1.5,
      true,
      [],
      {},
      [[]],
      { a: {} },
      this.text(),
      this.text().repeat(50),
      [this.text()],
    ]);
    return { ...fields, [name]: value };
  }

  /** As the host hands it over. */
  form(value: Json): unknown {
    if (this.chance(60) || value === undefined) return value;
    if (Buffer.isBuffer(value) || typeof value === 'function' || typeof value === 'symbol') return value;
    if (typeof value === 'bigint') return value;
    let text = typeof value === 'string' ? value : JSON.stringify(value);
    if (this.chance(8))
      for (let turns = 1 + this.below(3); turns > 0; turns -= 1) {
        const at = this.below(text.length + 1);
        const to = Math.min(text.length, at + this.below(20));
        text = this.chance(50)
          ? text.slice(0, at) + text.slice(to)
          : text.slice(0, at) + this.text() + text.slice(at);
      }
    switch (this.below(4)) {
      case 0:
        return Buffer.from(text);
      case 1:
        return Buffer.from(text).toString('base64');
      case 2:
        return this.chance(10) ? Buffer.from(text, 'utf16le') : text;
      default:
        return text;
    }
  }

  next(id: string): unknown {
    if (this.chance(5)) return this.form(corpus[this.below(corpus.length)]);
    let fields = this.likely(id);
    while (this.chance(5)) fields = this.damaged(fields);
    return this.form(fields);
  }
}

export async function fuzzSubmissions(
  count: number,
  seed: number,
  progress: Progress = () => undefined,
): Promise<FuzzResult> {
  const maker = new Maker(seededRandom(seed));
  const ends: Record<string, number> = {};
  const [exceptions, slow, unreported]: [string[], string[], string[]] = [[], [], []];
  let slowestMs = 0;
  let world = newWorld();
  let waiting: string[] = [];
  const end = async (): Promise<void> => {
    for (const left of await sendAll(world, waiting)) note(unreported, left);
    waiting = [];
    world = newWorld();
  };
  for (let sequence = 0; sequence < count; sequence += 1) {
    progress(sequence);
    const payload = sequence < first.length ? first[sequence] : maker.next(`f${String(sequence)}`);
    const { host, world: here } = world;
    const before = here.events.length;
    try {
      const answer = await timed(() => here.run(host.outbound.accept(payload)));
      slowestMs = Math.max(slowestMs, answer.tookMs);
      if (answer.tookMs > limitMs) note(slow, `${String(sequence)}: ${String(answer.tookMs)} ms`);
      const { kind } = answer.value;
      ends[kind] = (ends[kind] ?? 0) + 1;
      if (answer.value.kind === 'rejected') {
        if (here.events.length !== before + 1) note(unreported, `${String(sequence)}: no mail.rejected`);
      } else {
        await compose(payload);
        waiting.push(answer.value.id);
        if (waiting.length >= perWorld) await end();
      }
    } catch (error) {
      note(
        exceptions,
        `${String(sequence)}: ${error instanceof Error ? (error.stack ?? error.message) : 'unknown'}`,
      );
    }
  }
  await end();
  return { count, ends, exceptions, slow, unreported, slowestMs };
}

const context: SubmissionContext = {
  mailboxes: [mailbox('desk@example.com'), { ...mailbox('inbox@example.com'), send: false }],
  maxima: { recipientsCount: 500, contentBytes: 25_000_000 },
  uploadContainer: 'esm-upload',
};

interface Running {
  readonly world: World;
  readonly host: Host;
}

function newWorld(): Running {
  const world = new World();
  world.blobs.uploads.set('esm-upload/report', Buffer.from('the report'));
  return { world, host: world.host({ submissions: context }) };
}

/** Its content is composed as an attempt would: throws if it can't be. */
async function compose(payload: unknown): Promise<void> {
  const parsed = parseSubmission(payload, context);
  if (parsed.kind !== 'ok' || parsed.submission.kind === 'raw') return;
  const blobs = new Map(
    parsed.submission.attachments.flatMap(({ content }) =>
      content.kind === 'blob' ? [[content.reference, Buffer.from('the report')] as const] : [],
    ),
  );
  const bytes = Buffer.from(
    await composer.compose(parsed.submission, blobs.size === 0 ? none : blobs, stamp),
  ).toString('latin1');
  const head = bytes.slice(0, bytes.indexOf('\r\n\r\n'));
  if (/^bcc:/im.test(head)) throw new Error('a Bcc field was composed');
  if (bytes.split('\r\n').some((line) => line.length > 998)) throw new Error('a line of more than 998 bytes');
}

/** Those without an end after some virtual days. */
async function sendAll({ world, host }: Running, ids: readonly string[]): Promise<readonly string[]> {
  for (let turn = 0; turn < 8; turn += 1) {
    await world.minutes(host, 5);
    if (ids.every((id) => hasEnded(world, id))) return [];
    await world.pass(2 * 3_600_000);
  }
  return ids.filter((id) => !hasEnded(world, id)).map((id) => `${id}: ${world.history(id).join(' ')}`);
}

const hasEnded = (world: World, id: string): boolean =>
  ['sent', 'failed', 'expired'].includes(world.history(id).at(-1) ?? '') ||
  // Asked for later than the run goes.
  world.table
    .all(world.account)
    .some(
      ({ key, fields }) =>
        key === `msg|${id}` &&
        fields['state'] === 'waiting' &&
        world.history(id).length === 1 &&
        isLater(world, id),
    );

const isLater = (world: World, id: string): boolean =>
  world.table.all(world.account).some(({ key }) => {
    const [group, , at, name] = key.split('|');
    return group === 'due' && name === id && Number(at) > world.clock.now;
  });
