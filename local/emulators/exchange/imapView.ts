// A session's own view of its folder. Sequence numbers stay valid until the server reports a change (RFC 3501 7.4.1),
// so changes by other sessions are recorded here and reported as soon as the protocol allows it.
import type { NumberSet } from './imapSyntax.ts';
import type { Folder, StoredMessage } from './mailStore.ts';

export interface Named {
  readonly sequence: number;
  readonly uid: number;
}

export class View {
  readonly folder: Folder;
  readonly readOnly: boolean;
  readonly uidValidity: number;
  /** As last reported to the client, in sequence order, which is UID order. */
  readonly #known: StoredMessage[];
  /** UIDs with changes that have not been reported yet. */
  readonly #unreported = new Set<number>();
  #uidNext: number;
  #revision: number;

  constructor(folder: Folder, readOnly: boolean) {
    this.folder = folder;
    this.readOnly = readOnly;
    this.uidValidity = folder.uidValidity;
    this.#known = [...folder.messages];
    this.#uidNext = folder.uidNext;
    this.#revision = folder.revision;
  }

  get size(): number {
    return this.#known.length;
  }

  /** Every message of the view. Its folder may have lost some meanwhile. */
  all(): readonly Named[] {
    return this.#known.map(({ uid }, at) => ({ sequence: at + 1, uid }));
  }

  /** The messages that a set of UIDs or of sequence numbers names; `*` is the last (RFC 3501 6.4.8). */
  named(set: NumberSet, byUid: boolean): readonly Named[] {
    const count = this.#known.length;
    if (count === 0) return [];
    const last = byUid ? (this.#known.at(-1)?.uid ?? 0) : count;
    const found = new Set<number>();
    for (const [from, to] of set) {
      const [first, end] = to === Infinity ? [Math.min(from, last), last] : [from, to];
      let at = byUid ? this.#firstFrom(first) : Math.max(1, first) - 1;
      for (; at < count && (byUid ? (this.#known[at]?.uid ?? 0) : at + 1) <= end; at += 1) found.add(at);
    }
    const inOrder = [...found].sort((a, b) => a - b);
    return inOrder.map((at) => ({ sequence: at + 1, uid: this.#known[at]?.uid ?? 0 }));
  }

  /** The session itself has shown or changed this message: it needs no report. */
  acknowledge(sequence: number, message: StoredMessage): void {
    this.#known[sequence - 1] = message;
  }

  /**
   * The untagged lines that bring the client's picture up to date. EXPUNGE renumbers, so it may not come during
   * FETCH, STORE and SEARCH (RFC 3501 7.4.1); it then waits for the next command.
   */
  sync(mayExpunge: boolean): readonly string[] {
    const { folder } = this;
    for (const uid of folder.changedSince(this.#revision)) this.#unreported.add(uid);
    this.#revision = folder.revision;
    const lines: string[] = [];
    const added: StoredMessage[] = [];
    for (const uid of [...this.#unreported].sort((a, b) => b - a)) {
      const now = folder.message(uid);
      const at = this.#firstFrom(uid);
      const known = this.#known[at];
      if (known?.uid !== uid) {
        if (now !== undefined && uid >= this.#uidNext) added.unshift(now);
      } else if (now === undefined) {
        if (!mayExpunge) continue;
        this.#known.splice(at, 1);
        lines.push(`* ${at + 1} EXPUNGE`);
      } else if (now !== known) {
        this.#known[at] = now;
        lines.push(`* ${at + 1} FETCH (FLAGS (${[...now.flags].join(' ')}) UID ${uid})`);
      }
      this.#unreported.delete(uid);
    }
    this.#uidNext = folder.uidNext;
    if (added.length > 0) {
      this.#known.push(...added);
      lines.push(`* ${this.#known.length} EXISTS`, `* ${this.#known.length} RECENT`);
    }
    return lines;
  }

  /** The index of the first message with that UID or a higher one. */
  #firstFrom(uid: number): number {
    let low = 0;
    let high = this.#known.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#known[middle]?.uid ?? 0) < uid) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
