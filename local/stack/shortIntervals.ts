// Short intervals for the demo and the tests. All timeouts that detect a crash are shortened together; the protocol and
// its limits stay the same.

/** OUTBOUND_NUMBERS with this period. */
export function quickNumbers(periodMs: number): Readonly<Record<string, number>> {
  return {
    periodMs,
    attemptMs: 8_000,
    graceMs: 4_000,
    leaseMs: 8_000,
    leaseMarginMs: 1_000,
    serverIdleMs: 2_000,
    serverSlowMs: 1_000,
    firstLookupMs: 1_000,
    secondLookupMs: 3_000,
    lookupRetryMs: 2_000,
    pollMs: 1_000,
    publishEveryMs: 1_000,
    publishPauseMs: 200,
  };
}

/** The sweep every two seconds, a fetch every three; a fetch that died is noticed as soon as a drain that died. */
export const quickSettings = {
  SWEEP_SCHEDULE: '*/2 * * * * *',
  FETCH_SCHEDULE: '*/3 * * * * *',
  INBOUND_NUMBERS: JSON.stringify({ leaseMs: 8_000, mailboxBudgetMs: 30_000, reserveMs: 2_000 }),
} as const;

/** How long the host hides a message that a crashed worker had. */
export const quickHideMs = 5_000;
