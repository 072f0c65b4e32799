// One stack in which hosts are killed, one run after the other: submissions are put, the host is killed or stopped
// at the run's point, a new one is started, and everything must come to rest. Lanes share nothing, so that several
// may run beside each other.
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../shared/clock.ts';
import { decodeBox } from '../../shared/outbound/records/accountState.ts';
import { allDueRange, boxKey, doubtRange, eventRange } from '../../shared/outbound/records/keys.ts';
import { queueNames, tableNames } from '../../shared/storage/names.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';
import { Esm } from '../esm.ts';
import type { ImapStep, SmtpStep, StepInfo } from '../emulators/exchange/faults.ts';
import type { HostProcess } from '../functionsHost/hostProcess.ts';
import { startStack, type Stack } from '../stack.ts';
import {
  startStorageProxy,
  type AfterCall,
  type BeforeCall,
  type SeenCall,
  type StorageAnswer,
  type StorageProxy,
} from '../storageProxy/storageProxy.ts';
import { endOf } from './account.ts';
import { crashNumbers } from './numbers.ts';
import type { Point } from './points.ts';
import { address, sceneOf, type Planned, type Scene } from './scenes.ts';

/** How long the host hides a message in work; the real one's ten minutes are fixed. */
export const hideMs = 2_000;
const schedules = { SWEEP_SCHEDULE: '*/1 * * * * *', FETCH_SCHEDULE: '0 0 * * * *' };

/** A host that is stopped stays so for this long: longer than any lease. */
const stopMs = crashNumbers.leaseMs + 2_000;
const reachMs = 60_000;
const restMs = 120_000;

export interface Run {
  readonly point: Point;
  readonly repeat: number;
  readonly planned: readonly Planned[];
  readonly seconds: number;
  /** The step came, and the host was killed or stopped at it. */
  readonly reached: boolean;
  readonly rested: boolean;
}

/** Calls and steps that a lane's traffic goes past. */
export interface Watch {
  before?(call: SeenCall): Promise<BeforeCall> | BeforeCall;
  after?(call: SeenCall, answer: StorageAnswer): Promise<AfterCall> | AfterCall;
  step?(step: SmtpStep, info: StepInfo): Promise<'cut' | undefined> | 'cut' | undefined;
}

export class Lane {
  readonly stack: Stack;
  readonly esm: Esm;
  readonly #proxy: StorageProxy;
  readonly #appFolder: string;
  readonly #watching: { watch?: Watch };
  #host: HostProcess | undefined;

  private constructor(parts: {
    stack: Stack;
    proxy: StorageProxy;
    appFolder: string;
    watching: { watch?: Watch };
  }) {
    this.stack = parts.stack;
    this.#proxy = parts.proxy;
    this.#appFolder = parts.appFolder;
    this.#watching = parts.watching;
    this.esm = new Esm(parts.stack.store);
    this.esm.listen();
  }

  /** `mailboxes`: names; each is an account of its own. */
  static async start(
    appFolder: string,
    mailboxes: readonly string[],
    settings: Readonly<Record<string, string>> = {},
  ): Promise<Lane> {
    const watching: { watch?: Watch } = {};
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

  /** Everything that passes from now on is shown to it; undefined: to nobody. */
  watch(watch: Watch | undefined): void {
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

  async submit({ uploads, planned }: Pick<Scene, 'uploads' | 'planned'>): Promise<void> {
    for (const [name, text] of Object.entries(uploads)) await this.esm.upload(name, Buffer.from(text));
    for (const { submission } of planned) await this.esm.submit(submission);
  }

  /** Kills or stops the host at the point, lets another go on, and waits for the end of it all. */
  async run(point: Point, mailbox: string, repeat: number): Promise<Run> {
    const startedAt = performance.now();
    const first = await this.host();
    const name = `${point.name.replaceAll(/[^a-z]+/gi, '-')}.${point.when}.${point.does}.${String(repeat)}`;
    const scene = sceneOf(point.scene, address(mailbox), name);
    const { planned } = scene;
    const unprepare = scene.prepare(this.stack.exchange);
    const released = new AbortController();
    const trap = new Trap(point, repeat - 1, async () => {
      if (point.does === 'kill') {
        this.#host = undefined;
        await first.kill();
        return;
      }
      first.pause();
      // What it was about to do, or to hear, waits until it goes on.
      await systemClock.sleep(stopMs + reachMs, released.signal);
    });
    this.watch(trap);
    await this.submit(scene);
    const reached = await trap.sprung(reachMs);
    if (reached && point.does === 'stop') await this.#standIn(first, released);
    else await this.host();
    const rested = await this.untilRest(planned, [address(mailbox)]);
    this.watch(undefined);
    unprepare();
    const seconds = (performance.now() - startedAt) / 1_000;
    return { point, repeat, planned, seconds, reached, rested };
  }

  /** A second host works while the first one is stopped; then the first goes on, and both are there. */
  async #standIn(first: HostProcess, released: AbortController): Promise<void> {
    const second = await this.#startHost();
    await pause(stopMs);
    first.resume();
    released.abort();
    await pause(crashNumbers.attemptMs);
    await first.kill();
    this.#host = second;
  }

  /** Each has an end, nothing is open, owed or queued; false where that does not come about. */
  async untilRest(planned: readonly Planned[], accounts: readonly string[]): Promise<boolean> {
    const limit = performance.now() + restMs;
    while (performance.now() < limit) {
      const ended = planned.every((one) => endOf(one, this.esm) !== undefined);
      if (ended && (await this.#isAtRest(accounts))) return true;
      await pause(200);
    }
    return false;
  }

  async #isAtRest(accounts: readonly string[]): Promise<boolean> {
    const { outboundMail, outboundMailPoison, outboundWake } = queueNames;
    for (const name of [outboundMail, outboundMailPoison, outboundWake]) {
      const { approximateMessagesCount } = await this.stack.store.queues.getQueueClient(name).getProperties();
      if (approximateMessagesCount !== 0) return false;
    }
    const rows = new TableRows(this.stack.store.table(tableNames.outbox));
    for (const account of accounts) {
      const box = await rows.read(account, boxKey);
      if (box === undefined) continue;
      const { lease, open } = decodeBox(box.fields);
      if (lease !== undefined || open.length > 0) return false;
      for (const range of [allDueRange, doubtRange(Number.MAX_SAFE_INTEGER / 10), eventRange]) {
        if ((await rows.query(account, { ...range, limit: 1 }, ['attempt'])).length > 0) return false;
      }
    }
    return true;
  }
}

/** Springs once, where the point says. */
class Trap implements Watch {
  readonly #point: Point;
  readonly #act: () => Promise<void>;
  readonly #sprung: Promise<void>;
  #note: () => void = () => undefined;
  #letGo: number;
  #armed = true;

  constructor(point: Point, letGo: number, act: () => Promise<void>) {
    this.#point = point;
    this.#letGo = point.recurs ? Math.min(letGo, 2) : 0;
    this.#act = act;
    this.#sprung = new Promise((resolve) => {
      this.#note = resolve;
    });
  }

  sprung(limitMs: number): Promise<boolean> {
    return Promise.race([
      this.#sprung.then(() => true),
      pause(limitMs, undefined, { ref: false }).then(() => {
        this.#armed = false;
        return false;
      }),
    ]);
  }

  async before(call: SeenCall): Promise<BeforeCall> {
    if (!this.#isHere('before', call, undefined)) return 'forward';
    await this.#spring();
    // A host that was stopped goes on with what it had begun; a dead one had not begun it.
    return this.#point.does === 'kill' ? 'cut' : 'forward';
  }

  async after(call: SeenCall, answer: StorageAnswer): Promise<AfterCall> {
    if (!this.#isHere('after', call, answer)) return 'pass';
    await this.#spring();
    return this.#point.does === 'kill' ? 'lose' : 'pass';
  }

  async step(step: SmtpStep): Promise<'cut' | undefined> {
    const { place, does } = this.#point;
    if (place.kind !== 'smtp' || place.step !== step || !this.#isTurn()) return undefined;
    await this.#spring();
    return does === 'kill' && !place.serverGoesOn ? 'cut' : undefined;
  }

  #isHere(when: Point['when'], call: SeenCall, answer: StorageAnswer | undefined): boolean {
    const { place } = this.#point;
    if (place.kind !== 'store' || this.#point.when !== when || place.call !== call.name) return false;
    return (place.where?.(call, answer) ?? true) && this.#isTurn();
  }

  #isTurn(): boolean {
    if (!this.#armed) return false;
    if (this.#letGo > 0) {
      this.#letGo -= 1;
      return false;
    }
    this.#armed = false;
    return true;
  }

  async #spring(): Promise<void> {
    this.#note();
    await this.#act();
  }
}
