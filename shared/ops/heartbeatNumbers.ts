// How soon a timer counts as stopped, and how often it is looked at.
export interface HeartbeatNumbers {
  /** How late a tick may be before its work is run here. */
  readonly lateMs: number;
  /** From one message to the next while the timers tick. */
  readonly intervalMs: number;
  /** The same while one of them is late. */
  readonly lateIntervalMs: number;
  /** Longer than any run; a chain that was not renewed for this long is lost. */
  readonly lostMs: number;
}

export const heartbeatNumbers: HeartbeatNumbers = {
  lateMs: 5 * 60_000,
  intervalMs: 2 * 60_000,
  lateIntervalMs: 60_000,
  lostMs: 15 * 60_000,
};
