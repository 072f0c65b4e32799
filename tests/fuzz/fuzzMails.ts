// Hostile mails: real ham and spam, bounces of many servers and made ones, broken at random, with ids and private headers
// of messages that were really sent, or nearly. Each is fetched, parsed, related to what was sent (by the production lookup
// over a model of the table) and announced; a bounce becomes a status event and is published.
//
// The parser runs in this thread, so that its branches are counted and nothing ends it early: its time is measured.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock, systemRandom } from '../../shared/clock.ts';
import { parseJob } from '../../shared/exchange/mimeParserWorker.ts';
import { inboundNumbers } from '../../shared/inbound/dependencies.ts';
import { createInbound } from '../../shared/inbound/fetchMail.ts';
import type { FetchedHead, MailboxSession, Parser, SentMessages } from '../../shared/inbound/ports.ts';
import { noticeSchema } from '../../shared/contract/notice.ts';
import { checkTag, findSubmission, publishBounce } from '../../shared/outbound/operator/bounced.ts';
import { answers } from '../classify/fixtures/autoReplies.ts';
import { refusals } from '../classify/fixtures/refusals.ts';
import { reports } from '../classify/fixtures/reports.ts';
import { rawOf } from '../classify/made.ts';
import { MemoryBlobs, MemoryLedger, MemoryNotices } from '../inbound/memoryStore.ts';
import { mutatedMails } from '../inbound/mutatedMails.ts';
import { mailboxOf } from '../inbound/rig.ts';
import { bridgeIdOf, bridgeTagOf } from '../../shared/outbound/records/messageIds.ts';
import { mailbox, World, type Host } from '../models/world.ts';
import { largeMails, rareMails, reportsAbout, type SentSigns } from './specialMails.ts';
import { limitMs, note, timed, type FuzzResult, type Progress } from './fuzzResult.ts';

/** Mails in one folder, fetched in one run. */
const perFolder = 50;
const desk = 'desk@example.com';
/** Of a longer mail only the beginning comes at first. */
const headBytes = 200_000;
/** A run, and those in which what failed is given up. */
const mostRuns = 4;
/** More than a message gets (fetchMailbox.ts). */
const usedUpTries = 100;

export async function fuzzMails(
  count: number,
  seed: number,
  progress: Progress = () => undefined,
): Promise<FuzzResult> {
  const ends: Record<string, number> = {};
  const [exceptions, slow, unreported]: [string[], string[], string[]] = [[], [], []];
  let slowestMs = 0;
  const sender = await newSender();
  const next = mutatedMails(seed, sender.signs, [...corpus(), ...sender.reports], largeMails());
  for (let first = 0; first < count; first += perFolder) {
    progress(first);
    const mails = Array.from({ length: Math.min(perFolder, count - first) }, next);
    const { value: folder, tookMs } = await timed(() => handle(mails, sender, first));
    for (const what of folder.exceptions) note(exceptions, what);
    for (const what of folder.unreported) note(unreported, what);
    for (const kind of folder.kinds) ends[kind] = (ends[kind] ?? 0) + 1;
    slowestMs = Math.max(slowestMs, folder.slowestParseMs);
    // Together within the limit of one; or else each alone.
    if (tookMs > limitMs)
      for (const [index, mail] of mails.entries()) {
        const alone = await timed(() => handle([mail], sender, first + index));
        slowestMs = Math.max(slowestMs, alone.tookMs);
        if (alone.tookMs > limitMs)
          note(slow, `${String(first + index)}: ${mail.byteLength} bytes, ${alone.tookMs} ms`);
      }
  }
  return { count, ends, exceptions, slow, unreported, slowestMs };
}

interface Folder {
  readonly exceptions: readonly string[];
  readonly unreported: readonly string[];
  readonly kinds: readonly string[];
  readonly slowestParseMs: number;
}

/** Mails of one folder, fetched, announced, and what they say of sent messages published. */
async function handle(mails: readonly Uint8Array[], sender: Sender, first: number): Promise<Folder> {
  const [exceptions, unreported]: [string[], string[]] = [[], []];
  let slowestParseMs = 0;
  const parser = timedParser((tookMs) => {
    slowestParseMs = Math.max(slowestParseMs, tookMs);
  });
  const notices = new MemoryNotices();
  const ledger = new MemoryLedger();
  const inbound = createInbound([mailboxOf(desk)], {
    mailboxes: { open: () => Promise.resolve({ kind: 'ok', session: sessionOf(mails) }) },
    ledger,
    blobs: new MemoryBlobs(),
    notices,
    parser,
    sent: sender.sent,
    clock: systemClock,
    random: systemRandom,
    log: (event) => {
      const { uid, detail } = event.fields;
      // What the server did not give whole is no exception: it is tried again, and given up after its tries.
      if (
        event.name === 'inbound.retryScheduled' &&
        String(detail).startsWith('The message cannot be processed')
      )
        exceptions.push(`${String(first + Number(uid) - 1)}: ${String(detail)}`);
    },
    numbers: { ...inboundNumbers, invocationBudgetMs: 3_600_000, mailboxBudgetMs: 3_600_000 },
  });
  let reported = 0;
  for (let run = 0; run < mostRuns && reported < mails.length; run += 1) {
    const [report] = await inbound.fetchAll({ invocationId: 'fuzz' });
    if (report?.outcome !== 'fetched') exceptions.push(`${first}: the run ended: ${String(report?.detail)}`);
    reported += (report?.announcedCount ?? 0) + (report?.duplicateCount ?? 0);
    useUpTries(ledger);
  }
  if (reported !== mails.length) unreported.push(`${first}: ${reported} of ${mails.length} were announced`);
  for (const left of await sender.publish()) unreported.push(`${first}: ${left}`);
  const kinds = notices.texts.map((text) => {
    const { data } = noticeSchema.parse(JSON.parse(text));
    return 'raw' in data ? data.kind : 'by reference';
  });
  return { exceptions, unreported, kinds, slowestParseMs };
}

/** Instead of waiting for an hour: whatever is on the retry list has failed often enough. */
function useUpTries(ledger: MemoryLedger): void {
  for (const [key, row] of ledger.cursors) {
    const { cursor } = row;
    if (cursor === undefined) continue;
    const retryList = cursor.retryList.map((one) => ({ ...one, tryCount: usedUpTries }));
    ledger.cursors.set(key, { ...row, cursor: { ...cursor, retryList } });
  }
}

/** Besides ham, spam and notices: reports, answers and refusals of many programs, and mails of the corpus. */
function corpus(): readonly string[] {
  const folder = join(import.meta.dirname, 'corpus', 'mails');
  return [
    ...readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8')),
    ...rareMails,
    ...Object.values(reports).map(rawOf),
    ...answers.map(
      ({ from = 'a@x.test', subject, more = '', body = 'x' }) =>
        `From: ${from}\nSubject: ${subject}\n${more}\n${body}\n`,
    ),
    ...refusals.map(([, detail]) =>
      rawOf({
        from: 'MAILER-DAEMON@mx.test',
        subject: 'Undelivered Mail Returned to Sender',
        body: `I'm sorry to have to inform you that your message could not be delivered.\n\n<kim@fabrikam.test>: ${detail}\n`,
      }),
    ),
  ];
}

interface Sender {
  readonly sent: SentMessages;
  /** Ids and headers by which a mail can refer to what was sent, true and forged. */
  readonly signs: readonly string[];
  /** Reports about what was sent. */
  readonly reports: readonly string[];
  /** Publishes what the bounces wrote; what is left names the rows. */
  publish(): Promise<readonly string[]>;
}

async function newSender(): Promise<Sender> {
  const world = new World([mailbox(desk), mailbox('sales@example.com')]);
  const host = world.host();
  world.server.name = 'AB1PR01MB1234.eurprd01.prod.outlook.com';
  for (const id of ['INC-1', 'INC-2']) await world.submit(host, id);
  await world.answerWakeUps(host);
  const tagKey = await host.dependencies.tagKey();
  const known = world.server.arrivals.map(({ messageId }, index) => {
    const id = `INC-${String(index + 1)}`;
    const bridgeId = bridgeIdOf(desk, id, 1);
    const tagged = `X-Mail-Bridge-Id: ${bridgeId}\r\nX-Mail-Bridge-Tag: ${bridgeTagOf(bridgeId, tagKey)}\r\n`;
    return { messageId, tagged, recipient: `${id}@example.org` };
  });
  // The model's clock serves one call at a time.
  let last: Promise<unknown> = Promise.resolve();
  const ask = <T>(call: (host: Host) => Promise<T>): Promise<T> => {
    const answer = last.then(() => world.run(call(host)));
    last = answer.catch(() => undefined);
    return answer;
  };
  const { dependencies } = host;
  return {
    signs: [...known.flatMap(signsOf), ...forged],
    reports: known.flatMap(reportsAbout),
    sent: {
      lookUpSent: (by) => ask(() => findSubmission(by, dependencies)),
      checkTag: (bridgeId, tag) => ask(() => checkTag(bridgeId, tag, dependencies)),
      isReport: () => Promise.resolve(false),
      noteBounce: (bounce) => ask(() => publishBounce(bounce, dependencies)),
    },
    async publish() {
      await world.minutes(host, 3);
      // A bounce about a limit pauses the mailbox, as it should.
      return world.table
        .all(world.account)
        .map(({ key }) => key)
        .filter((key) => key.startsWith('event|') || key.startsWith('unpublished|'));
    },
  };
}

const signsOf = ({ messageId, tagged }: SentSigns): readonly string[] => [
  tagged,
  `${tagged}Message-ID: ${messageId}\r\n`,
  tagged.slice(0, tagged.indexOf('X-Mail-Bridge-Tag')),
  `In-Reply-To: ${messageId}\r\n`,
  `References: <a@b> ${messageId}\r\n`,
  `Content-Type: message/rfc822\r\n\r\n${tagged}Message-ID: ${messageId}\r\n\r\n`,
];

/** Ids that decode to what no row key can hold; lists and texts beyond every limit. */
const forged: readonly string[] = [
  ...['a/b', 'a#b', 'what?', 'a\u0001', '\\', '', 'x'.repeat(600), '\u{1F600}'].map(
    (id) =>
      `In-Reply-To: <${'0'.repeat(32)}.${'A'.repeat(12)}.${Buffer.from(id).toString('base64url')}@x>\r\n`,
  ),
  'X-Mail-Bridge-Id: INC-1.1.AAAAAAAAAAAA\r\nX-Mail-Bridge-Tag: 00\r\n',
  `X-Failed-Recipients: ${'a'.repeat(900)}\r\n ${'é'.repeat(900)}@x, INC-1@example.org\r\n`,
  `References: ${Array.from({ length: 60 }, (_, n) => `<${String(n)}@AB1PR01MB1234.eurprd01.prod.outlook.com>`).join('\r\n ')}\r\n`,
  `Subject: ${'=?utf-8?q?=C3?='.repeat(500)}\r\n`,
  'Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n',
  'Auto-Submitted: auto-replied\r\n',
];

/** Parses one message at a time, so that each has its own processor time. */
function timedParser(done: (tookMs: number) => void): Parser {
  let last: Promise<unknown> = Promise.resolve();
  return {
    parse(raw, filePrefix) {
      const answer = last.then(async () => {
        const { value, tookMs } = await timed(() =>
          parseJob({ raw, filePrefix, memoryBytes: 256 * 1024 * 1024 }),
        );
        done(tookMs);
        return value;
      });
      last = answer;
      return answer;
    },
    close: () => Promise.resolve(),
  };
}

/** A folder with these mails, UID 1 and up. */
function sessionOf(mails: readonly Uint8Array[]): MailboxSession {
  const uids = mails.map((_, index) => index + 1);
  const mailAt = (uid: number): Uint8Array => mails[uid - 1] ?? new Uint8Array();
  const ok = <T extends object>(answer: T): Promise<{ readonly kind: 'ok' } & T> =>
    Promise.resolve({ kind: 'ok', ...answer });
  const headOf = (uid: number): FetchedHead => ({
    uid,
    bytes: mailAt(uid).subarray(0, headBytes),
    whole: mailAt(uid).byteLength <= headBytes,
    // Sometimes the server says that there is more.
    ...(uid % 25 === 0 ? { sizeBytes: mailAt(uid).byteLength * 3 + 2_048 } : {}),
  });
  return {
    uidValidity: 7,
    uidNext: mails.length + 1,
    listAbove: (uid) => ok({ uids: uids.filter((one) => one > uid) }),
    stillThere: (asked) => ok({ uids: asked.filter((uid) => uids.includes(uid)) }),
    readHeads: (asked) => ok({ heads: asked.map(headOf), gone: [] }),
    readHeaders: () => ok({ headers: new Map<number, Uint8Array>() }),
    async *stream({ uid, bytes }) {
      await Promise.resolve();
      yield bytes;
      yield mailAt(uid).subarray(bytes.byteLength);
    },
    act: () => ok({}),
    close: () => Promise.resolve(),
  };
}
