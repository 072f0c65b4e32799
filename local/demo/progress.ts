// What a person sees while the demo runs: bars in a terminal, a plain line every few seconds elsewhere.
import type { Forecast } from '../../shared/limits/forecast.ts';

export interface Standing {
  readonly name: string;
  readonly doneCount: number;
  readonly totalCount: number;
  /** Messages that the server took in the last period, and the most allowed. */
  readonly inPeriod: number;
  readonly limit: number;
  readonly forecast?: Forecast;
}

const barWidth = 30;
const plainEveryMs = 2_000;

export class Progress {
  readonly #terminal: boolean;
  readonly #startedAt = performance.now();
  #drawnCount = 0;
  #plainAt = -Infinity;

  constructor(terminal: boolean) {
    this.#terminal = terminal;
  }

  /** A line that stays. */
  say(detail: string): void {
    this.#erase();
    console.log(`${this.#elapsed()}  ${detail}`);
  }

  show(standings: readonly Standing[]): void {
    if (this.#terminal) {
      this.#erase();
      for (const standing of standings) console.log(barOf(standing));
      this.#drawnCount = standings.length;
      return;
    }
    if (performance.now() - this.#plainAt < plainEveryMs) return;
    this.#plainAt = performance.now();
    for (const standing of standings) {
      if (standing.doneCount < standing.totalCount) console.log(`${this.#elapsed()}    ${plainOf(standing)}`);
    }
  }

  #elapsed(): string {
    return `${((performance.now() - this.#startedAt) / 1_000).toFixed(1).padStart(5)} s`;
  }

  /** Goes back over the bars that were drawn last. */
  #erase(): void {
    if (this.#drawnCount > 0) process.stdout.write(`\u001b[${String(this.#drawnCount)}A\u001b[J`);
    this.#drawnCount = 0;
  }
}

function barOf(standing: Standing): string {
  const { doneCount, totalCount, inPeriod, limit } = standing;
  const filled = Math.round((barWidth * doneCount) / Math.max(1, totalCount));
  const bar = `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}`;
  const rate = `${String(inPeriod).padStart(2)} of ${String(limit)} in the period`;
  return `  ${standing.name.padEnd(30)} ${bar} ${String(doneCount).padStart(3)}/${String(totalCount)}  ${rate}  ${forecastOf(standing)}`;
}

function plainOf(standing: Standing): string {
  const { name, doneCount, totalCount, inPeriod, limit } = standing;
  const rate = `${String(inPeriod)} of ${String(limit)} in the last period`;
  return `${name}: ${String(doneCount)} of ${String(totalCount)} sent, ${rate}${forecastOf(standing, ', ')}`;
}

function forecastOf({ forecast }: Standing, before = ''): string {
  if (forecast === undefined || forecast.waitingCount === 0) return '';
  const clears =
    forecast.clearsAt === undefined
      ? ''
      : `, clears at ${new Date(forecast.clearsAt).toLocaleTimeString('en-GB')}`;
  return `${before}${String(forecast.waitingCount)} waiting${clears}`;
}
