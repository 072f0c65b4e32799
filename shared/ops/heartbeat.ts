// Timers can stop on Flex while queues still start functions (azure-functions-host#11828). A message on the queue
// `heartbeat` that puts its own successor notices it, and runs the timers' work until they tick again:
//
// 1. Each timer records its tick before it works.
// 2. The message is due every two minutes. If a tick is five minutes late, the timer counts as stopped, and its work is
//    run here whenever its schedule has been due since the last run; the message then comes back after a minute.
// 3. The successor is put on the queue first, then its token is written to the row, on the condition that the row still
//    has the token of this message. A message whose token is not the row's ends there: so one chain is alive at most,
//    and a crash in between leaves a chain and an orphan, never none.
// 4. The first call of each worker, and each sweep, begin a chain if none has renewed itself for a quarter of an hour.
//
// What runs is guarded by its own leases, so that a timer that comes back during it does no harm.
import { z } from 'zod';
import type { Clock, Random } from '../clock.ts';
import { parseSchedule } from '../config/ncrontab.ts';
import { messageOf, numberIn, textIn } from '../mail/foreign.ts';
import type { Operation, Row, Rows } from '../outbound/ports.ts';
import { StorageTrouble } from '../storageErrors.ts';
import type { Log } from '../telemetry/log.ts';
import { opsEvents } from '../telemetry/opsEvents.ts';
import type { HeartbeatNumbers } from './heartbeatNumbers.ts';
import { putRow } from './putRow.ts';

/** The timers that are watched. */
export const watchedTimers = ['sweep', 'fetch', 'refresh'] as const;
export type WatchedTimer = (typeof watchedTimers)[number];

export interface HeartbeatDependencies {
  /** Of the table `ops`. */
  readonly rows: Rows;
  /** Puts a message on the queue that becomes visible after `delayMs`. Throws StorageTrouble. */
  readonly put: (text: string, delayMs: number) => Promise<void>;
  /** NCRONTAB expressions, checked. */
  readonly schedules: Readonly<Record<WatchedTimer, string>>;
  /** False for a timer that an administrator has switched off. */
  readonly isOn: (timer: WatchedTimer) => boolean;
  readonly clock: Pick<Clock, 'now'>;
  readonly random: Pick<Random, 'id'>;
  readonly numbers: HeartbeatNumbers;
  readonly log: Log;
}

/** The daily jobs whose last end is remembered. */
export const dailyJobs = ['prune', 'refresh', 'export'] as const;
export type DailyJob = (typeof dailyJobs)[number];

const partition = 'heartbeat';
/** Of a daily job's row; the timers' rows are named as they are. */
const doneKey = (job: DailyJob): string => `done ${job}`;
const chainKey = 'chain';
const rowsMost = 20;
const chainColumns = z.object({ token: z.string(), renewedAt: z.number(), beganAt: z.number() });
const timerColumns = z.object({ tickAt: z.number().optional(), ranAt: z.number().optional() });

interface State {
  readonly chain: z.infer<typeof chainColumns> | undefined;
  /** Of the chain's row, readable or not; undefined if there is none. */
  readonly etag: string | undefined;
  readonly timers: Readonly<Record<WatchedTimer, z.infer<typeof timerColumns>>>;
}

export class Heartbeat {
  readonly #dependencies: HeartbeatDependencies;

  constructor(dependencies: HeartbeatDependencies) {
    this.#dependencies = dependencies;
  }

  /** Records that a timer has ticked. Never throws: the timer's own work matters more. */
  async ticked(timer: WatchedTimer): Promise<void> {
    await this.#record(timer, { tickAt: this.#dependencies.clock.now() });
  }

  /** Records that a daily job has ended well. Never throws. */
  async ended(job: DailyJob): Promise<void> {
    await this.#record(doneKey(job), { doneAt: this.#dependencies.clock.now() });
  }

  /** When each last ended well, or when its watch began (UTC ms). Throws StorageTrouble. */
  async lastEnds(): Promise<ReadonlyMap<DailyJob, number>> {
    const found = await this.#dependencies.rows.query(partition, { from: '', to: '~', limit: rowsMost });
    const beganAt = numberIn(found.find(({ key }) => key === chainKey)?.fields, 'beganAt');
    if (beganAt === 0) return new Map();
    return new Map(
      dailyJobs.map((job) => [
        job,
        numberIn(found.find(({ key }) => key === doneKey(job))?.fields, 'doneAt') || beganAt,
      ]),
    );
  }

  /** Begins a chain if there is none. Never throws. */
  async ensure(): Promise<void> {
    const { clock, numbers, log } = this.#dependencies;
    try {
      const { chain, etag } = await this.#read();
      if (chain !== undefined && clock.now() - chain.renewedAt < numbers.lostMs) return;
      await this.#renew(etag, chain?.beganAt ?? clock.now(), numbers.intervalMs);
      if (chain !== undefined) log(opsEvents.heartbeatLost({ silentMs: clock.now() - chain.renewedAt }));
    } catch (error) {
      if (!(error instanceof StorageTrouble)) throw error;
      log(opsEvents.heartbeatFailed({ what: 'begin', detail: error.message }));
    }
  }

  /** One message of the queue; `run` does the work of a timer. Throws StorageTrouble: the host then repeats it. */
  async beat(payload: unknown, run: (timer: WatchedTimer) => Promise<void>): Promise<void> {
    const { numbers, clock, schedules, isOn } = this.#dependencies;
    const { chain, etag, timers } = await this.#read();
    if (textIn(payload, 'heartbeat') !== chain?.token) return;
    const late: WatchedTimer[] = [];
    for (const timer of watchedTimers) {
      if (!isOn(timer)) continue;
      const { tickAt = chain.beganAt, ranAt = 0 } = timers[timer];
      const missedAt = nextAfter(schedules[timer], tickAt);
      if (clock.now() - missedAt < numbers.lateMs) continue;
      late.push(timer);
      if (nextAfter(schedules[timer], Math.max(tickAt, ranAt)) <= clock.now())
        await this.#runLate(timer, clock.now() - missedAt, run);
    }
    await this.#renew(etag, chain.beganAt, late.length > 0 ? numbers.lateIntervalMs : numbers.intervalMs);
  }

  async #runLate(
    timer: WatchedTimer,
    lateMs: number,
    run: (timer: WatchedTimer) => Promise<void>,
  ): Promise<void> {
    const { log, clock } = this.#dependencies;
    log(opsEvents.timerLate({ timer, lateMs }));
    const ranAt = clock.now();
    try {
      await run(timer);
    } catch (error) {
      log(opsEvents.heartbeatFailed({ what: timer, detail: messageOf(error) }));
    }
    await this.#record(timer, { ranAt });
  }

  async #renew(etag: string | undefined, beganAt: number, delayMs: number): Promise<void> {
    const { put, rows, random, clock } = this.#dependencies;
    const token = random.id();
    await put(JSON.stringify({ heartbeat: token }), delayMs);
    const fields = { token, renewedAt: clock.now(), beganAt };
    const operation: Operation =
      etag === undefined
        ? { kind: 'insert', key: chainKey, fields }
        : { kind: 'replace', key: chainKey, fields, etag };
    // Refused: another message has renewed the chain, and the one just put will find that its token is not the row's.
    const answer = await rows.commit(partition, [operation]);
    if (answer.kind === 'unknown')
      throw new StorageTrouble(`the heartbeat could not be renewed: ${answer.detail}`);
  }

  async #read(): Promise<State> {
    const found = await this.#dependencies.rows.query(partition, { from: '', to: '~', limit: rowsMost });
    const chainRow = found.find(({ key }) => key === chainKey);
    const chain = chainColumns.safeParse(chainRow?.fields);
    return {
      chain: chain.success ? chain.data : undefined,
      etag: chainRow?.etag,
      timers: {
        sweep: timerOf(found, 'sweep'),
        fetch: timerOf(found, 'fetch'),
        refresh: timerOf(found, 'refresh'),
      },
    };
  }

  async #record(key: string, fields: Readonly<Record<string, number>>): Promise<void> {
    const { rows, log } = this.#dependencies;
    try {
      const answer = await putRow(rows, partition, { kind: 'merge', key, fields });
      if (answer.kind === 'unknown')
        log(opsEvents.heartbeatFailed({ what: `record ${key}`, detail: answer.detail }));
    } catch (error) {
      log(opsEvents.heartbeatFailed({ what: `record ${key}`, detail: messageOf(error) }));
    }
  }
}

function timerOf(rows: readonly Row[], timer: WatchedTimer): z.infer<typeof timerColumns> {
  const read = timerColumns.safeParse(rows.find(({ key }) => key === timer)?.fields);
  return read.success ? read.data : {};
}

/** Infinity for a schedule that is never due again. */
function nextAfter(expression: string, after: number): number {
  const answer = parseSchedule(expression);
  return (answer.kind === 'ok' ? answer.schedule.next(after) : undefined) ?? Infinity;
}
