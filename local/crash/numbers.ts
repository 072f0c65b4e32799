/** Short enough that a run takes seconds. The protocol and the order of its steps are unchanged. */
export const crashNumbers = {
  periodMs: 1_000,
  guardMs: 100,
  attemptMs: 3_000,
  graceMs: 1_000,
  leaseMs: 3_000,
  leaseMarginMs: 500,
  serverIdleMs: 500,
  serverSlowMs: 500,
  connectMs: 3_000,
  pollMs: 250,
  dueQueueRefreshMs: 500,
  publishEveryMs: 1_000,
  publishPauseMs: 50,
  firstLookupMs: 500,
  secondLookupMs: 1_500,
  lookupRetryMs: 1_000,
  firstDeferralMs: 500,
  longestDeferralMs: 1_000,
  probeAtLeastMs: 1_000,
  /** Small, since queue messages have at most 64 KiB: with the default no content would go to a blob. */
  contentInRowBytes: 4_096,
} as const;
