// The drain loop: the work under one lease, step by step. Everything that takes long (a dialog, connecting, a lookup,
// publishing) runs beside it and notifies it; the loop alone writes, one transaction after the other. It is always in
// one of these modes:
//
//   working     The lease is held and there is time: due messages are claimed and sent.
//   finishing   Nothing can be claimed now: no message is due, the rate limits refuse every lane for long, the account
//               is on hold, the time is over, or the process is about to end. What is in flight, connecting, looked
//               up or being published ends first (if the process ends: only what is in flight, and dialogs without a
//               reply are cut after a while). Back to working if a message can be claimed meanwhile.
//   expiring    The store is slow and the lease about to expire: nothing is claimed, idle connections are closed. Back
//               to working or finishing once a transaction has extended it.
//   leaseLost   The lease is another's, or may be. Attempts in flight end and are settled; nothing else is written.
//   failing     An unexpected error, or the function's time is over. Dialogs in flight end and are settled if that is
//               still possible, so that no more messages than necessary are left in doubt; then the error is thrown.
//   ended       Nothing is in flight and no connection is open.
//
// The mode changes in #enter alone, which checks it against the table below.
import { StorageTrouble } from '../../storageErrors.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { Dependencies } from '../dependencies.ts';
import type { Signal } from './signal.ts';
import type { StopRequest } from './stopRequest.ts';
import { finish, poll, progress, type Finish, type StepResult } from './stepResult.ts';

export type DrainMode = 'working' | 'finishing' | 'expiring' | 'leaseLost' | 'failing' | 'ended';

const predecessors: Readonly<Record<DrainMode, readonly DrainMode[]>> = {
  working: ['finishing', 'expiring'],
  finishing: ['working', 'expiring'],
  expiring: ['working', 'finishing'],
  leaseLost: ['working', 'finishing', 'expiring'],
  failing: ['working', 'finishing', 'expiring', 'leaseLost'],
  ended: ['finishing', 'leaseLost', 'failing'],
};

/** What the loop drives. The real ones are LeaseTasks. Whatever returns a promise may throw StorageTrouble. */
export interface DrainTasks {
  readonly holdsLease: boolean;
  /** How long the lease is certainly still held. */
  readonly leaseLeftMs: number;
  /** Attempts that are not settled, and those of them whose dialog has not ended. */
  readonly inFlightCount: number;
  readonly dialogCount: number;
  readonly connecting: boolean;
  readonly lookingUp: boolean;
  readonly publisher: { start(hurry: boolean): void; close(): void; readonly idle: boolean };
  /** Writes partial refusals and the results of attempts; true if there were any. */
  record(): Promise<boolean>;
  /** Drops what was read if another has changed the account since. */
  noticeChanges(): void;
  /** The duties between two attempts; true if one took a transaction. */
  housekeeping(): Promise<boolean>;
  /** Starts a lookup in Sent Items if one is due. */
  startLookup(): void;
  /** Claims and starts one attempt, or says why none can be. */
  dispatch(): Promise<StepResult>;
  closeIdle(): Promise<void>;
  /** Cuts the dialogs in flight; each ends with what is known of it. Never throws. */
  cutDialogs(): void;
  /** Cuts connections that are busy. Never throws. */
  closeAll(): Promise<void>;
}

export interface DrainLoopOptions {
  readonly account: string;
  /** The invocation, for the log. */
  readonly owner: string;
  /** Monotonic instant from which on nothing is claimed. */
  readonly endsAt: number;
  readonly signal: Signal;
  readonly stop: Pick<StopRequest, 'isRequested' | 'isUrgent'>;
}

type LoopDependencies = Pick<Dependencies, 'clock' | 'numbers' | 'log'>;

export class DrainLoop {
  readonly #tasks: DrainTasks;
  readonly #options: DrainLoopOptions;
  readonly #dependencies: LoopDependencies;
  #mode: DrainMode = 'working';
  /** Thrown in the mode failing. */
  #error: Error = new StorageTrouble('what was sent could not be settled in time');

  constructor(tasks: DrainTasks, options: DrainLoopOptions, dependencies: LoopDependencies) {
    this.#tasks = tasks;
    this.#options = options;
    this.#dependencies = dependencies;
  }

  get mode(): DrainMode {
    return this.#mode;
  }

  /** Steps until nothing more can be done. Throws StorageTrouble, and any unexpected error of a task. */
  async run(): Promise<Finish> {
    try {
      for (;;) {
        const result = await this.#step();
        if (result.kind === 'finish') return result;
        if (result.kind === 'wait')
          await this.#options.signal.wait(
            Math.max(1, Math.min(result.ms, this.#dependencies.numbers.pollMs)),
          );
      }
    } finally {
      this.#enter('ended');
      await this.#tasks.closeAll();
    }
  }

  async #step(): Promise<StepResult> {
    if (this.#isFunctionOver()) {
      this.#enter('failing');
      throw this.#error;
    }
    if (this.#mode === 'failing') return this.#fail();
    try {
      return await this.#work();
    } catch (error) {
      if (error instanceof StorageTrouble) return this.#afterTrouble(error);
      this.#error = error instanceof Error ? error : new Error('a task failed', { cause: error });
      this.#enter('failing');
      return progress;
    }
  }

  /** The platform is about to end the function. */
  #isFunctionOver(): boolean {
    const { clock, numbers } = this.#dependencies;
    const startedAt = this.#options.endsAt - numbers.drainBudgetMs;
    return clock.monotonic() >= startedAt + numbers.functionMs - numbers.leaseMarginMs;
  }

  async #work(): Promise<StepResult> {
    const tasks = this.#tasks;
    const { numbers, clock } = this.#dependencies;
    if (await tasks.record()) return progress;
    tasks.noticeChanges();
    if (!tasks.holdsLease) return this.#withoutLease();
    if (this.#options.stop.isRequested) return this.#stop();
    if (await tasks.housekeeping()) return progress;
    tasks.startLookup();
    const isTimeOver = clock.monotonic() >= this.#options.endsAt;
    tasks.publisher.start(isTimeOver);
    if (tasks.leaseLeftMs <= numbers.leaseMarginMs) {
      this.#enter('expiring');
      await tasks.closeIdle();
      return poll(numbers);
    }
    const result = isTimeOver ? finish('timeOver') : await tasks.dispatch();
    if (result.kind === 'finish') return this.#finish(result);
    this.#enter('working');
    return result;
  }

  /** If the time is over, what is still to be published is left to the next drain, which is woken at once. */
  #finish(result: Finish): StepResult {
    this.#enter('finishing');
    const { inFlightCount, lookingUp, connecting, publisher } = this.#tasks;
    const { numbers, clock } = this.#dependencies;
    if (inFlightCount > 0 || lookingUp || connecting) return poll(numbers);
    if (result.reason === 'timeOver') publisher.close();
    else publisher.start(true);
    const overdueMs = clock.monotonic() - this.#options.endsAt;
    if (!publisher.idle && overdueMs < numbers.leaseMs) return { kind: 'wait', ms: numbers.publishPauseMs };
    return result;
  }

  /** The process is about to end: what was published and not deleted yet is published again, under the same id. */
  #stop(): StepResult {
    this.#enter('finishing');
    this.#tasks.publisher.close();
    if (this.#tasks.inFlightCount === 0) return finish('stopped');
    if (this.#options.stop.isUrgent) this.#tasks.cutDialogs();
    return poll(this.#dependencies.numbers);
  }

  #withoutLease(): StepResult {
    this.#enter('leaseLost');
    const { inFlightCount, connecting } = this.#tasks;
    if (this.#options.stop.isUrgent) this.#tasks.cutDialogs();
    if (inFlightCount === 0 && !connecting) return finish('leaseLost');
    void this.#tasks.closeIdle();
    return poll(this.#dependencies.numbers);
  }

  /** The store does not answer: continue while something is in flight or the lease may be held, then end. */
  #afterTrouble({ message }: StorageTrouble): StepResult {
    const { clock, numbers, log } = this.#dependencies;
    const { account, endsAt } = this.#options;
    log(outboundEvents.storageFailed({ account, operation: 'drain', detail: message }));
    const { inFlightCount, leaseLeftMs } = this.#tasks;
    if (inFlightCount > 0 || (leaseLeftMs > 0 && clock.monotonic() < endsAt)) return poll(numbers);
    this.#enter('leaseLost');
    return finish('leaseLost');
  }

  async #fail(): Promise<StepResult> {
    // What can't be recorded now is put in doubt at its deadline, by the next owner; the first error is thrown.
    if (await this.#tasks.record().catch(() => false)) return progress;
    if (this.#tasks.dialogCount > 0) return poll(this.#dependencies.numbers);
    throw this.#error;
  }

  #enter(mode: DrainMode): void {
    if (mode === this.#mode) return;
    if (!predecessors[mode].includes(this.#mode))
      throw new Error(`a drain can't go from ${this.#mode} to ${mode}`);
    this.#mode = mode;
    const { account, owner } = this.#options;
    if (mode === 'leaseLost') this.#dependencies.log(outboundEvents.leaseLost({ account, owner }));
  }
}
