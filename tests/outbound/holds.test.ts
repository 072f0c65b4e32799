// Holds: no message is blamed, at most one probe a minute, and they end by themselves if they can.
import { describe, expect, test } from '@jest/globals';
import type { Reply } from '../../shared/mail/reply.ts';
import { mailbox, World, type Event } from '../models/world.ts';

const busy: Reply = {
  code: 451,
  enhanced: '4.7.0',
  text: 'Temporary server error. Please try again later. PRX4',
};
const quota: Reply = {
  code: 554,
  enhanced: '5.2.0',
  text: 'STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message',
};
const mayNot: Reply = {
  code: 550,
  enhanced: '5.7.60',
  text: 'SMTP; Client does not have permissions to send as this sender',
};

/** The most instants in any half-open minute. */
function mostPerMinute(times: readonly number[]): number {
  return Math.max(
    0,
    ...times.map((at) => times.filter((other) => other >= at && other < at + 60_000).length),
  );
}

/** What was published about holds: held or released, mailbox, scope, reason. */
const holdEvents = (world: World): readonly unknown[] =>
  world.events
    .filter(({ type }) => type.startsWith('mailbox.'))
    .map(({ type, data }) => [type.slice('mailbox.'.length), data['mailbox'], data['scope'], data['reason']]);

const byMailbox = (world: World, wanted: string): readonly Event[] =>
  world.events
    .filter(({ type }) => type === wanted)
    .sort((one, other) => (String(one.data['mailbox']) < String(other.data['mailbox']) ? -1 : 1));

test('every message refused with 4xx for two hours: at most one probe a minute once the account is on hold, then all are sent, none charged', async () => {
  const world = new World();
  const host = world.host();
  let isRefusing = true;
  world.server.dialogPlan = () => (isRefusing ? { refuse: { phase: 'dot', reply: busy } } : {});
  for (let count = 0; count < 100; count += 1) await world.submit(host, `m${count}`);
  await world.answerWakeUps(host);
  const [hold] = (await world.run(host.outbound.watch(world.account))).state.holds;
  expect(hold).toMatchObject({ reason: 'consecutiveRefusals' });
  const knownAt = world.clock.now;
  await world.minutes(host, 120);
  const probes = world.server.refusals.map(({ at }) => at).filter((at) => at > knownAt);
  expect(probes.length).toBeGreaterThan(2);
  expect(mostPerMinute(probes)).toBe(1);
  isRefusing = false;
  await world.minutes(host, 75);
  expect(world.server.arrivals.length).toBe(100);
  const deferred = world.events.filter(({ type }) => type.endsWith('mail.deferred')).length;
  // Only those attempted before the hold.
  expect(deferred).toBeLessThanOrEqual(4);
  expect((await world.run(host.outbound.watch(world.account))).state.holds).toEqual([]);
});

test('the day’s quota by the server’s count: the account pauses, the message waits uncharged, and goes on by itself', async () => {
  const world = new World();
  const host = world.host();
  let full = true;
  world.server.dialogPlan = () => (full ? { refuse: { phase: 'dot', reply: quota } } : {});
  for (const id of ['a', 'b', 'c', 'd']) await world.submit(host, id);
  await world.answerWakeUps(host);
  const [hold] = (await world.run(host.outbound.watch(world.account))).state.holds;
  expect(hold).toMatchObject({ reason: 'quota' });
  expect(hold?.mailbox).toBeUndefined();
  expect(hold?.remedy.length).toBeGreaterThan(10);
  expect(await world.state(host, 'a')).toBe('waiting');
  expect(world.history('a')).toEqual(['accepted']);
  full = false;
  await world.minutes(host, 180);
  expect(world.server.arrivals.length).toBe(4);
  expect(world.history('a')).toEqual(['accepted', 'sent']);
});

test('the server out of reach: two attempts to connect, then one a minute and fewer; no message touched', async () => {
  const world = new World();
  const host = world.host();
  world.server.connectFailure = () => ({ phase: 'connect', detail: 'connection refused' });
  await world.submit(host, 'a');
  await world.answerWakeUps(host);
  const first = world.server.connects.length;
  expect(first).toBe(2);
  await world.minutes(host, 60);
  const later = world.server.connects.slice(first);
  expect(mostPerMinute(later)).toBe(1);
  expect(later.length).toBeLessThan(10);
  expect(world.history('a')).toEqual(['accepted']);
  world.server.connectFailure = () => undefined;
  await world.minutes(host, 61);
  expect(world.history('a')).toEqual(['accepted', 'sent']);
});

test('sign-in refused: held at once with its cure, and ended by a person', async () => {
  const world = new World();
  const host = world.host();
  const reply: Reply = { code: 535, enhanced: '5.7.3', text: 'Authentication unsuccessful' };
  world.server.connectFailure = () => ({ phase: 'auth', reply, detail: reply.text });
  await world.submit(host, 'a');
  await world.answerWakeUps(host);
  expect(world.server.connects.length).toBe(1);
  const [hold] = (await world.run(host.outbound.watch(world.account))).state.holds;
  expect(hold).toMatchObject({ reason: 'signIn' });
  world.server.connectFailure = () => undefined;
  await world.run(host.outbound.resume({ account: world.account }));
  await world.answerWakeUps(host);
  expect(world.history('a')).toEqual(['accepted', 'sent']);
});

test('a hold with nothing waiting is tried without a message, and ends', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = () => ({ refuse: { phase: 'dot', reply: quota } });
  await world.submit(host, 'a');
  await world.answerWakeUps(host);
  await world.run(host.outbound.cancel({ account: world.account, id: 'a', by: 'anna' }));
  await world.minutes(host, 150);
  expect(world.server.probes.length).toBeGreaterThan(0);
  expect((await world.run(host.outbound.watch(world.account))).state.holds).toEqual([]);
});

describe('one mailbox of several on an account', () => {
  const two = [mailbox('desk@example.com'), mailbox('sales@example.com', { smtpUser: 'desk@example.com' })];

  test('one that may not be sent as: its messages are suspended and the hold reported once; the other’s are sent; its probe ends the hold', async () => {
    const world = new World(two);
    const host = world.host();
    let may = false;
    world.server.dialogPlan = ({ envelope }) =>
      !may && envelope.from === 'sales@example.com' ? { refuse: { phase: 'dot', reply: mayNot } } : {};
    for (let count = 0; count < 5; count += 1) {
      await world.submit(host, `s${count}`, { mailbox: 'sales@example.com' });
      await world.submit(host, `d${count}`);
    }
    await world.answerWakeUps(host);
    await world.minutes(host, 3);
    expect(world.server.arrivals.length).toBe(5);
    const { state } = await world.run(host.outbound.watch(world.account));
    expect(state.holds).toMatchObject([{ mailbox: 'sales@example.com', reason: 'sendAs' }]);
    expect(world.history('s4')).toEqual(['accepted']);
    await world.minutes(host, 300);
    expect(holdEvents(world)).toEqual([['held', 'sales@example.com', 'mailbox', 'sendAs']]);
    may = true;
    await world.minutes(host, 200);
    expect(world.server.arrivals.length).toBe(10);
    for (let count = 0; count < 5; count += 1) expect(world.history(`s${count}`).at(-1)).toBe('sent');
    const after = (await world.run(host.outbound.watch(world.account))).state;
    expect([after.holds, after.suspendedMailboxes]).toEqual([[], []]);
  });

  test('paused by a person: held until resumed; a pause ends by nothing else', async () => {
    const world = new World(two);
    const host = world.host();
    await world.run(
      host.outbound.pause({ account: world.account, mailbox: 'sales@example.com', by: 'anna' }),
    );
    await world.submit(host, 's', { mailbox: 'sales@example.com' });
    await world.submit(host, 'd');
    await world.answerWakeUps(host);
    await world.minutes(host, 600);
    expect(world.history('d')).toEqual(['accepted', 'sent']);
    expect(world.history('s')).toEqual(['accepted']);
    expect(holdEvents(world)).toEqual([['held', 'sales@example.com', 'mailbox', 'paused']]);
    await world.run(host.outbound.resume({ account: world.account, mailbox: 'sales@example.com' }));
    await world.answerWakeUps(host);
    expect(world.history('s')).toEqual(['accepted', 'sent']);
  });

  test('taken out of the settings: held with that reason, not forgotten, and sent when it is back', async () => {
    const world = new World(two);
    await world.submit(world.host(), 's', { mailbox: 'sales@example.com' });
    world.mailboxes = two.slice(0, 1);
    const without = world.host();
    await world.minutes(without, 2);
    expect(world.history('s')).toEqual(['accepted', 'held']);
    expect(world.about('s').at(-1)?.data['reason']).toBe('removed');
    world.mailboxes = two;
    await world.minutes(world.host(), 2);
    expect(world.history('s')).toEqual(['accepted', 'held', 'sent']);
  });

  test('both share the account’s limits', async () => {
    const world = new World(two);
    const host = world.host();
    for (let count = 0; count < 25; count += 1) {
      await world.submit(host, `s${count}`, { mailbox: 'sales@example.com' });
      await world.submit(host, `d${count}`);
    }
    await world.answerWakeUps(host);
    expect(world.server.arrivals.length).toBe(50);
    expect(world.mostInAnyPeriod()).toBe(30);
  });
});

test('an account that no mailbox names any more: its messages are held with that reason, and come back with it', async () => {
  const world = new World();
  await world.submit(world.host(), 'a');
  const { mailboxes } = world;
  world.mailboxes = [mailbox('other@example.com')];
  const without = world.host();
  await world.minutes(without, 3);
  expect(world.history('a')).toEqual(['accepted', 'held']);
  expect(world.server.connects).toEqual([]);
  world.mailboxes = mailboxes;
  await world.minutes(world.host(), 3);
  expect(world.history('a')).toEqual(['accepted', 'held', 'sent']);
});

test('too many connections: one fewer, and the message is deferred', async () => {
  const world = new World();
  const host = world.host();
  let refusals = 1;
  const reply: Reply = {
    code: 432,
    enhanced: '4.3.2',
    text: 'Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending',
  };
  world.server.dialogPlan = () => (refusals-- > 0 ? { refuse: { phase: 'dot', reply } } : {});
  for (const id of ['a', 'b', 'c']) await world.submit(host, id);
  await world.answerWakeUps(host);
  expect(world.server.arrivals.length).toBe(2);
  await world.minutes(host, 3);
  expect(world.server.arrivals.length).toBe(3);
  expect(world.history('a')).toEqual(['accepted', 'deferred', 'sent']);
  expect(world.server.mostOpenCount).toBeLessThanOrEqual(2);
});

describe('an account on hold is reported for each of its mailboxes, and not for each message', () => {
  const three = ['desk@example.com', 'sales@example.com', 'Hr@example.com'].map((address) =>
    mailbox(address, { smtpUser: 'desk@example.com' }),
  );

  test('paused: one event held and one released for each mailbox, with the number that waits', async () => {
    const world = new World(three);
    const host = world.host();
    await world.run(host.outbound.pause({ account: world.account, by: 'anna' }));
    for (let count = 0; count < 4; count += 1) await world.submit(host, `d${count}`);
    for (let count = 0; count < 3; count += 1)
      await world.submit(host, `h${count}`, { mailbox: 'hr@example.com' });
    await world.answerWakeUps(host);
    await world.minutes(host, 10);
    const held = byMailbox(world, 'mailbox.held');
    expect(held.map(({ data }) => [data['mailbox'], data['waitingCount']])).toEqual([
      ['Hr@example.com', 3],
      ['desk@example.com', 4],
      ['sales@example.com', 0],
    ]);
    for (const { data, subject } of held) {
      expect(data).toMatchObject({
        scope: 'account',
        reason: 'paused',
        remedy: expect.stringContaining('Resume'),
      });
      expect([subject, data['sequence']]).toEqual([undefined, undefined]);
    }
    await world.run(host.outbound.resume({ account: world.account }));
    await world.answerWakeUps(host);
    await world.minutes(host, 2);
    const released = byMailbox(world, 'mailbox.released');
    expect(released.map(({ data }) => [data['mailbox'], data['since']])).toEqual(
      held.map(({ data }) => [data['mailbox'], data['since']]),
    );
    expect(
      new Set([...held, ...released].map(({ id, data }) => `${id} ${String(data['mailbox'])}`)).size,
    ).toBe(6);
    expect(world.events.filter(({ type }) => type === 'mail.held')).toEqual([]);
  });

  test.each([
    ['consent is gone', 'consent', { phase: 'token', detail: 'Consent is gone.', token: 'needsConsent' }],
    ['the server is out of reach', 'unreachable', { phase: 'connect', detail: 'connection refused' }],
    [
      'no token can be had',
      'noToken',
      { phase: 'token', detail: 'The vault is away.', token: 'unavailable' },
    ],
  ] as const)('%s: held, and released once it works again', async (_what, reason, failure) => {
    const world = new World(three);
    const host = world.host();
    let isDown = true;
    world.server.connectFailure = () => (isDown ? failure : undefined);
    await world.submit(host, 'a');
    await world.answerWakeUps(host);
    await world.minutes(host, 40);
    expect(
      byMailbox(world, 'mailbox.held').map(({ data }) => [data['mailbox'], data['scope'], data['reason']]),
    ).toEqual(
      ['Hr@example.com', 'desk@example.com', 'sales@example.com'].map((address) => [
        address,
        'account',
        reason,
      ]),
    );
    isDown = false;
    await world.minutes(host, 20);
    expect(holdEvents(world).length).toBe(6);
    expect(world.history('a')).toEqual(['accepted', 'sent']);
  });

  test('found unreported by the sweep, it is reported by the drain that it wakes', async () => {
    const world = new World(three);
    const host = world.host();
    await world.submit(host, 'a');
    await world.answerWakeUps(host);
    await world.run(host.outbound.pause({ account: world.account, by: 'anna' }));
    world.queue.wakeUps.length = 0;
    await world.minutes(host, 2);
    expect(holdEvents(world).length).toBe(3);
  });
});

test('the vault out of reach: the account waits, no message is touched', async () => {
  const world = new World();
  let down = true;
  const tagKey = (): Promise<Uint8Array> =>
    down ? Promise.reject(new Error('vault')) : Promise.resolve(Buffer.from('key'));
  const host = world.host({ tagKey });
  await world.submit(host, 'a');
  await world.answerWakeUps(host);
  expect((await world.run(host.outbound.watch(world.account))).state.holds).toMatchObject([
    { reason: 'noToken' },
  ]);
  down = false;
  await world.minutes(host, 3);
  expect(world.history('a')).toEqual(['accepted', 'sent']);
});
