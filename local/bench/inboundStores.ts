// Stores for the bench: one that measures how long storage calls are in progress, and one that responds at once.
import type {
  Cursor,
  MessageEntry,
  InboundBlobs,
  Ledger,
  Notices,
  PendingAction,
} from '../../shared/inbound/ports.ts';

export interface Stores {
  readonly ledger: Ledger;
  readonly blobs: InboundBlobs;
  readonly notices: Notices;
}

/** Adds up the time in which at least one storage call is under way; those at the same time count once. */
export class StorageWatch {
  callCount = 0;
  busyMs = 0;
  readonly #now: () => number;
  #underWay = 0;
  #since = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  async during<T>(call: () => Promise<T>): Promise<T> {
    if (this.#underWay === 0) this.#since = this.#now();
    this.#underWay += 1;
    this.callCount += 1;
    try {
      return await call();
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.busyMs += this.#now() - this.#since;
    }
  }
}

/** The same ports, with every call measured. */
export function watched({ ledger, blobs, notices }: Stores, watch: StorageWatch): Stores {
  return {
    ledger: {
      acquireLease: (...all) => watch.during(() => ledger.acquireLease(...all)),
      cursor: (...all) => watch.during(() => ledger.cursor(...all)),
      find: (...all) => watch.during(() => ledger.find(...all)),
      advance: (...all) => watch.during(() => ledger.advance(...all)),
      pendingActions: (...all) => watch.during(() => ledger.pendingActions(...all)),
      clearActions: (...all) => watch.during(() => ledger.clearActions(...all)),
      releaseLease: (...all) => watch.during(() => ledger.releaseLease(...all)),
      contentBefore: (...all) => watch.during(() => ledger.contentBefore(...all)),
      contentAfter: (...all) => watch.during(() => ledger.contentAfter(...all)),
      contentOf: (...all) => watch.during(() => ledger.contentOf(...all)),
      contentRemoved: (...all) => watch.during(() => ledger.contentRemoved(...all)),
      knownBefore: (...all) => watch.during(() => ledger.knownBefore(...all)),
      forget: (...all) => watch.during(() => ledger.forget(...all)),
    },
    blobs: {
      reference: (name) => blobs.reference(name),
      create: (...all) => watch.during(() => blobs.create(...all)),
      sha256Of: (...all) => watch.during(() => blobs.sha256Of(...all)),
      save: (...all) => watch.during(() => blobs.save(...all)),
      remove: (...all) => watch.during(() => blobs.remove(...all)),
    },
    notices: { publish: (text) => watch.during(() => notices.publish(text)) },
  };
}

/**
 * A store for one pass after another of one program, which answers at once: what is left of a fetch then is everything
 * but storage, and nothing of it can hide behind a call that is waited for.
 */
export class InstantStores implements Stores {
  readonly announcedIds = new Set<string>();
  readonly #entries = new Map<string, MessageEntry>();
  readonly #pending = new Map<string, PendingAction>();
  readonly #blobNames = new Set<string>();
  #cursor: Cursor | undefined;
  #version = 0;

  readonly ledger: Ledger = {
    acquireLease: (mailboxKey, { owner }) =>
      Promise.resolve({
        kind: 'acquired',
        lease: { mailboxKey, tag: owner, version: this.#next() },
        cursor: this.#cursor,
        abandoned: false,
      }),
    cursor: () => Promise.resolve(this.#cursor),
    find: (_mailboxKey, id) => Promise.resolve(this.#entries.get(id)),
    advance: (lease, { cursor, stored, pending, cleared }) => {
      if (lease.version !== String(this.#version)) return Promise.resolve({ kind: 'lost' });
      for (const { entry } of stored) this.#entries.set(entry.id, entry);
      for (const action of pending) this.#pending.set(String(action.uid), action);
      for (const { uid } of cleared) this.#pending.delete(String(uid));
      this.#cursor = cursor;
      return Promise.resolve({ kind: 'ok', lease: { ...lease, version: this.#next() } });
    },
    pendingActions: (_mailboxKey, limit) => Promise.resolve([...this.#pending.values()].slice(0, limit)),
    clearActions: (_mailboxKey, done) => {
      for (const { uid } of done) this.#pending.delete(String(uid));
      return Promise.resolve();
    },
    releaseLease: (_lease, { cursor }) => {
      this.#cursor = cursor;
      return Promise.resolve({ kind: 'ok' });
    },
    // Nothing is pruned here.
    contentBefore: () => Promise.resolve([]),
    contentAfter: () => Promise.resolve([]),
    contentOf: () => Promise.resolve(undefined),
    contentRemoved: () => Promise.resolve(),
    knownBefore: () => Promise.resolve([]),
    forget: () => Promise.resolve(),
  };

  readonly blobs: InboundBlobs = {
    reference: (name) => `instant/${name}`,
    create: (name) => {
      const isNew = !this.#blobNames.has(name);
      this.#blobNames.add(name);
      return Promise.resolve(isNew ? 'created' : 'exists');
    },
    // Nothing is kept of a blob but its name: a fetch that finds one already there is not what is measured.
    sha256Of: () => Promise.reject(new Error('a blob was there before')),
    save: () => Promise.resolve(false),
    remove: () => Promise.resolve(),
  };

  readonly notices: Notices = {
    publish: (text) => {
      this.announcedIds.add(/"id":"([^"]+)"/.exec(text)?.[1] ?? '');
      return Promise.resolve();
    },
  };

  #next(): string {
    this.#version += 1;
    return String(this.#version);
  }
}
