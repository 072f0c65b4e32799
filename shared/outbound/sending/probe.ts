// Probes: one attempt to see whether a hold is over. A suspended message of the mailbox is resumed for it; if no
// message is due, the probe is MAIL, RCPT to the mailbox itself, and RSET, with a slot like a message.
import { present } from '../../mail/omit.ts';
import { dueForProbe, endHold, placeHold, recordProbe } from '../policy/holds.ts';
import { judgeFailure } from '../policy/judgeReply.ts';
import type { AccountState, Hold } from '../records/accountState.ts';
import type { ConnectionPool, PooledConnection } from './connectionPool.ts';
import { poll, progress, type StepResult } from './stepResult.ts';
import type { LeaseSession } from './leaseSession.ts';
import { acquireSlot, releaseSlot } from './slot.ts';
import { resumeOneForProbe } from './suspended.ts';

export class Probes {
  readonly #pool: ConnectionPool;
  readonly #session: LeaseSession;
  /** By mailbox, for which probe of its hold a message was resumed already. */
  readonly #resumedFor = new Map<string, number>();

  constructor(pool: ConnectionPool, session: LeaseSession) {
    this.#pool = pool;
    this.#session = session;
  }

  /** Resumes a message for a mailbox's hold that is due for its probe; true if one was. Throws StorageTrouble. */
  async resumeMessage(): Promise<boolean> {
    const { state, dependencies } = this.#session;
    for (const { mailbox, probeCount } of dueForProbe(state, dependencies.time.earliest())) {
      if (mailbox === undefined || this.#resumedFor.get(mailbox) === probeCount) continue;
      this.#resumedFor.set(mailbox, probeCount);
      if (await resumeOneForProbe(mailbox, this.#session)) return true;
    }
    return false;
  }

  /** Probes a hold while no message is due. Undefined if none is due for it or the limits refuse it. Throws StorageTrouble. */
  async withoutMessage(): Promise<StepResult | undefined> {
    const session = this.#session;
    const hold = dueForProbe(session.state, session.dependencies.time.earliest()).find(
      ({ mailbox }) => mailbox === undefined || session.mailboxOf(mailbox) !== undefined,
    );
    const address = hold?.mailbox ?? session.account?.mailboxes[0].address;
    if (hold === undefined || address === undefined) return undefined;
    const pooled = this.#pool.idle();
    if (pooled === undefined) {
      this.#pool.open();
      return poll(session.dependencies.numbers);
    }
    return (await probe(hold, address, pooled, session)) ? progress : undefined;
  }
}

/** False if the limits refuse it now. */
async function probe(
  hold: Hold,
  address: string,
  { connection }: PooledConnection,
  session: LeaseSession,
): Promise<boolean> {
  const { time, numbers } = session.dependencies;
  const admit = (state: AccountState): AccountState | undefined => {
    const due = dueForProbe(state, time.earliest()).filter(({ mailbox }) => mailbox === hold.mailbox);
    return due.length === 0 ? undefined : recordProbe(state, due, time.latest(), numbers);
  };
  const slot = await acquireSlot(Math.min(numbers.attemptMs, numbers.connectMs), admit, session);
  if (slot === undefined) return false;
  const answer = await connection.probe(
    { from: address, to: [address] },
    { remainingMs: () => slot.deadline - time.latest() },
  );
  const endedAt = time.latest();
  const smtpUser = session.account?.user;
  const conclude = (state: AccountState): AccountState => {
    if (answer.kind === 'ok') return endHold(state, hold);
    const judgement = judgeFailure(answer.failure, false);
    return judgement.do === 'hold' || judgement.do === 'configuration'
      ? placeHold(state, { judgement, mailbox: address, ...present({ smtpUser }) }, endedAt, numbers)
      : state;
  };
  await releaseSlot(slot, endedAt, conclude, session);
  return true;
}
