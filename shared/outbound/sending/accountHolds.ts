// Holds of the whole account that no message's attempt brings about, and the log lines of holds.
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import { dueForProbe, placeHold, recordProbe } from '../policy/holds.ts';
import type { HoldJudgement } from '../policy/judgement.ts';
import { withoutAddresses } from '../../mail/text.ts';
import type { Hold } from '../records/accountState.ts';
import type { LeaseSession } from './leaseSession.ts';

/** Puts the account on hold, whatever the judgement's scope; no message is touched. Throws StorageTrouble. */
export async function holdAccount(
  judgement: Omit<HoldJudgement, 'do'>,
  session: LeaseSession,
): Promise<void> {
  const { time, numbers } = session.dependencies;
  const before = session.state.holds;
  await session.update('hold', (state) => {
    const latest = time.latest();
    const due = dueForProbe(state, time.earliest()).filter(({ mailbox }) => mailbox === undefined);
    const probed = due.length === 0 ? state : recordProbe(state, due, latest, numbers);
    const placed = {
      judgement: { ...judgement, scope: 'account' as const },
      mailbox: '',
      ...smtpUserOf(session),
    };
    return placeHold(probed, placed, latest, numbers);
  });
  logHoldChanges(before, session);
}

const smtpUserOf = ({ account }: LeaseSession): { readonly smtpUser?: string } =>
  account === undefined ? {} : { smtpUser: account.user };

/** Logs which holds were placed and how many were released since `before`. */
export function logHoldChanges(
  before: readonly Hold[],
  { key: account, state, dependencies: { log } }: LeaseSession,
): void {
  const isIn = (holds: readonly Hold[], hold: Hold): boolean =>
    holds.some(({ mailbox }) => mailbox === hold.mailbox);
  for (const hold of state.holds.filter((one) => !isIn(before, one))) {
    const scope = hold.mailbox === undefined ? 'account' : 'mailbox';
    const detail = withoutAddresses(hold.detail, [account, hold.mailbox ?? account]);
    log(outboundEvents.holdPlaced({ account, scope, reason: hold.reason, detail }));
  }
  const holdCount = before.filter((one) => !isIn(state.holds, one)).length;
  if (holdCount > 0) log(outboundEvents.holdsReleased({ account, holdCount }));
}
