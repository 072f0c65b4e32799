// Progress output of the demo: bars in a terminal, a plain line every few seconds otherwise.
import type { Forecast } from '../../shared/limits/forecast.ts';

export interface AccountProgress {
  readonly name: string;
  readonly doneCount: number;
  readonly totalCount: number;
  /** Messages accepted by the server in the last period, and the limit. */
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

  /** Prints a permanent line. */
  log(detail: string): void {
    this.#erase();
    console.log(`${this.#elapsed()}  ${detail}`);
  }

  show(accounts: readonly AccountProgress[]): void {
    if (this.#terminal) {
      this.#erase();
      for (const accountProgress of accounts) console.log(barOf(accountProgress));
      this.#drawnCount = accounts.length;
      return;
    }
    if (performance.now() - this.#plainAt < plainEveryMs) return;
    this.#plainAt = performance.now();
    for (const accountProgress of accounts) {
      if (accountProgress.doneCount < accountProgress.totalCount)
        console.log(`${this.#elapsed()}    ${plainOf(accountProgress)}`);
    }
  }

  #elapsed(): string {
    return `${((performance.now() - this.#startedAt) / 1_000).toFixed(1).padStart(5)} s`;
  }

  /** Erases the bars that were drawn last. */
  #erase(): void {
    if (this.#drawnCount > 0) process.stdout.write(`\u001b[${String(this.#drawnCount)}A\u001b[J`);
    this.#drawnCount = 0;
  }
}

function barOf(accountProgress: AccountProgress): string {
  const { doneCount, totalCount, inPeriod, limit } = accountProgress;
  const filled = Math.round((barWidth * doneCount) / Math.max(1, totalCount));
  const bar = `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}`;
  const rate = `${String(inPeriod).padStart(2)} of ${String(limit)} in the period`;
  return `  ${accountProgress.name.padEnd(30)} ${bar} ${String(doneCount).padStart(3)}/${String(totalCount)}  ${rate}  ${forecastOf(accountProgress)}`;
}

function plainOf(accountProgress: AccountProgress): string {
  const { name, doneCount, totalCount, inPeriod, limit } = accountProgress;
  const rate = `${String(inPeriod)} of ${String(limit)} in the last period`;
  return `${name}: ${String(doneCount)} of ${String(totalCount)} sent, ${rate}${forecastOf(accountProgress, ', ')}`;
}

function forecastOf({ forecast }: AccountProgress, before = ''): string {
  if (forecast === undefined || forecast.waitingCount === 0) return '';
  const clears =
    forecast.clearsAt === undefined
      ? ''
      : `, clears at ${new Date(forecast.clearsAt).toLocaleTimeString('en-GB')}`;
  return `${before}${String(forecast.waitingCount)} waiting${clears}`;
}
