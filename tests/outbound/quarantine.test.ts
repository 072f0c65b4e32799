// One message, row, blob or event that can't be read, composed or published never stops the others of its account.
import { describe, expect, test } from '@jest/globals';
import { StorageTrouble } from '../../shared/storageErrors.ts';
import type { Fields, Operation } from '../../shared/outbound/ports.ts';
import { messageKey } from '../../shared/outbound/records/keys.ts';
import { mailbox, World } from '../models/world.ts';
import type { Host } from '../models/world.ts';

const by = 'anna';

/** A hand from outside, or another version of the program. */
function write(world: World, operations: readonly Operation[], account = world.account): void {
  const answer = world.table.commit(account, operations);
  if (answer.kind !== 'ok') throw new Error(JSON.stringify(answer));
}

const merge = (id: string, fields: Fields): Operation => ({ kind: 'merge', key: messageKey(id), fields });

const logged = (world: World, name: string): readonly unknown[] =>
  world.log.filter((event) => event.name === name).map(({ level, fields }) => ({ level, ...fields }));

const damages: readonly (readonly [string, Operation])[] = [
  ['of another version', merge('b', { version: 2 })],
  ['whose state this version does not know', merge('b', { state: 'postponed' })],
  ['whose history is no JSON', merge('b', { history: '[{' })],
  ['whose recipients lack a part', merge('b', { recipientsChunks: 2 })],
];

describe.each(damages)('a message %s', (_, damage) => {
  test('is set aside and reported; the others are sent', async () => {
    const world = new World();
    const host = world.host();
    for (const id of ['a', 'b', 'c']) await world.submit(host, id);
    write(world, [damage]);
    await world.answerWakeUps(host);
    await world.minutes(host, 2);
    expect(world.history('a')).toEqual(['accepted', 'sent']);
    expect(world.history('c')).toEqual(['accepted', 'sent']);
    expect(world.history('b')).toEqual(['accepted', 'held']);
    expect(world.about('b').at(-1)?.data).toMatchObject({ reason: 'unreadable', sequence: 2 });
    expect(logged(world, 'outbound.messageQuarantined')).toEqual([
      { level: 'error', account: world.account, id: 'b', detail: expect.stringContaining('version') },
    ]);
    expect(world.table.read(world.account, messageKey('b'))).toBeDefined();
    expect(await world.run(host.outbound.unreadable(world.account, 10))).toMatchObject([
      { id: 'b', mailbox: 'desk@example.com' },
    ]);
    expect((await world.run(host.outbound.watch(world.account))).backlog.unreadable.count).toBe(1);
  });
});

test('a message of another version is put back once it can be read, and sent', async () => {
  const world = new World();
  const host = world.host();
  await world.submit(host, 'b');
  write(world, [merge('b', { version: 2 })]);
  await world.answerWakeUps(host);
  const which = { account: world.account, id: 'b', by };
  expect(await world.run(host.outbound.replay(which))).toMatchObject({ kind: 'refused' });
  write(world, [merge('b', { version: 1 })]);
  expect(await world.run(host.outbound.replay(which))).toEqual({ kind: 'done' });
  await world.answerWakeUps(host);
  expect(world.history('b')).toEqual(['accepted', 'held', 'sent']);
  expect(world.sequences('b')).toEqual([1, 2, 3]);
});

test('a message that can’t be read is removed, and its end reported', async () => {
  const world = new World();
  const host = world.host();
  await world.submit(host, 'b');
  write(world, [merge('b', { version: 2 })]);
  await world.answerWakeUps(host);
  expect(await world.run(host.outbound.remove({ account: world.account, id: 'b', by }))).toEqual({
    kind: 'done',
  });
  await world.answerWakeUps(host);
  expect(world.history('b')).toEqual(['accepted', 'held', 'failed']);
  expect(world.table.all(world.account).map(({ key }) => key)).toEqual(['account']);
});

test('the row of a message in flight comes to be of another version: the others in flight are settled', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = () => ({ latencyMs: 5_000 });
  for (const id of ['a', 'b']) await world.submit(host, id);
  const draining = host.outbound.drain(world.account, 'invocation');
  await world.pass(3_000);
  const account = world.table.read(world.account, 'account');
  // Another program writes the row, and the account's state with it.
  write(world, [
    merge('a', { version: 2 }),
    { kind: 'merge', key: 'account', fields: { ...account?.fields } },
  ]);
  await world.run(draining);
  await world.minutes(host, 2);
  expect(world.history('b')).toEqual(['accepted', 'sent']);
  expect(world.history('a')).toEqual(['accepted', 'held']);
  expect(world.about('a').at(-1)?.data['detail']).toContain('Attempt 1 ended: accepted.');
  expect(world.server.arrivals).toHaveLength(2);
});

test('an abandoned attempt of a message that can’t be read: the account goes on', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = () => ({ latencyMs: 60_000 });
  await world.submit(host, 'a');
  void host.outbound.drain(world.account, 'invocation').catch(() => undefined);
  await world.pass(5_000);
  world.kill(host);
  write(world, [merge('a', { version: 2 })]);
  world.server.dialogPlan = () => ({});
  const other = world.host();
  await world.submit(other, 'b');
  await world.minutes(other, 8);
  expect(world.history('b')).toEqual(['accepted', 'sent']);
  expect(world.about('a').at(-1)?.data['detail']).toContain('it may have been sent');
  const { state } = await world.run(other.outbound.watch(world.account));
  expect(state.activeAttempts).toEqual([]);
});

test('a message in doubt that can’t be read: the other one is looked up', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = () => ({ cut: 'afterDotAccepted', copyAfterMs: 1_000 });
  for (const id of ['a', 'b']) await world.submit(host, id);
  await world.answerWakeUps(host);
  write(world, [merge('a', { version: 2 })]);
  await world.minutes(host, 20);
  expect(world.history('b')).toEqual(['accepted', 'inDoubt', 'sent']);
  expect(world.history('a').at(-1)).toBe('held');
});

test('a suspended message that can’t be read: the others of its mailbox are resumed', async () => {
  const world = new World();
  const host = world.host();
  const pause = { account: world.account, mailbox: 'desk@example.com', by };
  await world.run(host.outbound.pause(pause));
  for (let index = 0; index < 45; index += 1) await world.submit(host, `m${String(index).padStart(2, '0')}`);
  await world.minutes(host, 1);
  for (let index = 0; index < 25; index += 1)
    write(world, [merge(`m${String(index).padStart(2, '0')}`, { version: 2 })]);
  await world.run(host.outbound.resume(pause));
  await world.minutes(host, 5);
  expect(world.server.arrivals).toHaveLength(20);
  expect((await world.run(host.outbound.watch(world.account))).backlog.unreadable.count).toBe(25);
});

test('the blob with the recipients is gone: a dead letter, as for the content; the next one is sent', async () => {
  const world = new World(undefined, { recipientsInRowBytes: 10 });
  const host = world.host();
  await world.submit(host, 'a');
  const gone = [...world.blobs.stored.keys()];
  await world.submit(host, 'b');
  for (const name of gone) world.blobs.stored.delete(name);
  await world.answerWakeUps(host);
  await world.minutes(host, 2);
  expect(world.history('a')).toEqual(['accepted', 'failed']);
  expect(world.about('a').at(-1)?.data).toMatchObject({ reason: 'contentGone' });
  expect(world.history('b')).toEqual(['accepted', 'sent']);
});

test('content that is no JSON: deferred, then a dead letter; the next one is sent', async () => {
  const world = new World();
  const host = world.host();
  await world.submit(host, 'a');
  write(world, [merge('a', { content: Buffer.from('{"submission":') })]);
  await world.submit(host, 'b');
  await world.answerWakeUps(host);
  expect(world.history('a')).toEqual(['accepted', 'deferred']);
  expect(world.history('b')).toEqual(['accepted', 'sent']);
});

test('an unreadable account row does not end the sweep for the accounts after it, nor an acceptance', async () => {
  const world = new World([mailbox('a@example.com'), mailbox('desk@example.com')]);
  const host = world.host();
  await world.submit(host, 'first', { mailbox: 'a@example.com' });
  await world.answerWakeUps(host);
  write(world, [{ kind: 'merge', key: 'account', fields: { version: 2 } }], 'a@example.com');
  await world.submit(host, 'second', { mailbox: 'a@example.com' });
  await world.submit(host, 'third');
  world.queue.wakeUps.length = 0;
  await world.run(host.outbound.sweep());
  expect(world.queue.wakeUps).toEqual([world.account]);
  expect(logged(world, 'outbound.accountUnreadable')).toEqual([
    { level: 'error', account: 'a@example.com', detail: expect.stringContaining('version 2') },
  ]);
});

test('a lost row of an id that was used before: the repeat is rejected, not delivered for ever', async () => {
  const world = new World();
  const host = world.host();
  await world.submit(host, 'a');
  write(world, [merge('a', { version: 2 })]);
  const answer = await world.run(host.outbound.accept(world.submission('a')));
  expect(answer).toMatchObject({ kind: 'rejected', problems: [{ field: 'id' }] });
});

describe('events', () => {
  const publishes = (host: Host): number => host.wire.calls.filter(({ kind }) => kind === 'publish').length;

  test('a text that no queue can hold goes by reference, and the events after it are published', async () => {
    const world = new World();
    const host = world.host();
    await world.submit(host, 'a');
    await world.submit(host, 'b');
    const key = world.table.all(world.account).find((row) => row.key.startsWith('event|a'))?.key ?? '';
    const event = JSON.parse(String(world.table.read(world.account, key)?.fields['text'])) as {
      data: object;
    };
    const long = JSON.stringify({ ...event, data: { ...event.data, detail: 'ä'.repeat(70_000) } });
    write(world, [
      {
        kind: 'merge',
        key,
        fields: {
          textChunks: 3,
          text: long.slice(0, 30_000),
          text1: long.slice(30_000, 60_000),
          text2: long.slice(60_000),
        },
      },
    ]);
    await world.answerWakeUps(host);
    await world.minutes(host, 1);
    expect(world.history('a')).toEqual(['accepted', 'sent']);
    expect(world.history('b')).toEqual(['accepted', 'sent']);
    const [first] = world.about('a');
    const whole = first?.data['whole'] as { blob: string };
    expect(first?.data).toMatchObject({ submissionId: 'a', sequence: 1 });
    const stored = world.blobs.stored.get(whole.blob.replace('outbound-content/', ''));
    expect(Buffer.from(stored?.bytes ?? '').toString()).toBe(long);
  });

  test('a row that holds no event is kept in a blob, and the others are published', async () => {
    const world = new World();
    const host = world.host();
    await world.submit(host, 'a');
    await world.submit(host, 'b');
    write(world, [{ kind: 'merge', key: 'event|a|000001', fields: { text: 'ä' } }]);
    await world.answerWakeUps(host);
    await world.minutes(host, 2);
    expect(world.history('a')).toEqual(['sent']);
    expect(world.history('b')).toEqual(['accepted', 'sent']);
    expect(logged(world, 'outbound.eventQuarantined')).toMatchObject([
      { level: 'error', event: 'event|a|000001' },
    ]);
    const keys = world.table.all(world.account).map(({ key }) => key);
    expect(keys.filter((key) => key.startsWith('event|'))).toEqual([]);
    expect(keys).toContain('unpublished|a|000001');
    await world.pass(31 * 86_400_000);
    await world.run(host.outbound.prune());
    expect(world.table.all(world.account).map(({ key }) => key)).not.toContain('unpublished|a|000001');
  });

  test('a queue that refuses at once: some puts with growing pauses, and no drain that wakes itself', async () => {
    const world = new World();
    const host = world.host();
    host.wire.faultPlan = ({ kind }) => ({
      thereMs: 2,
      backMs: 2,
      ...(kind === 'publish' ? { trouble: 'refused' } : {}),
    });
    for (let index = 0; index < 5; index += 1) await world.submit(host, `m${String(index)}`);
    world.queue.wakeUps.splice(1);
    await world.answerWakeUps(host);
    expect(world.server.arrivals).toHaveLength(5);
    expect(publishes(host)).toBeLessThan(16);
    expect(world.queue.wakeUps).toEqual([]);
    host.wire.faultPlan = () => ({ thereMs: 2, backMs: 2 });
    await world.minutes(host, 2);
    for (let index = 0; index < 5; index += 1)
      expect(world.history(`m${String(index)}`)).toEqual(['accepted', 'sent']);
  });

  test('one event that the queue refuses does not keep those of other submissions', async () => {
    const world = new World();
    const host = world.host();
    const { queues } = host.dependencies;
    const picky = world.host({
      queues: {
        wake: (account) => queues.wake(account),
        publish: (text) =>
          text.includes('"subject":"a"')
            ? Promise.reject(new StorageTrouble('HTTP 400'))
            : queues.publish(text),
      },
    });
    for (const id of ['a', 'b', 'c']) await world.submit(picky, id);
    await world.answerWakeUps(picky);
    await world.minutes(picky, 2);
    expect(world.history('a')).toEqual([]);
    expect(world.history('b')).toEqual(['accepted', 'sent']);
    expect(world.history('c')).toEqual(['accepted', 'sent']);
  });

  test('a bounce of 100 recipients with long texts is bounded and published', async () => {
    const world = new World();
    const host = world.host();
    for (const id of ['a', 'b']) await world.submit(host, id);
    await world.answerWakeUps(host);
    await world.run(
      host.dependencies.rows.read(world.account, 'account').then(() =>
        import('../../shared/outbound/operator/bounced.ts').then(({ publishBounce }) =>
          publishBounce(
            {
              submissionId: 'a',
              mailbox: 'desk@example.com',
              noticeId: 'n1',
              verified: false,
              recipients: Array.from({ length: 1_000 }, () => ({
                address: '漢'.repeat(60_000),
                status: '5'.repeat(5_000),
                replyCode: 'x'.repeat(5_000),
                hard: true,
                reason: 'é'.repeat(5_000),
                action: 'y'.repeat(5_000),
              })),
            },
            host.dependencies,
          ),
        ),
      ),
    );
    await world.submit(host, 'c');
    await world.answerWakeUps(host);
    expect(world.history('a')).toEqual(['accepted', 'sent', 'bounced']);
    expect(world.history('c')).toEqual(['accepted', 'sent']);
    for (const text of world.queue.events) expect(text.length).toBeLessThan(65_536);
  });
});

test('after an unexpected error the lease is released', async () => {
  const world = new World();
  const host = world.host();
  await world.submit(host, 'a');
  const broken = world.host({
    sentItems: world.sentItems,
    random: {
      ...host.dependencies.random,
      uniform: () => {
        throw new Error('out of randomness');
      },
    },
  });
  world.server.dialogPlan = () => ({ refuse: { phase: 'dot', reply: { code: 451, text: 'later' } } });
  await expect(world.run(broken.outbound.drain(world.account, 'invocation'))).rejects.toThrow(
    'out of randomness',
  );
  const { state } = await world.run(host.outbound.watch(world.account));
  expect(state.lease).toBeUndefined();
});

describe('a message that ends the process', () => {
  test('whenever it is composed: set aside after a few, and the others are sent', async () => {
    const world = new World();
    let deathCount = 0;
    const { composer } = world.host().dependencies;
    const hosts: Host[] = [];
    const lethal: typeof composer = {
      compose: (submission, blobs, stamp) => {
        if (submission.id !== 'a') return composer.compose(submission, blobs, stamp);
        deathCount += 1;
        hosts.at(-1)?.wire.die();
        return new Promise(() => undefined);
      },
    };
    const start = (): Host => {
      const host = world.host({ composer: lethal });
      hosts.push(host);
      return host;
    };
    let host = start();
    for (const id of ['a', 'b']) await world.submit(host, id);
    for (let minute = 0; minute < 40; minute += 1) {
      if (host.wire.isDead()) host = start();
      void world.minutes(host, 1).catch(() => undefined);
      await world.pass(60_000);
    }
    expect(deathCount).toBe(4);
    expect(world.history('b')).toEqual(['accepted', 'sent']);
    expect(world.history('a')).toEqual(['accepted', 'held']);
    expect(world.about('a').at(-1)?.data['detail']).toContain('ended 3 times');
    expect(world.table.all('returned')).toEqual([]);
    const which = { account: world.account, id: 'a', by };
    expect(await world.run(host.outbound.replay(which))).toEqual({ kind: 'done' });
  });

  test('a process that ended for another reason: nothing is set aside, and no note is left', async () => {
    const world = new World();
    const first = world.host();
    world.server.dialogPlan = () => ({ latencyMs: 60_000 });
    await world.submit(first, 'a');
    void first.outbound.drain(world.account, 'invocation').catch(() => undefined);
    await world.pass(5_000);
    world.kill(first);
    world.server.dialogPlan = () => ({});
    const host = world.host();
    for (const id of ['b', 'c']) await world.submit(host, id);
    await world.minutes(host, 8);
    expect(world.history('b')).toEqual(['accepted', 'sent']);
    expect(world.history('c')).toEqual(['accepted', 'sent']);
    expect(world.table.all('returned')).toEqual([]);
  });
});

test('policy resend, and never a reply nor a copy: after three more attempts it is held for a person', async () => {
  const world = new World(undefined, { inDoubtPolicy: 'resend' });
  const host = world.host();
  world.server.dialogPlan = () => ({ cut: 'afterDotLost' });
  await world.submit(host, 'a');
  await world.minutes(host, 300);
  expect(world.history('a').filter((type) => type === 'inDoubt')).toHaveLength(4);
  expect(world.history('a').at(-1)).toBe('held');
});
