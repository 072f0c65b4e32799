// One check, in a process of its own, against the tree that it stands in: a climate from some seeds. Says what
// was violated, and the figures; the bounds are the caller's.
//   node tests/mutants/check.ts CLIMATE MESSAGES SEED…
import { climates } from '../simulation/climate.ts';
import type { ClimateName } from '../simulation/climate.ts';
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
  readonly bells: number;
}

const isClimate = (name: string): name is ClimateName => name in climates;

const [name = '', count = '0', ...seeds] = process.argv.slice(2);
if (!isClimate(name)) throw new Error(`There is no climate ${name}.`);
const outcomes: Outcome[] = [];
for (const seed of seeds.map(Number))
  outcomes.push(await simulate(climates[name](seed, Number(count)), seed));

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
  doubts: sum(({ doubtsTold }) => doubtsTold),
  bells: sum(({ bells }) => bells),
};
console.log(JSON.stringify(findings));
