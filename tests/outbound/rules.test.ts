// Rules that no test guarded when they were broken on purpose.
import { expect, test } from '@jest/globals';
import type { Reply } from '../../shared/mail/reply.ts';
import type { Hold } from '../../shared/outbound/records/accountState.ts';
import type { Message } from '../../shared/outbound/records/message.ts';
import { asLatest } from '../../shared/limits/storageTime.ts';
import { defaultNumbers } from '../../shared/outbound/numbers.ts';
import { orphanedConnections } from '../../shared/outbound/policy/connections.ts';
import { endHold, endHolds, pause, placeHold } from '../../shared/outbound/policy/holds.ts';
import { emptyState } from '../../shared/outbound/records/accountState.ts';
import { LeaseSession } from '../../shared/outbound/sending/leaseSession.ts';
import { acquireLease } from '../../shared/outbound/sending/lease.ts';
import { applyLookups } from '../../shared/outbound/sending/sentItemsLookup.ts';
import { rebuildAccountState } from '../../shared/outbound/store/rebuildAccountState.ts';
import { mailbox as mailboxAt, World } from '../models/world.ts';
import type { Host } from '../models/world.ts';

const busy: Reply = { code: 451, enhanced: '4.7.0', text: 'Temporary server error. Please try again later.' };
const mayNot: Reply = {
  code: 550,
  enhanced: '5.7.60',
  text: 'SMTP; Client does not have permissions to send as this sender',
};

const holdsOf = async (world: World, host: Host): Promise<readonly Hold[]> =>
  (await world.run(host.outbound.watch(world.account))).state.holds;

async function messageOf(world: World, host: Host, id: string): Promise<Message> {
  const found = await world.run(host.outbound.message(world.account, id));
  if (found === undefined) throw new Error(`no message ${id}`);
  return found.message;
}

test.each([undefined, 'desk@example.com'])(
  'a person’s pause is not overwritten by an attempt that was in flight and failed (mailbox %s)',
  async (mailbox) => {
    const world = new World();
    const host = world.host();
    world.server.dialogPlan = () => ({ refuse: { phase: 'mail', reply: mayNot } });
    const pausing = world.host();
    await world.submit(host, 'a');
    const drain = host.outbound.drain(world.account, 'invocation');
    const isActive = async (): Promise<boolean> =>
      (await world.run(pausing.outbound.watch(world.account))).state.activeAttempts.length > 0;
    while (!(await isActive())) await world.pass(5);
    const which = mailbox === undefined ? {} : { mailbox };
    await world.run(pausing.outbound.pause({ account: world.account, ...which, by: 'anna' }));
    await world.run(drain);
    expect(world.server.refusals.length).toBe(1);
    expect(await holdsOf(world, host)).toContainEqual(
      expect.objectContaining({ ...which, reason: 'paused' }),
    );
    world.server.dialogPlan = () => ({});
    await world.minutes(host, 180);
    expect(world.server.arrivals).toEqual([]);
  },
);

test('an acceptance resets the count of refusals: three in a day are not three in a row', async () => {
  const world = new World(undefined, { workingConnectionCount: 1 });
  const host = world.host();
  let count = 0;
  world.server.dialogPlan = () => {
    count += 1;
    return count % 2 === 1 ? { refuse: { phase: 'dot', reply: busy } } : {};
  };
  for (let index = 0; index < 8; index += 1) {
    await world.submit(host, `m${index}`);
    await world.answerWakeUps(host);
    expect(await holdsOf(world, host)).toEqual([]);
  }
  expect(world.server.refusals.length).toBeGreaterThanOrEqual(3);
});

test('a deferral is never beyond expiresAt, so that the expiry is reported in time', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = () => ({ refuse: { phase: 'dot', reply: busy } });
  const expiresAt = world.clock.now + 45_000;
  await world.submit(host, 'a', { expiresAt: new Date(expiresAt).toISOString() });
  await world.answerWakeUps(host);
  expect((await messageOf(world, host, 'a')).indexEntry).toEqual({ kind: 'due', at: expiresAt });
  await world.minutes(host, 2);
  expect(world.history('a')).toEqual(['accepted', 'deferred', 'expired']);
});

test('the list of recent messages has the one that changed last first', async () => {
  const world = new World();
  const host = world.host();
  for (const id of ['b', 'c', 'a']) {
    await world.submit(host, id);
    await world.pass(60_000);
  }
  const recent = async (limit: number): Promise<readonly string[]> =>
    (await world.run(host.outbound.recent(world.account, limit))).map(({ id }) => id);
  expect(await recent(10)).toEqual(['a', 'c', 'b']);
  await world.run(host.outbound.cancel({ account: world.account, id: 'c', by: 'anna' }));
  expect(await recent(10)).toEqual(['c', 'a', 'b']);
  expect(await recent(2)).toEqual(['c', 'a']);
});

test('the mean time from claim to reply follows the server', async () => {
  const world = new World();
  const host = world.host();
  const meanMs = async (): Promise<number> =>
    (await world.run(host.outbound.watch(world.account))).state.claimToReplyMs ?? 0;
  const send = async (count: number, latencyMs: number, name: string): Promise<void> => {
    world.server.dialogPlan = () => ({ latencyMs });
    for (let index = 0; index < count; index += 1) await world.submit(host, `${name}${index}`);
    await world.answerWakeUps(host);
  };
  await send(5, 1_000, 'quick');
  const quickMs = await meanMs();
  // Measured by the storage service's clock, which is known to a second.
  expect(Math.abs(quickMs - 1_000)).toBeLessThan(1_000);
  await send(10, 20_000, 'slow');
  const slowMs = await meanMs();
  expect(slowMs).toBeGreaterThan(quickMs + 5_000);
  expect(slowMs).toBeLessThan(20_000);
});

const dayMs = 86_400_000;

test('what a pause set aside comes back whole: more messages than one transaction resumes', async () => {
  const world = new World();
  const host = world.host();
  const count = 2 * world.numbers.settleMostCount + 3;
  const which = { account: world.account, mailbox: 'desk@example.com' };
  await world.run(host.outbound.pause({ ...which, by: 'anna' }));
  for (let index = 0; index < count; index += 1) await world.submit(host, `m${index}`);
  await world.minutes(host, 2);
  expect((await world.run(host.outbound.watch(world.account))).state.suspendedMailboxes).toHaveLength(1);
  await world.run(host.outbound.resume(which));
  await world.minutes(host, 4);
  expect(world.server.arrivals).toHaveLength(count);
  expect((await world.run(host.outbound.watch(world.account))).state.suspendedMailboxes).toEqual([]);
});

test.each([undefined, 'desk@example.com'])(
  'a person’s pause outlives the acceptance of a message in flight (mailbox %s)',
  async (mailbox) => {
    const world = new World();
    const host = world.host();
    world.server.dialogPlan = () => ({ latencyMs: 5_000 });
    await world.submit(host, 'a');
    const drain = host.outbound.drain(world.account, 'invocation');
    await world.pass(2_000);
    const which = mailbox === undefined ? {} : { mailbox };
    await world.run(host.outbound.pause({ account: world.account, ...which, by: 'anna' }));
    await world.run(drain);
    await world.submit(host, 'b');
    await world.minutes(host, 30);
    expect(world.history('a')).toEqual(['accepted', 'sent']);
    expect(world.history('b')).toEqual(['accepted']);
    expect(await holdsOf(world, host)).toMatchObject([{ ...which, reason: 'paused' }]);
  },
);

test('a good probe ends its own hold and no other, and no pause', () => {
  const at = asLatest(1_000_000);
  const judgement = {
    scope: 'mailbox',
    reason: 'sendAs',
    detail: 'refused',
    remedy: 'allow it',
    firstProbeMs: 60_000,
  } as const;
  const both = ['desk@example.com', 'sales@example.com'].reduce(
    (state, mailbox) => placeHold(state, { judgement, mailbox }, at, defaultNumbers),
    emptyState,
  );
  expect(both.holds).toHaveLength(2);
  expect(endHold(both, { mailbox: 'desk@example.com' }).holds).toMatchObject([
    { mailbox: 'sales@example.com' },
  ]);
  expect(endHold(both, {}).holds).toHaveLength(2);
  expect(endHolds(both, 'desk@example.com').holds).toMatchObject([{ mailbox: 'sales@example.com' }]);
  const world = new World();
  const paused = pause(emptyState, { detail: 'by anna' }, world.host().dependencies.time.earliest());
  expect(endHold(paused, {}).holds).toHaveLength(1);
  expect(endHolds(paused, 'desk@example.com').holds).toHaveLength(1);
});

test('a prune beside waiting messages deletes none of their blobs: content, recipients, attachments', async () => {
  const world = new World(undefined, { recipientsInRowBytes: 10, retentionMs: 10 * dayMs });
  const host = world.host();
  world.blobs.uploads.set('esm-upload/report', Buffer.from('the report'));
  const attachments = [{ filename: 'r.txt', contentType: 'text/plain', blob: 'esm-upload/report' }];
  const pauseAll = { account: world.account };
  await world.run(host.outbound.pause({ ...pauseAll, by: 'anna' }));
  await world.submit(host, 'a', {
    text: 'x'.repeat(100_000),
    attachments,
    to: ['a@example.org', 'b@example.org'],
  });
  const stored = [...world.blobs.stored.keys()].sort();
  expect(stored.length).toBeGreaterThanOrEqual(3);
  await world.pass(12 * dayMs);
  await world.run(host.outbound.sweep());
  expect(await world.run(host.outbound.prune())).toEqual({ rowCount: 0, blobCount: 0, isComplete: true });
  expect([...world.blobs.stored.keys()].sort()).toEqual(stored);
  await world.run(host.outbound.resume(pauseAll));
  await world.minutes(host, 2);
  expect(world.history('a')).toEqual(['accepted', 'sent']);
});

test('an account row lost after an abandoned attempt: its recipients count as charged when it is rebuilt', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = () => ({ latencyMs: 600_000 });
  const to = Array.from({ length: 400 }, (_, index) => `r${index}@example.org`);
  await world.submit(host, 'a', { to });
  void host.outbound.drain(world.account, 'invocation').catch(() => undefined);
  await world.pass(5_000);
  world.kill(host);
  world.server.dialogPlan = () => ({});
  const other = world.host();
  await world.minutes(other, 8);
  expect(world.history('a')).toContain('inDoubt');
  world.table.commit(world.account, [{ kind: 'delete', key: 'account' }]);
  await world.run(other.outbound.sweep());
  const { day } = await world.run(rebuildAccountState(world.account, other.dependencies));
  expect(day.reduce((sum, [, recipientCount]) => sum + recipientCount, 0)).toBe(400);
});

test('a replay starts the age anew', async () => {
  const world = new World(undefined, { giveUpAfterMs: 10 * 60_000 });
  const host = world.host();
  const later: Reply = { code: 450, enhanced: '4.2.1', text: 'Mailbox busy, try again later' };
  world.server.dialogPlan = () => ({ rcpt: () => later });
  await world.submit(host, 'a');
  await world.minutes(host, 60);
  const given = await messageOf(world, host, 'a');
  expect(given).toMatchObject({ state: 'failed' });
  expect(given.deferredMs).toBeGreaterThan(0);
  await world.run(host.outbound.replay({ account: world.account, id: 'a', by: 'anna' }));
  expect(await messageOf(world, host, 'a')).toMatchObject({ state: 'waiting', deferrals: 0, deferredMs: 0 });
});

test('a lookup is never concluded on another doubt than the one that it looked for', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = () => ({ cut: 'afterDotLost' });
  await world.submit(host, 'a');
  await world.answerWakeUps(host);
  const session = new LeaseSession(world.account, 'invocation', host.dependencies);
  expect(await world.run(acquireLease(session))).toBe(true);
  const message = await messageOf(world, host, 'a');
  if (message.indexEntry.kind !== 'inDoubt') throw new Error(message.state);
  const earlier = { ...message.indexEntry, lookupAt: message.indexEntry.lookupAt - 60_000 };
  const { generation } = session.transactions;
  const result = {
    message: { ...message, indexEntry: earlier },
    generation: generation - 1,
    answer: { kind: 'found' },
  } as const;
  await world.run(applyLookups([result], session));
  expect(await messageOf(world, host, 'a')).toMatchObject({ state: 'inDoubt' });
  await world.run(applyLookups([{ ...result, message }], session));
  expect(await messageOf(world, host, 'a')).toMatchObject({ state: 'sent' });
});

test('connections of an owner that lives on without its lease count until its last attempt’s deadline and longer', () => {
  const world = new World([mailboxAt('desk@example.com')]);
  const now = world.host().dependencies.time.earliest();
  const [until, deadline] = [asLatest(now - 1_000), asLatest(now + 200_000)];
  const { serverIdleMs, serverSlowMs } = defaultNumbers;
  const attempt = { id: 'a', attempt: 1, key: 'due|1|0|a', tag: 't', slot: 0, deadline } as const;
  const lease = { owner: 'invocation', tag: 'mine', until, connections: 2 };
  const gone = (owner: string): readonly number[] =>
    orphanedConnections(
      { ...emptyState, lease, activeAttempts: [{ ...attempt, owner }] },
      now,
      defaultNumbers,
    ).map(({ goneBy }) => goneBy);
  expect(gone('mine')).toEqual([deadline + serverIdleMs + serverSlowMs]);
  expect(gone('another')).toEqual([until + serverIdleMs + serverSlowMs]);
});
