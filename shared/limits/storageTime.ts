// The storage service's clock, as well as it is known from its answers.
//
// Every answer carries a Date of whole seconds, written at some moment between our question and its arrival. So
// at that moment the service's time was at least Date and less than Date + 1 s, and against our own monotonic
// clock that gives two bounds: the service is at least `Date - received` ahead of it, and at most
// `Date + 1 s - sent`. The best of each over the last ten minutes make `earliest` and `latest`; the true time is
// between them. Write deadlines with the latest, judge them with the earliest, and no rounding or slow answer can
// free a slot too soon: the two are types of their own, so swapping them does not compile. If the earliest ever
// passes the latest, the service's clock was set: what is known is thrown away.
import type { Clock } from '../clock.ts';

declare const bound: unique symbol;
/** The service's time is this or later (UTC ms). What is judged is judged with it. */
export type Earliest = number & { readonly [bound]: 'earliest' };
/** The service's time is this or earlier (UTC ms). What is written is written with it. */
export type Latest = number & { readonly [bound]: 'latest' };

/** Some time after a bound, which is as sure as the bound. */
export const plus = <Bound extends number>(at: Bound, ms: number): Bound => (at + ms) as Bound;
/** For instants that come from a row or from a calculation. */
export const asEarliest = (at: number): Earliest => at as Earliest;
export const asLatest = (at: number): Latest => at as Latest;

const dateResolutionMs = 1_000;
const memoryMs = 600_000;
const stepMs = 10_000;

/** Distances from the monotonic clock. */
interface Bounds {
  readonly atLeast: number;
  readonly atMost: number;
}

/** Storage's time between two bounds. The adapters report answers to `observe`; everybody else asks. */
export class StorageTime {
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** The best of the answers that came within each step, by the step's number. */
  readonly #learned = new Map<number, Bounds>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** One answer of the service: monotonic instants around it, and its Date header in UTC milliseconds. */
  observe(answer: { readonly sentAt: number; readonly dateMs: number; readonly receivedAt: number }): void {
    const atLeast = answer.dateMs - answer.receivedAt;
    const atMost = answer.dateMs + dateResolutionMs - answer.sentAt;
    const step = Math.floor(answer.receivedAt / stepMs);
    const same = this.#learned.get(step);
    this.#learned.set(step, {
      atLeast: Math.max(atLeast, same?.atLeast ?? atLeast),
      atMost: Math.min(atMost, same?.atMost ?? atMost),
    });
    const bounds = this.#bounds();
    if (bounds !== undefined && bounds.atLeast > bounds.atMost) {
      this.#learned.clear();
      this.#learned.set(step, { atLeast, atMost });
    }
  }

  /** False until the service has answered within the last ten minutes: then ask it anything first. */
  get known(): boolean {
    return this.#bounds() !== undefined;
  }

  /** The service's time is this or later (UTC ms). Before any answer: the beginning of time, so nothing is over. */
  earliest(): Earliest {
    const bounds = this.#bounds();
    return asEarliest(bounds === undefined ? 0 : Math.floor(this.#clock.monotonic() + bounds.atLeast));
  }

  /** The service's time is this or earlier (UTC ms). Before any answer: the end of time, so nothing is still open. */
  latest(): Latest {
    const bounds = this.#bounds();
    return asLatest(
      bounds === undefined ? Number.MAX_SAFE_INTEGER : Math.ceil(this.#clock.monotonic() + bounds.atMost),
    );
  }

  /** The best of what is remembered. */
  #bounds(): Bounds | undefined {
    const oldest = Math.floor(this.#clock.monotonic() / stepMs) - memoryMs / stepMs;
    for (const step of this.#learned.keys()) if (step < oldest) this.#learned.delete(step);
    const learned = [...this.#learned.values()];
    if (learned.length === 0) return undefined;
    return {
      atLeast: Math.max(...learned.map(({ atLeast }) => atLeast)),
      atMost: Math.min(...learned.map(({ atMost }) => atMost)),
    };
  }
}
