// Handing on: what is in the spool goes to the bridge, in order for each mailbox.
//
// Each mailbox has a lane: its messages one after the other, the next only once the one before is accepted or refused
// for good. Lanes run side by side, at most `lanesMost` at once. What a failure stops depends on what it is about:
//   - the bridge or the network (unreachable, 401, 403, 404, 408, 429, 502, 503, …): all lanes wait together, with a
//     delay that doubles from 1 s to 5 min; Retry-After counts instead if there is one;
//   - the message (409, 500, a failed upload): its lane waits, with the same delays. After `patience` tries the message
//     is set aside, so that an error that only this message causes does not stop the mailbox: it is tried again, more
//     and more seldom, after its lane has moved on. That gives up its place in the order and nothing else;
//   - nothing else: a refusal (400, 413, 415, 422) is final. The message goes to rejected/ and the refusal is reported.
// Delays have full jitter. Nothing expires here: that is the bridge's to decide.
import type { Clock, Random } from '../shared/clock.ts';
import type { Bridge } from './bridge/bridge.ts';
import { failureHeaderMostBytes, type FailureReport } from './bridge/contract.ts';
import type { HandOnResult } from './bridge/answer.ts';
import { mendMessage, type OutgoingMessage } from './message/mendMessage.ts';
import type { IntakeLog } from './intakeEvents.ts';
import type { EntryRecord } from './spool/entry.ts';
import type { Entry, Spool } from './spool/spool.ts';

export const lanesMost = 4;
const patience = 6;
const firstDelayMs = 1_000;
const longestDelayMs = 300_000;

export interface HandOnDependencies {
  readonly spool: Spool;
  readonly bridge: Bridge;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: IntakeLog;
}

interface Item {
  readonly entry: Entry;
  tries: number;
  /** Not before; monotonic. */
  notBefore: number;
  /** Set once the bridge accepted it, so that a failed report or removal does not submit it again. */
  accepted: boolean;
}

export class HandOn {
  readonly #dependencies: HandOnDependencies;
  readonly #lanes = new Map<string, Item[]>();
  readonly #aside: Item[] = [];
  readonly #busy = new Set<string>();
  readonly #stop = new AbortController();
  #wake = new AbortController();
  /** All lanes wait until then; monotonic. */
  #holdUntil = 0;
  #holds = 0;
  #waitingFor: string | undefined;
  #lastHandedOnAt: number | undefined;
  #running = 0;

  constructor(dependencies: HandOnDependencies) {
    this.#dependencies = dependencies;
  }

  /** Wall-clock time of the last message that the bridge accepted. */
  get lastHandedOnAt(): number | undefined {
    return this.#lastHandedOnAt;
  }

  /** Why messages wait, in a sentence; undefined while nothing is in the way. */
  get waitingFor(): string | undefined {
    return this.#dependencies.spool.count === 0 ? undefined : this.#waitingFor;
  }

  add(entry: Entry): void {
    const lane = this.#lanes.get(entry.mailbox);
    const item = { entry, tries: 0, notBefore: 0, accepted: false };
    if (lane === undefined) this.#lanes.set(entry.mailbox, [item]);
    else lane.push(item);
    this.#wakeUp();
  }

  /** Everything is due now, whatever delay it has. */
  hurry(): void {
    this.#holdUntil = 0;
    for (const item of [...this.#lanes.values()].flat().concat(this.#aside)) item.notBefore = 0;
    this.#wakeUp();
  }

  /** Runs until `stop`; resolves once nothing is in flight any more. */
  async run(): Promise<void> {
    const { clock } = this.#dependencies;
    const flights = new Set<Promise<void>>();
    while (!this.#stop.signal.aborted) {
      const wake = this.#wake.signal;
      const now = clock.monotonic();
      let next = Infinity;
      if (now < this.#holdUntil) next = this.#holdUntil - now;
      else {
        for (const [lane, item] of this.#due(now)) {
          if (this.#running >= lanesMost) break;
          this.#running += 1;
          this.#busy.add(lane);
          const flight = this.#handOn(item).finally(() => {
            this.#running -= 1;
            this.#busy.delete(lane);
            flights.delete(flight);
            this.#wakeUp();
          });
          flights.add(flight);
        }
        next = this.#nextDelay(now);
      }
      await clock.sleep(Math.min(next, 60_000), wake);
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
    }
    await Promise.all(flights);
  }

  stop(): void {
    this.#stop.abort();
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wake.abort();
  }

  /** The first message of each lane that is not at work, and those set aside, if they are due. */
  *#due(now: number): Iterable<[string, Item]> {
    for (const [mailbox, items] of this.#lanes) {
      const [first] = items;
      if (first === undefined) this.#lanes.delete(mailbox);
      else if (!this.#busy.has(mailbox) && first.notBefore <= now) yield [mailbox, first];
    }
    for (const item of [...this.#aside]) {
      const lane = `aside ${item.entry.name}`;
      if (!this.#busy.has(lane) && item.notBefore <= now) yield [lane, item];
    }
  }

  #nextDelay(now: number): number {
    let next = Infinity;
    for (const [mailbox, [first]] of this.#lanes) {
      if (first !== undefined && !this.#busy.has(mailbox)) next = Math.min(next, first.notBefore - now);
    }
    for (const item of this.#aside) {
      if (!this.#busy.has(`aside ${item.entry.name}`)) next = Math.min(next, item.notBefore - now);
    }
    // What is due and did not find room starts when something else ends, which wakes the loop.
    return next <= 0 ? Infinity : next;
  }

  async #handOn(item: Item): Promise<void> {
    const { log, spool } = this.#dependencies;
    const { entry } = item;
    let result: HandOnResult | 'gone';
    try {
      result = await this.#attempt(item);
    } catch (error) {
      // Reading the spool or writing to it failed: the disk's matter, not the message's.
      log.spoolTrouble(entry.id, error);
      result = { kind: 'later', scope: 'all', detail: 'The spool could not be read or written' };
    }
    if (result === 'gone') {
      log.damaged(entry.id, entry.name);
      this.#finish(item);
    } else if (result.kind === 'later') this.#postpone(item, result);
    else {
      this.#holds = 0;
      this.#waitingFor = undefined;
      this.#finish(item);
      if (result.kind === 'accepted') {
        this.#lastHandedOnAt = this.#dependencies.clock.now();
        log.handedOn(entry, item.tries, spool.count);
      }
    }
  }

  /** Submits, reports and removes. Each step may be repeated after a crash. */
  async #attempt(item: Item): Promise<HandOnResult | 'gone'> {
    const { spool, bridge, log } = this.#dependencies;
    const { entry } = item;
    item.tries += 1;
    const open = await spool.open(entry);
    if (open === undefined) return 'gone';
    let result: HandOnResult;
    let message: OutgoingMessage;
    const { record } = open;
    try {
      message = await mendMessage(
        {
          headerLines: record.headerLines,
          bodyIsClean: record.bodyIsClean,
          bodyBytes: open.contentBytes - record.bodyAt,
          body: () => open.body(),
        },
        record,
      );
      result = item.accepted
        ? { kind: 'accepted' }
        : await bridge.submit({
            id: record.id,
            mailbox: record.mailbox,
            recipients: record.recipients,
            message,
          });
    } finally {
      await open.close();
    }
    if (result.kind === 'later') return result;
    if (result.kind === 'accepted') {
      item.accepted = true;
      if (record.badRecipients.length > 0) {
        const later = await this.#report(reportOf(record, 'recipients', record.badRecipients, message));
        if (later !== undefined) return later;
      }
      if (message.remarks.length > 0 && item.tries === 1) log.mended(record.id, message.remarks);
      await spool.remove(entry);
      return result;
    }
    const detail = result.details.join(' ');
    const everybody = record.recipients.map((recipient) => ({ recipient, detail }));
    const later = await this.#report(
      reportOf(record, 'message', [...everybody, ...record.badRecipients], message),
    );
    if (later !== undefined) return later;
    const { id, mailbox, mailFrom, recipients, arrivedAt } = record;
    await spool.reject(
      entry,
      JSON.stringify(
        {
          id,
          mailbox,
          mailFrom,
          recipients,
          receivedAt: isoOf(arrivedAt),
          status: result.status,
          details: result.details,
        },
        undefined,
        2,
      ),
    );
    log.rejected(entry, result.status, detail);
    return result;
  }

  /** Undefined once the bridge has the report, or will never take it. */
  async #report(report: FailureReport): Promise<HandOnResult | undefined> {
    const { bridge, log } = this.#dependencies;
    const answer = await bridge.reportFailure(report);
    if (answer.kind === 'later') return { kind: 'later', scope: 'message', detail: answer.detail };
    if (answer.kind === 'refused') log.reportRefused(report.id, answer.detail);
    return undefined;
  }

  #postpone(item: Item, result: HandOnResult & { kind: 'later' }): void {
    const { clock, log } = this.#dependencies;
    this.#waitingFor = result.detail;
    if (result.scope === 'all') {
      // Others that were in flight when it began say nothing new.
      if (clock.monotonic() < this.#holdUntil) return;
      this.#holds += 1;
      const delayMs = result.retryAfterMs ?? this.#delay(this.#holds);
      this.#holdUntil = Math.max(this.#holdUntil, clock.monotonic() + delayMs);
      log.waiting(this.#holds, delayMs, result.detail);
      return;
    }
    const delayMs = result.retryAfterMs ?? this.#delay(item.tries);
    item.notBefore = clock.monotonic() + delayMs;
    log.deferred(item.entry, item.tries, delayMs, result.detail);
    const lane = this.#lanes.get(item.entry.mailbox);
    if (item.tries >= patience && lane?.[0] === item) {
      lane.shift();
      this.#aside.push(item);
      log.setAside(item.entry, item.tries);
    }
  }

  /** Full jitter over the upper half, so that it is never at once. */
  #delay(tries: number): number {
    const { random } = this.#dependencies;
    const most = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(tries - 1, 20));
    return Math.ceil(most * (0.5 + random.uniform() / 2));
  }

  #finish(item: Item): void {
    const lane = this.#lanes.get(item.entry.mailbox);
    if (lane?.[0] === item) lane.shift();
    const aside = this.#aside.indexOf(item);
    if (aside >= 0) this.#aside.splice(aside, 1);
  }
}

function reportOf(
  record: EntryRecord,
  kind: FailureReport['kind'],
  recipients: FailureReport['recipients'],
  message: OutgoingMessage,
): FailureReport {
  const { header } = message;
  const isCut = header.length > failureHeaderMostBytes;
  return {
    id: record.id,
    mailbox: record.mailbox,
    receivedAt: isoOf(record.arrivedAt),
    kind,
    recipients: recipients.map((one) => ({ ...one, detail: one.detail.slice(0, detailCharacters) })),
    header: isCut ? header.slice(0, header.lastIndexOf('\r\n', failureHeaderMostBytes - 2) + 2) : header,
  };
}

/** A report names up to a thousand recipients, and the bridge takes a megabyte. */
const detailCharacters = 400;

function isoOf(at: number): string {
  return new Date(at).toISOString();
}
