// Receiving under faults, simulated: the production code of the room over a folder, a store and a clock that misbehave
// by a seed. Several hosts work at the same time; calls are refused, applied with the answer lost, hosts die in the
// middle; UIDVALIDITY changes; people move mail away; mail is delivered twice, and two mails share an identity. SEARCH
// leaves UIDs out, and the server gives a text in place of a mail, or the beginning of one. Days pass, and what is old is
// pruned.
//
//   node tests/inbound/simulation.ts [MESSAGES] [SEED]        100,000 messages unless said otherwise
//
// The oracle is what was put into the folder: at the end every mail has one identity, one blob with bytes that the
// server really sent, at least one notice, and its action is done. The same seed tells the same story.
import { createHash } from 'node:crypto';
import type { Clock, Random } from '../../shared/clock.ts';
import { createInbound, type Inbound } from '../../shared/inbound/fetchMail.ts';
import {
  ImapStreamTrouble,
  type FetchedHead,
  type ImapResult,
  type ImapTrouble,
  type Mailboxes,
  type MailboxSession,
} from '../../shared/inbound/ports.ts';
import { StorageTrouble } from '../../shared/storageErrors.ts';
import { inboundNumbers } from '../../shared/inbound/dependencies.ts';
import { seededRandom } from '../models/seededRandom.ts';
import { plainParser } from './folderOfMails.ts';
import { MemoryBlobs, MemoryLedger, MemoryNotices, MemorySentMessages } from './memoryStore.ts';
import { DESK, mail, mailboxOf } from './rig.ts';

export interface SimulationResult {
  readonly messages: number;
  readonly passes: number;
  readonly notices: number;
  readonly deaths: number;
  readonly refused: number;
  readonly answersLost: number;
  readonly generations: number;
  /** Answers that were not the mail: a text in its place, its beginning, nothing. */
  readonly halfAnswers: number;
  readonly searchesThatLag: number;
  /** Messages whose content was removed after its time, and whose rows were. */
  readonly contentsPruned: number;
  readonly rowsPruned: number;
  /** Each a sentence; empty when everything held. */
  readonly violations: readonly string[];
  /** Hash of all notices, in order. */
  readonly trace: string;
}

/** Chances by the thousand. */
interface Unrest {
  readonly refused: number;
  readonly answerLost: number;
  readonly death: number;
  readonly imapTrouble: number;
  /** A mail that is not given whole, and a UID that SEARCH leaves out. */
  readonly halfAnswer: number;
}

const stormy: Unrest = { refused: 10, answerLost: 10, death: 1, imapTrouble: 20, halfAnswer: 15 };
const dayMs = 86_400_000;
const calm: Unrest = { refused: 0, answerLost: 0, death: 0, imapTrouble: 0, halfAnswer: 0 };

interface Stored {
  uid: number;
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly receivedAt: number;
}

const keyOf = (bytes: Uint8Array | undefined): string =>
  /mail \d+/.exec(Buffer.from(bytes ?? []).toString('latin1'))?.[0] ?? '';

/** Remembers which mail was stored when its notice was published. */
class Announced extends MemoryNotices {
  readonly idsByKey = new Map<string, Set<string>>();
  readonly keysById = new Map<string, Set<string>>();
  readonly #blobs: () => MemoryBlobs;

  constructor(blobs: () => MemoryBlobs) {
    super();
    this.#blobs = blobs;
  }

  override async publish(text: string): Promise<void> {
    const [, name = ''] = /"blob":"inbound-content\/([^"]+\/raw\.eml)"/.exec(text) ?? [];
    const key = keyOf(this.#blobs().blobs.get(name));
    const id = name.split('/')[1] ?? '';
    this.idsByKey.set(key, (this.idsByKey.get(key) ?? new Set()).add(id));
    this.keysById.set(id, (this.keysById.get(id) ?? new Set()).add(key));
    await super.publish(text);
  }
}

/** Content may be removed only of what was announced. */
class PrunedBlobs extends MemoryBlobs {
  readonly removedTooEarly: string[] = [];
  readonly #announced: Announced;

  constructor(announced: Announced) {
    super();
    this.#announced = announced;
  }

  override async remove(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const id = name.split('/')[1] ?? '';
      if (!this.#announced.keysById.has(id)) this.removedTooEarly.push(name);
    }
    await super.remove(names);
  }
}

/** Ends a host: from then on nothing that it does has an effect. */
class Death extends Error {}

class World {
  readonly random: Random;
  readonly ledger = new MemoryLedger();
  readonly queue: Announced = new Announced(() => this.blobs);
  readonly blobs: PrunedBlobs = new PrunedBlobs(this.queue);
  readonly counts = {
    passes: 0,
    deaths: 0,
    refused: 0,
    answersLost: 0,
    generations: 1,
    halfAnswers: 0,
    searchesThatLag: 0,
    contentsPruned: 0,
    rowsPruned: 0,
  };
  unrest = stormy;
  now = Date.UTC(2026, 10, 25);
  inbox: Stored[] = [];
  fetched: Stored[] = [];
  uidValidity = 14;
  uidNext = 1;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  chance(perThousand: number): boolean {
    return this.random.uniform() * 1_000 < perThousand;
  }

  put(key: string, bytes: Uint8Array): void {
    this.inbox.push({ uid: this.uidNext, key, bytes, receivedAt: this.now });
    this.uidNext += 1;
  }

  /** A mailbox move or restore: UIDs are dealt anew; now and then the server keeps none at all. */
  renumber(): void {
    this.counts.generations += 1;
    this.uidValidity = this.chance(200) ? 0 : this.counts.generations * 100;
    this.uidNext = 1;
    for (const one of this.inbox) {
      one.uid = this.uidNext;
      this.uidNext += 1;
    }
  }
}

/** One process: its clock is wrong by seconds, and it may crash at any call. */
class Host {
  readonly inbound: Inbound;
  readonly #world: World;
  #dead = false;

  constructor(world: World) {
    this.#world = world;
    const skewMs = Math.round((world.random.uniform() - 0.5) * 4_000);
    const clock: Clock = {
      now: () => world.now + skewMs,
      // Every reading of the clock takes some time.
      monotonic: () => (world.now += 5),
      sleep: () => new Promise(() => undefined),
    };
    const dependencies = {
      mailboxes: this.#mailboxes(),
      ledger: this.#faulty(world.ledger, [
        'acquireLease',
        'cursor',
        'find',
        'advance',
        'pendingActions',
        'clearActions',
        'releaseLease',
        'contentBefore',
        'contentRemoved',
        'knownBefore',
        'forget',
      ]),
      blobs: this.#faulty(world.blobs, ['create', 'sha256Of', 'save', 'remove']),
      notices: this.#faulty(world.queue, ['publish']),
      parser: plainParser,
      sent: new MemorySentMessages(),
      clock,
      random: world.random,
      log: () => undefined,
      numbers: {
        ...inboundNumbers,
        batchCount: 7,
        leaseMs: 30_000,
        contentKeptMs: dayMs,
        rowsKeptMs: 3 * dayMs,
      },
    };
    const afterFetch = { kind: 'move', folder: 'Fetched' } as const;
    this.inbound = createInbound([mailboxOf(DESK, { afterFetch })], dependencies);
  }

  async pass(): Promise<void> {
    this.#world.counts.passes += 1;
    await this.inbound.fetchOne(DESK, { invocationId: 'host' });
  }

  async prune(): Promise<void> {
    try {
      for (const { contentCount, rowCount } of await this.inbound.prune({ invocationId: 'host' })) {
        this.#world.counts.contentsPruned += contentCount;
        this.#world.counts.rowsPruned += rowCount;
      }
    } catch {
      // The store was away, or the process died: the next one goes on.
    }
  }

  #die(): void {
    if (this.#dead) throw new Death();
    if (!this.#world.chance(this.#world.unrest.death)) return;
    this.#dead = true;
    this.#world.counts.deaths += 1;
    throw new Death();
  }

  #faulty<T extends object>(store: T, names: readonly string[]): T {
    const world = this.#world;
    return new Proxy(store, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name, target);
        if (typeof method !== 'function') return method;
        if (!names.includes(String(name))) return method.bind(target) as unknown;
        return async (...parameters: unknown[]): Promise<unknown> => {
          this.#die();
          if (world.chance(world.unrest.refused)) {
            world.counts.refused += 1;
            throw new StorageTrouble('refused');
          }
          const result: unknown = await Reflect.apply(method, target, parameters);
          this.#die();
          if (world.chance(world.unrest.answerLost)) {
            world.counts.answersLost += 1;
            throw new StorageTrouble('the answer was lost');
          }
          return result;
        };
      },
    });
  }

  #mailboxes(): Mailboxes {
    return {
      open: () =>
        this.#command('open', () => {
          const session = new ModelSession(this.#world, (name, apply) => this.#command(name, apply));
          return { session };
        }),
    };
  }

  async #command<T extends object>(_name: string, apply: () => T): Promise<ImapResult<T>> {
    const world = this.#world;
    await Promise.resolve();
    this.#die();
    if (world.chance(world.unrest.imapTrouble)) return { kind: 'failed', trouble: troubleOf(world) };
    const answer = apply();
    // Done, and the connection is cut before the answer.
    if (world.chance(world.unrest.imapTrouble)) return { kind: 'failed', trouble: troubleOf(world) };
    return { kind: 'ok', ...answer };
  }
}

function troubleOf(world: World): ImapTrouble {
  const kinds = ['throttled', 'tokenExpired', 'unavailable', 'notConnected'] as const;
  const kind = kinds[Math.floor(world.random.uniform() * kinds.length)] ?? 'unavailable';
  return { kind, detail: kind };
}

type Command = <T extends object>(name: string, apply: () => T) => Promise<ImapResult<T>>;

class ModelSession implements MailboxSession {
  readonly uidValidity: number;
  readonly uidNext: number;
  readonly #world: World;
  readonly #command: Command;

  constructor(world: World, command: Command) {
    this.#world = world;
    this.#command = command;
    this.uidValidity = world.uidValidity;
    this.uidNext = world.uidNext;
  }

  /** Another generation began while this session was open: the server ends it. */
  #messages(): readonly Stored[] {
    if (this.#world.uidValidity !== this.uidValidity || this.uidNext > this.#world.uidNext) throw new Gone();
    return this.#world.inbox;
  }

  #ask<T extends object>(name: string, apply: () => T): Promise<ImapResult<T>> {
    return this.#command(name, apply).catch((error: unknown) => {
      if (error instanceof Gone) return { kind: 'failed', trouble: { kind: 'unavailable', detail: 'BYE' } };
      throw error;
    });
  }

  listAbove(uid: number): Promise<ImapResult<{ readonly uids: readonly number[] }>> {
    return this.#ask('list', () => {
      const uids = this.#messages()
        .map((one) => one.uid)
        .filter((one) => one > uid);
      const shown = uids.filter(() => !this.#world.chance(this.#world.unrest.halfAnswer));
      if (shown.length < uids.length) this.#world.counts.searchesThatLag += 1;
      return { uids: shown };
    });
  }

  stillThere(uids: readonly number[]): Promise<ImapResult<{ readonly uids: readonly number[] }>> {
    return this.#ask('there', () => ({
      uids: this.#messages()
        .map((one) => one.uid)
        .filter((one) => uids.includes(one)),
    }));
  }

  readHeads(
    uids: readonly number[],
  ): Promise<ImapResult<{ readonly heads: readonly FetchedHead[]; readonly gone: readonly number[] }>> {
    return this.#ask('read', () => {
      const there = this.#messages().filter((one) => uids.includes(one.uid));
      // Now and then a message is not answered for; now and then MIME is put together in another way.
      const answered = there.filter(() => !this.#world.chance(this.#world.unrest.imapTrouble));
      const heads = answered.map((one) => this.#headOf(one));
      const present = new Set(there.map(({ uid }) => uid));
      return { heads, gone: uids.filter((uid) => !present.has(uid)) };
    });
  }

  /** As the adapter hands it over: what is not whole is streamed, and a stream that ends early fails. */
  #headOf({ uid, bytes, receivedAt }: Stored): FetchedHead {
    const whole = rebuilt(bytes, this.#world);
    const sizeBytes = Math.round(whole.byteLength * 1.02);
    if (!this.#world.chance(this.#world.unrest.halfAnswer))
      return { uid, bytes: whole, whole: true, sizeBytes, receivedAt };
    this.#world.counts.halfAnswers += 1;
    const part = Math.floor(this.#world.random.uniform() * 4);
    if (part === 0) return { uid, bytes: Buffer.from(placeholder), whole: true, sizeBytes, receivedAt };
    if (part === 1) return { uid, bytes: Buffer.from('\r\n'), whole: true, sizeBytes, receivedAt };
    if (part === 2) return { uid, bytes: new Uint8Array(), whole: true, sizeBytes, receivedAt };
    const half = whole.subarray(0, Math.floor(whole.byteLength / 2));
    return { uid, bytes: half, whole: false, sizeBytes, receivedAt };
  }

  readHeaders(
    uids: readonly number[],
  ): Promise<ImapResult<{ readonly headers: ReadonlyMap<number, Uint8Array> }>> {
    return this.#ask('headers', () => ({
      headers: new Map(
        this.#messages()
          .filter((one) => uids.includes(one.uid))
          .map(({ uid, bytes }) => [uid, headerOf(bytes)]),
      ),
    }));
  }

  async *stream(): AsyncIterable<Uint8Array> {
    await Promise.resolve();
    throw new ImapStreamTrouble({ kind: 'unavailable', detail: 'The stream ended early.' });
  }

  act(uids: readonly number[]): Promise<ImapResult<object>> {
    return this.#ask('act', () => {
      // A MOVE that is cut half way has moved the first ones.
      const some = this.#world.chance(this.#world.unrest.imapTrouble) ? uids.slice(0, 1) : uids;
      const moved = this.#messages().filter((one) => some.includes(one.uid));
      this.#world.fetched.push(...moved);
      this.#world.inbox = this.#world.inbox.filter((one) => !moved.includes(one));
      if (some.length < uids.length) throw new Gone();
      return {};
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class Gone extends Error {}

const placeholder =
  'Subject: Retrieval using the IMAP4 protocol failed for the following message: 20004\r\n' +
  'From: "Microsoft Exchange Server 2010"\r\n\r\nThe server could not retrieve the following message.\r\n';

/** Exchange's MIME: the boundary differs from fetch to fetch, what is said does not. */
function rebuilt(bytes: Uint8Array, world: World): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1');
  return Buffer.from(text.replaceAll('BOUNDARY', `b${Math.floor(world.random.uniform() * 3)}`), 'latin1');
}

function headerOf(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1');
  return Buffer.from(text.slice(0, text.indexOf('\r\n\r\n') + 4), 'latin1');
}

/** Runs the story to its end and judges it. */
export async function simulateReceiving(options: {
  readonly messages: number;
  readonly seed: number;
}): Promise<SimulationResult> {
  const world = new World(options.seed);
  const put = new Set<string>();
  const takenAway = new Set<string>();
  let hosts = [new Host(world)];
  for (let sequence = 0; sequence < options.messages;) {
    const burst = Math.min(1 + Math.floor(world.random.uniform() * 20), options.messages - sequence);
    for (let n = 0; n < burst; n += 1) {
      sequence += 1;
      const { key, bytes } = nextMail(sequence, world);
      put.add(key);
      world.put(key, bytes);
      // A fail-over delivers it again.
      if (world.chance(20))
        world.put(key, Buffer.concat([Buffer.from('Received: from again by here\r\n'), bytes]));
    }
    if (world.chance(30)) {
      const [gone] = world.inbox.splice(Math.floor(world.random.uniform() * world.inbox.length), 1);
      if (gone !== undefined) takenAway.add(gone.key);
    }
    if (world.chance(10)) world.renumber();
    // Hosts come and go; two at once is what a second timer or a deployment makes of it.
    if (world.chance(200)) hosts = [new Host(world), ...(world.chance(300) ? [new Host(world)] : [])];
    world.now += world.chance(300) ? 40_000 : 5_000;
    await Promise.all(hosts.map((host) => host.pass()));
    // Lulls, in which a run leaves nothing to fetch.
    if (world.chance(world.unrest === calm ? 300 : 40)) world.unrest = world.unrest === calm ? stormy : calm;
    if (world.chance(15)) world.now += dayMs;
    if (world.chance(60)) await hosts[0]?.prune();
  }
  world.unrest = calm;
  const last = new Host(world);
  for (let pass = 0; pass < 400 && !isQuiet(world); pass += 1) {
    world.now += 60_000;
    await last.pass();
  }
  return {
    ...world.counts,
    messages: options.messages,
    notices: world.queue.texts.length,
    ...judged(world, put, takenAway),
  };
}

function nextMail(sequence: number, world: World): { readonly key: string; readonly bytes: Uint8Array } {
  // Of a hundred, one shares all that an id is made of with the one before, and says something else.
  const twin = sequence % 100 === 7;
  const id = twin ? sequence - 1 : sequence;
  const key = `mail ${sequence}`;
  const body = `--BOUNDARY\r\nContent-Type: text/plain\r\n\r\n${key}\r\n--BOUNDARY--`;
  const fields = {
    Received: `from sender${id} by here`,
    'Message-ID': `<${id}@x>`,
    'Content-Type': 'multipart/mixed; boundary=BOUNDARY',
    'X-Key': String(world.chance(500)),
  };
  return { key, bytes: Buffer.from(mail(fields, body)) };
}

function isQuiet(world: World): boolean {
  const [row] = world.ledger.cursors.values();
  return (
    world.inbox.length === 0 && world.ledger.pending.size === 0 && (row?.cursor?.retryList.length ?? 0) === 0
  );
}

function judged(
  world: World,
  put: ReadonlySet<string>,
  takenAway: ReadonlySet<string>,
): Pick<SimulationResult, 'violations' | 'trace'> {
  const violations: string[] = world.blobs.removedTooEarly.map((name) => `${name} was removed unannounced`);
  const { idsByKey, keysById } = world.queue;
  for (const key of put) {
    const ids = idsByKey.get(key) ?? new Set();
    if (ids.size === 0 && !takenAway.has(key)) violations.push(`${key} was never announced`);
    if (ids.size > 1) violations.push(`${key} has ${ids.size} identities`);
  }
  if (idsByKey.has('')) violations.push('a notice without its mail');
  for (const [id, keys] of keysById) if (keys.size > 1) violations.push(`two mails share the identity ${id}`);
  const [row] = world.ledger.cursors.values();
  for (const id of row?.cursor?.unannounced ?? []) {
    if (keysById.has(id) && !isTakenAway(id, idsByKey, takenAway))
      violations.push(`${id} is not marked announced`);
  }
  if (!isQuiet(world)) violations.push('something is still pending');
  const trace = createHash('sha256').update(world.queue.texts.join('\n')).digest('hex').slice(0, 16);
  return { violations, trace };
}

/** A mail that a person took away half way through: its row stays where it was. */
function isTakenAway(
  id: string,
  idsByKey: ReadonlyMap<string, ReadonlySet<string>>,
  takenAway: ReadonlySet<string>,
): boolean {
  return [...takenAway].some((key) => idsByKey.get(key)?.has(id) === true);
}

if (process.argv[1] === import.meta.filename) {
  const [messages = '100000', seed = '1'] = process.argv.slice(2);
  const started = performance.now();
  const result = await simulateReceiving({ messages: Number(messages), seed: Number(seed) });
  console.log(
    JSON.stringify(
      {
        ...result,
        violations: result.violations.slice(0, 20),
        seconds: Math.round((performance.now() - started) / 1000),
      },
      undefined,
      2,
    ),
  );
  process.exitCode = result.violations.length === 0 ? 0 : 1;
}
