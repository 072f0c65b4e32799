// One check, in a process of its own, of the tree it is in: a fault profile with some seeds. Prints the violations and
// figures; the caller has the bounds.
//   node tests/mutants/check.ts PROFILE MESSAGES SEED…
import { faultProfiles } from '../simulation/faultProfile.ts';
import type { FaultProfileName } from '../simulation/faultProfile.ts';
import { simulate } from '../simulation/simulate.ts';
import type { Outcome } from '../simulation/simulate.ts';

export interface Findings {
  readonly violations: readonly string[];
  /** Of all seeds together, in seconds, at the 99th and the 50th percentile. */
  readonly startSeconds: number;
  readonly medianSeconds: number;
  readonly urgentSeconds: number;
  readonly callsPerSubmission: number;
  readonly doubts: number;
  readonly wakeUps: number;
}

const isProfileName = (name: string): name is FaultProfileName => name in faultProfiles;

const [name = '', count = '0', ...seeds] = process.argv.slice(2);
if (!isProfileName(name)) throw new Error(`There is no fault profile ${name}.`);
const outcomes: Outcome[] = [];
for (const seed of seeds.map(Number))
  outcomes.push(await simulate(faultProfiles[name](seed, Number(count)), seed));

const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((total, one) => total + of(one), 0);
const secondsAt = (rank: number, delays: readonly number[]): number => {
  const sorted = delays.toSorted((one, other) => one - other);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(rank * sorted.length))] ?? 0) / 1_000;
};
const findings: Findings = {
  violations: outcomes.flatMap(({ violations }) => violations),
  startSeconds: secondsAt(
    0.99,
    outcomes.flatMap(({ delays }) => delays),
  ),
  medianSeconds: secondsAt(
    0.5,
    outcomes.flatMap(({ delays }) => delays),
  ),
  urgentSeconds: secondsAt(
    0.9,
    outcomes.flatMap(({ highDelays }) => highDelays),
  ),
  callsPerSubmission: sum(({ calls }) => calls) / sum(({ submissions }) => submissions),
  doubts: sum(({ doubtsReported }) => doubtsReported),
  wakeUps: sum(({ wakeUps }) => wakeUps),
};
console.log(JSON.stringify(findings));
