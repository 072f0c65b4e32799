// What is published about holds: one `mailbox.held` and one `mailbox.released` for each hold and each mailbox that it
// stops. The account's state lists the holds that were reported; the difference is what is still to be said.
import type { AccountState, Hold, ReportedHold } from '../records/accountState.ts';

export interface HoldReport extends ReportedHold {
  readonly type: 'mailbox.held' | 'mailbox.released';
  /** Of a hold that is there. */
  readonly detail?: string;
  readonly remedy?: string;
}

const scopeOf = ({ mailbox }: Hold): ReportedHold['scope'] => (mailbox === undefined ? 'account' : 'mailbox');

/** `mailboxes`: those that the account sends for now. Ends come before beginnings. */
export function unreportedHolds(state: AccountState, mailboxes: readonly string[]): readonly HoldReport[] {
  const isOf = (hold: Hold, { mailbox, scope, since }: ReportedHold): boolean =>
    hold.since === since && scope === scopeOf(hold) && (hold.mailbox ?? mailbox) === mailbox;
  const ended = state.reportedHolds
    .filter((reported) => !state.holds.some((hold) => isOf(hold, reported)))
    .map((reported) => ({ ...reported, type: 'mailbox.released' as const }));
  const begun = state.holds.flatMap((hold) => {
    const { since, reason, detail, remedy } = hold;
    const stopped = hold.mailbox === undefined ? mailboxes.map((one) => one.toLowerCase()) : [hold.mailbox];
    return stopped
      .map((mailbox) => ({ mailbox, scope: scopeOf(hold), since, reason }))
      .filter(
        (one) =>
          !state.reportedHolds.some((reported) => isOf(hold, reported) && reported.mailbox === one.mailbox),
      )
      .map((one) => ({ ...one, type: 'mailbox.held' as const, detail, remedy }));
  });
  return [...ended, ...begun];
}

/** The state once these are written. */
export function recordReports(state: AccountState, reports: readonly HoldReport[]): AccountState {
  const isSame = (one: ReportedHold, other: ReportedHold): boolean =>
    one.mailbox === other.mailbox && one.scope === other.scope && one.since === other.since;
  const kept = state.reportedHolds.filter((one) => !reports.some((report) => isSame(one, report)));
  const begun = reports
    .filter(({ type }) => type === 'mailbox.held')
    .map(({ mailbox, scope, since, reason }) => ({ mailbox, scope, since, reason }));
  return { ...state, reportedHolds: [...kept, ...begun] };
}
