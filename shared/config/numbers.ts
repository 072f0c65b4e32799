// OUTBOUND_NUMBERS, INBOUND_NUMBERS and HEARTBEAT_NUMBERS: other numbers for the protocols, for test runs that must not take ten minutes.
// Bounds keep a typing error from switching a guarantee off; what depends on several numbers is checked in
// outbound/checkNumbers.ts.
import type { InboundNumbers } from '../inbound/dependencies.ts';
import type { HeartbeatNumbers } from '../ops/heartbeatNumbers.ts';
import { joinPath, kindOf } from '../mail/quote.ts';
import type { OutboundNumbers } from '../outbound/numbers.ts';
import type { Bounds, SettingsReader } from './problems.ts';

const hourMs = 3_600_000;

/** Bounds of each number of sending that can be changed. */
export const adjustableNumbers = {
  attemptMs: [1_000, hourMs],
  graceMs: [0, hourMs],
  periodMs: [100, hourMs],
  guardMs: [0, 60_000],
  dayMs: [1_000, 48 * hourMs],
  dayBucketMs: [100, hourMs],
  leaseMs: [1_000, hourMs],
  leaseMarginMs: [0, 60_000],
  serverIdleMs: [0, hourMs],
  serverSlowMs: [0, hourMs],
  workingConnectionCount: [1, 3],
  connectMs: [500, 5 * 60_000],
  drainBudgetMs: [1_000, hourMs],
  functionMs: [1_000, hourMs],
  pollMs: [10, 60_000],
  dueQueueRefreshMs: [10, 60_000],
  publishEveryMs: [10, 5 * 60_000],
  publishPauseMs: [0, 60_000],
  waitInPlaceMs: [0, hourMs],
  longestBackoffMs: [100, 24 * hourMs],
  firstLookupMs: [0, hourMs],
  secondLookupMs: [0, 24 * hourMs],
  lookupRetryMs: [100, 24 * hourMs],
  lookupMs: [500, 10 * 60_000],
  firstDeferralMs: [10, 24 * hourMs],
  longestDeferralMs: [10, 48 * hourMs],
  probeAtLeastMs: [10, 24 * hourMs],
  longestProbeMs: [10, 48 * hourMs],
  contentInRowBytes: [1_000, 65_536],
  blobAgeMs: [1_000, 3_650 * 24 * hourMs],
} as const satisfies Partial<Readonly<Record<keyof OutboundNumbers, Bounds>>>;

/** The same for fetching. */
export const adjustableInboundNumbers = {
  invocationBudgetMs: [5_000, hourMs],
  mailboxBudgetMs: [5_000, hourMs],
  reserveMs: [500, 5 * 60_000],
  leaseMs: [1_000, hourMs],
  firstRetryDelayMs: [100, hourMs],
  longestRetryDelayMs: [100, 24 * hourMs],
} as const satisfies Partial<Readonly<Record<keyof InboundNumbers, Bounds>>>;

/** The same for the heartbeat. */
export const adjustableHeartbeatNumbers = {
  lateMs: [1_000, hourMs],
  intervalMs: [1_000, hourMs],
  lateIntervalMs: [1_000, hourMs],
  lostMs: [1_000, 24 * hourMs],
} as const satisfies Readonly<Record<keyof HeartbeatNumbers, Bounds>>;

export const readOutboundNumbers = (
  reader: SettingsReader,
): Readonly<Partial<Record<keyof typeof adjustableNumbers, number>>> =>
  readNumbers('OUTBOUND_NUMBERS', adjustableNumbers, '{"periodMs":10000}', reader);

export const readInboundNumbers = (
  reader: SettingsReader,
): Readonly<Partial<Record<keyof typeof adjustableInboundNumbers, number>>> =>
  readNumbers('INBOUND_NUMBERS', adjustableInboundNumbers, '{"leaseMs":10000}', reader);

export const readHeartbeatNumbers = (
  reader: SettingsReader,
): Readonly<Partial<Record<keyof typeof adjustableHeartbeatNumbers, number>>> =>
  readNumbers('HEARTBEAT_NUMBERS', adjustableHeartbeatNumbers, '{"lateMs":10000}', reader);

function readNumbers<Name extends string>(
  setting: string,
  bounds: Readonly<Record<Name, Bounds>>,
  example: string,
  reader: SettingsReader,
): Readonly<Partial<Record<Name, number>>> {
  // A record whose names only the caller knows cannot be built without a cast.
  const numbers = {} as Partial<Record<Name, number>>;
  const text = reader.text(setting);
  if (text === undefined) return numbers;
  let written: unknown;
  try {
    written = JSON.parse(text);
  } catch {
    reader.add(setting, `is not valid JSON; write ${example}, or leave it out`);
    return numbers;
  }
  if (typeof written !== 'object' || written === null || Array.isArray(written)) {
    reader.add(setting, `must be an object such as ${example}, and is ${kindOf(written)}`);
    return numbers;
  }
  const isAdjustable = (key: string): key is Name => Object.hasOwn(bounds, key);
  for (const [key, value] of Object.entries(written).slice(0, 100)) {
    if (!isAdjustable(key)) {
      reader.add(
        setting,
        'is not a number that can be changed; docs/settings.md has the list',
        joinPath(setting, key),
      );
      continue;
    }
    const [least, most] = bounds[key];
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most)
      numbers[key] = value;
    else reader.add(setting, `must be a whole number from ${least} to ${most}`, `${setting}.${key}`);
  }
  return numbers;
}
