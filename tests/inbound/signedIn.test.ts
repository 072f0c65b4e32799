// A new consent ends the retry delay that the missing one had caused.
import { expect, test } from '@jest/globals';
import type { Mailboxes } from '../../shared/inbound/ports.ts';
import { DESK, mailboxOf, rigOf, type Rig } from './rig.ts';

const run = { invocationId: 'test' };
const trouble = { kind: 'needsConsent' as const, detail: 'Nobody has connected this mailbox yet.' };

/** A mailbox that nobody has connected, in virtual time. */
function worldWith(): { readonly rig: Rig; readonly opened: () => number } {
  let opened = 0;
  const imap: Mailboxes = {
    async open() {
      await Promise.resolve();
      opened += 1;
      return { kind: 'failed', trouble };
    },
  };
  const now = Date.UTC(2026, 10, 25);
  const clock = { now: () => now, monotonic: () => 0, sleep: () => Promise.resolve() };
  return { rig: rigOf({ mailboxes: [mailboxOf(DESK)], imap, clock }), opened: () => opened };
}

const outcomes = async (rig: Rig): Promise<readonly string[]> =>
  (await rig.inbound.fetchAll(run)).map(({ outcome }) => outcome);

test('a mailbox that was connected anew is fetched at the next pass', async () => {
  const { rig, opened } = worldWith();
  expect(await outcomes(rig)).toEqual(['failed']);
  expect(await outcomes(rig)).toEqual(['delayed']);
  await rig.inbound.signedIn(DESK.toUpperCase());
  expect((await rig.inbound.states())[0]?.cursor).toMatchObject({ retryAt: 0, failureCount: 0 });
  expect(await outcomes(rig)).toEqual(['failed']);
  expect(opened()).toBe(2);
});

test('one that was never fetched is left as it is, not under a lease', async () => {
  const { rig } = worldWith();
  await rig.inbound.signedIn(DESK);
  expect(rig.ledger.cursors.size).toBe(0);
});

test('a pass at work is not disturbed', async () => {
  const { rig } = worldWith();
  await rig.inbound.fetchAll(run);
  const now = Date.UTC(2026, 10, 25);
  const begun = await rig.ledger.acquireLease(DESK, { owner: 'another', now, leaseUntil: now + 60_000 });
  await rig.inbound.signedIn(DESK);
  if (begun.kind !== 'acquired' || begun.cursor === undefined) throw new Error('no lease');
  expect(
    await rig.ledger.releaseLease(begun.lease, { cursor: begun.cursor, pending: [], cleared: [] }),
  ).toMatchObject({ kind: 'ok' });
});

test('an address that is not served is none of its business', async () => {
  const { rig } = worldWith();
  await rig.inbound.signedIn('nobody@contoso.test');
  expect(rig.ledger.cursors.size).toBe(0);
});
