// Every number of the outbound protocol in one place. Tests and the simulation pass others; the settings may
// change the marked ones. `checkNumbers` refuses a set that the rows could not hold.

export interface OutboundNumbers {
  // -- one attempt
  /** From the claim to the moment after which nothing more is given to the socket. */
  readonly attemptMs: number;
  /** How long after its deadline a server may still accept what it has. */
  readonly graceMs: number;
  // -- the limits
  readonly periodMs: number;
  /** Covers what the clocks' bounds can't: the server's own rounding. */
  readonly guardMs: number;
  readonly dayMs: number;
  readonly dayBucketMs: number;
  // -- the lease and the connections
  readonly leaseMs: number;
  /** This close to the lease's end nothing is claimed and idle connections are closed. */
  readonly leaseMarginMs: number;
  /** How long the server keeps a silent connection, and how slow it may be to notice one that is gone. */
  readonly serverIdleMs: number;
  readonly serverSlowMs: number;
  /** Connections a drain works with where the account's setting allows as many. */
  readonly workingConnectionCount: number;
  /** Time for connect, TLS, token and AUTH. */
  readonly connectMs: number;
  readonly connectFailuresBeforeHoldCount: number;
  // -- one drain
  readonly drainBudgetMs: number;
  readonly functionMs: number;
  /** The longest that the loop waits before it looks at everything again. */
  readonly pollMs: number;
  readonly dueQueueRefreshMs: number;
  readonly dueQueuePageCount: number;
  readonly settleMostCount: number;
  readonly publishEveryMs: number;
  /** Between two readings of the event rows while work goes on; batches them. */
  readonly publishPauseMs: number;
  readonly publishPageCount: number;
  /** A lane refused for longer than this lets the drain leave. */
  readonly waitInPlaceMs: number;
  readonly longestBackoffMs: number;
  // -- doubts
  readonly inDoubtPolicy: 'hold' | 'resend';
  readonly firstLookupMs: number;
  readonly secondLookupMs: number;
  readonly lookupRetryMs: number;
  readonly lookupMs: number;
  // -- deferrals
  readonly firstDeferralMs: number;
  readonly deferralGrowth: number;
  readonly longestDeferralMs: number;
  /** 0.2: a delay is drawn from 80 to 120 %. */
  readonly deferralJitter: number;
  /** An unknown permanent reply is final after so long if no other message is sent; time on hold does not count. */
  readonly finalAfterMs: number;
  /** Own deferrals add up; past this the message fails. */
  readonly giveUpAfterMs: number;
  // -- holds
  /** Never more than one try in this time, whatever a judgement says. */
  readonly probeAtLeastMs: number;
  readonly probeGrowth: number;
  readonly longestProbeMs: number;
  /** So many different messages refused alike, none accepted between, put the account or their mailbox on hold. */
  readonly refusalsBeforeHoldCount: number;
  // -- sizes
  readonly contentInRowBytes: number;
  readonly eventInRowBytes: number;
  /** Recipients with their outcomes, two bytes a character; more go into a blob. */
  readonly recipientsInRowBytes: number;
  readonly transactionBytes: number;
  /** The largest blob that a submission may refer to. */
  readonly blobMostBytes: number;
  // -- upkeep
  readonly retentionMs: number;
  readonly blobAgeMs: number;
  readonly backlogCountMost: number;
  /** Tries of one transaction against a store that refuses or does not answer, and the pause before the second. */
  readonly transactionTriesCount: number;
  readonly transactionPauseMs: number;
}

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

export const defaultNumbers: OutboundNumbers = {
  attemptMs: 4 * minuteMs,
  graceMs: 10 * minuteMs, // RFC 5321 4.5.3.2.6 gives a server ten minutes for its reply to the final dot
  periodMs: minuteMs,
  guardMs: secondMs,
  dayMs,
  dayBucketMs: 5 * minuteMs,
  leaseMs: minuteMs,
  leaseMarginMs: 5 * secondMs,
  serverIdleMs: 5 * minuteMs,
  serverSlowMs: minuteMs,
  workingConnectionCount: 2,
  connectMs: 45 * secondMs,
  connectFailuresBeforeHoldCount: 2,
  drainBudgetMs: 5 * minuteMs,
  functionMs: 10 * minuteMs,
  pollMs: 5 * secondMs,
  dueQueueRefreshMs: 5 * secondMs,
  dueQueuePageCount: 100,
  settleMostCount: 19, // five operations each and the state row: a transaction takes 100
  publishEveryMs: 10 * secondMs,
  publishPauseMs: secondMs,
  publishPageCount: 100,
  waitInPlaceMs: 90 * secondMs,
  longestBackoffMs: 15 * minuteMs,
  inDoubtPolicy: 'hold',
  firstLookupMs: 30 * secondMs,
  secondLookupMs: 5 * minuteMs,
  lookupRetryMs: 5 * minuteMs,
  lookupMs: 2 * minuteMs,
  firstDeferralMs: minuteMs,
  deferralGrowth: 2,
  longestDeferralMs: 18 * minuteMs, // with the sweep's minute, what waits is sent within 20 minutes of a recovery
  deferralJitter: 0.2,
  finalAfterMs: 15 * minuteMs,
  giveUpAfterMs: 48 * hourMs,
  probeAtLeastMs: minuteMs,
  probeGrowth: 2,
  longestProbeMs: 15 * minuteMs,
  refusalsBeforeHoldCount: 3,
  contentInRowBytes: 65_536, // a binary property holds 64 KiB
  eventInRowBytes: 49_152, // a queue message holds 64 KiB; escapes and the envelope need the rest
  recipientsInRowBytes: 500_000, // a row holds 1 MiB in all
  transactionBytes: 3_500_000, // a transaction holds 4 MiB
  blobMostBytes: 150 * 1_048_576, // EHLO's SIZE, the service's ceiling
  retentionMs: 30 * dayMs,
  blobAgeMs: 3 * dayMs,
  backlogCountMost: 20_000,
  transactionTriesCount: 8,
  transactionPauseMs: 100,
};
