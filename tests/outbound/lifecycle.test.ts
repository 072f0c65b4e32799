// Every state and every move between states, through the assembled outbound side on models of its doors.
import { publishBounce } from '../../shared/outbound/operator/bounced.ts';
import { describe, expect, test } from '@jest/globals';
import { StorageTrouble } from '../../shared/storageErrors.ts';
import { mailbox, World, type Host } from '../models/world.ts';

const tempfail = { code: 451, enhanced: '4.7.0', text: 'Temporary server error. Please try again later' };
const noSuchUser = { code: 550, enhanced: '5.1.1', text: 'User unknown' };
const by = 'anna';

describe('deferred', () => {
  test('refused for now: again after about a minute, then two, then sent', async () => {
    const world = new World();
    const host = world.host();
    let refusals = 2;
    world.server.dialogPlan = () => (refusals-- > 0 ? { refuse: { phase: 'dot', reply: tempfail } } : {});
    await world.submit(host, 'a');
    await world.answerWakeUps(host);
    await world.minutes(host, 8);
    expect(world.history('a')).toEqual(['accepted', 'deferred', 'deferred', 'sent']);
    const [one, two] = world.server.refusals.map(({ at }) => at);
    const sentAt = world.server.arrivals[0]?.at ?? 0;
    expect((two ?? 0) - (one ?? 0)).toBeGreaterThan(47_000);
    expect((two ?? 0) - (one ?? 0)).toBeLessThan(72_000 + 65_000);
    expect(sentAt - (two ?? 0)).toBeGreaterThan(95_000);
  });

  test('given up when its own deferrals add up to the age, and filed as a dead letter with its reply', async () => {
    const world = new World(undefined, { giveUpAfterMs: 10 * 60_000, refusalsBeforeHoldCount: 99 });
    const host = world.host();
    world.server.dialogPlan = () => ({ refuse: { phase: 'dot', reply: tempfail } });
    await world.submit(host, 'a');
    await world.answerWakeUps(host);
    await world.minutes(host, 20);
    expect(world.history('a').at(-1)).toBe('failed');
    const [letter] = await world.run(host.outbound.forPerson(world.account, 'failed', 10));
    expect(letter).toMatchObject({ id: 'a', state: 'failed', reason: 'tooOld' });
    expect(letter?.content).toBeDefined();
    expect(letter?.detail).toContain('Temporary server error');
  });

  test('cut before the final dot: an ordinary retry, no doubt', async () => {
    const world = new World();
    const host = world.host();
    let first = true;
    world.server.dialogPlan = () => {
      const cut = first;
      first = false;
      return cut ? { cut: 'beforeDot' } : {};
    };
    await world.submit(host, 'a');
    await world.answerWakeUps(host);
    await world.minutes(host, 4);
    expect(world.history('a')).toEqual(['accepted', 'deferred', 'sent']);
    expect(world.server.arrivals.map(({ bridgeId }) => bridgeId)).toEqual(['a.2']);
  });
});

describe('recipients', () => {
  test('only those refused for now are tried again; nobody gets two; the refused one is named', async () => {
    const world = new World();
    const host = world.host();
    let attempt = 0;
    world.server.dialogPlan = () => {
      attempt += 1;
      return {
        rcpt: (address) =>
          address.startsWith('never')
            ? noSuchUser
            : address.startsWith('later') && attempt === 1
              ? tempfail
              : undefined,
      };
    };
    await world.submit(host, 'a', { to: ['now@x.example', 'later@x.example', 'never@x.example'] });
    await world.answerWakeUps(host);
    await world.minutes(host, 4);
    expect(world.server.arrivals.map(({ recipients }) => recipients)).toEqual([
      ['now@x.example'],
      ['later@x.example'],
    ]);
    expect(world.history('a')).toEqual(['accepted', 'deferred', 'sent']);
    const outcomes = world.about('a').at(-1)?.data['recipients'] as readonly {
      address: string;
      outcome: string;
    }[];
    expect(outcomes.map(({ address, outcome }) => `${address} ${outcome}`)).toEqual([
      'now@x.example sent',
      'later@x.example sent',
      'never@x.example failed',
    ]);
  });

  test('all refused for good: a dead letter with each reply', async () => {
    const world = new World();
    const host = world.host();
    world.server.dialogPlan = () => ({ rcpt: () => noSuchUser });
    await world.submit(host, 'a', { to: ['x@x.example', 'y@x.example'] });
    await world.answerWakeUps(host);
    expect(world.history('a')).toEqual(['accepted', 'failed']);
    expect(await world.state(host, 'a')).toBe('failed');
  });

  test('the same address twice, the domain in another case, is one RCPT', async () => {
    const world = new World();
    const host = world.host();
    await world.submit(host, 'a', { to: ['b@X.example', 'b@x.example'], cc: ['B@x.example'] });
    await world.answerWakeUps(host);
    expect(world.server.arrivals[0]?.recipients.length).toBe(2);
  });

  test('more than a whole day allows can never be sent', async () => {
    const limits = { messagesPerMinute: 30, recipientsPerDay: 3, connections: 3 };
    const world = new World([mailbox('desk@example.com', { limits })]);
    const host = world.host();
    await world.submit(host, 'a', { to: [1, 2, 3, 4].map((number) => `r${number}@x.example`) });
    await world.answerWakeUps(host);
    expect(world.history('a')).toEqual(['accepted', 'failed']);
    expect(world.server.arrivals).toEqual([]);
  });
});

describe('time', () => {
  test('sendAt is waited for, expiresAt ends it', async () => {
    const world = new World();
    const host = world.host();
    const at = (ms: number): string => new Date(world.clock.now + ms).toISOString();
    await world.submit(host, 'later', { sendAt: at(5 * 60_000) });
    await world.submit(host, 'over', { sendAt: at(60_000), expiresAt: at(90_000) });
    const dueAt = world.clock.now + 5 * 60_000;
    await world.answerWakeUps(host);
    expect(world.server.arrivals).toEqual([]);
    await world.pass(120_000);
    await world.minutes(host, 6);
    expect(world.server.arrivals.map(({ bridgeId }) => bridgeId)).toEqual(['later.1']);
    expect(world.server.arrivals[0]?.at).toBeGreaterThan(dueAt - 2_000);
    expect(world.history('over')).toEqual(['accepted', 'expired']);
  });

  test('lanes: urgent before normal before bulk', async () => {
    const world = new World();
    const host = world.host();
    await world.submit(host, 'bulk', { priority: 'bulk' });
    await world.submit(host, 'normal');
    await world.submit(host, 'high', { priority: 'high' });
    await world.answerWakeUps(host);
    expect(world.server.arrivals.map(({ bridgeId }) => bridgeId)).toEqual(['high.1', 'normal.1', 'bulk.1']);
  });

  test('an urgent message behind a backlog starts within about a period', async () => {
    const world = new World();
    const host = world.host();
    for (let count = 0; count < 120; count += 1) await world.submit(host, `m${count}`);
    const draining = host.outbound.drain(world.account, 'invocation');
    await world.pass(30_000);
    await world.submit(host, 'urgent', { priority: 'high' });
    const acceptedAt = world.clock.now;
    await world.run(draining);
    await world.minutes(host, 5);
    const arrival = world.server.arrivals.find(({ bridgeId }) => bridgeId === 'urgent.1');
    expect((arrival?.at ?? Infinity) - acceptedAt).toBeLessThan(66_000);
  });

  test('a lane whose head is more than the day has left sleeps; the others go on', async () => {
    const limits = { messagesPerMinute: 30, recipientsPerDay: 10, connections: 3 };
    const world = new World([mailbox('desk@example.com', { limits })]);
    const host = world.host();
    const many = (count: number): readonly string[] =>
      Array.from({ length: count }, (_, index) => `r${index}@x.example`);
    await world.submit(host, 'first', { to: many(6) });
    await world.answerWakeUps(host);
    await world.submit(host, 'tooMuchToday', { to: many(5) });
    await world.answerWakeUps(host);
    const state = (await world.run(host.outbound.watch(world.account))).state;
    expect(state.backoffUntil[1]).toBeGreaterThan(world.clock.now);
    expect([state.backoffUntil[0], state.backoffUntil[2]]).toEqual([0, 0]);
    await world.submit(host, 'urgent', { to: many(2), priority: 'high' });
    expect(world.queue.wakeUps.length).toBe(1);
    await world.answerWakeUps(host);
    await world.submit(host, 'another');
    expect(world.queue.wakeUps.length).toBe(0);
    expect(world.server.arrivals.map(({ bridgeId }) => bridgeId)).toEqual(['first.1', 'urgent.1']);
    await world.pass(24 * 3_600_000 + 20 * 60_000);
    await world.minutes(host, 2);
    expect(world.server.arrivals.length).toBe(4);
  });
});

describe('acceptance', () => {
  test('the same id and content again: nothing happens; another content is rejected, and the first one stands', async () => {
    const world = new World();
    const host = world.host();
    await world.submit(host, 'a');
    await world.submit(host, 'a');
    const answer = await world.run(host.outbound.accept(world.submission('a', { text: 'another' })));
    expect(answer).toMatchObject({ kind: 'rejected', id: 'a' });
    await world.answerWakeUps(host);
    expect(world.server.arrivals.length).toBe(1);
    expect(world.history('a').filter((type) => type !== 'rejected')).toEqual(['accepted', 'sent']);
  });

  test.each([
    ['null', null],
    ['a number', 7],
    ['text', 'hello'],
    ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe, 0x00])],
    ['an unknown mailbox', { id: 'x', mailbox: 'nobody@example.com', to: ['a@b.example'], text: '' }],
  ])('what can’t be accepted is kept and reported: %s', async (_what, payload) => {
    const world = new World();
    const host = world.host();
    const answer = await world.run(host.outbound.accept(payload));
    expect(answer.kind).toBe('rejected');
    expect(world.events.map(({ type }) => type.replace(/^.*mail\./, ''))).toEqual(['rejected']);
    expect(world.blobs.stored.size).toBe(1);
    expect(world.table.all('rejected').length).toBe(1);
  });

  test('a base64 payload is understood', async () => {
    const world = new World();
    const host = world.host();
    const payload = Buffer.from(JSON.stringify(world.submission('b'))).toString('base64');
    expect(await world.run(host.outbound.accept(payload))).toMatchObject({ kind: 'accepted', id: 'b' });
  });

  test('what a submission refers to is copied first: ESM may delete it, and a late repeat is no fault', async () => {
    const world = new World();
    const host = world.host();
    world.blobs.uploads.set('esm-upload/report', Buffer.from('the report'));
    const attachments = [{ filename: 'r.txt', contentType: 'text/plain', blob: 'esm-upload/report' }];
    await world.submit(host, 'a', { attachments });
    world.blobs.uploads.clear();
    await world.submit(host, 'a', { attachments });
    await world.answerWakeUps(host);
    expect(world.history('a')).toEqual(['accepted', 'sent']);
    const absent = await world.run(host.outbound.accept(world.submission('b', { attachments })));
    expect(absent).toMatchObject({ kind: 'rejected', problems: [{ field: 'attachments[0].blob' }] });
  });

  test('content above 64 KiB goes through a blob; content that is gone fails with its reason', async () => {
    const world = new World();
    const host = world.host();
    await world.submit(host, 'large', { text: 'x'.repeat(100_000) });
    await world.submit(host, 'gone', { text: 'y'.repeat(100_000) });
    const gone = await world.run(host.outbound.message(world.account, 'gone'));
    world.blobs.stored.delete(String(gone?.message.content));
    await world.answerWakeUps(host);
    expect(world.history('large')).toEqual(['accepted', 'sent']);
    expect(world.history('gone')).toEqual(['accepted', 'failed']);
    expect(world.about('gone').at(-1)?.data['reason']).toBe('contentGone');
  });

  test.each([
    ['16 deep', 16],
    ['100,000 deep, parsed by the host', 100_000],
  ])('a correlation %s is rejected under its id', async (_, depth) => {
    const world = new World();
    const host = world.host();
    let correlation: unknown = 1;
    for (let level = 0; level < depth; level += 1)
      correlation = level % 2 === 0 ? [correlation] : { a: correlation };
    const answer = await world.run(host.outbound.accept(world.submission('deep', { correlation })));
    expect(answer).toMatchObject({ kind: 'rejected', id: 'deep', problems: [{ field: 'correlation' }] });
    expect(world.events[0]?.data).toMatchObject({ submissionId: 'deep', mailbox: 'desk@example.com' });
    const [stored] = world.blobs.stored.values();
    expect(stored?.bytes.length).toBeGreaterThan(depth);
  });

  test('a correlation 15 deep is accepted', async () => {
    const world = new World();
    const host = world.host();
    let correlation: unknown = 1;
    for (let level = 0; level < 15; level += 1) correlation = [correlation];
    await world.submit(host, 'deep', { correlation });
  });

  test('poison: delivered again twice; the third time in a day it is kept, rejected and reported', async () => {
    const world = new World();
    const host = world.host();
    const text = JSON.stringify(world.submission('a', { text: 'ä'.repeat(25_000) }));
    host.wire.faultPlan = () => ({ thereMs: 1, backMs: 1, trouble: 'refused' });
    for (let time = 0; time < 5; time += 1)
      await expect(world.run(host.outbound.returned(text))).rejects.toThrow(StorageTrouble);
    host.wire.faultPlan = () => ({ thereMs: 1, backMs: 1 });
    expect(await world.run(host.outbound.returned(text))).toBe('again');
    expect(await world.run(host.outbound.returned(text))).toBe('again');
    await world.pass(25 * 3_600_000);
    expect(await world.run(host.outbound.returned(text))).toBe('again');
    expect(await world.run(host.outbound.returned(text))).toBe('again');
    expect(await world.run(host.outbound.returned(text))).toBe('rejected');
    const [event] = world.events;
    expect(event).toMatchObject({
      type: expect.stringContaining('mail.rejected'),
      data: { submissionId: 'a', mailbox: 'desk@example.com' },
    });
    const { sha256 } = event?.data['content'] as { sha256: string };
    expect(Buffer.from(world.blobs.stored.get(sha256)?.bytes ?? '').toString()).toBe(text);
  });

  test('poison whose reading ends the process: the next process rejects it unread', async () => {
    const world = new World();
    const host = world.host();
    const text = JSON.stringify(world.submission('a'));
    for (let time = 0; time < 2; time += 1)
      expect(await world.run(host.outbound.returned(text))).toBe('again');
    const { maxima, uploadContainer } = host.dependencies.submissions;
    const dying = (): Host =>
      world.host({
        submissions: {
          maxima,
          uploadContainer,
          get mailboxes(): never {
            throw new Error('the process ends here');
          },
        },
      });
    await expect(world.run(dying().outbound.returned(text))).rejects.toThrow('the process ends here');
    const next = dying();
    expect(await world.run(next.outbound.returned(text))).toBe('rejected');
    expect(world.events).toMatchObject([{ type: expect.stringContaining('mail.rejected') }]);
  });
});

describe('a person acts', () => {
  test('cancel: before it is sent, yes; while it is being sent or after, too late', async () => {
    const world = new World();
    const host = world.host();
    await world.submit(host, 'a');
    expect(await world.run(host.outbound.cancel({ account: world.account, id: 'a', by }))).toEqual({
      kind: 'done',
    });
    await world.answerWakeUps(host);
    expect(world.history('a')).toEqual(['accepted', 'cancelled']);
    expect(world.server.arrivals).toEqual([]);
    await world.submit(host, 'b');
    const draining = host.outbound.drain(world.account, 'invocation');
    await world.pass(1_000);
    const late = await world.run(host.outbound.cancel({ account: world.account, id: 'b', by }));
    expect(late.kind).toBe('refused');
    await world.run(draining);
    expect(await world.run(host.outbound.cancel({ account: world.account, id: 'b', by }))).toMatchObject({
      kind: 'refused',
    });
    expect(await world.run(host.outbound.cancel({ account: world.account, id: 'c', by }))).toEqual({
      kind: 'unknown',
    });
    expect(world.history('b')).toEqual(['accepted', 'sent']);
  });

  test('cancelled and claimed at the same moment: one of them wins, never both', async () => {
    for (let delayMs = 0; delayMs < 400; delayMs += 7) {
      const world = new World();
      const host = world.host();
      const other = world.host();
      await world.submit(host, 'a');
      const draining = host.outbound.drain(world.account, 'invocation');
      await world.pass(delayMs);
      const answer = await world.run(other.outbound.cancel({ account: world.account, id: 'a', by }));
      await world.run(draining);
      await world.minutes(host, 1);
      expect(world.history('a')).toEqual(['accepted', answer.kind === 'done' ? 'cancelled' : 'sent']);
      expect(world.server.arrivals.length).toBe(answer.kind === 'done' ? 0 : 1);
    }
  });

  test('a dead letter is sent again by a person, marked as sent, or removed', async () => {
    const world = new World();
    const host = world.host();
    world.server.dialogPlan = () => ({ rcpt: () => noSuchUser });
    for (const id of ['again', 'known', 'away']) await world.submit(host, id);
    await world.answerWakeUps(host);
    world.server.dialogPlan = () => ({});
    const { account } = world;
    expect(await world.run(host.outbound.replay({ account, id: 'again', by }))).toEqual({ kind: 'done' });
    expect(await world.run(host.outbound.markSent({ account, id: 'known', by }))).toEqual({ kind: 'done' });
    expect(await world.run(host.outbound.remove({ account, id: 'away', by }))).toEqual({ kind: 'done' });
    await world.answerWakeUps(host);
    expect(world.history('again')).toEqual(['accepted', 'failed', 'deferred', 'sent']);
    expect(world.server.arrivals.map(({ bridgeId }) => bridgeId)).toEqual(['again.2']);
    expect(world.history('known')).toEqual(['accepted', 'failed', 'sent']);
    expect(await world.state(host, 'away')).toBe('absent');
  });
});

test('retention: finished and old rows go, then blobs that nothing names; dead letters stay', async () => {
  const world = new World(undefined, { retentionMs: 10 * 86_400_000 });
  const host = world.host();
  world.blobs.uploads.set('esm-upload/shared', Buffer.from('shared by two'));
  const attachments = [{ filename: 'r.txt', contentType: 'text/plain', blob: 'esm-upload/shared' }];
  await world.submit(host, 'old', { text: 'x'.repeat(100_000), attachments });
  world.server.dialogPlan = ({ bridgeId }) => (bridgeId === 'dead.1' ? { rcpt: () => noSuchUser } : {});
  await world.submit(host, 'dead', { attachments });
  await world.answerWakeUps(host);
  const before = world.blobs.stored.size;
  expect(await world.run(host.outbound.prune())).toEqual({ rowCount: 0, blobCount: 0, isComplete: true });
  await world.pass(11 * 86_400_000);
  await world.run(host.outbound.sweep());
  expect(await world.run(host.outbound.prune())).toEqual({ rowCount: 1, blobCount: 1, isComplete: true });
  expect(await world.state(host, 'old')).toBe('absent');
  expect(await world.state(host, 'dead')).toBe('failed');
  expect(world.blobs.stored.size).toBe(before - 1);
});

test('a lost state row: the limits are rebuilt from the messages, and the minute counts as full', async () => {
  const world = new World();
  const host = world.host();
  for (let count = 0; count < 20; count += 1) await world.submit(host, `m${count}`);
  await world.answerWakeUps(host);
  world.table.lose(world.account, 'account');
  const lostAt = world.clock.now;
  for (let count = 20; count < 40; count += 1) await world.submit(host, `m${count}`);
  await world.answerWakeUps(host);
  const { state } = await world.run(host.outbound.watch(world.account));
  expect(state.day.reduce((sum, [, count]) => sum + count, 0)).toBe(20);
  await world.minutes(host, 25);
  expect(world.server.arrivals.length).toBe(40);
  expect(world.server.arrivals[20]?.at).toBeGreaterThan(lostAt + 14 * 60_000);
  expect(world.mostInAnyPeriod()).toBeLessThanOrEqual(30);
});

test('the forecast says when a backlog clears, within five percent', async () => {
  const world = new World();
  const host = world.host();
  for (let count = 0; count < 200; count += 1) await world.submit(host, `m${count}`);
  const startedAt = world.clock.now;
  const draining = host.outbound.drain(world.account, 'invocation');
  await world.pass(60_000);
  const { clearsAt, waitingCount, more } = await world.run(host.outbound.forecast(world.account));
  expect(waitingCount).toBeGreaterThan(160);
  expect(more).toBe(false);
  await world.run(draining);
  await world.minutes(host, 10);
  const clearedAt = world.server.arrivals.at(-1)?.at ?? 0;
  expect(Math.abs((clearsAt ?? 0) - clearedAt) / (clearedAt - startedAt)).toBeLessThan(0.05);
});

test('a sent message that was deleted was sent again with the same id: now its idempotency record stays', async () => {
  const world = new World();
  const host = world.host();
  await world.submit(host, 'a');
  await world.answerWakeUps(host);
  const { account } = world;
  expect(await world.run(host.outbound.remove({ account, id: 'a', by: 'anna' }))).toEqual({ kind: 'done' });
  const found = await world.run(host.outbound.message(account, 'a'));
  expect(found?.message).toMatchObject({ state: 'sent', reason: 'deleted', recipients: [] });
  expect(await world.run(host.outbound.accept(world.submission('a')))).toMatchObject({
    kind: 'accepted',
    repeated: true,
  });
  const other = await world.run(host.outbound.accept(world.submission('a', { subject: 'Other' })));
  expect(other).toMatchObject({ kind: 'rejected', problems: [{ field: 'id' }] });
  expect(JSON.stringify(other)).toContain('lives on');
  await world.minutes(host, 3);
  expect(world.server.arrivals.length).toBe(1);
});

test('a rejection names id, mailbox and correlation whenever they can be read', async () => {
  const world = new World();
  const host = world.host();
  const correlation = { card: 7 };
  const about = { submissionId: 'a', mailbox: 'desk@example.com' };
  const cases: readonly [unknown, Readonly<Record<string, unknown>>][] = [
    [world.submission('a', { correlation, subject: 7 }), { ...about, correlation }],
    [world.submission('a', { correlation, unknown: 1 }), { ...about, correlation }],
    ['{"id":"a","mailbox":"desk@example.com","to":[', about],
    ['{"id":"a","id":"a","mailbox":"desk@example.com"}', about],
    [`{"id":"a","mailbox":"desk@example.com","x":${'['.repeat(50)}`, about],
    [world.submission('a', { __proto__x: 1, nested: { constructor: 1 } }), about],
  ];
  for (const [payload, expected] of cases) {
    const answer = await world.run(host.outbound.accept(payload));
    expect(answer.kind).toBe('rejected');
    expect(world.events.at(-1)).toMatchObject({ type: 'mail.rejected', data: expected });
  }
});

test('a bounced recipient was reported as sent with its 250: now the event says that it came back', async () => {
  const world = new World();
  const host = world.host();
  await world.submit(host, 'a', { to: ['gone@example.org', 'here@example.org'] });
  await world.answerWakeUps(host);
  await world.run(
    publishBounce(
      {
        noticeId: 'n-1',
        submissionId: 'a',
        mailbox: 'desk@example.com',
        verified: true,
        recipients: [
          {
            address: 'Gone@example.org',
            status: '5.1.1',
            replyCode: '550',
            hard: true,
            reason: 'recipientUnknown',
            action: 'failed',
          },
        ],
      },
      host.dependencies,
    ),
  );
  await world.minutes(host, 2);
  const bounced = world.about('a').at(-1);
  expect(bounced?.type).toBe('mail.bounced');
  expect(bounced?.data['recipients']).toEqual([
    expect.objectContaining({
      address: 'gone@example.org',
      outcome: 'failed',
      code: 550,
      enhancedStatus: '5.1.1',
    }),
    expect.objectContaining({ address: 'here@example.org', outcome: 'sent' }),
  ]);
});
