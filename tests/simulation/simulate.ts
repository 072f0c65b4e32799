// One world from one seed: the production code of the outbound side on several machines with models of everything around
// it, with faults for a while and then without. Once the faults have stopped, everything must settle within a bound that
// follows from the limits; then the oracle judges.
import { asEarliest } from '../../shared/limits/storageTime.ts';
import { recipientsInDay } from '../../shared/limits/limiter.ts';
import { StorageTime } from '../../shared/limits/storageTime.ts';
import { groupAccounts } from '../../shared/mail/accounts.ts';
import type { Account, Mailbox } from '../../shared/mail/mailbox.ts';
import { decodeState } from '../../shared/outbound/records/accountState.ts';
import type { Dependencies } from '../../shared/outbound/dependencies.ts';
import { defaultNumbers } from '../../shared/outbound/numbers.ts';
import type { OutboundNumbers } from '../../shared/outbound/numbers.ts';
import { createOutbound } from '../../shared/outbound/outbound.ts';
import type { Outbound } from '../../shared/outbound/outbound.ts';
import { StorageTrouble } from '../../shared/storageErrors.ts';
import type { Composer, RawMessages } from '../../shared/outbound/ports.ts';
import { MemoryTable } from '../models/memoryRows.ts';
import { seededRandom } from '../models/seededRandom.ts';
import type { FaultProfile } from './faultProfile.ts';
import { Machine } from './machine.ts';
import { Oracle } from './oracle.ts';
import type { Verdict } from './oracle.ts';
import { SimulatedRelay, SimulatedSentItems } from './relay.ts';
import { Scheduler } from './scheduler.ts';
import { Server } from './server.ts';
import type { Incident, IncidentKind } from './server.ts';
import { SimulatedContents, SimulatedQueues, SimulatedRows } from './store.ts';
import type { Blobs, QueueSinks } from './store.ts';
import { plan } from './traffic.ts';
import type { Submitted } from './traffic.ts';
import { Trigger } from './trigger.ts';
import { Wire } from './wire.ts';
import type { FaultSchedule } from './wire.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

export interface Outcome extends Verdict {
  readonly submissions: number;
  readonly arrivals: number;
  readonly mostConnections: number;
  /** Of acceptance and drain; the sweep's are counted apart. */
  readonly calls: number;
  readonly sweepCalls: number;
  readonly wakeUps: number;
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
/** Exchange Online's limit for an account. */
const serverConnections = 3;

export class Simulation {
  readonly scheduler: Scheduler;
  readonly table = new MemoryTable();
  readonly #blobs: Blobs = new Map();
  readonly #profile: FaultProfile;
  readonly #numbers: OutboundNumbers;
  readonly #mailboxes: readonly Mailbox[];
  readonly accounts: readonly Account[];
  readonly server: Server;
  readonly #oracle: Oracle;
  readonly #faultSchedule: FaultSchedule;
  readonly #seed: number;
  readonly #processes: Process[] = [];
  readonly #mail: Trigger;
  readonly #poison: Trigger;
  readonly #wake: Trigger;
  readonly #sinks: QueueSinks = {
    published: (text) => {
      this.#onEvent(text);
    },
    woken: (account) => {
      this.#wake.put(account);
    },
  };
  #machineCount = 0;
  readonly #calls = { work: 0, sweep: 0 };
  #deaths = 0;
  #pauses = 0;
  #submitted: readonly Submitted[] = [];

  constructor(profile: FaultProfile, seed: number) {
    this.#profile = profile;
    this.#seed = seed;
    this.scheduler = new Scheduler(seed, startsAt);
    this.#numbers = { ...defaultNumbers, ...profile.numbers };
    this.#mailboxes = profile.accounts.flatMap(({ limits, mailboxCount }, account) =>
      Array.from({ length: mailboxCount }, (_, index) => mailboxOf(account, index, limits)),
    );
    this.accounts = groupAccounts(this.#mailboxes);
    this.server = new Server(this.scheduler, profile.server);
    this.#oracle = new Oracle(this.#blobs);
    this.#faultSchedule = { calls: profile.calls, faultsStopAt: Number.MAX_SAFE_INTEGER };
    this.server.faultsStopAt = Number.MAX_SAFE_INTEGER;
    const common = {
      machines: () => this.#processes.map(({ machine }) => machine),
      duplicate: () => (this.#faultsActive ? profile.calls.duplicate : 0),
      functionMs: this.#numbers.functionMs,
      timedOut: () => {
        // The platform ends a process that was paused past its function's time; any other timeout is a bug.
        if (profile.calls.pause === 0 && profile.calls.slow === 0)
          this.#oracle.report('stuck: a function ran out of its time');
      },
    };
    const by = (machine: Machine): Process => this.#of(machine);
    this.#poison = new Trigger(this.scheduler, {
      ...common,
      name: 'poison',
      // The timer that moves what lies there back; it counts if the store lets it.
      handle: async (machine, text) => {
        const answer = await by(machine)
          .outbound.returned(text)
          .catch(() => 'again' as const);
        if (answer === 'again') this.#mail.put(text, minuteMs);
      },
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
    for (let count = 0; count < profile.hosts; count += 1) this.#start();
  }

  get #faultsActive(): boolean {
    return this.scheduler.now < this.#faultSchedule.faultsStopAt;
  }

  /** Any error other than a storage error is a bug. */
  async #guarded(work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!(error instanceof StorageTrouble))
        this.#oracle.report(
          `bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
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
    const { drift, skewMs } = this.#profile;
    const machine = new Machine(`p${number}`, scheduler, {
      skewMs: scheduler.between(-skewMs, skewMs),
      originMs: scheduler.between(0, 10_000_000),
      drift: scheduler.between(-drift, drift),
    });
    const time = new StorageTime(machine.clock);
    const wireFor = (whose: 'work' | 'sweep'): Wire =>
      new Wire(scheduler, machine, time, this.#faultSchedule, (what) => {
        if (what === 'pause') this.#pauses += 1;
        else this.#calls[whose] += 1;
      });
    const wire = wireFor('work');
    const ends = { scheduler, machine, server: this.server, rates: this.#profile.server };
    const dependencies: Dependencies = {
      rows: new SimulatedRows(this.table, wire),
      contents: new SimulatedContents(this.#blobs, wire, () => scheduler.now),
      queues: new SimulatedQueues(this.#sinks, wire),
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
      ...dependencies,
      rows: new SimulatedRows(this.table, sweepWire),
      queues: new SimulatedQueues(this.#sinks, sweepWire),
    };
    const process: Process = {
      machine,
      outbound: createOutbound(dependencies),
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

  #onEvent(text: string): void {
    const { id, type } = this.#oracle.observe(text);
    this.scheduler.trace(`event ${id} ${type}`);
    if (type !== 'failed' || !this.scheduler.chance(this.#profile.traffic.replayed)) return;
    const account = this.#submitted.find((one) => one.id === id)?.account;
    if (account === undefined) return;
    this.scheduler.after(this.scheduler.between(1_000, 600_000), () => {
      this.#byHand((outbound) => outbound.replay({ account, id, by: 'someone' }));
    });
  }

  /** An operator, or ESM, calls one process; a storage error is only shown to them. */
  #byHand(act: (outbound: Outbound) => Promise<unknown>): void {
    const chosen = this.scheduler.pick(this.#processes.filter(({ machine }) => !machine.paused));
    if (chosen !== undefined) this.#guarded(act(chosen.outbound)).catch(() => undefined);
  }

  #sweepEachMinute(): void {
    this.scheduler.after(minuteMs, () => {
      const awake = this.#processes.filter(({ machine }) => !machine.paused);
      const one = this.scheduler.pick(awake);
      const sweepers = this.#profile.everyoneSweeps ? awake : one === undefined ? [] : [one];
      for (const { sweeper } of sweepers) this.#guarded(sweeper.sweep()).catch(() => undefined);
      this.#sweepEachMinute();
    });
  }

  /**
   * The calls for each of the next `count` messages once all submissions are accepted and form a backlog: the
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
    const { traffic } = this.#profile;
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

  /** Runs the world to its end. */
  async run(): Promise<Outcome> {
    const { scheduler } = this;
    this.#begin();
    const lastAt = this.#submitted.reduce((latest, one) => Math.max(latest, one.startsAt), startsAt);
    const faultsUntil = lastAt + 20 * minuteMs;
    this.server.incidents = this.#incidents(startsAt, faultsUntil);
    await scheduler.runUntil(faultsUntil);
    this.#faultSchedule.faultsStopAt = scheduler.now;
    this.server.faultsStopAt = scheduler.now;
    const mustEndBy = scheduler.now + this.#boundMs();
    while (scheduler.now < mustEndBy && this.#oracle.finishedCount < this.#submitted.length)
      await scheduler.runUntil(scheduler.now + minuteMs);
    // Time for active drains to finish, and for late acceptances by the server.
    await scheduler.runUntil(scheduler.now + 30 * minuteMs);
    return this.#outcome();
  }

  #outcome(): Outcome {
    const limitsOf = (key: string): Account['limits'] => {
      const found = this.accounts.find((one) => one.key === key);
      return found?.limits ?? { messagesPerMinute: 0, recipientsPerDay: 0, connections: 0 };
    };
    const { arrivals, mostOpen, leftInDoubt, connectCount } = this.server;
    const { copyNever, copyMostMs } = this.#profile.server;
    const { death, pause } = this.#profile.calls;
    for (const [account, most] of mostOpen) {
      // Dead or paused processes leave connections behind: then the server's own limit applies.
      const set = limitsOf(account).connections;
      const connections = death + pause === 0 ? set : Math.max(set, serverConnections);
      if (most > connections)
        this.#oracle.report(`limit: ${most} connections where ${connections} are allowed`);
    }
    for (const detail of this.#leftovers()) this.#oracle.report(detail);
    const verdict = this.#oracle.judge(
      this.#submitted,
      this.server,
      limitsOf,
      copyNever > 0 || copyMostMs > this.#numbers.secondLookupMs,
    );
    // Every doubt has a cause: a process died or paused with attempts in flight, or the final dot got no reply. A process
    // has up to two connections for each account.
    const causes = 2 * this.accounts.length * (this.#deaths + this.#pauses) + 2 * leftInDoubt;
    if (verdict.doubtsReported > causes)
      this.#oracle.report(`doubts: ${verdict.doubtsReported} doubts have only ${causes} causes`);
    return {
      ...verdict,
      submissions: this.#submitted.length,
      arrivals: arrivals.length,
      mostConnections: Math.max(0, ...mostOpen.values()),
      calls: this.#calls.work,
      sweepCalls: this.#calls.sweep,
      wakeUps: this.#wake.dequeues,
      connects: connectCount,
      deaths: this.#deaths,
      pauses: this.#pauses,
      leftInDoubt,
      virtualMs: this.scheduler.now - startsAt,
      traceHash: this.scheduler.traceHash,
    };
  }

  /** Counters balance to zero: nothing is claimed, leased, listed or unpublished any more. */
  #leftovers(): readonly string[] {
    const detail: string[] = [];
    for (const { key, limits } of this.accounts) {
      const rows = this.table.all(key);
      const left = rows.find(
        (row) => !/^(account$|msg\||serverid\||suspended\|(indoubt|failed)\|)/.test(row.key),
      );
      if (left !== undefined) detail.push(`stuck: ${key} still lists ${left.key}`);
      const state = rows.find((row) => row.key === 'account');
      if (state === undefined) continue;
      const { activeAttempts, lease, holds, slots, day } = decodeState(state.fields);
      const since = this.scheduler.now - this.#numbers.dayMs;
      const tried = this.server.tried.filter(({ account, at }) => account === key && at > since);
      const triedCount = chargedAtLeast(tried);
      const limitsAndNumbers = { ...this.#numbers, ...limits };
      const charged = recipientsInDay({ slots, day }, limitsAndNumbers, asEarliest(this.scheduler.now));
      if (charged < triedCount)
        detail.push(`counter: ${key} tried ${triedCount} recipients in a day and is charged for ${charged}`);
      if (activeAttempts.length > 0)
        detail.push(`stuck: ${key} still has ${activeAttempts.length} open attempts`);
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
      numbers.firstLookupMs +
      numbers.lookupRetryMs +
      numbers.secondLookupMs;
    const queueMs = 11 * minuteMs;
    const backlogMs = this.accounts.map(({ key, limits }) => {
      const mine = this.#submitted.filter(({ account }) => account === key);
      const recipients = mine.reduce((sum, { contents }) => sum + (contents[0]?.recipients.length ?? 0), 0);
      const minutes = mine.length / (0.5 * limits.messagesPerMinute);
      // Refused recipients stay charged; with many incidents that may be most of them.
      const days = Math.floor((4 * recipients) / limits.recipientsPerDay);
      return minutes * minuteMs + days * (numbers.dayMs + numbers.longestBackoffMs);
    });
    return (
      1.2 * numbers.longestDeferralMs +
      numbers.longestProbeMs +
      2 * doubtMs +
      queueMs +
      numbers.longestBackoffMs +
      Math.max(...backlogMs) +
      2 * hourMs
    );
  }

  #incidents(from: number, to: number): readonly Incident[] {
    const { scheduler } = this;
    const kinds: readonly IncidentKind[] = [
      'outage',
      'transientErrors',
      'quota',
      'signIn',
      'busy',
      'closing',
      'senderFault',
      'recipientStorm',
    ];
    const rate = this.#profile.server.incidentsPerHour / hourMs;
    const incidents: Incident[] = [];
    if (rate === 0) return incidents;
    for (const { key: account } of this.accounts) {
      let at = from;
      for (let count = 0; count < 100; count += 1) {
        at += -Math.log(1 - scheduler.uniform()) / rate;
        if (at >= to) break;
        const lasts = scheduler.between(minuteMs, scheduler.chance(0.1) ? 2 * hourMs : 15 * minuteMs);
        const kind = scheduler.pick(kinds) ?? 'transientErrors';
        // A message that waits alone for a quarter of an hour is taken to be at fault itself.
        const mostMs = kind === 'senderFault' ? 12 * minuteMs : lasts;
        const end = Math.min(to, at + Math.min(lasts, mostMs));
        incidents.push({ account, kind, from: at, to: end });
        at = end;
      }
    }
    return incidents;
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
    fetchFrom: { kind: 'all' },
    limits,
  };
}

/** Enough headers for the server to distinguish attempts and contents. */
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

export const simulate = (profile: FaultProfile, seed: number): Promise<Outcome> =>
  new Simulation(profile, seed).run();

/** The charge of what an attempt was refused for is moved by the next attempt of its message; the rest stays all day. */
function chargedAtLeast(tried: Server['tried']): number {
  const last = new Map(tried.map((one) => [one.id, one]));
  return tried.reduce((sum, one) => sum + (last.get(one.id) === one ? one.count : one.keptCount), 0);
}
