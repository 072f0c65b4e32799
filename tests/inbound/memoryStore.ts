// The store in memory: the ledger contract test runs the same cases against this and the real table.
// A hook before and after each call lets a test refuse it, lose its answer, or end the process there.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type {
  Advance,
  Cursor,
  MessageEntry,
  InboundBlobs,
  Ledger,
  LedgerAnswer,
  LeaseClaim,
  Lease,
  Notices,
  PendingAction,
  RawMail,
  SentMessages,
} from '../../shared/inbound/ports.ts';
import type {
  BounceNote,
  FoundSubmission,
  SentLookup,
  SentMessage,
} from '../../shared/contract/sentMessage.ts';

/** Called with the step's name before it is applied and after; throws to refuse it or to lose its answer. */
export type StoreHook = (step: string, when: 'before' | 'after') => void;

interface CursorRow {
  tag: string;
  until: number;
  version: number;
  cursor: Cursor | undefined;
}

export class MemoryLedger implements Ledger {
  readonly cursors = new Map<string, CursorRow>();
  readonly entries = new Map<string, MessageEntry>();
  readonly pending = new Map<string, PendingAction>();
  hook: StoreHook = () => undefined;
  #tags = 0;

  acquireLease(mailboxKey: string, claim: LeaseClaim): ReturnType<Ledger['acquireLease']> {
    return this.#step('acquireLease', () => {
      const row = this.cursors.get(mailboxKey);
      if (row !== undefined && row.tag !== '' && row.until > claim.now) {
        return { kind: 'busy', until: row.until } as const;
      }
      this.#tags += 1;
      const tag = `${claim.owner}.${this.#tags}`;
      const next = { tag, until: claim.leaseUntil, version: (row?.version ?? 0) + 1, cursor: row?.cursor };
      this.cursors.set(mailboxKey, next);
      return {
        kind: 'acquired',
        lease: { mailboxKey, tag, version: String(next.version) },
        cursor: row?.cursor,
        abandoned: row !== undefined && row.tag !== '',
      } as const;
    });
  }

  cursor(mailboxKey: string): Promise<Cursor | undefined> {
    return this.#step('cursor', () => this.cursors.get(mailboxKey)?.cursor);
  }

  find(mailboxKey: string, id: string): Promise<MessageEntry | undefined> {
    return this.#step('find', () => this.entries.get(`${mailboxKey} ${id}`));
  }

  insert(mailboxKey: string, entry: MessageEntry): Promise<boolean> {
    return this.#step('insert', () => {
      const key = `${mailboxKey} ${entry.id}`;
      const known = this.entries.get(key);
      if (known === undefined) this.entries.set(key, entry);
      return known === undefined || known.rawSha256 === entry.rawSha256;
    });
  }

  advance(lease: Lease, change: Advance): Promise<LedgerAnswer<{ readonly lease: Lease }>> {
    return this.#step('advance', () => {
      const keys = change.announced.map((id) => `${lease.mailboxKey} ${id}`);
      if (keys.some((key) => !this.entries.has(key))) return { kind: 'lost' } as const;
      const written = this.#write(lease, lease.tag, change.leaseUntil, change.cursor);
      if (written.kind === 'lost') return written;
      for (const key of keys) {
        const entry = this.entries.get(key);
        if (entry !== undefined) this.entries.set(key, { ...entry, state: 'announced' });
      }
      for (const action of change.pending) this.pending.set(pendingKey(lease.mailboxKey, action), action);
      return written;
    });
  }

  pendingActions(mailboxKey: string, limit: number): Promise<readonly PendingAction[]> {
    return this.#step('pendingActions', () =>
      [...this.pending.entries()]
        .filter(([key]) => key.startsWith(`${mailboxKey} `))
        .sort(([one], [other]) => (one < other ? -1 : 1))
        .map(([, action]) => action)
        .slice(0, limit),
    );
  }

  clearActions(mailboxKey: string, done: readonly PendingAction[]): Promise<void> {
    return this.#step('clearActions', () => {
      for (const action of done) this.pending.delete(pendingKey(mailboxKey, action));
    });
  }

  releaseLease(lease: Lease, cursor: Cursor): Promise<LedgerAnswer<object>> {
    return this.#step('releaseLease', () => this.#write(lease, '', 0, cursor));
  }

  #write(
    lease: Lease,
    tag: string,
    until: number,
    cursor: Cursor,
  ): { readonly kind: 'ok'; readonly lease: Lease } | { readonly kind: 'lost' } {
    const row = this.cursors.get(lease.mailboxKey);
    if (row === undefined || String(row.version) !== lease.version) return { kind: 'lost' };
    const next = { tag, until, version: row.version + 1, cursor };
    this.cursors.set(lease.mailboxKey, next);
    return { kind: 'ok', lease: { ...lease, version: String(next.version) } };
  }

  async #step<T>(name: string, apply: () => T): Promise<T> {
    await Promise.resolve();
    this.hook(name, 'before');
    const result = apply();
    this.hook(name, 'after');
    return result;
  }
}

function pendingKey(mailboxKey: string, { uidValidity, uid }: PendingAction): string {
  return `${mailboxKey} ${String(uidValidity).padStart(10, '0')} ${String(uid).padStart(10, '0')}`;
}

export class MemoryBlobs implements InboundBlobs {
  readonly blobs = new Map<string, Uint8Array>();
  hook: StoreHook = () => undefined;

  reference(name: string): string {
    return `inbound-content/${name}`;
  }

  async create(name: string, content: RawMail): Promise<'created' | 'exists'> {
    const bytes = content.kind === 'bytes' ? content.bytes : await readFile(content.path);
    this.hook('blob', 'before');
    const exists = this.blobs.has(name);
    if (!exists) this.blobs.set(name, Uint8Array.from(bytes));
    this.hook('blob', 'after');
    return exists ? 'exists' : 'created';
  }

  async sha256Of(name: string): Promise<string | undefined> {
    await Promise.resolve();
    const bytes = this.blobs.get(name);
    return bytes === undefined ? undefined : createHash('sha256').update(bytes).digest('hex');
  }

  async save(name: string, path: string): Promise<boolean> {
    const bytes = this.blobs.get(name);
    if (bytes !== undefined) await writeFile(path, bytes);
    return bytes !== undefined;
  }

  /** What a reference in a notice leads to. */
  at(reference: string): Uint8Array | undefined {
    return this.blobs.get(reference.slice('inbound-content/'.length));
  }
}

export class MemoryNotices implements Notices {
  readonly texts: string[] = [];
  hook: StoreHook = () => undefined;

  async publish(text: string): Promise<void> {
    await Promise.resolve();
    this.hook('publish', 'before');
    this.texts.push(text);
    this.hook('publish', 'after');
  }
}

/** What the outbound side would answer: submissions by id and Message-ID, and one good tag for each bridge id. */
export class MemorySentMessages implements SentMessages {
  readonly byMessageId = new Map<string, SentMessage>();
  readonly byBridgeId = new Map<string, SentMessage>();
  readonly bounces: BounceNote[] = [];
  /** Message-IDs of failure reports. */
  readonly reports = new Set<string>();

  add(messageId: string, bridgeId: string, mail: SentMessage): void {
    this.byMessageId.set(messageId, mail);
    this.byBridgeId.set(bridgeId, mail);
  }

  static tagOf(bridgeId: string): string {
    return createHash('sha256').update(`secret ${bridgeId}`).digest('hex');
  }

  async lookUpSent(by: SentLookup): Promise<FoundSubmission | undefined> {
    await Promise.resolve();
    const byBridgeId = by.bridgeId === undefined ? undefined : this.byBridgeId.get(by.bridgeId);
    if (byBridgeId !== undefined) return byBridgeId;
    for (const byMessageId of by.messageIds) {
      const sent = this.byMessageId.get(byMessageId);
      if (sent !== undefined) return { ...sent, byMessageId };
    }
    return undefined;
  }

  isReport(messageId: string): Promise<boolean> {
    return Promise.resolve(this.reports.has(messageId));
  }

  async checkTag(bridgeId: string, tag: string): Promise<boolean> {
    await Promise.resolve();
    return tag === MemorySentMessages.tagOf(bridgeId);
  }

  async noteBounce(bounce: BounceNote): Promise<void> {
    await Promise.resolve();
    this.bounces.push(bounce);
  }
}
