// The end of a message says what is known of each recipient: mail.sent, mail.expired and mail.cancelled are never
// published against it, and an act that can't be true is refused.
import { describe, expect, test } from '@jest/globals';
import { World } from '../models/world.ts';
import type { Host } from '../models/world.ts';

const by = 'anna';
const minuteMs = 60_000;
const tempfail = { code: 451, enhanced: '4.7.0', text: 'Temporary server error. Please try again later' };

const endOf = (
  world: World,
  id: string,
): { readonly type: string; readonly outcomes: unknown; readonly data: object } => {
  const event = world.about(id).at(-1);
  const recipients = (event?.data['recipients'] ?? []) as readonly {
    readonly address: string;
    readonly outcome: string;
  }[];
  return {
    type: (event?.type ?? '').replace(/^.*mail\./, 'mail.'),
    outcomes: Object.fromEntries(recipients.map(({ address, outcome }) => [address.split('@')[0], outcome])),
    data: event?.data ?? {},
  };
};

/** One recipient is accepted, the other refused for now, always. */
function acceptOne(world: World): void {
  world.server.dialogPlan = () => ({
    rcpt: (address: string) => (address === 'two@example.org' ? tempfail : undefined),
  });
}

/** The first attempt is accepted, its reply is lost, and no copy is ever found. */
function doubtfulFirst(world: World): void {
  let count = 0;
  world.server.dialogPlan = () =>
    (count += 1) === 1
      ? { cut: 'afterDotAccepted', copyAfterMs: 'never' }
      : { refuse: { phase: 'dot', reply: tempfail } };
}

async function submitTwo(
  world: World,
  host: Host,
  change: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await world.submit(host, 'a', { to: ['one@example.org', 'two@example.org'], ...change });
  await world.answerWakeUps(host);
}

describe('partly sent', () => {
  test('and then expired: told as sent, with whom it was not sent to', async () => {
    const world = new World();
    const host = world.host();
    acceptOne(world);
    await submitTwo(world, host, { expiresAt: new Date(world.clock.now + 30 * minuteMs).toISOString() });
    await world.minutes(host, 40);
    expect(world.history('a')).not.toContain('expired');
    expect(endOf(world, 'a')).toMatchObject({
      type: 'mail.sent',
      outcomes: { one: 'sent', two: 'failed' },
      data: { reason: 'expired', detail: expect.stringContaining('1 of 2 recipients') },
    });
  });

  test('and then cancelled: told as sent, and the rest is not tried again', async () => {
    const world = new World();
    const host = world.host();
    acceptOne(world);
    await submitTwo(world, host);
    expect(await world.run(host.outbound.cancel({ account: world.account, id: 'a', by }))).toEqual({
      kind: 'done',
    });
    await world.minutes(host, 20);
    expect(endOf(world, 'a')).toMatchObject({
      type: 'mail.sent',
      outcomes: { one: 'sent', two: 'failed' },
      data: { reason: 'cancelled' },
    });
    expect(world.server.arrivals).toHaveLength(1);
  });
});

describe('in doubt', () => {
  test('sent again by policy and then expired: a doubt for a person, not "expired"', async () => {
    const world = new World(undefined, { inDoubtPolicy: 'resend' });
    const host = world.host();
    doubtfulFirst(world);
    await submitTwo(world, host, { expiresAt: new Date(world.clock.now + 10 * minuteMs).toISOString() });
    await world.minutes(host, 40);
    expect(world.history('a')).not.toContain('expired');
    expect(endOf(world, 'a')).toMatchObject({
      type: 'mail.held',
      outcomes: { one: 'inDoubt', two: 'inDoubt' },
      data: { reason: 'notFound', remedy: expect.stringContaining('Ask a recipient') },
    });
    expect(await world.run(host.outbound.markSent({ account: world.account, id: 'a', by }))).toEqual({
      kind: 'done',
    });
    await world.minutes(host, 2);
    expect(endOf(world, 'a')).toMatchObject({ type: 'mail.sent', outcomes: { one: 'sent', two: 'sent' } });
  });

  test('sent again by policy, deferred in between, and then expired: still a doubt', async () => {
    const world = new World(undefined, { inDoubtPolicy: 'resend' });
    const host = world.host();
    doubtfulFirst(world);
    await submitTwo(world, host, { expiresAt: new Date(world.clock.now + 60 * minuteMs).toISOString() });
    await world.minutes(host, 90);
    expect(world.history('a')).toContain('deferred');
    expect(endOf(world, 'a')).toMatchObject({
      type: 'mail.held',
      outcomes: { one: 'inDoubt', two: 'inDoubt' },
    });
  });

  test('sent again by policy and then given up: failed, and its recipients in doubt', async () => {
    const world = new World(undefined, { inDoubtPolicy: 'resend', giveUpAfterMs: 10 * minuteMs });
    const host = world.host();
    doubtfulFirst(world);
    await submitTwo(world, host);
    await world.minutes(host, 120);
    expect(endOf(world, 'a')).toMatchObject({
      type: 'mail.failed',
      outcomes: { one: 'inDoubt', two: 'inDoubt' },
      data: { detail: expect.stringContaining('may have reached') },
    });
  });

  test('sent again by policy, and accepted: sent', async () => {
    const world = new World(undefined, { inDoubtPolicy: 'resend' });
    const host = world.host();
    let count = 0;
    world.server.dialogPlan = () => ((count += 1) === 1 ? { cut: 'afterDotLost' } : {});
    await submitTwo(world, host);
    await world.minutes(host, 40);
    expect(endOf(world, 'a')).toMatchObject({ type: 'mail.sent', outcomes: { one: 'sent', two: 'sent' } });
  });

  test.each(['held for a person', 'waiting for its second attempt'])(
    '%s: a cancellation is refused',
    async (which) => {
      const held = which.startsWith('held');
      const world = new World(undefined, { inDoubtPolicy: held ? 'hold' : 'resend' });
      const host = world.host();
      doubtfulFirst(world);
      await submitTwo(world, host);
      await world.minutes(host, held ? 30 : 22);
      const before = world.history('a');
      const answer = await world.run(host.outbound.cancel({ account: world.account, id: 'a', by }));
      expect(answer).toMatchObject({
        kind: 'refused',
        detail: expect.stringContaining('may have been sent'),
      });
      expect(world.history('a')).toEqual(before);
    },
  );

  test('held for a person and removed: not told as cancelled', async () => {
    const world = new World();
    const host = world.host();
    doubtfulFirst(world);
    await submitTwo(world, host);
    await world.minutes(host, 30);
    expect(world.history('a').at(-1)).toBe('held');
    await world.run(host.outbound.remove({ account: world.account, id: 'a', by }));
    await world.minutes(host, 1);
    expect(endOf(world, 'a')).toMatchObject({
      type: 'mail.failed',
      outcomes: { one: 'inDoubt', two: 'inDoubt' },
      data: { reason: 'removed' },
    });
  });
});

test('nothing was sent: expired and cancelled as before', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = () => ({ refuse: { phase: 'dot', reply: tempfail } });
  await submitTwo(world, host, { expiresAt: new Date(world.clock.now + 10 * minuteMs).toISOString() });
  await world.submit(host, 'b');
  await world.answerWakeUps(host);
  await world.run(host.outbound.cancel({ account: world.account, id: 'b', by }));
  await world.minutes(host, 15);
  expect(endOf(world, 'a').type).toBe('mail.expired');
  expect(endOf(world, 'b').type).toBe('mail.cancelled');
});

test('a claim whose answer and read-backs are all lost for 100 s, while another host takes over: sent, no doubt', async () => {
  const world = new World();
  const host = world.host();
  await world.submit(host, 'a');
  let claimedAt: number | undefined;
  host.wire.faultPlan = ({ kind, operations }) => {
    const times = { thereMs: 5, backMs: 5 };
    const claims = operations.some(
      (operation) =>
        operation.key === 'account' &&
        operation.kind !== 'delete' &&
        String(operation.fields['activeAttempts']).includes('"slot"'),
    );
    if (kind === 'commit' && claims) claimedAt ??= world.clock.now;
    if (claimedAt === undefined || world.clock.now > claimedAt + 100_000) return times;
    return {
      ...times,
      trouble: kind === 'commit' && claims && world.clock.now === claimedAt ? 'lost' : 'refused',
    };
  };
  const draining = host.outbound.drain(world.account, 'first').catch(() => undefined);
  await world.pass(70_000);
  const other = world.host();
  await world.minutes(other, 30);
  await world.run(draining);
  expect(claimedAt).toBeDefined();
  expect(world.history('a')).toEqual(['accepted', 'sent']);
  expect(world.server.arrivals).toHaveLength(1);
});
