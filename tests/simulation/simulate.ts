// One world from one seed: the production code of the outbound side on several machines, everything around it
// modelled, rough for a while and then calm. When the faults have stopped everything must come to an end within a
// bound that follows from the limits; then the oracle judges.
import { recipientsInDay } from '../../shared/limits/window.ts';
import { StorageTime } from '../../shared/limits/storageTime.ts';
import { groupAccounts } from '../../shared/mail/accounts.ts';
import type { Account, Mailbox } from '../../shared/mail/mailbox.ts';
import { decodeBox } from '../../shared/outbound/records/accountState.ts';
import type { Dependencies } from '../../shared/outbound/dependencies.ts';
import { defaultNumbers } from '../../shared/outbound/numbers.ts';
import type { OutboundNumbers } from '../../shared/outbound/numbers.ts';
import { createOutbound } from '../../shared/outbound/outbound.ts';
import type { Outbound } from '../../shared/outbound/outbound.ts';
import { StorageTrouble } from '../../shared/outbound/ports.ts';
import type { Composer, RawMessages } from '../../shared/outbound/ports.ts';
import { MemoryTable } from '../models/memoryRows.ts';
import { seededRandom } from '../models/seededRandom.ts';
import type { Climate } from './climate.ts';
import { Machine } from './machine.ts';
import { Oracle } from './oracle.ts';
import type { Verdict } from './oracle.ts';
import { SimulatedRelay, SimulatedSentItems } from './relay.ts';
import { Scheduler } from './scheduler.ts';
import { Server } from './server.ts';
import type { Trouble, TroubleKind } from './server.ts';
import { SimulatedContents, SimulatedQueues, SimulatedRows } from './store.ts';
import type { Blobs, QueueHands } from './store.ts';
import { plan } from './traffic.ts';
import type { Submitted } from './traffic.ts';
import { Trigger } from './trigger.ts';
import { Wire } from './wire.ts';
import type { Weather } from './wire.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

export interface Outcome extends Verdict {
  readonly submissions: number;
  readonly arrivals: number;
  readonly mostConnections: number;
  /** Of acceptance and drain; the sweep's are counted apart. */
  readonly calls: number;
  readonly sweepCalls: number;
  readonly bells: number;
  readonly connects: number;
  readonly deaths: number;
  readonly pauses: number;
  readonly leftInDoubt: number;
  readonly virtualMs: number;
  readonly traceHash: string;
}

interface Process {
  readonly machine: Machine;
  readonly outbound: Outbound;
  readonly sweeper: Outbound;
}

const startsAt = Date.UTC(2026, 10, 25, 9);
/** What Exchange Online takes of one account. */
const serverConnections = 3;

export class Simulation {
  readonly scheduler: Scheduler;
  readonly table = new MemoryTable();
  readonly #blobs: Blobs = new Map();
  readonly #climate: Climate;
  readonly #numbers: OutboundNumbers;
  readonly #mailboxes: readonly Mailbox[];
  readonly accounts: readonly Account[];
  readonly server: Server;
  readonly #oracle: Oracle;
  readonly #weather: Weather;
  readonly #seed: number;
  readonly #processes: Process[] = [];
  readonly #mail: Trigger;
  readonly #poison: Trigger;
  readonly #wake: Trigger;
  readonly #hands: QueueHands = {
    told: (text) => {
      this.#told(text);
    },
    rung: (account) => {
      this.#wake.put(account);
    },
    resubmitted: (text, delayMs) => {
      this.#mail.put(text, delayMs);
    },
  };
  #machineCount = 0;
  readonly #calls = { work: 0, sweep: 0 };
  #deaths = 0;
  #pauses = 0;
  #submitted: readonly Submitted[] = [];

  constructor(climate: Climate, seed: number) {
    this.#climate = climate;
    this.#seed = seed;
    this.scheduler = new Scheduler(seed, startsAt);
    this.#numbers = { ...defaultNumbers, ...climate.numbers };
    this.#mailboxes = climate.accounts.flatMap(({ limits, mailboxCount }, account) =>
      Array.from({ length: mailboxCount }, (_, index) => mailboxOf(account, index, limits)),
    );
    this.accounts = groupAccounts(this.#mailboxes);
    this.server = new Server(this.scheduler, climate.server);
    this.#oracle = new Oracle(this.#blobs);
    this.#weather = { calls: climate.calls, faultsStopAt: Number.MAX_SAFE_INTEGER };
    this.server.faultsStopAt = Number.MAX_SAFE_INTEGER;
    const common = {
      machines: () => this.#processes.map(({ machine }) => machine),
      duplicate: () => (this.#rough ? climate.calls.duplicate : 0),
      functionMs: this.#numbers.functionMs,
      timedOut: () => {
        // A process that stood still past its function's time is the platform's to end; another is a fault of ours.
        if (climate.calls.pause === 0 && climate.calls.slow === 0)
          this.#oracle.say('stuck: a function ran out of its time');
      },
    };
    const by = (machine: Machine): Process => this.#of(machine);
    this.#poison = new Trigger(this.scheduler, {
      ...common,
      name: 'poison',
      handle: (machine, text) => this.#guarded(by(machine).outbound.settlePoison(text)),
    });
    this.#mail = new Trigger(this.scheduler, {
      ...common,
      name: 'mail',
      handle: (machine, text) => this.#guarded(by(machine).outbound.accept(text)),
      poison: (text) => {
        this.#poison.put(text);
      },
    });
    this.#wake = new Trigger(this.scheduler, {
      ...common,
      name: 'wake',
      handle: (machine, text) => this.#guarded(by(machine).outbound.drain(text, `i${this.#wake.dequeues}`)),
      poison: () => undefined,
    });
    for (let count = 0; count < climate.hosts; count += 1) this.#start();
  }

  get #rough(): boolean {
    return this.scheduler.now < this.#weather.faultsStopAt;
  }

  /** Whatever is not trouble with the store is a fault of ours. */
  async #guarded(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!(error instanceof StorageTrouble))
        this.#oracle.say(`fault: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      throw error;
    }
  }

  #of(machine: Machine): Process {
    const found = this.#processes.find((one) => one.machine === machine);
    if (found === undefined) throw new RangeError('a process that is not there any more');
    return found;
  }

  #start(): void {
    const { scheduler } = this;
    const number = (this.#machineCount += 1);
    const { drift, skewMs } = this.#climate;
    const machine = new Machine(`p${number}`, scheduler, {
      skewMs: scheduler.between(-skewMs, skewMs),
      originMs: scheduler.between(0, 10_000_000),
      drift: scheduler.between(-drift, drift),
    });
    const time = new StorageTime(machine.clock);
    const wireFor = (whose: 'work' | 'sweep'): Wire =>
      new Wire(scheduler, machine, time, this.#weather, (what) => {
        if (what === 'pause') this.#pauses += 1;
        else this.#calls[whose] += 1;
      });
    const wire = wireFor('work');
    const ends = { scheduler, machine, server: this.server, rates: this.#climate.server };
    const doors: Dependencies = {
      rows: new SimulatedRows(this.table, wire),
      contents: new SimulatedContents(this.#blobs, wire, () => scheduler.now),
      queues: new SimulatedQueues(this.#hands, wire),
      relay: new SimulatedRelay(ends),
      sentItems: new SimulatedSentItems(ends),
      composer: plainComposer,
      rawMessages: plainRaw,
      time,
      clock: machine.clock,
      random: seededRandom(this.#seed * 1_000_003 + number),
      numbers: this.#numbers,
      accounts: this.accounts,
      submissions: {
        mailboxes: this.#mailboxes,
        maxima: { recipientsCount: 500, contentBytes: 25_000_000 },
        uploadContainer: 'esm-upload',
      },
      tagKey: () => Promise.resolve(tagKey),
      log: () => undefined,
    };
    // The sweep's calls are counted apart: they come by the minute, not by the message.
    const sweepWire = wireFor('sweep');
    const sweeping = {
      ...doors,
      rows: new SimulatedRows(this.table, sweepWire),
      queues: new SimulatedQueues(this.#hands, sweepWire),
    };
    const process: Process = {
      machine,
      outbound: createOutbound(doors),
      sweeper: createOutbound(sweeping),
    };
    this.#processes.push(process);
    machine.onDeath(() => {
      this.#deaths += 1;
      this.#processes.splice(this.#processes.indexOf(process), 1);
      scheduler.after(scheduler.between(1_000, 30_000), () => {
        this.#start();
      });
    });
  }

  #told(text: string): void {
    const { id, type } = this.#oracle.hear(text);
    this.scheduler.trace(`told ${id} ${type}`);
    if (type !== 'failed' || !this.scheduler.chance(this.#climate.traffic.replayed)) return;
    const account = this.#submitted.find((one) => one.id === id)?.account;
    if (account === undefined) return;
    this.scheduler.after(this.scheduler.between(1_000, 600_000), () => {
      this.#byHand((outbound) => outbound.replay({ account, id, by: 'someone' }));
    });
  }

  /** A person, or ESM, asks one process; trouble is shown to them, and that is all. */
  #byHand(act: (outbound: Outbound) => Promise<unknown>): void {
    const chosen = this.scheduler.pick(this.#processes.filter(({ machine }) => !machine.still));
    if (chosen !== undefined) this.#guarded(act(chosen.outbound)).catch(() => undefined);
  }

  #sweepEachMinute(): void {
    this.scheduler.after(minuteMs, () => {
      const awake = this.#processes.filter(({ machine }) => !machine.still);
      const one = this.scheduler.pick(awake);
      const sweepers = this.#climate.everyoneSweeps ? awake : one === undefined ? [] : [one];
      for (const { sweeper } of sweepers) this.#guarded(sweeper.sweep()).catch(() => undefined);
      this.#sweepEachMinute();
    });
  }

  /**
   * What each of the next `count` messages costs once all submissions are accepted and stand as a backlog: the
   * drain's calls, and the sweep's in the same time.
   */
  async costUnderBacklog(count: number): Promise<{ readonly drain: number; readonly sweep: number }> {
    const { scheduler, server } = this;
    this.#begin();
    for (let minute = 0; minute < 24 * 60 && this.#isComing(); minute += 1)
      await scheduler.runUntil(scheduler.now + minuteMs);
    const before = { ...this.#calls, arrivals: server.arrivals.length };
    for (let second = 0; second < 86_400 && server.arrivals.length < before.arrivals + count; second += 10)
      await scheduler.runUntil(scheduler.now + 10_000);
    const sent = server.arrivals.length - before.arrivals;
    return {
      drain: (this.#calls.work - before.work) / sent,
      sweep: (this.#calls.sweep - before.sweep) / sent,
    };
  }

  #isComing(): boolean {
    const { now } = this.scheduler;
    return this.#mail.length > 0 || this.#submitted.some(({ startsAt: at }) => at >= now);
  }

  #begin(): void {
    const { scheduler } = this;
    const { traffic } = this.#climate;
    this.#submitted = plan(traffic, this.accounts, scheduler, {
      submit: (text) => {
        this.#mail.put(text);
      },
      cancel: (account, id) => {
        this.#byHand((outbound) => outbound.cancel({ account, id, by: 'someone' }));
      },
    });
    this.#sweepEachMinute();
  }

  /** Lives through it all. */
  async run(): Promise<Outcome> {
    const { scheduler } = this;
    this.#begin();
    const lastAt = this.#submitted.reduce((latest, one) => Math.max(latest, one.startsAt), startsAt);
    const roughUntil = lastAt + 20 * minuteMs;
    this.server.troubles = this.#troubles(startsAt, roughUntil);
    await scheduler.runUntil(roughUntil);
    this.#weather.faultsStopAt = scheduler.now;
    this.server.faultsStopAt = scheduler.now;
    const mustEndBy = scheduler.now + this.#boundMs();
    while (scheduler.now < mustEndBy && this.#oracle.finishedCount < this.#submitted.length)
      await scheduler.runUntil(scheduler.now + minuteMs);
    // Whoever is still at work has time to come to an end; whatever a server still has, to arrive.
    await scheduler.runUntil(scheduler.now + 30 * minuteMs);
    return this.#account();
  }

  #account(): Outcome {
    const limitsOf = (key: string): Account['limits'] => {
      const found = this.accounts.find((one) => one.key === key);
      return found?.limits ?? { messagesPerMinute: 0, recipientsPerDay: 0, connections: 0 };
    };
    const { arrivals, mostOpen, leftInDoubt, connectCount } = this.server;
    const { copyNever, copyMostMs } = this.#climate.server;
    const { death, pause } = this.#climate.calls;
    for (const [account, most] of mostOpen) {
      // One who died or stood still has left connections: then the server's own limit is what counts.
      const set = limitsOf(account).connections;
      const connections = death + pause === 0 ? set : Math.max(set, serverConnections);
      if (most > connections) this.#oracle.say(`limit: ${most} connections where ${connections} are allowed`);
    }
    for (const detail of this.#leftovers()) this.#oracle.say(detail);
    const verdict = this.#oracle.judge(
      this.#submitted,
      this.server,
      limitsOf,
      copyNever > 0 || copyMostMs > this.#numbers.doubtSettleMs,
    );
    // A doubt has a cause: somebody died or stood still with messages in the air, or no reply came to a dot.
    // For each account it worked for, it had two connections.
    const causes = 2 * this.accounts.length * (this.#deaths + this.#pauses) + 2 * leftInDoubt;
    if (verdict.doubtsTold > causes)
      this.#oracle.say(`doubts: ${verdict.doubtsTold} doubts have only ${causes} causes`);
    return {
      ...verdict,
      submissions: this.#submitted.length,
      arrivals: arrivals.length,
      mostConnections: Math.max(0, ...mostOpen.values()),
      calls: this.#calls.work,
      sweepCalls: this.#calls.sweep,
      bells: this.#wake.dequeues,
      connects: connectCount,
      deaths: this.#deaths,
      pauses: this.#pauses,
      leftInDoubt,
      virtualMs: this.scheduler.now - startsAt,
      traceHash: this.scheduler.traceHash,
    };
  }

  /** Counters balance to zero: nothing is claimed, leased, listed or untold any more. */
  #leftovers(): readonly string[] {
    const detail: string[] = [];
    for (const { key, limits } of this.accounts) {
      const rows = this.table.all(key);
      const left = rows.find((row) => !/^(box$|msg\||served\||aside\|(doubt|failed)\|)/.test(row.key));
      if (left !== undefined) detail.push(`stuck: ${key} still lists ${left.key}`);
      const box = rows.find((row) => row.key === 'box');
      if (box === undefined) continue;
      const { open, lease, holds, slots, day } = decodeBox(box.fields);
      const since = this.scheduler.now - this.#numbers.dayMs;
      const tried = this.server.tried.filter(({ account, at }) => account === key && at > since);
      const triedCount = tried.reduce((sum, { count }) => sum + count, 0);
      const law = { ...this.#numbers, ...limits };
      const charged = recipientsInDay({ slots, day }, law, this.scheduler.now);
      if (charged < triedCount)
        detail.push(`counter: ${key} tried ${triedCount} recipients in a day and is charged for ${charged}`);
      if (open.length > 0) detail.push(`stuck: ${key} still has ${open.length} open attempts`);
      if (lease !== undefined) detail.push(`stuck: ${key} still has a lease`);
      if (holds.length > 0) detail.push(`stuck: ${key} is still on hold`);
    }
    if (this.#mail.length > 0) detail.push(`stuck: ${this.#mail.length} submissions still on the queue`);
    if (this.server.openCount > 0) detail.push(`stuck: ${this.server.openCount} connections are still open`);
    return detail;
  }

  /** I10: how long everything may still take once nothing goes wrong any more; from the numbers and limits alone. */
  #boundMs(): number {
    const numbers = this.#numbers;
    const doubtMs =
      numbers.attemptMs +
      numbers.graceMs +
      numbers.firstLookMs +
      numbers.lookPutOffMs +
      numbers.doubtSettleMs;
    const queueMs = 10 * minuteMs + numbers.poisonDelayMs;
    const backlogMs = this.accounts.map(({ key, limits }) => {
      const mine = this.#submitted.filter(({ account }) => account === key);
      const recipients = mine.reduce((sum, { contents }) => sum + (contents[0]?.recipients.length ?? 0), 0);
      const minutes = mine.length / (0.5 * limits.messagesPerMinute);
      // What is refused stays charged: in a stormy day most of it may be.
      const days = Math.floor((4 * recipients) / limits.recipientsPerDay);
      return minutes * minuteMs + days * (numbers.dayMs + numbers.longestSleepMs);
    });
    return (
      1.2 * numbers.longestDeferralMs +
      numbers.longestProbeMs +
      2 * doubtMs +
      queueMs +
      numbers.longestSleepMs +
      Math.max(...backlogMs) +
      2 * hourMs
    );
  }

  #troubles(from: number, to: number): readonly Trouble[] {
    const { scheduler } = this;
    const kinds: readonly TroubleKind[] = ['outage', 'storm', 'quota', 'signIn', 'busy', 'closing'];
    const rate = this.#climate.server.troublesPerHour / hourMs;
    const troubles: Trouble[] = [];
    if (rate === 0) return troubles;
    for (const { key: account } of this.accounts) {
      let at = from;
      for (let count = 0; count < 100; count += 1) {
        at += -Math.log(1 - scheduler.uniform()) / rate;
        if (at >= to) break;
        const lasts = scheduler.between(minuteMs, scheduler.chance(0.1) ? 2 * hourMs : 15 * minuteMs);
        const end = Math.min(to, at + lasts);
        troubles.push({ account, kind: scheduler.pick(kinds) ?? 'storm', from: at, to: end });
        at = end;
      }
    }
    return troubles;
  }
}

const tagKey = Buffer.from('a key for the simulation');

function mailboxOf(account: number, index: number, limits: Mailbox['limits']): Mailbox {
  const address = index === 0 ? `desk${account}@example.com` : `shared${account}.${index}@example.com`;
  return {
    address,
    signIn: 'delegated',
    imapUser: address,
    smtpUser: `desk${account}@example.com`,
    send: true,
    receive: false,
    folder: 'INBOX',
    afterFetch: { kind: 'none' },
    limits,
  };
}

/** Headers enough for the server to tell attempts and contents apart. */
const plainComposer: Composer = {
  compose: (submission, _blobs, stamp) =>
    Promise.resolve(
      Buffer.from(
        `X-Mail-Bridge-Id: ${stamp.bridgeId}\nSubject: ${submission.kind === 'raw' ? '' : submission.subject}\n`,
      ),
    ),
};
const plainRaw: RawMessages = {
  inspect: ({ to, cc, bcc }) =>
    Promise.resolve({ kind: 'ok', recipients: [...to, ...cc, ...bcc].map(({ address }) => address) }),
};

export const simulate = (climate: Climate, seed: number): Promise<Outcome> =>
  new Simulation(climate, seed).run();
