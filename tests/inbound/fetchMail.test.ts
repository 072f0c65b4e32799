// Passes over real IMAP connections to the stand-in for Exchange Online.
import { createHash } from 'node:crypto';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { Content } from '../../local/emulators/exchange/content.ts';
import type { Exchange } from '../../local/emulators/exchange/exchange.ts';
import type { AfterFetch } from '../../shared/mail/mailbox.ts';
import { StorageTrouble } from '../../shared/storageErrors.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../local/exchange/harness.ts';
import { MemorySentMessages } from './memoryStore.ts';
import {
  closeParser,
  DESK,
  imapAt,
  mail,
  mailboxOf,
  queueOf,
  rigOf,
  TestTokens,
  type Rig,
  type RigOptions,
} from './rig.ts';

afterEach(closeAll);
afterAll(closeParser);

const run = { invocationId: 'test' };

async function worldWith(
  afterFetch: AfterFetch = { kind: 'none' },
  more: Partial<RigOptions> = {},
): Promise<{ exchange: Exchange; rig: Rig; tokens: TestTokens; again: () => Rig }> {
  const exchange = await exchangeWith();
  const { ca } = await certificates();
  const tokens = new TestTokens((user) => tokenFor(user));
  const options = {
    mailboxes: [mailboxOf(DESK, { afterFetch })],
    imap: imapAt(exchange.imapPort, ca, tokens),
    ...more,
  };
  const rig = rigOf(options);
  return { exchange, rig, tokens, again: () => rigOf({ ...options, after: rig }) };
}

function inbox(exchange: Exchange, name = 'INBOX'): readonly number[] {
  return (
    exchange.store
      .mailbox(DESK)
      .folder(name)
      ?.messages.map(({ uid }) => uid) ?? []
  );
}

function deliver(exchange: Exchange, ...mails: readonly string[]): void {
  for (const one of mails) exchange.store.mailbox(DESK).deliver(one);
}

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

/** Every message row has one blob of raw bytes and at least one notice, and no notice is without a row. */
function balanced(rig: Rig): void {
  const ids = [...rig.ledger.entries.values()].map(({ id }) => id).sort();
  const raws = [...rig.blobs.blobs.keys()].filter((name) => name.endsWith('/raw.eml'));
  expect(raws.map((name) => name.split('/')[1]).sort()).toEqual(ids);
  expect([...new Set(rig.notices().map(({ id }) => id))].sort()).toEqual(ids);
}

describe('a run', () => {
  test('announces each message once, with its content stored', async () => {
    const { exchange, rig } = await worldWith();
    const one = mail({ 'Message-ID': '<one@x>' });
    deliver(exchange, one, mail({ 'Message-ID': '<two@x>', Subject: '=?utf-8?q?P=C3=A4iv=C3=A4?=' }, 'Hyvä'));
    const [report] = await rig.inbound.fetchAll(run);
    expect(report).toMatchObject({ outcome: 'fetched', announcedCount: 2, hasMore: false });
    expect(await rig.inbound.fetchAll(run)).toMatchObject([{ announcedCount: 0, duplicateCount: 0 }]);
    const [first, second] = rig.mails();
    expect(rig.notices()).toHaveLength(2);
    expect(first).toMatchObject({ mailbox: DESK, uid: 1, messageId: '<one@x>', kind: 'message' });
    expect(second).toMatchObject({ uid: 2, subject: 'Päivä' });
    expect(first?.raw).toMatchObject({ sizeBytes: one.length, sha256: sha256(one) });
    expect(Buffer.from(rig.blobs.at(first?.raw.blob ?? '') ?? []).toString()).toBe(one);
    expect(second?.text).toMatchObject({ content: expect.stringMatching(/^Hyvä\s*$/) });
    balanced(rig);
  });

  test.each<[string, AfterFetch, (exchange: Exchange) => unknown, unknown]>([
    ['none', { kind: 'none' }, (exchange) => inbox(exchange), [1, 2]],
    [
      'seen',
      { kind: 'seen' },
      (exchange) =>
        exchange.store
          .mailbox(DESK)
          .folder('INBOX')
          ?.messages.map(({ flags }) => [...flags]),
      [['\\Seen'], ['\\Seen']],
    ],
    [
      'move, to a folder that is missing',
      { kind: 'move', folder: 'Fetched' },
      (exchange) => [inbox(exchange), inbox(exchange, 'Fetched').length],
      [[], 2],
    ],
    ['delete', { kind: 'delete' }, (exchange) => inbox(exchange), []],
  ])('does the action afterwards: %s', async (_name, afterFetch, look, expected) => {
    const { exchange, rig } = await worldWith(afterFetch);
    deliver(exchange, mail({ 'Message-ID': '<one@x>' }), mail({ 'Message-ID': '<two@x>' }));
    await rig.inbound.fetchAll(run);
    expect(look(exchange)).toEqual(expected);
    expect(rig.ledger.pending.size).toBe(0);
    balanced(rig);
  });

  test('leaves a mailbox alone that is only sent from', async () => {
    const connected: string[] = [];
    const exchange = await exchangeWith({
      beforeStep: (step) => {
        connected.push(step);
        return undefined;
      },
    });
    const { ca } = await certificates();
    const imap = imapAt(exchange.imapPort, ca, new TestTokens((user) => tokenFor(user)));
    const rig = rigOf({ mailboxes: [mailboxOf(DESK, { receive: false })], imap });
    deliver(exchange, mail({}));
    expect(await rig.inbound.fetchAll(run)).toEqual([]);
    expect(await rig.inbound.fetchOne(DESK, run)).toBeUndefined();
    expect(connected).toEqual([]);
  });

  test('closes its one connection with LOGOUT', async () => {
    const commands: string[] = [];
    const spying = await exchangeWith({
      beforeStep: (step) => {
        if (/^[A-Z ]+$/.test(step)) commands.push(step);
        return undefined;
      },
    });
    const { ca } = await certificates();
    const imap = imapAt(spying.imapPort, ca, new TestTokens((user) => tokenFor(user)));
    deliver(spying, mail({}));
    await rigOf({ mailboxes: [mailboxOf(DESK)], imap }).inbound.fetchAll(run);
    expect(commands.filter((one) => one === 'AUTHENTICATE')).toHaveLength(1);
    expect(commands.at(-1)).toBe('LOGOUT');
  });
});

describe('identity', () => {
  test('a mail that is delivered again is known again, and its action done', async () => {
    const { exchange, rig } = await worldWith({ kind: 'move', folder: 'Fetched' });
    const redelivered = (hop: string): string => `Received: ${hop}\r\n${mail({ 'Message-ID': '<one@x>' })}`;
    deliver(exchange, redelivered('from b by c; Wed, 25 Nov 2026 09:00:01 +0200'));
    await rig.inbound.fetchAll(run);
    deliver(
      exchange,
      `Received: from b2 by c2; Wed, 25 Nov 2026 09:10:01 +0200\r\n${redelivered('from b by c; Wed, 25 Nov 2026 09:00:01 +0200')}`,
    );
    const [report] = await rig.inbound.fetchAll(run);
    expect(report).toMatchObject({ announcedCount: 0, duplicateCount: 1 });
    expect(rig.notices()).toHaveLength(1);
    expect(inbox(exchange)).toEqual([]);
  });

  test('the same mail twice in one batch is announced once', async () => {
    const { exchange, rig } = await worldWith();
    const one = mail({ 'Message-ID': '<one@x>' });
    deliver(exchange, one, one, one);
    const [report] = await rig.inbound.fetchAll(run);
    expect(report).toMatchObject({ announcedCount: 1, duplicateCount: 2 });
    expect(rig.notices()).toHaveLength(1);
  });

  test.each([
    ['another text', mail({ 'Message-ID': '<one@x>' }, 'Another text.')],
    ['another subject', mail({ 'Message-ID': '<one@x>', Subject: 'Another' })],
    // The caller whom an answer would reach: the sender's own mail system may give both one Message-ID.
    ['another Reply-To', mail({ 'Message-ID': '<one@x>', 'Reply-To': 'another@fabrikam.test' })],
  ])('two different mails with one Message-ID and Date are both announced: %s', async (_name, twin) => {
    const { exchange, rig } = await worldWith();
    deliver(exchange, mail({ 'Message-ID': '<one@x>' }), twin);
    await rig.inbound.fetchAll(run);
    const ids = rig.notices().map(({ id }) => id);
    expect(new Set(ids).size).toBe(2);
    expect(ids.filter((id) => id.endsWith('-2'))).toHaveLength(1);
    balanced(rig);
  });

  test('mails without any Message-ID have identities of their own', async () => {
    const { exchange, rig } = await worldWith();
    deliver(exchange, mail({}), mail({ Subject: 'Another' }), 'no header at all\r\n', '');
    // What has no header block was never delivered as it is: it is asked for again.
    expect(await rig.inbound.fetchAll(run)).toMatchObject([{ announcedCount: 2, retryCount: 2 }]);
    expect(new Set(rig.notices().map(({ id }) => id)).size).toBe(2);
    balanced(rig);
  });

  test('a server that rebuilds MIME on every fetch does not make one mail two', async () => {
    const { exchange, rig, again } = await worldWith();
    exchange.imap.rebuild = true;
    const parts = [
      '--b1',
      'Content-Type: text/plain',
      '',
      'Hi',
      '--b1',
      'Content-Type: text/html',
      '',
      '<p>Hi</p>',
      '--b1--',
    ];
    deliver(
      exchange,
      mail(
        { 'Message-ID': '<one@x>', 'Content-Type': 'multipart/alternative; boundary=b1' },
        parts.join('\r\n'),
      ),
    );
    // The answer to the ledger's insert is lost, and with it the pass: the raw blob is there, the row is not.
    rig.ledger.hook = (step, when) => {
      if (step === 'advance' && when === 'before') throw new StorageTrouble('storage is away');
    };
    expect(await rig.inbound.fetchAll(run)).toMatchObject([{ outcome: 'failed' }]);
    rig.ledger.hook = () => undefined;
    const next = again();
    await next.inbound.fetchOne(DESK, run);
    exchange.store.mailbox(DESK).folder('INBOX')?.renumber(4_711);
    await next.inbound.fetchOne(DESK, run);
    expect(next.notices()).toHaveLength(1);
    balanced(next);
  });
});

describe('a new generation of UIDs', () => {
  test.each([
    ['another UIDVALIDITY', 4_711],
    ['UIDVALIDITY 0', 0],
  ])('%s: everything is read again, only new mail is announced', async (_name, uidValidity) => {
    const { exchange, rig } = await worldWith({ kind: 'seen' });
    deliver(exchange, mail({ 'Message-ID': '<one@x>' }), mail({ 'Message-ID': '<two@x>' }));
    await rig.inbound.fetchAll(run);
    const folder = exchange.store.mailbox(DESK).folder('INBOX');
    folder?.renumber(uidValidity);
    deliver(exchange, mail({ 'Message-ID': '<three@x>' }));
    const [report] = await rig.inbound.fetchAll(run);
    expect(report).toMatchObject({ outcome: 'fetched', announcedCount: 1, duplicateCount: 2 });
    const [again] = await rig.inbound.fetchAll(run);
    expect(again).toMatchObject({ announcedCount: 0 });
    expect(rig.notices().map(({ data }) => ('raw' in data ? data.messageId : ''))).toEqual([
      '<one@x>',
      '<two@x>',
      '<three@x>',
    ]);
    balanced(rig);
  });

  test('UIDs that now belong to other mails are not taken for the old ones', async () => {
    const { exchange, rig } = await worldWith({ kind: 'delete' });
    deliver(exchange, mail({ 'Message-ID': '<one@x>' }));
    await rig.inbound.fetchAll(run);
    exchange.store.mailbox(DESK).folder('INBOX')?.renumber(4_711);
    deliver(exchange, mail({ 'Message-ID': '<other@x>' }));
    await rig.inbound.fetchAll(run);
    expect(rig.mails().map(({ uid, uidValidity, messageId }) => [uid, uidValidity, messageId])).toEqual([
      [1, rig.mails()[0]?.uidValidity, '<one@x>'],
      [1, 4_711, '<other@x>'],
    ]);
  });

  test('a server without UIDs (0 each time): every run reads everything', async () => {
    const { exchange, rig } = await worldWith({ kind: 'seen' });
    const folder = exchange.store.mailbox(DESK).folder('INBOX');
    folder?.renumber(0);
    deliver(exchange, mail({ 'Message-ID': '<one@x>' }), mail({ 'Message-ID': '<two@x>' }));
    await rig.inbound.fetchAll(run);
    // The first goes; the second and a new one are numbered from 1 again.
    folder?.remove(1);
    deliver(exchange, mail({ 'Message-ID': '<three@x>' }));
    folder?.renumber(0);
    expect(await rig.inbound.fetchAll(run)).toMatchObject([{ announcedCount: 1, duplicateCount: 1 }]);
    expect(rig.notices()).toHaveLength(3);
  });

  test('actions pending under old UIDs are not done on the mail that has them now', async () => {
    const { exchange, rig, again } = await worldWith({ kind: 'delete' }, { numbers: { leaseMs: 0 } });
    deliver(exchange, mail({ 'Message-ID': '<one@x>' }), mail({ 'Message-ID': '<two@x>' }));
    let writes = 0;
    rig.ledger.hook = (step, when) => {
      if (step !== 'advance' || when !== 'after') return;
      writes += 1;
      // The one that records the actions as due.
      if (writes === 3) throw new Error('the end');
    };
    await rig.inbound.fetchAll(run);
    expect(rig.ledger.pending.size).toBe(2);
    const folder = exchange.store.mailbox(DESK).folder('INBOX');
    folder?.remove(1);
    folder?.remove(2);
    folder?.renumber(4_711);
    exchange.store.mailbox(DESK).deliver(mail({ 'Message-ID': '<other@x>' }), { unreadable: 'refused' });
    rig.ledger.hook = () => undefined;
    await again().inbound.fetchOne(DESK, run);
    expect(inbox(exchange)).toEqual([1]);
    expect(rig.ledger.pending.size).toBe(0);
  });

  test('twins are both known again by their headers', async () => {
    const { exchange, rig } = await worldWith();
    deliver(exchange, mail({ 'Message-ID': '<one@x>' }), mail({ 'Message-ID': '<one@x>' }, 'Another text.'));
    await rig.inbound.fetchAll(run);
    exchange.store.mailbox(DESK).folder('INBOX')?.renumber(4_711);
    deliver(exchange, mail({ 'Message-ID': '<one@x>' }, 'A third text.'));
    const [report] = await rig.inbound.fetchAll(run);
    expect(report).toMatchObject({ announcedCount: 1, duplicateCount: 2 });
    balanced(rig);
  });
});

describe('trouble', () => {
  test('a message that cannot be fetched is retried later and does not stop its neighbours', async () => {
    const { exchange, rig } = await worldWith({ kind: 'delete' });
    const store = exchange.store.mailbox(DESK);
    store.deliver(mail({ 'Message-ID': '<one@x>' }));
    store.deliver(mail({ 'Message-ID': '<two@x>' }), { unreadable: 'refused' });
    store.deliver(mail({ 'Message-ID': '<three@x>' }));
    const [report] = await rig.inbound.fetchAll(run);
    expect(report).toMatchObject({ outcome: 'fetched', announcedCount: 2, retryCount: 1 });
    expect(inbox(exchange)).toEqual([2]);
    const [state] = await rig.inbound.states();
    expect(state?.cursor).toMatchObject({ lastUid: 3, retryList: [{ uid: 2, tryCount: 1 }] });
    expect(rig.events.map(({ name }) => name)).toContain('inbound.retryScheduled');
    // The mailbox is moved to a server that can convert it.
    store.folder('INBOX')?.remove(2);
    await rig.inbound.fetchAll(run);
    expect((await rig.inbound.states())[0]?.cursor?.retryList).toEqual([]);
  });

  test('a throttled server is not an empty mailbox, and its time is respected', async () => {
    const { exchange, rig } = await worldWith();
    deliver(exchange, mail({}));
    const rule = exchange.injectFault({
      protocol: 'imap',
      at: 'UID SEARCH',
      times: 1,
      does: { kind: 'throttle', backoffMs: 250_000 },
    });
    const [report] = await rig.inbound.fetchAll(run);
    expect(rule.hits()).toBe(1);
    expect(report).toMatchObject({ outcome: 'failed' });
    expect(report?.detail).toContain('Exchange asks for a pause');
    const [state] = await rig.inbound.states();
    expect((state?.cursor?.retryAt ?? 0) - Date.now()).toBeGreaterThan(240_000);
    expect(await rig.inbound.fetchAll(run)).toMatchObject([{ outcome: 'delayed' }]);
    expect(await rig.inbound.fetchOne(DESK, run)).toMatchObject({ outcome: 'fetched', announcedCount: 1 });
  });

  test.each(['UID FETCH', 'UID STORE'])(
    'throttled at %s: nothing is lost, and the pass ends soon',
    async (at) => {
      const { exchange, rig } = await worldWith({ kind: 'seen' });
      deliver(exchange, mail({ 'Message-ID': '<one@x>' }), mail({ 'Message-ID': '<two@x>' }));
      exchange.injectFault({
        protocol: 'imap',
        at,
        does: { kind: 'throttle', backoffMs: 299_000 },
        times: 1,
      });
      expect(await rig.inbound.fetchOne(DESK, run)).toMatchObject({ outcome: 'failed' });
      expect(await rig.inbound.fetchOne(DESK, run)).toMatchObject({ outcome: 'fetched' });
      expect(new Set(rig.notices().map(({ id }) => id)).size).toBe(2);
      expect(rig.ledger.pending.size).toBe(0);
      balanced(rig);
    },
  );

  test('a token that runs out in the middle is replaced, and the run goes on', async () => {
    const { exchange, rig, tokens } = await worldWith({ kind: 'delete' }, { numbers: { batchCount: 2 } });
    deliver(exchange, ...[1, 2, 3, 4].map((n) => mail({ 'Message-ID': `<${n}@x>` })));
    exchange.injectFault({ protocol: 'imap', at: 'UID FETCH', skip: 1, times: 1, does: { kind: 'expire' } });
    const [report] = await rig.inbound.fetchAll(run);
    expect(report).toMatchObject({ outcome: 'fetched', announcedCount: 4 });
    expect(tokens.renewed).toBe(1);
    expect(inbox(exchange)).toEqual([]);
  });

  test.each([
    ['before anything worked', false, 'It has never worked.'],
    ['after it worked', true, 'It worked before'],
  ])('"not connected" %s says what to look at', async (_name, worked, detail) => {
    const { exchange, rig } = await worldWith();
    if (worked) await rig.inbound.fetchAll(run);
    exchange.account({ address: DESK, imap: 'off' });
    const report = await rig.inbound.fetchOne(DESK, run);
    expect(report).toMatchObject({ outcome: 'failed' });
    expect(report?.detail).toContain(detail);
  });

  test('a message moved away by a user between two steps is no failure', async () => {
    const { exchange, rig } = await worldWith({ kind: 'move', folder: 'Fetched' });
    deliver(exchange, mail({ 'Message-ID': '<one@x>' }), mail({ 'Message-ID': '<two@x>' }));
    exchange.injectFault({ protocol: 'imap', at: 'message', uid: 1, does: { kind: 'vanish' }, times: 1 });
    const [report] = await rig.inbound.fetchAll(run);
    expect(report).toMatchObject({ outcome: 'fetched', retryCount: 0 });
    expect(rig.mails().map(({ messageId }) => messageId)).toContain('<two@x>');
  });

  test('a folder that is gone is named', async () => {
    const { exchange, rig } = await worldWith();
    await rig.inbound.fetchAll(run);
    const { ca } = await certificates();
    const imap = imapAt(exchange.imapPort, ca, new TestTokens((user) => tokenFor(user)));
    const other = rigOf({ mailboxes: [mailboxOf(DESK, { folder: 'Nowhere' })], imap });
    const [report] = await other.inbound.fetchAll(run);
    expect(report).toMatchObject({ outcome: 'failed' });
    expect(report?.detail).toContain('cannot be opened');
  });

  test('a failing mailbox is retried with growing delays and stops no other', async () => {
    const exchange = await exchangeWith({ accounts: [DESK, 'other@contoso.test'] });
    const { ca } = await certificates();
    let now = Date.UTC(2026, 10, 25);
    const clock = {
      now: () => now,
      monotonic: () => performance.now(),
      sleep: (ms: number, signal?: AbortSignal) =>
        new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          signal?.addEventListener('abort', () => {
            clearTimeout(timer);
            resolve();
          });
        }),
    };
    const imap = imapAt(exchange.imapPort, ca, new TestTokens((user) => tokenFor(user)));
    const rig = rigOf({ mailboxes: [mailboxOf(DESK), mailboxOf('other@contoso.test')], imap, clock });
    exchange.account({ address: DESK, imap: 'off' });
    exchange.store.mailbox('other@contoso.test').deliver(mail({}));
    const delays: number[] = [];
    for (let pass = 0; pass < 7; pass += 1) {
      await rig.inbound.fetchAll(run);
      const states = await rig.inbound.states();
      const until = states.find(({ mailbox }) => mailbox.address === DESK)?.cursor?.retryAt ?? 0;
      delays.push((until - now) / 60_000);
      now = until;
    }
    expect(delays).toEqual([1, 2, 4, 8, 16, 30, 30]);
    expect(rig.mails().map(({ mailbox }) => mailbox)).toEqual(['other@contoso.test']);
  });

  test('somebody else who empties the folder is noticed', async () => {
    const { exchange, rig } = await worldWith();
    deliver(exchange, mail({ 'Message-ID': '<one@x>' }));
    await rig.inbound.fetchAll(run);
    for (let n = 2; n <= 5; n += 1) {
      deliver(exchange, mail({ 'Message-ID': `<${n}@x>` }));
      exchange.store.mailbox(DESK).folder('INBOX')?.remove(n);
    }
    // SEARCH may lag: they are looked for in some runs before another reader is suspected.
    for (let n = 0; n < 3; n += 1) await rig.inbound.fetchAll(run);
    expect(rig.events).not.toContainEqual(expect.objectContaining({ name: 'inbound.concurrentReader' }));
    await rig.inbound.fetchAll(run);
    expect(rig.events).toContainEqual(
      expect.objectContaining({
        name: 'inbound.concurrentReader',
        fields: expect.objectContaining({ vanishedCount: 4 }),
      }),
    );
  });

  test('two runs at once: one works, the other yields', async () => {
    const { exchange, rig, again } = await worldWith();
    deliver(exchange, mail({}));
    const reports = await Promise.all([rig.inbound.fetchOne(DESK, run), again().inbound.fetchOne(DESK, run)]);
    expect(reports.map((one) => one?.outcome).sort()).toEqual(['busy', 'fetched']);
    expect(rig.notices()).toHaveLength(1);
  });

  test.each([
    ['at its first write', 1, 0],
    ['at the transaction of its batch', 2, 0],
    ['after its notices', 3, 1],
  ])(
    'a run that lost its lease writes nothing more and acts on nothing: %s',
    async (_name, nth, noticeCount) => {
      const { exchange, rig } = await worldWith({ kind: 'delete' });
      deliver(exchange, mail({}));
      let writes = 0;
      rig.ledger.hook = (step, when) => {
        if (step !== 'advance' || when !== 'before') return;
        writes += 1;
        // Another pass took over while this one was asleep.
        const row = rig.ledger.cursors.get(DESK);
        if (writes === nth && row !== undefined) row.version += 1;
      };
      expect(await rig.inbound.fetchAll(run)).toMatchObject([{ outcome: 'lost' }]);
      expect(inbox(exchange)).toEqual([1]);
      expect(rig.ledger.entries.size).toBe(noticeCount);
      expect(rig.notices()).toHaveLength(noticeCount);
      expect(rig.events.map(({ name }) => name)).toContain('inbound.leaseLost');
      expect(rig.events.map(({ name }) => name)).not.toContain('inbound.runSkipped');
    },
  );
});

describe('crashes', () => {
  /** The one store call that may be the last, and which of its occurrences. */
  const steps = [
    ['acquireLease', 1],
    ['blob', 1],
    ['blob', 3],
    ['advance', 1],
    ['advance', 2],
    ['advance', 3],
    ['publish', 1],
    ['publish', 3],
    ['releaseLease', 1],
  ] as const;
  const cases = steps.flatMap(([step, nth]) =>
    (['before', 'after'] as const).map((when) => [step, nth, when] as const),
  );

  test.each(cases)(
    'an end at %s number %i, %s it is applied: nothing is lost or gets a second identity',
    async (step, nth, when) => {
      const { exchange, rig, again } = await worldWith(
        { kind: 'move', folder: 'Fetched' },
        { numbers: { leaseMs: 0 } },
      );
      deliver(exchange, ...[1, 2, 3].map((n) => mail({ 'Message-ID': `<${n}@x>` })));
      let hits = 0;
      const hook = (name: string, moment: 'before' | 'after'): void => {
        if (name !== step || moment !== when) return;
        hits += 1;
        if (hits === nth) throw new Error('the end');
      };
      for (const door of [rig.ledger, rig.blobs, queueOf(rig)]) door.hook = hook;
      await rig.inbound.fetchAll(run);
      expect(hits).toBeGreaterThanOrEqual(nth);
      const next = again();
      for (const door of [next.ledger, next.blobs, queueOf(next)]) door.hook = () => undefined;
      await next.inbound.fetchOne(DESK, run);
      await next.inbound.fetchOne(DESK, run);
      expect(new Set(next.mails().map(({ messageId }) => messageId))).toEqual(
        new Set(['<1@x>', '<2@x>', '<3@x>']),
      );
      expect(next.ledger.entries.size).toBe(3);
      expect(inbox(exchange)).toEqual([]);
      expect(inbox(exchange, 'Fetched')).toHaveLength(3);
      expect(next.ledger.pending.size).toBe(0);
      balanced(next);
    },
  );
});

describe('size', () => {
  test('a long message is streamed, stored as the server sent it, and its attachment too', async () => {
    const { exchange, rig } = await worldWith();
    const attached = Buffer.alloc(3_000_000, 'The same line again. ');
    const body = [
      '--b',
      'Content-Type: text/plain',
      '',
      'See attached.',
      '--b',
      "Content-Disposition: attachment; filename*=utf-8''%C3%A5rs%20rapport.pdf",
      'Content-Type: application/pdf',
      'Content-Transfer-Encoding: base64',
      '',
      ...(attached.toString('base64').match(/.{1,76}/g) ?? []),
      '--b--',
    ].join('\r\n');
    const raw = mail({ 'Message-ID': '<long@x>', 'Content-Type': 'multipart/mixed; boundary=b' }, body);
    exchange.store.mailbox(DESK).deliver(Content.of(raw));
    await rig.inbound.fetchAll(run);
    const [notice] = rig.mails();
    expect(notice?.raw.sha256).toBe(sha256(raw));
    expect(notice?.parts).toMatchObject([
      { filename: 'års rapport.pdf', sizeBytes: attached.length, sha256: sha256(attached) },
    ]);
    expect(sha256(rig.blobs.at(notice?.parts[0]?.blob ?? '') ?? '')).toBe(sha256(attached));
  });

  test('a download that is cut is not half a message', async () => {
    const { exchange, rig } = await worldWith();
    const raw = mail({ 'Message-ID': '<long@x>' }, 'A line of text.\r\n'.repeat(60_000));
    deliver(exchange, raw, mail({ 'Message-ID': '<short@x>' }));
    exchange.injectFault({
      protocol: 'imap',
      at: 'message',
      uid: 1,
      skip: 1,
      times: 1,
      does: { kind: 'cut', afterBytes: 100_000 },
    });
    await rig.inbound.fetchOne(DESK, run);
    expect(rig.mails().map(({ messageId }) => messageId)).toEqual(['<short@x>']);
    await rig.inbound.fetchOne(DESK, run);
    expect(rig.mails().find(({ messageId }) => messageId === '<long@x>')?.raw.sha256).toBe(sha256(raw));
    balanced(rig);
  });

  test('a notice that would be too long refers to itself', async () => {
    const { exchange, rig } = await worldWith();
    const to = Array.from({ length: 900 }, (_one, n) => `Person number ${n} <person${n}@fabrikam.test>`);
    deliver(exchange, mail({ 'Message-ID': '<many@x>', To: to.join(',\r\n ') }));
    await rig.inbound.fetchAll(run);
    const [text] = queueOf(rig).texts;
    expect(text?.length).toBeLessThan(2_000);
    expect(rig.mails()[0]?.to).toHaveLength(900);
  });

  test('a backlog longer than the time: what is left comes first next time', async () => {
    const exchange = await exchangeWith();
    const { ca } = await certificates();
    const imap = imapAt(exchange.imapPort, ca, new TestTokens((user) => tokenFor(user)));
    // The time ends when a batch is written: the one that was begun meanwhile still is, the third is not begun.
    let left = 3;
    const numbers = {
      batchCount: 5,
      reserveMs: 1_000,
      mailboxBudgetMs: 600_000,
      invocationBudgetMs: 600_000,
    };
    const rig = rigOf({
      mailboxes: [mailboxOf(DESK)],
      imap,
      numbers,
      clock: {
        now: () => Date.now(),
        monotonic: () => (left > 0 ? performance.now() : performance.now() + 599_500),
        sleep: () => new Promise(() => undefined),
      },
    });
    // The first write says when the mailbox was known first.
    let writes = 0;
    rig.ledger.hook = (step, when) => {
      if (step !== 'advance' || when !== 'after') return;
      writes += 1;
      if (writes === 2) left = 0;
    };
    deliver(exchange, ...Array.from({ length: 12 }, (_one, n) => mail({ 'Message-ID': `<${n}@x>` })));
    expect(await rig.inbound.fetchAll(run)).toMatchObject([
      { outcome: 'fetched', announcedCount: 10, hasMore: true },
    ]);
    left = 100;
    rig.ledger.hook = () => undefined;
    expect(await rig.inbound.fetchAll(run)).toMatchObject([
      { announcedCount: 2, duplicateCount: 0, hasMore: false },
    ]);
    expect(rig.notices()).toHaveLength(12);
  });
});

describe('relation', () => {
  const relation = {
    submissionId: 'ticket-1',
    mailbox: DESK,
    correlation: { incident: 4711, team: 'Ylläpito' },
  };
  const sent = { ...relation, recipients: ['nobody@fabrikam.test'] };
  const signs = MemorySentMessages.signsOf('ticket-1');

  test('a reply carries the submission and the correlation data of what it answers', async () => {
    const { exchange, rig } = await worldWith();
    rig.sent.add(sent);
    deliver(
      exchange,
      mail({ 'Message-ID': '<reply@x>', 'In-Reply-To': signs.messageId }),
      mail({ 'Message-ID': '<later@x>', References: `<a@x> ${signs.messageId} <b@x>` }),
      mail({ 'Message-ID': '<foreign@x>', 'In-Reply-To': '<somebody@else>' }),
    );
    await rig.inbound.fetchAll(run);
    const related = rig.mails().map(({ relatesTo }) => relatesTo);
    expect(related).toEqual([
      { ...relation, by: 'inReplyTo', verified: false },
      { ...relation, by: 'references', verified: false },
      undefined,
    ]);
  });

  const bounce = (tag: string): string =>
    mail(
      {
        From: 'Mail Delivery System <MAILER-DAEMON@fabrikam.test>',
        Subject: 'Undelivered Mail Returned to Sender',
        'Message-ID': '<bounce@x>',
        'Content-Type': 'multipart/report; report-type=delivery-status; boundary=b',
      },
      [
        '--b',
        'Content-Type: text/plain',
        '',
        '<nobody@fabrikam.test>: User unknown',
        '--b',
        'Content-Type: message/delivery-status',
        '',
        'Reporting-MTA: dns; mx.fabrikam.test',
        '',
        'Final-Recipient: rfc822; nobody@fabrikam.test',
        'Action: failed',
        'Status: 5.1.1',
        'Diagnostic-Code: smtp; 550 5.1.1 User unknown',
        '--b',
        'Content-Type: text/rfc822-headers',
        '',
        `Message-ID: ${signs.messageId}`,
        `X-Mail-Bridge-Id: ${signs.bridgeId}`,
        `X-Mail-Bridge-Tag: ${tag}`,
        'Subject: Your ticket',
        '--b--',
      ].join('\r\n'),
    );

  test('a bounce of ours with a good tag is reported to the sending side, recipient by recipient', async () => {
    const { exchange, rig } = await worldWith();
    rig.sent.add(sent);
    deliver(exchange, bounce(signs.tag));
    await rig.inbound.fetchAll(run);
    expect(rig.mails()[0]).toMatchObject({
      kind: 'bounce',
      bounce: {
        severity: 'hard',
        recipients: [{ address: 'nobody@fabrikam.test', status: '5.1.1', hard: true }],
      },
      relatesTo: { submissionId: 'ticket-1', by: 'privateHeader', verified: true },
      loopGuard: { mayAnswer: false },
    });
    expect(rig.sent.bounces).toMatchObject([
      {
        submissionId: 'ticket-1',
        verified: true,
        noticeId: rig.notices()[0]?.id,
        recipients: [{ status: '5.1.1' }],
      },
    ]);
  });

  test('a forged one is a note and nothing else', async () => {
    const { exchange, rig } = await worldWith();
    rig.sent.add(sent);
    deliver(exchange, bounce('0'.repeat(64)));
    await rig.inbound.fetchAll(run);
    const [notice] = rig.mails();
    expect(notice?.relatesTo).toMatchObject({ by: 'returnedMessageId', verified: false });
    expect(notice?.remarks).toContain(
      'It claims to return a message of ours, but the keyed tag is missing or wrong.',
    );
    expect(rig.sent.bounces).toMatchObject([{ verified: false }]);
    expect(rig.sent.bounces[0]).not.toHaveProperty('pauses');
    expect(rig.events.map(({ name }) => name)).toContain('inbound.unverifiedBounce');
  });
});
