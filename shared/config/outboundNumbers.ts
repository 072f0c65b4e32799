// OUTBOUND_NUMBERS: other numbers for the outbound protocol, for runs that must not take ten minutes. Bounds
// keep a slip of the pen from switching a promise off; what depends on several numbers is the protocol's check.
import { joinPath, kindOf } from '../mail/quote.ts';
import { textOf, type Environment, type Problems } from './problems.ts';
import type { AdjustableNumber } from './settings.ts';

const hourMs = 3_600_000;

/** Least and most of each number. */
export const adjustableNumbers: Readonly<Record<AdjustableNumber, readonly [least: number, most: number]>> = {
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
  turnMs: [10, 60_000],
  headsRefreshMs: [10, 60_000],
  tellEveryMs: [10, 5 * 60_000],
  tellPauseMs: [0, 60_000],
  waitInPlaceMs: [0, hourMs],
  longestSleepMs: [100, 24 * hourMs],
  firstLookMs: [0, hourMs],
  doubtSettleMs: [0, 24 * hourMs],
  lookPutOffMs: [100, 24 * hourMs],
  lookMs: [500, 10 * 60_000],
  firstDeferralMs: [10, 24 * hourMs],
  longestDeferralMs: [10, 48 * hourMs],
  probeAtLeastMs: [10, 24 * hourMs],
  longestProbeMs: [10, 48 * hourMs],
  blobAgeMs: [1_000, 3_650 * 24 * hourMs],
  poisonDelayMs: [0, 7 * 24 * hourMs - 1_000],
};

export function readOutboundNumbers(
  environment: Environment,
  problems: Problems,
): Readonly<Partial<Record<AdjustableNumber, number>>> {
  const name = 'OUTBOUND_NUMBERS';
  const text = textOf(environment, name);
  if (text === undefined) return {};
  const example = '{"periodMs":10000}';
  let written: unknown;
  try {
    written = JSON.parse(text);
  } catch {
    problems.add(name, `is not valid JSON; write ${example}, or leave it out`);
    return {};
  }
  if (typeof written !== 'object' || written === null || Array.isArray(written)) {
    problems.add(name, `must be an object such as ${example}, and is ${kindOf(written)}`);
    return {};
  }
  const numbers: Partial<Record<AdjustableNumber, number>> = {};
  for (const [key, value] of Object.entries(written).slice(0, 100)) {
    if (!isAdjustable(key)) {
      problems.add(
        name,
        'is no number that can be changed; docs/settings.md has the list',
        joinPath(name, key),
      );
      continue;
    }
    const [least, most] = adjustableNumbers[key];
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most)
      numbers[key] = value;
    else problems.add(name, `must be a whole number from ${least} to ${most}`, `${name}.${key}`);
  }
  return numbers;
}

function isAdjustable(key: string): key is AdjustableNumber {
  return Object.hasOwn(adjustableNumbers, key);
}
