// One stack in which hosts are killed, one run after the other: submissions are put on the queue, the host is killed or
// stopped at the run's point, a new one is started, and everything must settle. Lanes share nothing, so that several can
// run in parallel.
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../shared/clock.ts';
import { decodeState } from '../../shared/outbound/records/accountState.ts';
import { allDueRange, stateKey, inDoubtRange, eventRange } from '../../shared/outbound/records/keys.ts';
import { queueNames, tableNames } from '../../shared/storage/names.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';
import { EsmQueueClient } from '../stack/esmQueueClient.ts';
import type { ImapStep, SmtpStep, StepInfo } from '../emulators/exchange/faults.ts';
import type { HostProcess } from '../functionsHost/hostProcess.ts';
import { startStack, type Stack } from '../stack/stack.ts';
import {
  startStorageProxy,
  type AfterCall,
  type BeforeCall,
  type SeenCall,
  type StorageAnswer,
  type StorageProxy,
} from '../storageProxy/storageProxy.ts';
import { endOf } from './verdict.ts';
import { crashNumbers } from './numbers.ts';
import type { Point } from './points.ts';
import { address, scenarioOf, type Planned, type Scenario } from './scenarios.ts';

/** How long the host hides a message in progress; fixed at ten minutes in the real host. */
export const hideMs = 2_000;
const schedules = { SWEEP_SCHEDULE: '*/1 * * * * *', FETCH_SCHEDULE: '0 0 * * * *' };

/** How long a host stays stopped: longer than any lease. */
const stopMs = crashNumbers.leaseMs + 2_000;
const reachMs = 200_000;
const settleLimitMs = 400_000;

export interface Run {
  readonly point: Point;
  readonly repeat: number;
  readonly planned: readonly Planned[];
  readonly seconds: number;
  /** The step occurred, and the host was killed or stopped at it. */
  readonly reached: boolean;
  readonly settled: boolean;
}

/** Intercepts storage calls and SMTP steps of a lane. */
export interface TrafficObserver {
  before?(call: SeenCall): Promise<BeforeCall> | BeforeCall;
  after?(call: SeenCall, answer: StorageAnswer): Promise<AfterCall> | AfterCall;
  step?(step: SmtpStep, info: StepInfo): Promise<'cut' | undefined> | 'cut' | undefined;
}

export class Lane {
  readonly stack: Stack;
  readonly esm: EsmQueueClient;
  readonly #proxy: StorageProxy;
  readonly #appFolder: string;
  readonly #watching: { watch?: TrafficObserver };
  #host: HostProcess | undefined;

  private constructor(parts: {
    stack: Stack;
    proxy: StorageProxy;
    appFolder: string;
    watching: { watch?: TrafficObserver };
  }) {
    this.stack = parts.stack;
    this.#proxy = parts.proxy;
    this.#appFolder = parts.appFolder;
    this.#watching = parts.watching;
    this.esm = new EsmQueueClient(parts.stack.store);
    this.esm.listen();
  }

  /** `mailboxes`: names; each is an account of its own. */
  static async start(
    appFolder: string,
    mailboxes: readonly string[],
    settings: Readonly<Record<string, string>> = {},
  ): Promise<Lane> {
    const watching: { watch?: TrafficObserver } = {};
    const stack = await startStack({
      clock: systemClock,
      mailboxes: mailboxes.map((name) => ({ address: address(name), signIn: 'application', receive: false })),
      numbers: crashNumbers,
      settings: { ...schedules, ...settings },
      hideMs,
      exchange: {
        periodMs: crashNumbers.periodMs,
        beforeStep: (step: SmtpStep | ImapStep, info) =>
          info.protocol === 'smtp' ? watching.watch?.step?.(step as SmtpStep, info) : undefined,
      },
    });
    try {
      const proxy = await startStorageProxy({
        ports: stack.azurite.ports,
        before: (call) => watching.watch?.before?.(call) ?? 'forward',
        after: (call, answer) => watching.watch?.after?.(call, answer) ?? 'pass',
      });
      return new Lane({ stack, proxy, appFolder, watching });
    } catch (error) {
      await stack.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#host?.stop();
    await this.esm.stop();
    await this.#proxy.close();
    await this.stack.close();
  }

  /** Sets the observer of all traffic; undefined removes it. */
  watch(watch: TrafficObserver | undefined): void {
    if (watch === undefined) delete this.#watching.watch;
    else this.#watching.watch = watch;
  }

  async host(): Promise<HostProcess> {
    this.#host ??= await this.#startHost();
    return this.#host;
  }

  #startHost(): Promise<HostProcess> {
    const { connectionString } = this.#proxy;
    return this.stack.startHost({
      appFolder: this.#appFolder,
      settings: { MailStore: connectionString, AzureWebJobsStorage: connectionString },
    });
  }

  async submit({ uploads, planned }: Pick<Scenario, 'uploads' | 'planned'>): Promise<void> {
    for (const [name, text] of Object.entries(uploads)) await this.esm.upload(name, Buffer.from(text));
    for (const { submission } of planned) await this.esm.submit(submission);
  }

  /** Kills or stops the host at the point, starts another, and waits until everything has settled. */
  async run(point: Point, mailbox: string, repeat: number): Promise<Run> {
    const startedAt = performance.now();
    const first = await this.host();
    const name = `${point.name.replaceAll(/[^a-z]+/gi, '-')}.${point.when}.${point.does}.${String(repeat)}`;
    const scenario = scenarioOf(point.scenario, address(mailbox), name);
    const { planned } = scenario;
    const restore = scenario.prepare(this.stack.exchange);
    const released = new AbortController();
    const breakpoint = new Breakpoint(point, repeat - 1, async () => {
      if (point.does === 'kill') {
        this.#host = undefined;
        await first.kill();
        return;
      }
      first.pause();
      // The call or reply in progress waits until the host resumes.
      await systemClock.sleep(stopMs + reachMs, released.signal);
    });
    this.watch(breakpoint);
    await this.submit(scenario);
    const reached = await breakpoint.hit(reachMs);
    if (reached && point.does === 'stop') await this.#runSecondHost(first, released);
    else await this.host();
    const settled = await this.untilSettled(planned, [address(mailbox)]);
    this.watch(undefined);
    restore();
    const seconds = (performance.now() - startedAt) / 1_000;
    return { point, repeat, planned, seconds, reached, settled };
  }

  /** A second host works while the first one is stopped; then the first resumes beside it. */
  async #runSecondHost(first: HostProcess, released: AbortController): Promise<void> {
    const second = await this.#startHost();
    await pause(stopMs);
    first.resume();
    released.abort();
    await pause(crashNumbers.attemptMs);
    await first.kill();
    this.#host = second;
  }

  /** Waits until each submission has ended and nothing is active, due or queued; false after the time limit. */
  async untilSettled(planned: readonly Planned[], accounts: readonly string[]): Promise<boolean> {
    const limit = performance.now() + settleLimitMs;
    while (performance.now() < limit) {
      const ended = planned.every((one) => endOf(one, this.esm) !== undefined);
      if (ended && (await this.#isSettled(accounts))) return true;
      await pause(200);
    }
    return false;
  }

  async #isSettled(accounts: readonly string[]): Promise<boolean> {
    const { outboundMail, outboundMailPoison, outboundWake } = queueNames;
    for (const name of [outboundMail, outboundMailPoison, outboundWake]) {
      const { approximateMessagesCount } = await this.stack.store.queues.getQueueClient(name).getProperties();
      if (approximateMessagesCount !== 0) return false;
    }
    const rows = new TableRows(this.stack.store.table(tableNames.outbox));
    for (const account of accounts) {
      const box = await rows.read(account, stateKey);
      if (box === undefined) continue;
      const { lease, activeAttempts } = decodeState(box.fields);
      if (lease !== undefined || activeAttempts.length > 0) return false;
      for (const range of [allDueRange, inDoubtRange(Number.MAX_SAFE_INTEGER / 10), eventRange]) {
        if ((await rows.query(account, { ...range, limit: 1 }, ['attempt'])).length > 0) return false;
      }
    }
    return true;
  }
}

/** Acts once, at the given point. */
class Breakpoint implements TrafficObserver {
  readonly #point: Point;
  readonly #act: () => Promise<void>;
  readonly #hit: Promise<void>;
  #note: () => void = () => undefined;
  #skip: number;
  #armed = true;

  constructor(point: Point, skip: number, act: () => Promise<void>) {
    this.#point = point;
    this.#skip = point.recurs ? Math.min(skip, 2) : 0;
    this.#act = act;
    this.#hit = new Promise((resolve) => {
      this.#note = resolve;
    });
  }

  hit(limitMs: number): Promise<boolean> {
    return Promise.race([
      this.#hit.then(() => true),
      pause(limitMs, undefined, { ref: false }).then(() => {
        this.#armed = false;
        return false;
      }),
    ]);
  }

  async before(call: SeenCall): Promise<BeforeCall> {
    if (!this.#isHere('before', call, undefined)) return 'forward';
    await this.#trigger();
    // A stopped host continues the call later; a killed one never made it.
    return this.#point.does === 'kill' ? 'cut' : 'forward';
  }

  async after(call: SeenCall, answer: StorageAnswer): Promise<AfterCall> {
    if (!this.#isHere('after', call, answer)) return 'pass';
    await this.#trigger();
    return this.#point.does === 'kill' ? 'lose' : 'pass';
  }

  async step(step: SmtpStep): Promise<'cut' | undefined> {
    const { place, does } = this.#point;
    if (place.kind !== 'smtp' || place.step !== step || !this.#isTurn()) return undefined;
    await this.#trigger();
    return does === 'kill' && !place.serverGoesOn ? 'cut' : undefined;
  }

  #isHere(when: Point['when'], call: SeenCall, answer: StorageAnswer | undefined): boolean {
    const { place } = this.#point;
    if (place.kind !== 'store' || this.#point.when !== when || place.call !== call.name) return false;
    return (place.where?.(call, answer) ?? true) && this.#isTurn();
  }

  #isTurn(): boolean {
    if (!this.#armed) return false;
    if (this.#skip > 0) {
      this.#skip -= 1;
      return false;
    }
    this.#armed = false;
    return true;
  }

  async #trigger(): Promise<void> {
    this.#note();
    await this.#act();
  }
}
