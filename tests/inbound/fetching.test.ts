// What a mailbox fetches and when a message is whole: answers that end early, a SEARCH that lags, mail that was there
// before, and processes that die in the middle of a message.
import { hash } from 'node:crypto';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import type { Exchange } from '../../local/emulators/exchange/exchange.ts';
import type { WholeNotice } from '../../shared/contract/notice.ts';
import type { PartFault } from '../../local/emulators/exchange/quirks.ts';
import type { AfterFetch, FetchFrom, Mailbox } from '../../shared/mail/mailbox.ts';
import type { Parser } from '../../shared/inbound/ports.ts';
import { StorageTrouble } from '../../shared/storageErrors.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../local/exchange/harness.ts';
import {
  closeParser,
  DESK,
  imapAt,
  mail,
  mailboxOf,
  realParser,
  rigOf,
  TestTokens,
  type Rig,
  type RigOptions,
} from './rig.ts';

afterEach(closeAll);
afterAll(closeParser);

const run = { invocationId: 'test' };
const sha256 = (text: string): string => hash('sha256', text);

interface World {
  readonly exchange: Exchange;
  readonly rig: Rig;
  /** The same store, as a new process finds it. */
  readonly again: (more?: Partial<RigOptions>) => Rig;
}

async function worldWith(
  mailbox: Partial<Mailbox>,
  {
    tokens = new TestTokens((user) => tokenFor(user)),
    ...more
  }: Partial<RigOptions> & { tokens?: TestTokens } = {},
): Promise<World> {
  const exchange = await exchangeWith();
  const { ca } = await certificates();
  const imap = imapAt(exchange.imapPort, ca, tokens);
  const options = { mailboxes: [mailboxOf(DESK, mailbox)], imap };
  const rig = rigOf({ ...options, ...more });
  return { exchange, rig, again: (other) => rigOf({ ...options, ...other, after: rig }) };
}

const inbox = (exchange: Exchange): readonly number[] =>
  exchange.store
    .mailbox(DESK)
    .folder('INBOX')
    ?.messages.map(({ uid }) => uid) ?? [];
const deliver = (exchange: Exchange, ...mails: readonly string[]): void => {
  for (const one of mails) exchange.store.mailbox(DESK).deliver(one);
};
const subjects = (rig: Rig): readonly string[] => rig.mails().map(({ subject }) => subject);
/** A notice may be repeated, with the same id. */
const once = (rig: Rig): readonly WholeNotice[] => [
  ...new Map(rig.mails().map((one) => [one.id, one])).values(),
];
const bodyOf = (characters: number): string => 'A line of text.\r\n'.repeat(Math.ceil(characters / 17));

const kib = 1024;
const long = mail({ Subject: 'long' }, bodyOf(900_000));
const short = mail({ Subject: 'short' }, bodyOf(30_000));
const multipart = (characters: number): string =>
  mail(
    { Subject: 'mixed', 'Content-Type': 'multipart/mixed; boundary=b' },
    ['--b', 'Content-Type: text/plain', '', bodyOf(characters), '--b--', ''].join('\r\n'),
  );

describe('an answer that ends early', () => {
  const actions: readonly AfterFetch[] = [
    { kind: 'none' },
    { kind: 'seen' },
    { kind: 'delete' },
    { kind: 'move', folder: 'Processed' },
  ];
  const faults: readonly (readonly [string, string, readonly PartFault[]])[] = [
    ['a short head of a long mail', long, [{ uid: 1, start: 0, gives: 200_000 }]],
    ['a short head of a short mail', short, [{ uid: 1, start: 0, gives: 12_000 }]],
    ['a short head of a short multipart', multipart(30_000), [{ uid: 1, start: 0, gives: 29_000 }]],
    ['half a part in the middle', long, [{ uid: 1, start: 256 * kib, gives: 128 * kib }]],
    ['an empty part in the middle', long, [{ uid: 1, start: 512 * kib, gives: 0 }]],
    ['NIL in the middle', long, [{ uid: 1, start: 512 * kib, gives: 'nil' }]],
    ['an empty second part', long, [{ uid: 1, start: 256 * kib, gives: 0 }]],
    ['a single octet in the middle', long, [{ uid: 1, start: 256 * kib, gives: 1 }]],
  ];
  test.each(actions.flatMap((action) => faults.map((fault) => [action.kind, ...fault, action] as const)))(
    '%s: %s',
    async (_kind, _name, raw, partFaults, afterFetch) => {
      const { exchange, rig } = await worldWith({ afterFetch });
      exchange.imap.partFaults.push(...partFaults);
      deliver(exchange, raw, mail({ Subject: 'behind' }));
      await rig.inbound.fetchAll(run);
      expect(subjects(rig)).toContain('behind');
      // Either the rest was fetched or the UID is owed: it is never announced cut, and never acted upon then.
      const told = rig.mails().find(({ uid }) => uid === 1);
      if (told === undefined) {
        expect(inbox(exchange)).toContain(1);
        expect(exchange.store.mailbox(DESK).folder('INBOX')?.message(1)?.flags.has('\\Seen')).toBe(false);
      } else {
        expect(told.raw).toMatchObject({ sizeBytes: raw.length, sha256: sha256(raw) });
      }
      // The server has recovered.
      exchange.imap.partFaults.splice(0);
      await rig.inbound.fetchAll(run);
      expect(rig.mails().filter(({ uid }) => uid === 1)).toMatchObject([
        { kind: 'message', raw: { sizeBytes: raw.length, sha256: sha256(raw) } },
      ]);
      if (afterFetch.kind === 'delete' || afterFetch.kind === 'move') expect(inbox(exchange)).toEqual([]);
    },
  );

  test.each([
    ['no size', long, 0],
    ['a third of the size', long, 300_000],
    ['three times the size', long, 3_000_000],
    ['no size, short', short, 0],
    ['three times the size, short', short, 100_000],
    ['half the size, a multipart', multipart(20_000), 10_000],
    ['three times the size, a multipart', multipart(20_000), 60_000],
    ['a multipart whose sender forgot its end', multipart(20_000).replace('--b--', ''), 20_400],
  ])('RFC822.SIZE is an estimate: %s', async (_name, raw, toldSize) => {
    const { exchange, rig } = await worldWith({ afterFetch: { kind: 'delete' } });
    exchange.imap.toldSize = toldSize;
    deliver(exchange, raw);
    await rig.inbound.fetchAll(run);
    expect(rig.mails()).toMatchObject([
      { kind: 'message', raw: { sizeBytes: raw.length, sha256: sha256(raw) } },
    ]);
    expect(inbox(exchange)).toEqual([]);
  });

  test.each([
    ['long', long],
    ['short', short],
  ])('a server that ignores the partial is served too: %s', async (_name, raw) => {
    const { exchange, rig } = await worldWith({ afterFetch: { kind: 'delete' } });
    exchange.imap.ignoresPartial = true;
    deliver(exchange, raw);
    await rig.inbound.fetchAll(run);
    expect(rig.mails()).toMatchObject([{ raw: { sizeBytes: raw.length, sha256: sha256(raw) } }]);
    expect(inbox(exchange)).toEqual([]);
  });

  test('a mail of a header block and no body is a mail', async () => {
    const { exchange, rig } = await worldWith({ afterFetch: { kind: 'delete' } });
    deliver(exchange, `From: kim@fabrikam.test\r\nTo: ${DESK}\r\nSubject: bare\r\n\r\n`);
    await rig.inbound.fetchAll(run);
    expect(subjects(rig)).toEqual(['bare']);
    expect(inbox(exchange)).toEqual([]);
  });
});

describe('a SEARCH that lags', () => {
  test.each([
    ['in the first run', [], [1]],
    ['later', [1, 2], [3]],
    ['the newest', [1], [3]],
    ['several', [1], [2, 3, 4]],
  ] as const)(
    'what it leaves out is fetched once it shows, and only once: %s',
    async (_name, before, hidden) => {
      const { exchange, rig, again } = await worldWith({ afterFetch: { kind: 'none' } });
      for (const uid of before) deliver(exchange, mail({ Subject: `m${uid}` }));
      if (before.length > 0) await rig.inbound.fetchAll(run);
      for (let uid = before.length + 1; uid <= 4; uid += 1) deliver(exchange, mail({ Subject: `m${uid}` }));
      for (const uid of hidden) exchange.imap.hiddenFromSearch.add(uid);
      await rig.inbound.fetchAll(run);
      expect(subjects(rig)).not.toContain(`m${String(hidden[0])}`);
      exchange.imap.hiddenFromSearch.clear();
      await again().inbound.fetchAll(run);
      await again().inbound.fetchAll(run);
      expect([...subjects(rig)].sort()).toEqual(['m1', 'm2', 'm3', 'm4']);
    },
  );

  test('what it leaves out of a backlog does not move the cursor past the rest, if runs end early', async () => {
    const { exchange, rig } = await worldWith({}, { numbers: { batchCount: 1 } });
    for (let uid = 1; uid <= 6; uid += 1) deliver(exchange, mail({ Subject: `m${uid}` }));
    exchange.imap.hiddenFromSearch.add(6);
    let advances = 0;
    rig.ledger.hook = (step, when) => {
      if (step !== 'advance' || when !== 'before') return;
      advances += 1;
      if (advances % 3 === 0) throw new StorageTrouble('away');
    };
    await rig.inbound.fetchOne(DESK, run);
    exchange.imap.hiddenFromSearch.clear();
    await rig.inbound.fetchOne(DESK, run);
    rig.ledger.hook = () => undefined;
    await rig.inbound.fetchOne(DESK, run);
    expect([...new Set(subjects(rig))].sort()).toEqual(['m1', 'm2', 'm3', 'm4', 'm5', 'm6']);
  });

  test('what never shows is looked for in some runs, and then counts as taken by another reader', async () => {
    const { exchange, rig } = await worldWith({});
    deliver(exchange, mail({ Subject: 'm1' }));
    await rig.inbound.fetchAll(run);
    deliver(exchange, mail({ Subject: 'm2' }), mail({ Subject: 'm3' }));
    exchange.store.mailbox(DESK).folder('INBOX')?.remove(2);
    const named = (): readonly unknown[] => rig.events.filter(({ name }) => name === 'inbound.uidsVanished');
    for (let n = 0; n < 3; n += 1) {
      await rig.inbound.fetchAll(run);
      expect(named()).toEqual([]);
    }
    for (let n = 0; n < 3; n += 1) await rig.inbound.fetchAll(run);
    expect(named()).toMatchObject([{ fields: { count: 1 } }]);
    expect((await rig.inbound.states())[0]?.cursor).toMatchObject({ missing: [], vanishedCount: 1 });
  });

  test('what is remembered is bounded', async () => {
    const { exchange, rig } = await worldWith({});
    const folder = exchange.store.mailbox(DESK).folder('INBOX');
    if (folder === undefined) throw new Error('no inbox');
    for (let n = 0; n < 4; n += 1) {
      folder.uidNext += 1_000_000;
      deliver(exchange, mail({ Subject: `m${n}` }));
      await rig.inbound.fetchAll(run);
      const cursor = (await rig.inbound.states())[0]?.cursor;
      expect(cursor?.missing.length).toBeLessThanOrEqual(200);
    }
    expect(subjects(rig)).toEqual(['m0', 'm1', 'm2', 'm3']);
  });
});

describe('a mailbox that was in use before', () => {
  const day = 86_400_000;
  const old = { flags: ['\\Seen', '\\Answered'] };
  const fetchFroms: readonly (readonly [string, FetchFrom, readonly string[]])[] = [
    ['now', { kind: 'now' }, ['new']],
    ['all', { kind: 'all' }, ['ancient', 'yesterday', 'new']],
    ['a date', { kind: 'date', at: Date.now() - 3 * day }, ['yesterday', 'new']],
    ['a date to come', { kind: 'date', at: Date.now() + 9 * day }, []],
  ];
  test.each(fetchFroms)('fetchFrom %s', async (_name, fetchFrom, expected) => {
    const { exchange, rig } = await worldWith({ afterFetch: { kind: 'delete' }, fetchFrom });
    const box = exchange.store.mailbox(DESK);
    box.deliver(mail({ Subject: 'ancient' }), { ...old, internalDate: Date.now() - 730 * day });
    box.deliver(mail({ Subject: 'yesterday' }), { ...old, internalDate: Date.now() - day });
    await rig.inbound.fetchAll(run);
    box.deliver(mail({ Subject: 'new' }), { internalDate: Date.now() + 1_000 });
    await rig.inbound.fetchAll(run);
    await rig.inbound.fetchAll(run);
    expect(subjects(rig)).toEqual(expected);
    // Older mail is not touched.
    expect(inbox(exchange)).toHaveLength(3 - expected.length);
  });

  test('now begins with the first run that knew the mailbox, also if that could not sign in', async () => {
    let good = false;
    const tokens = new TestTokens((user) => (good ? tokenFor(user) : 'no token at all'));
    const { exchange, rig } = await worldWith({ fetchFrom: { kind: 'now' } }, { tokens });
    const box = exchange.store.mailbox(DESK);
    box.deliver(mail({ Subject: 'before' }), { internalDate: Date.now() - 60_000 });
    expect(await rig.inbound.fetchAll(run)).toMatchObject([{ outcome: 'failed' }]);
    box.deliver(mail({ Subject: 'between' }), { internalDate: Date.now() + 1_000 });
    good = true;
    await rig.inbound.fetchOne(DESK, run);
    expect(subjects(rig)).toEqual(['between']);
  });

  test('another folder of the same mailbox, and a UIDVALIDITY of another kind, change nothing about the beginning', async () => {
    const { exchange, rig } = await worldWith({ fetchFrom: { kind: 'now' } });
    const box = exchange.store.mailbox(DESK);
    box.deliver(mail({ Subject: 'before' }), { internalDate: Date.now() - 3_600_000 });
    await rig.inbound.fetchAll(run);
    const folder = box.folder('INBOX');
    if (folder === undefined) throw new Error('no inbox');
    folder.uidValidity += 1;
    box.deliver(mail({ Subject: 'after' }), { internalDate: Date.now() + 1_000 });
    await rig.inbound.fetchAll(run);
    expect(subjects(rig)).toEqual(['after']);
  });
});

describe('a message that ends the process', () => {
  /** A parser in which the process dies at one message: nothing after it happens, the lease included. */
  const deadly = (): { readonly parser: Parser; readonly deaths: () => number } => {
    let deaths = 0;
    const real = realParser();
    const parser: Parser = {
      async parse(raw, prefix) {
        if (raw.kind === 'bytes' && Buffer.from(raw.bytes).includes('deadly')) {
          deaths += 1;
          throw new StorageTrouble('the process died');
        }
        return real.parse(raw, prefix);
      },
      close: () => real.close(),
    };
    return { parser, deaths: () => deaths };
  };

  test('is announced as unparsed after some processes, without an action, and the run goes on', async () => {
    const { parser, deaths } = deadly();
    const { exchange, rig, again } = await worldWith({ afterFetch: { kind: 'delete' } }, { parser });
    for (let n = 1; n <= 30; n += 1) deliver(exchange, mail({ Subject: n === 5 ? 'deadly' : `m${n}` }));
    // A dead process releases no lease; the next one finds it when it has expired.
    const release = (one: Rig): void => {
      one.ledger.hook = (step, when) => {
        if (step === 'releaseLease' && when === 'before') throw new StorageTrouble('the process is dead');
      };
    };
    const expire = (): void => {
      for (const [key, row] of rig.ledger.cursors) rig.ledger.cursors.set(key, { ...row, until: 0 });
    };
    let runs = 0;
    for (; runs < 12 && once(rig).length < 30; runs += 1) {
      const next = again({ parser });
      release(next);
      await next.inbound.fetchOne(DESK, run);
      expire();
    }
    expect(once(rig)).toHaveLength(30);
    expect(once(rig).filter(({ kind }) => kind === 'unparsed')).toMatchObject([{ uid: 5, parts: [] }]);
    expect(rig.mails().find(({ uid }) => uid === 5)).not.toHaveProperty('relatesTo');
    expect(inbox(exchange)).toEqual([5]);
    expect(deaths()).toBeLessThanOrEqual(4);
  });

  test('so is one that the store refuses each time, while it takes all others', async () => {
    const { exchange, rig, again } = await worldWith({ afterFetch: { kind: 'none' } });
    for (let n = 1; n <= 5; n += 1) deliver(exchange, mail({ Subject: `m${n}`, 'Message-ID': `<m${n}@x>` }));
    const refusing = again();
    refusing.sent.lookUpSent = ({ messageIds }) =>
      messageIds.includes('<refused@x>')
        ? Promise.reject(new StorageTrouble('400 OutOfRangeInput'))
        : Promise.resolve(undefined);
    deliver(exchange, mail({ Subject: 'm6', 'In-Reply-To': '<refused@x>' }), mail({ Subject: 'm7' }));
    for (let runs = 0; runs < 12 && once(rig).length < 7; runs += 1) {
      await refusing.inbound.fetchOne(DESK, run);
    }
    expect([...new Set(subjects(rig))].sort()).toEqual(['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7']);
    expect(rig.mails().find(({ uid }) => uid === 6)).toMatchObject({ kind: 'unparsed' });
  });

  test('a store that is away for hours condemns nobody', async () => {
    const { exchange, rig } = await worldWith({ afterFetch: { kind: 'none' } });
    deliver(exchange, mail({ Subject: 'm1' }), mail({ Subject: 'm2' }));
    rig.ledger.hook = (step, when) => {
      if (step !== 'acquireLease' && step !== 'cursor' && when === 'before') throw new StorageTrouble('away');
    };
    for (let runs = 0; runs < 12; runs += 1) {
      await rig.inbound.fetchOne(DESK, run);
      for (const [key, row] of rig.ledger.cursors) rig.ledger.cursors.set(key, { ...row, until: 0 });
    }
    rig.ledger.hook = () => undefined;
    await rig.inbound.fetchOne(DESK, run);
    expect(rig.mails()).toMatchObject([{ kind: 'message' }, { kind: 'message' }]);
  });

  test('a message that the server gives at last, at its last try, is a message', async () => {
    const { exchange, rig } = await worldWith({ afterFetch: { kind: 'delete' } });
    exchange.store.mailbox(DESK).deliver(mail({ Subject: 'late' }), { unreadable: 'placeholder' });
    await rig.inbound.fetchAll(run);
    for (const [key, row] of rig.ledger.cursors) {
      if (row.cursor === undefined) continue;
      const cursor = { ...row.cursor, retryList: [{ uid: 1, tryCount: 12 }] };
      rig.ledger.cursors.set(key, { ...row, cursor });
    }
    const stored = exchange.store.mailbox(DESK).folder('INBOX')?.message(1);
    Object.assign(stored ?? {}, { unreadable: undefined });
    await rig.inbound.fetchAll(run);
    expect(rig.mails()).toMatchObject([{ kind: 'message', subject: 'late' }]);
  });
});
