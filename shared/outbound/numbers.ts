// Every number of the outbound protocol in one place. Tests and the simulation pass others; the settings may
// change the marked ones. `checkNumbers` refuses a set that the rows could not hold.

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

const numbers = {
  // -- one attempt
  /** From the claim to the moment after which nothing more is given to the socket. */
  attemptMs: 4 * minuteMs,
  /** How long after its deadline a server may still accept what it has. */
  graceMs: 10 * minuteMs, // RFC 5321 4.5.3.2.6 gives a server ten minutes for its reply to the final dot
  // -- the limits
  periodMs: minuteMs,
  /** Covers what the clocks' bounds can't: the server's own rounding. */
  guardMs: secondMs,
  dayMs,
  dayBucketMs: 5 * minuteMs,
  // -- the lease and the connections
  leaseMs: minuteMs,
  /** This close to the lease's end nothing is claimed and idle connections are closed. */
  leaseMarginMs: 5 * secondMs,
  /** How long the server keeps a silent connection, and how slow it may be to notice one that is gone. */
  serverIdleMs: 5 * minuteMs,
  serverSlowMs: minuteMs,
  /** Connections a drain works with where the account's setting allows as many. */
  workingConnectionCount: 2,
  /** Time for connect, TLS, token and AUTH. */
  connectMs: 45 * secondMs,
  connectFailuresBeforeHoldCount: 2,
  // -- one drain
  drainBudgetMs: 5 * minuteMs,
  functionMs: 10 * minuteMs,
  /** The longest that the loop waits before it looks at everything again. */
  pollMs: 5 * secondMs,
  dueQueueRefreshMs: 5 * secondMs,
  dueQueuePageCount: 100,
  settleMostCount: 19, // five operations each and the state row: a transaction takes 100
  publishEveryMs: 10 * secondMs,
  /** Between two readings of the event rows while work goes on; batches them. */
  publishPauseMs: secondMs,
  publishPageCount: 100,
  /** A lane refused for longer than this lets the drain leave. */
  waitInPlaceMs: 90 * secondMs,
  longestBackoffMs: 15 * minuteMs,
  // -- doubts
  firstLookupMs: 30 * secondMs,
  secondLookupMs: 5 * minuteMs,
  lookupRetryMs: 5 * minuteMs,
  lookupMs: 2 * minuteMs,
  // -- deferrals
  firstDeferralMs: minuteMs,
  deferralGrowth: 2,
  longestDeferralMs: 18 * minuteMs, // with the sweep's minute, what waits is sent within 20 minutes of a recovery
  /** 0.2: a delay is drawn from 80 to 120 %. */
  deferralJitter: 0.2,
  /** An unknown permanent reply is final after so long if no other message is sent; time on hold does not count. */
  finalAfterMs: 15 * minuteMs,
  /** Own deferrals add up; past this the message fails. */
  giveUpAfterMs: 48 * hourMs,
  // -- holds
  /** Never more than one try in this time, whatever a judgement says. */
  probeAtLeastMs: minuteMs,
  probeGrowth: 2,
  longestProbeMs: 15 * minuteMs,
  /** So many different messages refused alike, none accepted between, put the account or their mailbox on hold. */
  refusalsBeforeHoldCount: 3,
  // -- sizes
  contentInRowBytes: 65_536, // a binary property holds 64 KiB
  eventInRowBytes: 49_152, // a queue message holds 64 KiB; escapes and the envelope need the rest
  /** Recipients with their outcomes, two bytes a character; more go into a blob. */
  recipientsInRowBytes: 500_000, // a row holds 1 MiB in all
  transactionBytes: 3_500_000, // a transaction holds 4 MiB
  /** The largest blob that a submission may refer to. */
  blobMostBytes: 150 * 1_048_576, // EHLO's SIZE, the service's ceiling
  // -- upkeep
  retentionMs: 30 * dayMs,
  blobAgeMs: 3 * dayMs,
  backlogCountMost: 20_000,
  /** Tries of one transaction against a store that refuses or does not answer, and the pause before the second. */
  transactionTriesCount: 8,
  transactionPauseMs: 100,
};

export type OutboundNumbers = Readonly<typeof numbers & { inDoubtPolicy: 'hold' | 'resend' }>;

export const defaultNumbers: OutboundNumbers = { ...numbers, inDoubtPolicy: 'hold' };
