// Retention, with the store in memory: what is removed, when, and that it is recognised afterwards.
// The same on the real table: pruneStore.test.ts.
import { describe, expect, test } from '@jest/globals';
import type { Clock } from '../../shared/clock.ts';
import type { AfterFetch } from '../../shared/mail/mailbox.ts';
import { StorageTrouble } from '../../shared/storageErrors.ts';
import { FolderOfMails, plainParser } from './folderOfMails.ts';
import { DESK, mail, mailboxOf, queueOf, rigOf, type Rig, type RigOptions } from './rig.ts';

const dayMs = 86_400_000;
const began = Date.UTC(2026, 10, 25, 12);
const run = { invocationId: 'test' };

class DayClock implements Clock {
  at = began;
  now(): number {
    return this.at;
  }
  monotonic(): number {
    return (this.at += 1);
  }
  sleep(): Promise<void> {
    return Promise.resolve();
  }
  passDays(days: number): void {
    this.at += days * dayMs;
  }
}

function world(
  afterFetch: AfterFetch = { kind: 'none' },
  more: Partial<RigOptions> = {},
): {
  readonly folder: FolderOfMails;
  readonly clock: DayClock;
  readonly rig: Rig;
  readonly deliver: (count: number) => void;
} {
  const folder = new FolderOfMails();
  const clock = new DayClock();
  const mailboxes = [mailboxOf(DESK, { afterFetch })];
  const rig = rigOf({ mailboxes, imap: folder, clock, parser: plainParser, ...more });
  let sent = 0;
  return {
    folder,
    clock,
    rig,
    deliver: (count) => {
      for (let n = 0; n < count; n += 1) {
        sent += 1;
        folder.deliver(mail({ 'Message-ID': `<${String(sent)}@x>` }, `mail ${String(sent)}`), clock.at);
      }
    },
  };
}

const announcedIds = (rig: Rig): readonly string[] => rig.notices().map(({ id }) => id);

test('content is removed after 30 days, and what recognises a message stays', async () => {
  const { rig, clock, deliver } = world();
  deliver(5);
  await rig.inbound.fetchAll(run);
  clock.passDays(30);
  deliver(2);
  await rig.inbound.fetchAll(run);
  expect(await rig.inbound.prune(run)).toMatchObject([{ outcome: 'pruned', contentCount: 0 }]);
  clock.passDays(1);
  expect(await rig.inbound.prune(run)).toMatchObject([{ contentCount: 5, rowCount: 0 }]);
  expect(rig.blobs.blobs.size).toBe(2);
  expect(rig.ledger.entries.size).toBe(7);
  expect(await rig.inbound.prune(run)).toMatchObject([{ contentCount: 0, rowCount: 0 }]);
});

describe.each([
  ['content', 40],
  ['content and rows', 450],
])('after %s was removed', (_name, days) => {
  test('a change of UIDVALIDITY announces nothing again, and mail that is new then is announced', async () => {
    const { rig, folder, clock, deliver } = world();
    deliver(45);
    await rig.inbound.fetchAll(run);
    clock.passDays(days);
    await rig.inbound.fetchAll(run);
    await rig.inbound.prune(run);
    const before = announcedIds(rig);
    folder.renumber();
    deliver(3);
    for (let runs = 0; runs < 3; runs += 1) await rig.inbound.fetchAll(run);
    expect(announcedIds(rig).slice(0, before.length)).toEqual(before);
    expect(announcedIds(rig)).toHaveLength(48);
    expect(rig.blobs.blobs.size).toBe(3);
  });
});

test('a redelivery of mail whose content was removed is recognised, and leaves no blob', async () => {
  const { rig, folder, clock, deliver } = world();
  deliver(3);
  await rig.inbound.fetchAll(run);
  clock.passDays(40);
  await rig.inbound.prune(run);
  for (const { bytes } of [...folder.messages.values()])
    folder.deliver(Buffer.from(bytes).toString('latin1'), clock.at);
  expect(await rig.inbound.fetchAll(run)).toMatchObject([{ announcedCount: 0, duplicateCount: 3 }]);
  expect(rig.blobs.blobs.size).toBe(0);
});

test('a message whose notice was not published keeps its content', async () => {
  const { rig, clock, deliver } = world();
  deliver(2);
  queueOf(rig).hook = () => {
    throw new StorageTrouble('The queue is away.');
  };
  await rig.inbound.fetchAll(run);
  clock.passDays(100);
  expect(await rig.inbound.prune(run)).toMatchObject([{ contentCount: 0, rowCount: 0 }]);
  expect(rig.blobs.blobs.size).toBe(2);
  queueOf(rig).hook = () => undefined;
  await rig.inbound.fetchAll(run);
  expect(new Set(announcedIds(rig)).size).toBe(2);
});

test('if nobody takes notices, a message whose action is not done keeps its content', async () => {
  const { rig, folder, clock, deliver } = world({ kind: 'move', folder: 'INBOX' }, { eventsTo: 'none' });
  folder.refusesActions = true;
  deliver(2);
  await rig.inbound.fetchAll(run);
  clock.passDays(100);
  expect(await rig.inbound.prune(run)).toMatchObject([{ contentCount: 0 }]);
  expect(rig.blobs.blobs.size).toBe(2);
  folder.refusesActions = false;
  await rig.inbound.fetchAll(run);
  expect(rig.blobs.blobs.size).toBe(0);
  expect(folder.messages.size).toBe(0);
});

test('a mailbox whose run goes on is left to the next invocation', async () => {
  const { rig, clock, deliver } = world();
  deliver(1);
  await rig.inbound.fetchAll(run);
  clock.passDays(40);
  const claim = { owner: 'a run', now: clock.at, leaseUntil: clock.at + 60_000 };
  await rig.ledger.acquireLease(DESK, claim);
  expect(await rig.inbound.prune(run)).toMatchObject([{ outcome: 'busy', contentCount: 0 }]);
});

test('rows are not removed while there is mail that was not fetched yet', async () => {
  const { rig, folder, clock, deliver } = world();
  deliver(3);
  await rig.inbound.fetchAll(run);
  clock.passDays(1);
  // From now on the server can't be reached: what came since was never seen.
  folder.isAway = true;
  for (let month = 0; month < 20; month += 1) {
    clock.passDays(30);
    await rig.inbound.fetchAll(run);
    await rig.inbound.prune(run);
  }
  deliver(2);
  expect(rig.ledger.entries.size).toBe(3);
  folder.isAway = false;
  folder.renumber();
  clock.passDays(1);
  await rig.inbound.fetchAll(run);
  expect(announcedIds(rig)).toHaveLength(5);
});

test('rows go 400 days after the announcement, also of messages whose content goes in the same invocation', async () => {
  const { rig, clock, deliver } = world();
  deliver(4);
  await rig.inbound.fetchAll(run);
  clock.passDays(31);
  deliver(2);
  await rig.inbound.fetchAll(run);
  await rig.inbound.prune(run);
  clock.passDays(401);
  await rig.inbound.fetchAll(run);
  expect(await rig.inbound.prune(run)).toMatchObject([{ contentCount: 2, rowCount: 6 }]);
  expect(rig.ledger.entries.size).toBe(0);
});
