// What one step of a drain came to: the one result type of everything that the drain loop calls.
import type { OutboundNumbers } from '../numbers.ts';
import type { Lane } from '../records/keys.ts';

export type EndReason =
  /** No message is due. */
  | 'empty'
  /** The rate limits refuse every lane that has due messages for longer than is waited in place. */
  | 'refused'
  /** The whole account is on hold. */
  | 'hold'
  /** The drain's time is over. */
  | 'timeOver'
  /** The process is about to end. */
  | 'stopped'
  /** The lease is another's, or may be. */
  | 'leaseLost';

export interface Finish {
  readonly kind: 'finish';
  readonly reason: EndReason;
  /** Until when the rate limits refuse each lane that has due messages. */
  readonly refusedUntil: ReadonlyMap<Lane, number>;
}

export type StepResult =
  /** Something was written or started: the next step follows at once. */
  | { readonly kind: 'progress' }
  /** Nothing to do before `ms` are over, or a notification. */
  | { readonly kind: 'wait'; readonly ms: number }
  /** Nothing more to do now. */
  | Finish;

export const progress: StepResult = { kind: 'progress' };

/** Waits for a notification, and for a while at most. */
export const poll = ({ pollMs }: Pick<OutboundNumbers, 'pollMs'>): StepResult => ({
  kind: 'wait',
  ms: pollMs,
});

export const finish = (reason: EndReason, refusedUntil: ReadonlyMap<Lane, number> = new Map()): Finish => ({
  kind: 'finish',
  reason,
  refusedUntil,
});
