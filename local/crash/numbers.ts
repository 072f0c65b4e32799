/** Short enough that a run takes seconds. The protocol is the same, and so is the order of everything. */
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
  turnMs: 250,
  headsRefreshMs: 500,
  tellEveryMs: 1_000,
  tellPauseMs: 50,
  firstLookMs: 500,
  doubtSettleMs: 1_500,
  lookPutOffMs: 1_000,
  firstDeferralMs: 500,
  longestDeferralMs: 1_000,
  probeAtLeastMs: 1_000,
  /** A queue message has 64 KiB at most, so that by the usual number none of them has a content in a blob. */
  contentInRowBytes: 4_096,
} as const;
