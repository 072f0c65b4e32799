// Fetching, over all mailboxes: each on its own, a bounded number at once, those with leftovers and those that
// waited longest first. A mailbox that fails is left alone for a growing pause and never stops another.
// A mailbox with `receive: false` is not touched.
import { createHash } from 'node:crypto';
import { accountKey } from '../mail/accountKey.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import { fetchPass, report, type PassReport } from './fetchPass.ts';
import type { Cursor, TimeLeft } from './ports.ts';
import type { Box, InboundDoors } from './dependencies.ts';
import { inParallel } from './turns.ts';

export interface Inbound {
  /** One pass over every mailbox that receives, within the pass budget. Never throws for a mailbox's sake. */
  fetchAll(run: { readonly invocationId: string }): Promise<readonly PassReport[]>;
  /** One mailbox now, whatever its pause; undefined for an address that is not served or not received. */
  fetchOne(address: string, run: { readonly invocationId: string }): Promise<PassReport | undefined>;
  /** A person has signed the mailbox in: the next pass takes it, whatever pause it is in. Throws when the store does not answer. */
  signedIn(address: string): Promise<void>;
  /** Where each mailbox that receives stands, for the page. */
  states(): Promise<readonly InboundState[]>;
  /** Ends the parser's threads. */
  close(): Promise<void>;
}

export interface InboundState {
  readonly mailbox: Mailbox;
  /** Undefined for one never fetched. */
  readonly cursor: Cursor | undefined;
}

/** Assembles the room. No I/O. */
export function createInbound(doors: InboundDoors, mailboxes: readonly Mailbox[]): Inbound {
  const boxes = mailboxes.filter(({ receive }) => receive).map(boxOf);
  const states = (): Promise<readonly (InboundState & { readonly box: Box })[]> =>
    inParallel(boxes, doors.numbers.mailboxesAtOnce, async (box) => ({
      box,
      mailbox: box.mailbox,
      cursor: await doors.ledger.cursor(box.key),
    }));
  const boxAt = (address: string): Box | undefined =>
    boxes.find(({ mailbox }) => mailbox.address.toLowerCase() === address.toLowerCase());
  return {
    async fetchAll(run) {
      const time = deadline(doors, doors.numbers.passBudgetMs);
      const now = doors.clock.now();
      const all = await states();
      const paused = all.filter(({ cursor }) => cursor !== undefined && cursor.pausedUntil > now);
      const due = all.filter((state) => !paused.includes(state)).sort(byNeed);
      const reports = await inParallel(due, doors.numbers.mailboxesAtOnce, ({ box }) =>
        passWithin(doors, box, { owner: run.invocationId, time }),
      );
      return [...reports, ...paused.map(({ box, cursor }) => pausedReport(box, cursor))];
    },
    async fetchOne(address, run) {
      const box = boxAt(address);
      if (box === undefined) return undefined;
      return passWithin(doors, box, {
        owner: run.invocationId,
        time: deadline(doors, doors.numbers.mailboxBudgetMs),
      });
    },
    async signedIn(address) {
      const box = boxAt(address);
      if (box !== undefined) await endPause(doors, box);
    },
    async states() {
      return (await states()).map(({ mailbox, cursor }) => ({ mailbox, cursor }));
    },
    close: () => doors.parser.close(),
  };
}

export function boxOf(mailbox: Mailbox): Box {
  const key = accountKey(mailbox.address);
  return { mailbox, key, hash: createHash('sha256').update(key).digest('hex').slice(0, 16) };
}

/** A pass that is at work, or takes over meanwhile, has the mailbox already: there is no pause to end. */
async function endPause({ ledger, clock, random, numbers }: InboundDoors, box: Box): Promise<void> {
  const now = clock.now();
  if (((await ledger.cursor(box.key))?.pausedUntil ?? 0) <= now) return;
  const claim = { owner: random.id(), now, untilMs: now + numbers.leaseMs };
  const begun = await ledger.begin(box.key, claim);
  if (begun.kind === 'begun' && begun.cursor !== undefined)
    await ledger.end(begun.lease, { ...begun.cursor, failureCount: 0, pausedUntil: 0 });
}

/** A mailbox's share of the whole pass. What is left undone for want of time comes first next time. */
async function passWithin(
  doors: InboundDoors,
  box: Box,
  run: { readonly owner: string; readonly time: TimeLeft },
): Promise<PassReport> {
  const share = deadline(doors, doors.numbers.mailboxBudgetMs);
  const time = { remainingMs: () => Math.min(share.remainingMs(), run.time.remainingMs()) };
  if (time.remainingMs() <= doors.numbers.reserveMs) {
    return report(box, undefined, {
      outcome: 'paused',
      detail: 'The time of this pass was over.',
      leftover: true,
    });
  }
  try {
    return await fetchPass(doors, box, { owner: run.owner, time });
  } catch (error) {
    // The ledger did not answer at the very start: nothing was begun.
    const detail = error instanceof Error ? error.message.slice(0, 300) : 'unknown';
    return report(box, undefined, { outcome: 'failed', detail });
  }
}

function byNeed(one: InboundState, other: InboundState): number {
  const leftover = Number(other.cursor?.leftover ?? false) - Number(one.cursor?.leftover ?? false);
  return leftover !== 0 ? leftover : (one.cursor?.lastPassAt ?? 0) - (other.cursor?.lastPassAt ?? 0);
}

function pausedReport(box: Box, cursor: Cursor | undefined): PassReport {
  return report(box, cursor, { outcome: 'paused', detail: cursor?.detail ?? '' });
}

function deadline(doors: InboundDoors, ms: number): TimeLeft {
  const endsAt = doors.clock.monotonic() + ms;
  return { remainingMs: () => endsAt - doors.clock.monotonic() };
}
