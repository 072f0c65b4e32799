// Replies of every code, in every phase, for hours: a bounded number of attempts, nobody's mail filed as undeliverable for
// a fault of the sender or the server, and everything sent soon after the server is in order again.
import { describe, expect, jest, test } from '@jest/globals';
import type { Reply } from '../../shared/mail/reply.ts';
import type { Phase } from '../../shared/outbound/ports.ts';
import { mailbox, World, type Host } from '../models/world.ts';

jest.setTimeout(600_000);

const hoursRefused = 6;

const codes = [
  421, 430, 432, 441, 450, 451, 452, 454, 455, 458, 471, 500, 501, 502, 503, 504, 521, 530, 535, 541, 550,
  551, 552, 553, 554, 555, 556, 571,
];
const statuses = [undefined, 'x.0.0', 'x.2.0', 'x.3.0', 'x.5.1', 'x.6.0', 'x.7.1'];
/** As the dialog goes; EHLO is part of the greeting. */
const phases = [
  'connect',
  'greeting',
  'auth',
  'mail',
  'rcpt',
  'data',
  'dot',
] as const satisfies readonly Phase[];
type TriedPhase = (typeof phases)[number];

const replyOf = (code: number, status: string | undefined): Reply => ({
  code,
  ...(status === undefined ? {} : { enhanced: status.replace('x', String(code)[0] ?? '4') }),
  text: 'No.',
});

/** The server refuses in this phase until it is told to stop. */
function refuse(world: World, phase: TriedPhase, reply: Reply): () => void {
  let refusing = true;
  const failure = { phase, reply, detail: reply.text };
  const isBefore = phase === 'connect' || phase === 'greeting' || phase === 'auth';
  world.server.connectFailure = () => (refusing && isBefore ? failure : undefined);
  world.server.probeAnswer = () => (refusing && (phase === 'mail' || phase === 'rcpt') ? failure : undefined);
  world.server.dialogPlan = () => {
    if (!refusing || isBefore) return {};
    return phase === 'rcpt' ? { rcpt: () => reply } : { refuse: { phase, reply } };
  };
  return () => {
    refusing = false;
  };
}

/** Attempts of each message, by the server's count. */
function countAttempts(world: World): Map<string, number> {
  const counts = new Map<string, number>();
  const plan = world.server.dialogPlan;
  world.server.dialogPlan = (occasion) => {
    const id = occasion.bridgeId.split('.')[0] ?? '';
    counts.set(id, (counts.get(id) ?? 0) + 1);
    return plan(occasion);
  };
  return counts;
}

/** What the message or its recipients are refused for, whoever else is in order. */
const isTheirFault = (phase: TriedPhase, { code, enhanced = '' }: Reply): boolean =>
  (phase === 'rcpt' &&
    code >= 500 &&
    !/^5\.[57]\./.test(enhanced) &&
    ![500, 501, 502, 503, 504, 521, 530, 555].includes(code)) ||
  (code === 552 && phase !== 'rcpt');

describe.each(phases)('refused at %s for six hours', (phase) => {
  test.each(codes)('with %i', async (code) => {
    // One status, or none, for each code and phase, so that all meet without a thousand runs.
    const status = statuses[(code + phases.indexOf(phase)) % statuses.length];
    for (const reply of [replyOf(code, status)]) {
      const world = new World();
      const host = world.host();
      const stop = refuse(world, phase, reply);
      const attempts = countAttempts(world);
      const recipients = [1, 2, 4, 7, 10];
      for (const [index, count] of recipients.entries()) {
        const to = Array.from({ length: count }, (_, one) => `r${one}@m${index}.example.org`);
        await world.submit(host, `m${index}`, { to });
      }
      await world.answerWakeUps(host);
      await world.minutes(host, hoursRefused * 60);
      const what = JSON.stringify(reply);
      for (const [id, count] of attempts) expect([what, id, count <= 30]).toEqual([what, id, true]);
      const { state } = await world.run(host.outbound.watch(world.account));
      const charged = state.day.reduce((sum, [, count]) => sum + count, 0);
      expect([what, charged <= 24]).toEqual([what, true]);
      stop();
      await world.minutes(host, 20);
      for (const index of recipients.keys()) {
        const last = world.history(`m${index}`).at(-1);
        const expected = last === 'failed' && isTheirFault(phase, reply) ? 'failed' : 'sent';
        expect([what, index, last]).toEqual([what, index, expected]);
      }
    }
  });
});

const hour = async (world: World, host: Host, count: number): Promise<void> => {
  await world.minutes(host, count * 60);
};

const sentCount = (world: World, ids: readonly string[]): number =>
  ids.filter((id) => world.history(id).at(-1) === 'sent').length;

describe('a fault of the sender files no dead letters', () => {
  const replies: readonly [string, TriedPhase, Reply][] = [
    // Reported: nodemailer#145; Microsoft's page on non-delivery reports; after the Deliver form of the exception.
    [
      'permission',
      'dot',
      { code: 550, enhanced: '5.7.1', text: 'Client does not have permissions to send as this sender' },
    ],
    [
      'banned address',
      'rcpt',
      { code: 550, enhanced: '5.7.606', text: 'Access denied, banned sending IP [192.0.2.1]' },
    ],
    [
      'disabled account',
      'dot',
      {
        code: 554,
        enhanced: '5.2.0',
        text: 'STOREDRV.Submission.Exception:AccountDisabledException.MapiExceptionAccountDisabled; Failed to process message due to a permanent exception with message Cannot submit message.',
      },
    ],
    // Unknown to the table.
    [
      'unknown at the dot',
      'dot',
      { code: 554, enhanced: '5.2.0', text: 'STOREDRV.Submission.Exception:SomethingNewException' },
    ],
    [
      'tenant policy at DATA',
      'data',
      { code: 550, enhanced: '5.7.999', text: 'Your tenant is not in order' },
    ],
    ['protocol at RCPT', 'rcpt', { code: 503, text: 'Bad sequence of commands' }],
    ['authentication at DATA', 'data', { code: 530, text: 'Authentication required' }],
    ['no mail here', 'rcpt', { code: 521, text: 'Host does not accept mail' }],
  ];

  test.each(replies)(
    '%s: 100 messages wait for ten minutes, and all are sent',
    async (_what, phase, reply) => {
      const world = new World();
      const host = world.host();
      const stop = refuse(world, phase, reply);
      const ids = Array.from({ length: 100 }, (_, index) => `m${index}`);
      for (const id of ids) await world.submit(host, id);
      await world.answerWakeUps(host);
      await world.minutes(host, 10);
      expect((await world.run(host.outbound.watch(world.account))).state.holds.length).toBe(1);
      expect(world.events.filter(({ type }) => type === 'mail.deferred').length).toBeLessThanOrEqual(4);
      stop();
      await hour(world, host, 1);
      expect(sentCount(world, ids)).toBe(100);
    },
  );
});

describe('whose fault an unknown permanent reply is', () => {
  const unknown: Reply = { code: 554, enhanced: '5.3.0', text: 'Something is wrong' };
  const refuseOnly = (world: World, isRefused: (id: string) => boolean, phase: TriedPhase = 'dot'): void => {
    world.server.dialogPlan = ({ bridgeId }) =>
      isRefused(bridgeId.split('.')[0] ?? '') ? { refuse: { phase, reply: unknown } } : {};
  };

  test('the message’s, once another of its mailbox was accepted: it fails at its next attempt', async () => {
    const world = new World();
    const host = world.host();
    refuseOnly(world, (id) => id === 'bad');
    await world.submit(host, 'bad');
    await world.submit(host, 'good');
    await world.answerWakeUps(host);
    expect(world.history('bad')).toEqual(['accepted', 'deferred']);
    await world.minutes(host, 3);
    expect(world.history('bad')).toEqual(['accepted', 'deferred', 'failed']);
    expect(world.history('good')).toEqual(['accepted', 'sent']);
  });

  test('the message’s, if nothing else is sent for a quarter of an hour, and not before', async () => {
    const world = new World();
    const host = world.host();
    refuseOnly(world, () => true);
    await world.submit(host, 'alone');
    await world.answerWakeUps(host);
    await world.minutes(host, 14);
    expect(world.history('alone').at(-1)).toBe('deferred');
    await world.minutes(host, 4);
    expect(world.history('alone').at(-1)).toBe('failed');
  });

  test('time on hold does not count', async () => {
    const world = new World();
    const host = world.host();
    refuseOnly(world, () => true);
    await world.submit(host, 'alone');
    await world.answerWakeUps(host);
    await world.run(host.outbound.pause({ account: world.account, by: 'anna' }));
    await hour(world, host, 2);
    await world.run(host.outbound.resume({ account: world.account }));
    await world.minutes(host, 4);
    expect(world.history('alone').at(-1)).toBe('deferred');
    world.server.dialogPlan = () => ({});
    await world.minutes(host, 20);
    expect(world.history('alone').at(-1)).toBe('sent');
  });

  test('one recipient’s, refused for policy in several messages: nobody else waits, and those messages fail', async () => {
    const world = new World();
    const host = world.host();
    const policy: Reply = { code: 550, enhanced: '5.7.1', text: 'Blocked by the recipient' };
    world.server.dialogPlan = () => ({
      rcpt: (address) => (address === 'no@example.org' ? policy : undefined),
    });
    const ids = ['a', 'b', 'c', 'd'];
    for (const id of ids) await world.submit(host, id, { to: ['no@example.org'] });
    await world.answerWakeUps(host);
    expect((await world.run(host.outbound.watch(world.account))).state.holds).toEqual([]);
    await world.submit(host, 'other');
    await world.answerWakeUps(host);
    expect(world.history('other')).toEqual(['accepted', 'sent']);
    await world.minutes(host, 20);
    for (const id of ids) expect(world.history(id).at(-1)).toBe('failed');
  });

  test('one mailbox’s, if the others of the account are accepted: it alone is put on hold', async () => {
    const two = [mailbox('desk@example.com'), mailbox('sales@example.com', { smtpUser: 'desk@example.com' })];
    const world = new World(two);
    const host = world.host();
    let refusing = true;
    world.server.dialogPlan = ({ envelope }) =>
      refusing && envelope.from === 'sales@example.com' ? { refuse: { phase: 'dot', reply: unknown } } : {};
    for (let index = 0; index < 6; index += 1) {
      await world.submit(host, `s${index}`, { mailbox: 'sales@example.com' });
      await world.submit(host, `d${index}`);
    }
    await world.answerWakeUps(host);
    await world.minutes(host, 2);
    const { state } = await world.run(host.outbound.watch(world.account));
    expect(state.holds).toMatchObject([{ mailbox: 'sales@example.com', reason: 'consecutiveRefusals' }]);
    expect(sentCount(world, ['d0', 'd1', 'd2', 'd3', 'd4', 'd5'])).toBe(6);
    refusing = false;
    await hour(world, host, 1);
    expect(sentCount(world, ['s0', 's1', 's2', 's3', 's4', 's5'])).toBe(6);
  });
});

describe('a recipient’s or a message’s fault stops nobody else', () => {
  const forNow: readonly [string, Phase, Reply][] = [
    ['450 4.2.1 at RCPT', 'rcpt', { code: 450, enhanced: '4.2.1', text: 'Mailbox disabled' }],
    [
      '450 4.2.121 at RCPT',
      'rcpt',
      { code: 450, enhanced: '4.2.121', text: 'Recipient has exceeded their limit' },
    ],
    ['450 4.1.2 at RCPT', 'rcpt', { code: 450, enhanced: '4.1.2', text: 'Bad destination system' }],
    ['452 4.2.2 at RCPT', 'rcpt', { code: 452, enhanced: '4.2.2', text: 'Mailbox full' }],
    ['451 without a status at RCPT', 'rcpt', { code: 451, text: 'Try again' }],
    [
      '432 of the recipient’s mailbox',
      'dot',
      { code: 432, enhanced: '4.3.2', text: 'STOREDRV.Deliver; recipient thread limit exceeded' },
    ],
    ['451 4.7.0 at the dot', 'dot', { code: 451, enhanced: '4.7.0', text: 'Temporary server error' }],
  ];

  test.each(forNow)(
    '%s for five messages: hours later another leaves at once',
    async (_what, phase, reply) => {
      const world = new World();
      const host = world.host();
      world.server.dialogPlan = ({ bridgeId }) => {
        if (!bridgeId.startsWith('b')) return {};
        return phase === 'rcpt' ? { rcpt: () => reply } : { refuse: { phase, reply } };
      };
      for (let index = 0; index < 5; index += 1)
        await world.submit(host, `b${index}`, { to: ['full@example.org'] });
      await world.answerWakeUps(host);
      if (phase === 'dot') {
        // Five refused at the dot may be the server: the first acceptance shows that they are not.
        await world.submit(host, 'first');
        await world.minutes(host, 6);
        expect(world.history('first').at(-1)).toBe('sent');
      }
      for (let turn = 0; turn < 3; turn += 1) {
        await hour(world, host, 2);
        await world.submit(host, `good${turn}`, { priority: 'high' });
        await world.answerWakeUps(host);
        expect(world.history(`good${turn}`)).toEqual(['accepted', 'sent']);
      }
    },
  );
});

describe('432, too many connections', () => {
  const crowded: Reply = {
    code: 432,
    enhanced: '4.3.2',
    text: 'STOREDRV.ClientSubmit; sender thread limit exceeded [Hostname=AM0PR01MB0000.eurprd01.prod.exchangelabs.com]',
  };

  test.each(['mail', 'data', 'dot'] as const)(
    'at %s for a minute: a few tries, the day is not used up, the caller is told',
    async (phase) => {
      const world = new World();
      const host = world.host();
      const stop = refuse(world, phase, crowded);
      const attempts = countAttempts(world);
      const to = Array.from({ length: 500 }, (_, index) => `r${index}@example.org`);
      await world.submit(host, 'large', { to });
      await world.answerWakeUps(host);
      await world.minutes(host, 1);
      stop();
      expect(attempts.get('large')).toBeLessThanOrEqual(3);
      expect(
        world.events.some(({ type, data }) => type === 'mailbox.held' && data['reason'] === 'connections'),
      ).toBe(true);
      await world.submit(host, 'later');
      await world.minutes(host, 3);
      expect([world.history('large').at(-1), world.history('later').at(-1)]).toEqual(['sent', 'sent']);
      const { state } = await world.run(host.outbound.watch(world.account));
      expect(state.day.reduce((sum, [, count]) => sum + count, 0)).toBe(501);
      expect(world.events.filter(({ type }) => type === 'mailbox.released').length).toBe(1);
    },
  );

  test('for one message alone: the others go on, and it waits with growing delays', async () => {
    const world = new World();
    const host = world.host();
    world.server.dialogPlan = ({ bridgeId }) =>
      bridgeId.startsWith('odd') ? { refuse: { phase: 'dot', reply: crowded } } : {};
    const attempts = countAttempts(world);
    await world.submit(host, 'odd');
    const ids = Array.from({ length: 10 }, (_, index) => `m${index}`);
    for (const id of ids) await world.submit(host, id);
    await world.answerWakeUps(host);
    await world.minutes(host, 10);
    expect(sentCount(world, ids)).toBe(10);
    await hour(world, host, 6);
    expect(attempts.get('odd')).toBeLessThanOrEqual(31);
  });
});
