// Reporting holds: the events `mailbox.held` and `mailbox.released` are written with the account's state in one
// transaction, so each is published once for each hold and mailbox, whoever placed or ended the hold.
import { textIn } from '../../mail/foreign.ts';
import { present } from '../../mail/omit.ts';
import type { HoldEvent } from '../../contract/statusEvent.ts';
import { recordReports, unreportedHolds, type HoldReport } from '../policy/holdReports.ts';
import type { Operation } from '../ports.ts';
import { allDueRange, suspendedRange } from '../records/keys.ts';
import { scan } from '../store/scan.ts';
import { writeHoldEvent } from '../store/writes.ts';
import type { LeaseSession } from './leaseSession.ts';

/** Events in one transaction; the rest follow in the next. */
const mostAtOnce = 50;
/** Waiting messages that are counted; there may be more. */
const countMost = 5_000;

/** True if there was something to report. Throws StorageTrouble. */
export async function writeHoldEvents(session: LeaseSession): Promise<boolean> {
  const mailboxes = session.account?.mailboxes.map(({ address }) => address) ?? [];
  if (unreportedHolds(session.state, mailboxes).length === 0) return false;
  const waiting = await countWaiting(session);
  const { time, numbers, contents } = session.dependencies;
  const reported = await session.ifOwner<boolean>('reportHolds', false, async (state) => {
    const reports = unreportedHolds(state, mailboxes).slice(0, mostAtOnce);
    if (reports.length === 0) return { result: false };
    const operations: Operation[] = [];
    for (const report of reports) {
      const event = eventOf(report, session, waiting, time.earliest());
      operations.push(await writeHoldEvent(event, { contents, numbers }));
    }
    return { state: recordReports(state, reports), operations, result: true };
  });
  if (reported) session.publisher.expectMore();
  return reported;
}

interface Waiting {
  readonly counts: ReadonlyMap<string, number>;
  readonly isComplete: boolean;
}

function eventOf(
  { type, mailbox, scope, since, reason, detail, remedy }: HoldReport,
  session: LeaseSession,
  { counts, isComplete }: Waiting,
  at: number,
): HoldEvent {
  return {
    type,
    mailbox: session.mailboxOf(mailbox)?.address ?? mailbox,
    at,
    scope,
    since,
    reason,
    ...present({ detail, remedy }),
    waitingCount: counts.get(mailbox) ?? 0,
    ...(isComplete ? {} : { hasMore: true }),
  };
}

/** Messages that are listed as due or suspended, by mailbox in lower case. */
async function countWaiting({ key, state, dependencies }: LeaseSession): Promise<Waiting> {
  const counts = new Map<string, number>();
  let isComplete = true;
  const ranges = [allDueRange, ...state.suspendedMailboxes.map((mailbox) => suspendedRange({ mailbox }))];
  for (const range of ranges) {
    const whole = await scan(
      key,
      range,
      { select: ['mailbox'], mostCount: countMost },
      (page) => {
        for (const { fields } of page) {
          const mailbox = textIn(fields, 'mailbox').toLowerCase();
          counts.set(mailbox, (counts.get(mailbox) ?? 0) + 1);
        }
      },
      dependencies,
    );
    isComplete &&= whole;
  }
  return { counts, isComplete };
}
