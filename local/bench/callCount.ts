// Counts the storage calls between the host and the emulator, by kind.
import type { SeenCall, StorageAnswer } from '../storageProxy/storageProxy.ts';

/**
 * The queue triggers are the host's: it takes, renews and deletes the messages that functions are started for.
 * Nothing in the package does that with these queues.
 */
const ofTheHost = /^(?:take|update|delete) (?:outbound-|heartbeat)/;

export interface CallTally {
  /** Calls of the bridge itself. */
  readonly own: number;
  /** Calls of the host's triggers. */
  readonly host: number;
  /** The bridge's calls by kind, most frequent first. */
  readonly byName: readonly (readonly [name: string, count: number])[];
  /** Messages received from each queue, by its name. */
  readonly dequeued: Readonly<Record<string, number>>;
}

/** Counts from the last `reset` on. */
export class CallCount {
  readonly #calls = new Map<string, number>();
  readonly #dequeued = new Map<string, number>();

  note({ name }: SeenCall, { body }: StorageAnswer): void {
    this.#calls.set(name, (this.#calls.get(name) ?? 0) + 1);
    if (!name.startsWith('take ')) return;
    const queue = name.slice('take '.length);
    const messages = body.toString('latin1').split('<QueueMessage>').length - 1;
    this.#dequeued.set(queue, (this.#dequeued.get(queue) ?? 0) + messages);
  }

  reset(): void {
    this.#calls.clear();
    this.#dequeued.clear();
  }

  tally(): CallTally {
    const all = [...this.#calls];
    const sum = (some: readonly (readonly [string, number])[]): number =>
      some.reduce((total, [, count]) => total + count, 0);
    const byName = all.filter(([name]) => !ofTheHost.test(name)).sort((a, b) => b[1] - a[1]);
    return {
      own: sum(byName),
      host: sum(all.filter(([name]) => ofTheHost.test(name))),
      byName,
      dequeued: Object.fromEntries(this.#dequeued),
    };
  }
}

/** How long at least one storage call was open, from the last `reset` on. */
export class OpenCalls {
  #openCount = 0;
  #since = 0;
  #sumMs = 0;

  began(): void {
    if (this.#openCount === 0) this.#since = performance.now();
    this.#openCount += 1;
  }

  ended(): void {
    this.#openCount = Math.max(0, this.#openCount - 1);
    if (this.#openCount === 0) this.#sumMs += performance.now() - this.#since;
  }

  reset(): void {
    this.#sumMs = 0;
    this.#since = performance.now();
  }

  ms(): number {
    return this.#sumMs;
  }
}
