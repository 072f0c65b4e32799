// How many connections an account may open beside those that a dead host left behind; and what is said about holds.
import { describe, expect, test } from '@jest/globals';
import { asEarliest, asLatest } from '../../../shared/limits/storageTime.ts';
import { defaultNumbers } from '../../../shared/outbound/numbers.ts';
import { movedCount, usageForClaim } from '../../../shared/outbound/policy/charge.ts';
import {
  blockedUntil,
  connectionCount,
  orphanedConnections,
} from '../../../shared/outbound/policy/connections.ts';
import { recordReports, unreportedHolds } from '../../../shared/outbound/policy/holdReports.ts';
import type { ActiveAttempt, Lease } from '../../../shared/outbound/records/accountState.ts';
import { aHold, aMessage, aState } from '../aMessage.ts';

const numbers = { ...defaultNumbers, serverIdleMs: 300_000, serverSlowMs: 60_000, workingConnectionCount: 2 };
const orphan = (connections: number, goneBy: number) => ({ connections, goneBy: asLatest(goneBy) });
const lease = (until: number, connections = 2): Lease => ({
  owner: 'invocation',
  tag: 'mine',
  until: asLatest(until),
  connections,
});
const attempt = (owner: string, deadline: number): ActiveAttempt => ({
  id: 'a',
  attempt: 1,
  key: 'due',
  tag: 't',
  owner,
  deadline: asLatest(deadline),
  slot: 1,
});
const now = asEarliest(1_000);

describe('orphaned connections', () => {
  test('are those of former leases until they are gone', () => {
    const state = aState({ orphanedConnections: [orphan(1, 1_000), orphan(2, 1_001)] });
    expect(orphanedConnections(state, now, numbers)).toEqual([orphan(2, 1_001)]);
  });

  test('a lease that expires in this instant leaves its own, until the last of its deadlines and the server’s time', () => {
    const activeAttempts = [attempt('mine', 5_000), attempt('mine', 3_000), attempt('other', 9_000)];
    const state = aState({ lease: lease(1_000), activeAttempts, orphanedConnections: [orphan(1, 2_000)] });
    expect(orphanedConnections(state, now, numbers)).toEqual([orphan(1, 2_000), orphan(2, 365_000)]);
    expect(orphanedConnections(aState({ lease: lease(900) }), now, numbers)).toEqual([orphan(2, 360_900)]);
  });

  test('a lease that is still held leaves none', () => {
    expect(orphanedConnections(aState({ lease: lease(1_001) }), now, numbers)).toEqual([]);
  });
});

describe('connectionCount', () => {
  test.each<[string, number, readonly number[], number]>([
    ['no more than it works with', 3, [], 2],
    ['no more than the setting', 1, [], 1],
    ['orphans take theirs', 3, [2], 1],
    ['one even beyond the setting, if the server accepts it', 1, [1], 1],
    ['the orphans of several owners add up', 3, [1, 1], 1],
    ['none when they fill what the server accepts', 3, [1, 2], 0],
    ['none below nothing', 1, [3, 3], 0],
    ['a setting above the server’s usual limit counts', 5, [3], 2],
  ])('%s', (_what, setting, orphans, expected) => {
    const list = orphans.map((connections) => orphan(connections, 9_000));
    expect(connectionCount(setting, list, numbers)).toBe(expected);
  });
});

describe('blockedUntil', () => {
  const orphans = [orphan(2, 9_000), orphan(1, 7_000)];
  test.each<[string, Parameters<typeof aState>[0], number | undefined]>([
    ['nothing left behind', {}, undefined],
    ['orphans fill the server’s limit: until the first is gone', { orphanedConnections: orphans }, 7_000],
    ['orphans leave one', { orphanedConnections: [orphan(2, 9_000)] }, undefined],
    [
      'a lease without connections: its orphans',
      { lease: lease(1_001, 0), orphanedConnections: orphans },
      7_000,
    ],
    ['a lease without connections or orphans', { lease: lease(1_001, 0) }, undefined],
    ['a lease with connections', { lease: lease(1_001, 1), orphanedConnections: orphans }, undefined],
    ['an expired lease counts as left behind', { lease: lease(1_000, 3) }, 361_000],
  ])('%s', (_what, change, expected) => {
    expect(blockedUntil(aState(change), 3, now, numbers)).toBe(expected);
  });
});

describe('the charge that a claim moves', () => {
  const charged = { movableCharge: { bucket: 300, count: 5 } };

  test('is no more than was charged, nor than the recipients that are left', () => {
    expect([movedCount(charged, 3), movedCount(charged, 7), movedCount({}, 7)]).toEqual([3, 5, 0]);
  });

  test('is off its bucket when the next claim looks, for the recipients that are left', () => {
    const usage = { slots: [[1, 1]], day: [[300, 9]] } as const;
    expect(usageForClaim(usage, aMessage(charged))).toEqual({ slots: [[1, 1]], day: [[300, 7]] });
    expect(usageForClaim(usage, aMessage())).toBe(usage);
  });
});

describe('reports of holds', () => {
  const ofAccount = aHold({ since: 10, reason: 'quota' });
  const ofDesk = aHold({ mailbox: 'desk@example.com', since: 20, reason: 'sendAs' });
  const mailboxes = ['Desk@example.com', 'sales@example.com'];
  const held = (mailbox: string, scope: 'account' | 'mailbox', since: number, reason: string) => ({
    type: 'mailbox.held',
    mailbox,
    scope,
    since,
    reason,
    detail: 'No answer.',
    remedy: 'Wait.',
  });

  test('one beginning for each hold and each mailbox that it stops', () => {
    const reports = unreportedHolds(aState({ holds: [ofAccount, ofDesk] }), mailboxes);
    expect(reports).toEqual([
      held('desk@example.com', 'account', 10, 'quota'),
      held('sales@example.com', 'account', 10, 'quota'),
      held('desk@example.com', 'mailbox', 20, 'sendAs'),
    ]);
  });

  test('what was reported is not said again; an end is said once, before the beginnings', () => {
    const state = aState({ holds: [ofAccount, ofDesk] });
    const reported = recordReports(state, unreportedHolds(state, mailboxes));
    expect(reported.reportedHolds).toEqual([
      { mailbox: 'desk@example.com', scope: 'account', since: 10, reason: 'quota' },
      { mailbox: 'sales@example.com', scope: 'account', since: 10, reason: 'quota' },
      { mailbox: 'desk@example.com', scope: 'mailbox', since: 20, reason: 'sendAs' },
    ]);
    expect(unreportedHolds(reported, mailboxes)).toEqual([]);
    const renewed = { ...reported, holds: [ofAccount, { ...ofDesk, since: 30 }] };
    const changes = unreportedHolds(renewed, mailboxes);
    expect(changes).toEqual([
      {
        type: 'mailbox.released',
        mailbox: 'desk@example.com',
        scope: 'mailbox',
        since: 20,
        reason: 'sendAs',
      },
      held('desk@example.com', 'mailbox', 30, 'sendAs'),
    ]);
    const after = recordReports(renewed, changes);
    expect(after.reportedHolds.map(({ since }) => since)).toEqual([10, 10, 30]);
    expect(unreportedHolds(after, mailboxes)).toEqual([]);
  });

  test('a mailbox that joins an account on hold is told, the others are not told again', () => {
    const state = aState({ holds: [ofAccount] });
    const reported = recordReports(state, unreportedHolds(state, ['desk@example.com']));
    expect(unreportedHolds(reported, mailboxes)).toEqual([held('sales@example.com', 'account', 10, 'quota')]);
  });

  test('a hold of the account and one of its mailbox that began together are two', () => {
    const both = aState({ holds: [ofAccount, { ...ofDesk, since: 10 }] });
    const first = unreportedHolds(both, ['desk@example.com']);
    expect(first).toHaveLength(2);
    const reported = recordReports(both, first.slice(0, 1));
    expect(unreportedHolds(reported, ['desk@example.com'])).toEqual(first.slice(1));
    const ended = unreportedHolds({ ...recordReports(both, first), holds: [ofAccount] }, [
      'desk@example.com',
    ]);
    expect(ended).toMatchObject([{ type: 'mailbox.released', scope: 'mailbox' }]);
  });

  test('holds of two mailboxes that began together are told apart', () => {
    const ofSales = aHold({ mailbox: 'sales@example.com', since: 20, reason: 'sendAs' });
    const both = aState({ holds: [ofDesk, ofSales] });
    const reported = recordReports(both, unreportedHolds(both, mailboxes));
    expect(reported.reportedHolds).toHaveLength(2);
    const ends = unreportedHolds({ ...reported, holds: [ofSales] }, mailboxes);
    expect(ends).toMatchObject([{ type: 'mailbox.released', mailbox: 'desk@example.com' }]);
    expect(recordReports({ ...reported, holds: [ofSales] }, ends).reportedHolds).toMatchObject([
      { mailbox: 'sales@example.com' },
    ]);
  });
});
