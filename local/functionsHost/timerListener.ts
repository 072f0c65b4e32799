// The timer trigger (TimerListener of the webjobs extensions), in UTC. The next tick is looked for when the run
// has ended, so runs never overlap and a long one makes ticks drop, not queue. A failure changes nothing: the
// next tick comes. `runOnStartup` runs at every start.
//
// With `useMonitor` (on by default for schedules that never tick twice within a minute) the next tick is written
// down; a host that starts after it runs the function at once, past due. The real host keeps that in a blob and
// lets one instance run the timer by a blob lease. Here it is one file, and there is one host.
import type { Clock } from '../../shared/clock.ts';
import { parseSchedule, type Schedule } from '../../shared/config/ncrontab.ts';
import type { TypedData } from './coreModule.ts';
import type { TimerMemory } from './timerMemory.ts';

export interface TimerListenerOptions {
  readonly functionName: string;
  /** Six fields, with every `%NAME%` resolved. */
  readonly expression: string;
  readonly runOnStartup: boolean;
  /** Undefined: by the schedule. */
  readonly useMonitor: boolean | undefined;
  readonly memory: TimerMemory;
  readonly run: (data: TypedData, reason: string) => Promise<boolean>;
  readonly clock: Clock;
}

// A schedule's shortest gap is judged by its next few ticks, as the extension does.
const gapsLookedAt = 5;

export class TimerListener {
  readonly #options: TimerListenerOptions;
  readonly #schedule: Schedule;
  readonly #monitored: boolean;
  readonly #stopping = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  /** Throws when the schedule cannot be read. */
  constructor(options: TimerListenerOptions) {
    this.#options = options;
    const answer = parseSchedule(options.expression);
    if (answer.kind === 'invalid')
      throw new RangeError(`The schedule ${options.expression} ${answer.detail}.`);
    this.#schedule = answer.schedule;
    this.#monitored = options.useMonitor ?? this.#shortestGapMs() >= 60_000;
  }

  start(): void {
    this.#loop = this.#listen();
  }

  /** No further tick; resolves when the run under way has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  /** The timer object passed to the function. */
  data(isPastDue: boolean): TypedData {
    const status = this.#options.memory.read(this.#options.functionName);
    return {
      json: JSON.stringify({
        Schedule: { AdjustForDST: true },
        ScheduleStatus:
          status === undefined ? null : { Last: status.last, Next: status.next, LastUpdated: status.last },
        IsPastDue: isPastDue,
      }),
    };
  }

  async #listen(): Promise<void> {
    const { clock, run, memory, functionName, runOnStartup } = this.#options;
    const { signal } = this.#stopping;
    const missed = this.#monitored && isPast(memory.read(functionName)?.next, clock.now());
    if (missed || runOnStartup) await run(this.data(missed), missed ? 'past due' : 'start-up');
    for (let ticks = 0; ; ticks++) {
      const now = clock.now();
      const next = this.#schedule.next(now);
      if (next === undefined) return;
      if (this.#monitored) {
        const last = ticks === 0 && !missed ? undefined : new Date(now).toISOString();
        memory.write(functionName, {
          last: last ?? memory.read(functionName)?.last,
          next: new Date(next).toISOString(),
        });
      }
      await this.#until(next);
      if (signal.aborted) return;
      await run(this.data(false), 'tick');
    }
  }

  /** Sleeps in steps of a day at most: a longer one overflows the machine's timer. */
  async #until(at: number): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    for (let leftMs = at - clock.now(); leftMs > 0 && !signal.aborted; leftMs = at - clock.now()) {
      await clock.sleep(Math.min(leftMs, 86_400_000), signal);
    }
  }

  #shortestGapMs(): number {
    let shortest = Infinity;
    let at = this.#schedule.next(this.#options.clock.now());
    for (let gaps = 0; gaps < gapsLookedAt && at !== undefined; gaps++) {
      const next = this.#schedule.next(at);
      shortest = Math.min(shortest, next === undefined ? Infinity : next - at);
      at = next;
    }
    return shortest;
  }
}

function isPast(instant: string | undefined, now: number): boolean {
  return instant !== undefined && Date.parse(instant) < now;
}
