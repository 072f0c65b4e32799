import type { Clock, Random } from '../clock.ts';
import type { Log } from '../telemetry/log.ts';
import type { EsmConnection } from './client/connection.ts';
import type { EsmFailure } from './client/failure.ts';
import type { Connector } from './mapping.ts';
import type { EsmContents, EsmRows, HtmlToText } from './ports.ts';

/** Of the connector's protocols. Times in milliseconds. */
export interface EsmNumbers {
  /** How long a queue message's work is claimed; longer than its calls can take. */
  readonly claimMs: number;
  /** How long one worker may write to a card. */
  readonly leaseMs: number;
  /**
   * After a write without an answer: when it has either been done, and can be seen by a filter, or never will be. More
   * than a call's timeout, ESM's own time to end it, and the lag of its filters (30 s).
   */
  readonly settleMs: number;
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
}

export const esmNumbers: EsmNumbers = {
  claimMs: 600_000,
  leaseMs: 300_000,
  settleMs: 180_000,
  firstDelayMs: 15_000,
  longestDelayMs: 1_800_000,
};

export interface EsmDependencies {
  readonly esm: EsmConnection;
  readonly connector: Connector;
  readonly rows: EsmRows;
  readonly contents: EsmContents;
  readonly htmlToText: HtmlToText;
  readonly clock: Pick<Clock, 'now'>;
  readonly random: Random;
  readonly log: Log;
  readonly numbers: EsmNumbers;
}

/** What a queue trigger is to do with its message. */
export type Handled =
  | { readonly kind: 'done' }
  /** Put a copy back that becomes visible then (UTC ms), and report success. */
  | { readonly kind: 'later'; readonly at: number };

/** Work that has to wait: until an instant, or as long as the count of tries says. */
export interface Wait {
  readonly kind: 'wait';
  readonly detail: string;
  readonly reason: EsmFailure['reason'] | 'busy';
  /** UTC ms; never earlier than this. */
  readonly notBefore?: number;
  /** An expected wait, such as for a lease or the lag of a filter, is not counted as a try. */
  readonly isPlanned?: true;
}

export const waitFor = ({ reason, detail, retryAt, remedy }: EsmFailure): Wait => ({
  kind: 'wait',
  reason,
  detail: remedy === undefined ? detail : `${detail}; ${remedy}`,
  ...(retryAt === undefined ? {} : { notBefore: retryAt }),
});
