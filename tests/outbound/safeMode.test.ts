// Safe mode: whatever way a message takes to its sending, nobody is reached whom the mode does not allow.
import { describe, expect, test } from '@jest/globals';
import type { Deliver } from '../../shared/mail/deliver.ts';
import { mailbox, World } from '../models/world.ts';

const tester: Exclude<Deliver, 'live'> = { redirect: 'tester@example.com', allow: ['@example.com'] };
const inMode = (deliver: Exclude<Deliver, 'live'>): World =>
  new World([mailbox('desk@example.com', { deliver })]);
const reached = (world: World): readonly string[] =>
  world.server.arrivals.flatMap(({ recipients }) => recipients);

const citizens = {
  to: ['citizen@kunta.example', 'colleague@example.com'],
  bcc: ['boss@kunta.example'],
};

test('a redirection: the allowed get it, one other gets it in place of the rest, and the event says so', async () => {
  const world = inMode(tester);
  const host = world.host();
  await world.submit(host, 'a', citizens);
  await world.answerWakeUps(host);
  expect(reached(world)).toEqual(['colleague@example.com', 'tester@example.com']);
  expect(world.history('a')).toEqual(['accepted', 'sent']);
  expect(world.about('a')[0]?.data['detail']).toBe(
    'Safe mode: in place of 2 of 3 recipients it goes to tester@example.com.',
  );
});

test('hold: accepted, held with its remedy, and a replay does not send it', async () => {
  const world = inMode('hold');
  const host = world.host();
  await world.submit(host, 'a');
  await world.answerWakeUps(host);
  expect(world.history('a')).toEqual(['accepted', 'held']);
  expect(world.about('a')[1]?.data).toMatchObject({
    reason: 'safeMode',
    remedy: expect.stringContaining('set the mailbox’s deliver to live') as unknown,
  });
  expect(await world.state(host, 'a')).toBe('held');
  const which = { account: world.account, id: 'a', by: 'Anna' };
  expect(await world.run(host.outbound.replay(which))).toEqual({ kind: 'done' });
  await world.answerWakeUps(host);
  expect(await world.state(host, 'a')).toBe('held');
  await world.minutes(host, 90);
  expect(reached(world)).toEqual([]);
});

test('what was held in safe mode does not go out by itself when the mailbox is live again; a replay sends it', async () => {
  const world = inMode('hold');
  const first = world.host();
  await world.submit(first, 'a');
  await world.answerWakeUps(first);
  world.mailboxes = [mailbox('desk@example.com')];
  const host = world.host();
  await world.minutes(host, 5);
  expect(reached(world)).toEqual([]);
  await world.run(host.outbound.replay({ account: world.account, id: 'a', by: 'Anna' }));
  await world.answerWakeUps(host);
  expect(reached(world)).toEqual(['a@example.org']);
});

test('accepted while live, and the mailbox is in safe mode before it is sent: held', async () => {
  const world = new World();
  const first = world.host();
  await world.submit(first, 'a');
  world.mailboxes = [mailbox('desk@example.com', { deliver: tester })];
  const host = world.host();
  await world.answerWakeUps(host);
  await world.minutes(host, 5);
  expect(world.history('a')).toEqual(['accepted', 'held']);
  expect(reached(world)).toEqual([]);
});

describe('a caller’s mode', () => {
  test('is kept with the message: another process, the mailbox live, and a replay', async () => {
    const world = new World();
    const first = world.host();
    const submission = world.submission('a');
    await world.run(first.outbound.acceptOrRefuse(submission, { caller: 'test-esm', deliver: 'hold' }));
    const host = world.host();
    await world.answerWakeUps(host);
    await world.run(host.outbound.replay({ account: world.account, id: 'a', by: 'Anna' }));
    await world.answerWakeUps(host);
    expect(await world.state(host, 'a')).toBe('held');
    expect(reached(world)).toEqual([]);
  });

  test('and the mailbox’s: the stricter counts', async () => {
    const world = inMode(tester);
    const host = world.host();
    const deliver = { redirect: 'other@example.net', allow: ['boss@kunta.example'] };
    const submission = world.submission('a', citizens);
    await world.run(host.outbound.acceptOrRefuse(submission, { caller: 'test-esm', deliver }));
    await world.answerWakeUps(host);
    expect(reached(world)).toEqual(['tester@example.com']);
  });
});
