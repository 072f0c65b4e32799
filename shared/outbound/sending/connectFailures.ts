// Connections that could not be opened. No message is blamed; the account is put on hold if it has no other
// connection and the failure is permanent or repeated.
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import { dueForProbe } from '../policy/holds.ts';
import { judgeFailure } from '../policy/judgeReply.ts';
import type { RelayFailure } from '../ports.ts';
import { holdAccount } from './accountHolds.ts';
import type { ConnectionPool } from './connectionPool.ts';
import type { LeaseSession } from './leaseSession.ts';

export class ConnectFailures {
  readonly #pool: ConnectionPool;
  readonly #session: LeaseSession;
  /** Since a message was accepted or the account was put on hold. */
  #count = 0;

  constructor(pool: ConnectionPool, session: LeaseSession) {
    this.#pool = pool;
    this.#session = session;
  }

  /** A message was accepted. */
  reset(): void {
    this.#count = 0;
  }

  /** Acts on the failures since the last call; true if the account was put on hold. Throws StorageTrouble. */
  async handle(): Promise<boolean> {
    let isHeld = false;
    for (const failure of this.#pool.takeFailures()) isHeld = (await this.#handleOne(failure)) || isHeld;
    return isHeld;
  }

  async #handleOne(failure: RelayFailure): Promise<boolean> {
    const { key: account, state, dependencies } = this.#session;
    const { numbers, log, time } = dependencies;
    const { phase, reply } = failure;
    log(outboundEvents.connectFailed({ account, phase, code: reply?.code ?? 0 }));
    this.#count += 1;
    if (this.#pool.count > 0) {
      this.#pool.reduce();
      return false;
    }
    const judgement = judgeFailure(failure, false);
    if (judgement.do === 'hold' || judgement.do === 'configuration') {
      await holdAccount(judgement, this.#session);
      return true;
    }
    const isProbe = dueForProbe(state, time.earliest()).some(({ mailbox }) => mailbox === undefined);
    if (!isProbe && this.#count < numbers.connectFailuresBeforeHoldCount) return false;
    const { detail, code } = judgement;
    await holdAccount(
      {
        scope: 'account',
        reason: 'unreachable',
        detail,
        code,
        remedy:
          'Nothing to do if it clears by itself. If it persists, check whether the server and port can be reached from here.',
        firstProbeMs: numbers.probeAtLeastMs,
      },
      this.#session,
    );
    this.#count = 0;
    return true;
  }
}
