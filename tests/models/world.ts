// A small world for scenarios: one storage, one server, as many hosts as needed, one virtual clock.
import { StorageTime } from '../../shared/limits/storageTime.ts';
import { groupAccounts } from '../../shared/mail/accounts.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import type { Dependencies } from '../../shared/outbound/dependencies.ts';
import { defaultNumbers } from '../../shared/outbound/numbers.ts';
import type { OutboundNumbers } from '../../shared/outbound/numbers.ts';
import { createOutbound } from '../../shared/outbound/outbound.ts';
import type { Outbound } from '../../shared/outbound/outbound.ts';
import type { Composer, RawMessages } from '../../shared/outbound/ports.ts';
import type { LogEvent } from '../../shared/telemetry/log.ts';
import { MemoryBlobs, MemoryContents } from './memoryContents.ts';
import { MemoryQueue, MemoryQueues } from './memoryQueues.ts';
import { MemoryRows, MemoryTable, Wire } from './memoryRows.ts';
import { ModelRelay, ModelServer } from './modelRelay.ts';
import { ModelSentItems } from './modelSentItems.ts';
import { seededRandom } from './seededRandom.ts';
import { VirtualClock } from './virtualClock.ts';

export function mailbox(address: string, change: Partial<Mailbox> = {}): Mailbox {
  return {
    address,
    signIn: 'delegated',
    imapUser: address,
    smtpUser: address,
    send: true,
    receive: false,
    folder: 'INBOX',
    afterFetch: { kind: 'none' },
    fetchFrom: { kind: 'all' },
    limits: { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 },
    ...change,
  };
}

export interface Host {
  readonly outbound: Outbound;
  readonly wire: Wire;
  readonly dependencies: Dependencies;
  readonly relay: ModelRelay;
}

/** A status event as the consumer reads it. */
export interface Event {
  readonly id: string;
  readonly type: string;
  readonly subject?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Enough headers for the server to distinguish attempts. */
const plainComposer: Composer = {
  compose: (submission, _blobs, stamp) =>
    Promise.resolve(
      Buffer.from(
        [
          `Message-ID: ${stamp.messageId}`,
          `Date: ${new Date(stamp.dateMs).toUTCString()}`,
          `X-Mail-Bridge-Id: ${stamp.bridgeId}`,
          `X-Mail-Bridge-Tag: ${stamp.bridgeTag}`,
          `Subject: ${submission.kind === 'raw' ? '' : submission.subject}`,
          '',
          submission.kind === 'raw' ? '' : (submission.text ?? ''),
        ].join('\r\n'),
      ),
    ),
};

const plainRaw: RawMessages = {
  inspect: ({ to, cc, bcc }) =>
    Promise.resolve({ kind: 'ok', recipients: [...to, ...cc, ...bcc].map(({ address }) => address) }),
};

export class World {
  readonly clock = new VirtualClock();
  readonly table = new MemoryTable();
  readonly queue = new MemoryQueue();
  readonly blobs = new MemoryBlobs();
  readonly server = new ModelServer();
  readonly sentItems = new ModelSentItems(this.server, this.clock);
  readonly log: LogEvent[] = [];
  mailboxes: readonly Mailbox[];
  numbers: OutboundNumbers;
  #hosts = 0;
  readonly #events: Event[] = [];
  readonly #about = new Map<string, Map<string, Event>>();

  constructor(
    mailboxes: readonly Mailbox[] = [mailbox('desk@example.com')],
    numbers: Partial<OutboundNumbers> = {},
  ) {
    this.mailboxes = mailboxes;
    this.numbers = { ...defaultNumbers, ...numbers };
  }

  /** A new process, with the settings as they are now. */
  host(change: Partial<Dependencies> = {}): Host {
    this.#hosts += 1;
    const clock = this.clock.host({ skewMs: 7_000 * this.#hosts, originMs: 1_000_000 * this.#hosts });
    const time = new StorageTime(clock);
    const wire = new Wire(this.clock, clock, time);
    const relay = new ModelRelay(this.server, this.clock, () => wire.isDead());
    const dependencies: Dependencies = {
      rows: new MemoryRows(this.table, wire),
      contents: new MemoryContents(this.blobs, wire, this.clock),
      queues: new MemoryQueues(this.queue, wire),
      relay,
      sentItems: this.sentItems,
      composer: plainComposer,
      rawMessages: plainRaw,
      time,
      clock,
      random: seededRandom(this.#hosts),
      numbers: this.numbers,
      accounts: groupAccounts(this.mailboxes),
      submissions: {
        mailboxes: this.mailboxes,
        maxima: { recipientsCount: 500, contentBytes: 25_000_000 },
        uploadContainer: 'esm-upload',
      },
      tagKey: () => Promise.resolve(Buffer.from('a key for tests')),
      log: (event) => this.log.push(event),
      ...change,
    };
    return { outbound: createOutbound(dependencies), wire, dependencies, relay };
  }

  /** The process ends; the server notices its connections' end after a while. */
  kill(host: Host, noticedAfterMs = 0): void {
    host.wire.die();
    void this.clock.sleep(noticedAfterMs).then(() => {
      for (const connection of host.relay.connections) connection.destroy();
    });
  }

  /** The account's key of a mailbox whose login is its address. */
  readonly account = 'desk@example.com';

  submission(id: string, change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    return {
      id,
      mailbox: 'desk@example.com',
      to: [`${id}@example.org`],
      subject: `About ${id}`,
      text: 'Hello',
      ...change,
    };
  }

  /** Lets time pass until the work is done. */
  run<T>(work: Promise<T>, mostMs?: number): Promise<T> {
    return this.clock.run(work, mostMs);
  }

  async submit(host: Host, id: string, change: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const answer = await this.run(host.outbound.accept(this.submission(id, change)));
    if (answer.kind !== 'accepted') throw new Error(JSON.stringify(answer));
  }

  pass(ms: number): Promise<void> {
    return this.clock.runUntil(this.clock.now + ms);
  }

  /** All events so far, in order. */
  get events(): readonly Event[] {
    while (this.#events.length < this.queue.events.length) {
      const event = JSON.parse(this.queue.events[this.#events.length] ?? '') as Event;
      this.#events.push(event);
      const id = event.data['submissionId'];
      if (typeof id !== 'string') continue;
      const known = this.#about.get(id) ?? new Map<string, Event>();
      if (!known.has(event.id)) known.set(event.id, event);
      this.#about.set(id, known);
    }
    return this.#events;
  }

  /** The events of one submission, in order; repeats count once. */
  about(id: string): readonly Event[] {
    return this.events.length === 0 ? [] : [...(this.#about.get(id)?.values() ?? [])];
  }

  /** Their types, without what all have in front. */
  history(id: string): readonly string[] {
    return this.about(id).map(({ type }) => type.replace(/^.*mail\./, ''));
  }

  sequences(id: string): readonly unknown[] {
    return this.about(id).map(({ data }) => data['sequence']);
  }

  /** Minutes pass; the sweep runs each minute, and every wake-up starts a drain. */
  async minutes(host: Host, count: number): Promise<void> {
    for (let minute = 0; minute < count; minute += 1) {
      const started = this.clock.now;
      await this.run(host.outbound.sweep());
      await this.answerWakeUps(host);
      await this.clock.runUntil(Math.max(this.clock.now, started + 60_000));
    }
  }

  /** Runs one drain for every wake-up so far, one after the other. */
  async answerWakeUps(host: Host): Promise<void> {
    for (let text = this.queue.wakeUps.shift(); text !== undefined; text = this.queue.wakeUps.shift()) {
      await this.run(host.outbound.drain(text, 'invocation'));
    }
  }

  async state(host: Host, id: string): Promise<string> {
    const found = await this.run(host.outbound.message(this.account, id));
    return found === undefined ? 'absent' : found.message.state;
  }

  /** The most arrivals in any half-open period at the server. */
  mostInAnyPeriod(periodMs = this.numbers.periodMs): number {
    const times = this.server.arrivals.map(({ at }) => at).sort((one, other) => one - other);
    return Math.max(
      0,
      ...times.map((at) => times.filter((other) => other >= at && other < at + periodMs).length),
    );
  }
}
