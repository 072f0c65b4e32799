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
  StoredContent,
} from '../../shared/inbound/ports.ts';
import { submissionId } from '../../shared/contract/submissionSchema.ts';
import {
  accountDigest,
  isExchangeId,
  parseBridgeId,
  parseMessageId,
} from '../../shared/outbound/records/messageIds.ts';
import type {
  BounceNote,
  FoundSubmission,
  SentLookup,
  SentMessage,
} from '../../shared/contract/sentMessage.ts';
import { cursorRow } from '../../shared/storage/ledgerRows.ts';
import { StorageTrouble } from '../../shared/storageErrors.ts';

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
  readonly contents = new Map<string, StoredContent>();
  readonly known = new Map<string, Pick<StoredContent, 'id' | 'day'>>();
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

  advance(lease: Lease, change: Advance): ReturnType<Ledger['advance']> {
    return this.#step('advance', () => {
      if (!this.#holds(lease)) return { kind: 'lost' } as const;
      const ids = change.stored
        .filter(({ knownDay }) => knownDay === undefined)
        .map(({ entry }) => entry.id)
        .filter((id) => this.entries.has(`${lease.mailboxKey} ${id}`));
      if (ids.length > 0) return { kind: 'known', ids } as const;
      for (const { entry, content, knownDay = '' } of change.stored) {
        this.entries.set(`${lease.mailboxKey} ${entry.id}`, entry);
        this.contents.delete(contentKey(lease.mailboxKey, { id: content.id, day: knownDay }));
        this.contents.set(contentKey(lease.mailboxKey, content), content);
      }
      this.#change(lease, change);
      return this.#write(lease, lease.tag, change.leaseUntil, change.cursor);
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

  releaseLease(
    lease: Lease,
    last: Pick<Advance, 'cursor' | 'pending' | 'cleared'>,
  ): Promise<LedgerAnswer<object>> {
    return this.#step('releaseLease', () => {
      if (!this.#holds(lease)) return { kind: 'lost' } as const;
      this.#change(lease, last);
      return this.#write(lease, '', 0, last.cursor);
    });
  }

  contentBefore(mailboxKey: string, day: string, limit: number): Promise<readonly StoredContent[]> {
    return this.#step('contentBefore', () => this.#before(this.contents, mailboxKey, day).slice(0, limit));
  }

  contentAfter(
    mailboxKey: string,
    after: Pick<StoredContent, 'id' | 'day'> | undefined,
    limit: number,
  ): Promise<readonly StoredContent[]> {
    return this.#step('contentAfter', () => {
      const rank = ({ day, id }: Pick<StoredContent, 'id' | 'day'>): string => `${day} ${id}`;
      const all = this.#before(this.contents, mailboxKey, '~');
      return all.filter((one) => after === undefined || rank(one) > rank(after)).slice(0, limit);
    });
  }

  contentOf(mailboxKey: string, at: Pick<StoredContent, 'id' | 'day'>): Promise<StoredContent | undefined> {
    return this.#step('contentOf', () => this.contents.get(contentKey(mailboxKey, at)));
  }

  contentRemoved(mailboxKey: string, contents: readonly StoredContent[]): Promise<void> {
    return this.#step('contentRemoved', () => {
      for (const one of contents) {
        this.contents.delete(contentKey(mailboxKey, one));
        this.known.set(contentKey(mailboxKey, one), { id: one.id, day: one.day });
      }
    });
  }

  knownBefore(
    mailboxKey: string,
    day: string,
    limit: number,
  ): Promise<readonly Pick<StoredContent, 'id' | 'day'>[]> {
    return this.#step('knownBefore', () => this.#before(this.known, mailboxKey, day).slice(0, limit));
  }

  forget(mailboxKey: string, known: readonly Pick<StoredContent, 'id' | 'day'>[]): Promise<void> {
    return this.#step('forget', () => {
      for (const one of known) {
        this.entries.delete(`${mailboxKey} ${one.id}`);
        this.known.delete(contentKey(mailboxKey, one));
      }
    });
  }

  #before<T extends { readonly day: string }>(
    rows: ReadonlyMap<string, T>,
    mailboxKey: string,
    day: string,
  ): readonly T[] {
    return [...rows.entries()]
      .filter(([key, row]) => key.startsWith(`${mailboxKey} `) && row.day < day)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([, row]) => row);
  }

  #holds(lease: Lease): boolean {
    return String(this.cursors.get(lease.mailboxKey)?.version) === lease.version;
  }

  #change(lease: Lease, { pending, cleared }: Pick<Advance, 'pending' | 'cleared'>): void {
    for (const action of cleared) this.pending.delete(pendingKey(lease.mailboxKey, action));
    for (const action of pending) this.pending.set(pendingKey(lease.mailboxKey, action), action);
  }

  #write(
    lease: Lease,
    tag: string,
    until: number,
    cursor: Cursor,
  ): { readonly kind: 'ok'; readonly lease: Lease } | { readonly kind: 'lost' } {
    const row = this.cursors.get(lease.mailboxKey);
    if (row === undefined || String(row.version) !== lease.version) return { kind: 'lost' };
    // As the table takes it.
    const columns = cursorRow({ leaseTag: tag, leaseUntil: until }, tag, cursor);
    const long = Object.entries(columns).find(([, value]) => String(value).length > 32_768);
    if (long !== undefined) throw new StorageTrouble(`the column ${long[0]} is too long`);
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

function contentKey(mailboxKey: string, { id, day }: Pick<StoredContent, 'id' | 'day'>): string {
  return `${mailboxKey} ${day} ${id}`;
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

  async remove(names: readonly string[]): Promise<void> {
    await Promise.resolve();
    this.hook('remove', 'before');
    for (const name of names) this.blobs.delete(name);
    this.hook('remove', 'after');
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

/** Signs by which a returned mail or an answer names a submission. */
interface SentSigns {
  readonly messageId: string;
  /** That Exchange gave in place of ours. */
  readonly exchangeId: string;
  readonly bridgeId: string;
  readonly tag: string;
}

/** Of one lookup, as the outbound side has it; what is found takes one more. */
const mostReads = 20;

/** What the outbound side would answer (tests/contracts): ids that it could not have made are refused here, too. */
export class MemorySentMessages implements SentMessages {
  readonly #sent = new Map<string, SentMessage>();
  readonly #noted = new Set<string>();
  readonly bounces: BounceNote[] = [];
  /** Message-IDs of failure reports. */
  readonly reports = new Set<string>();

  /** A submission that was sent. */
  add(mail: SentMessage): void {
    if (!submissionId.test(mail.submissionId))
      throw new RangeError(`no submission's id: ${mail.submissionId}`);
    this.#sent.set(mail.submissionId, mail);
  }

  static signsOf(id: string): SentSigns {
    const bridgeId = `${id}.1.${account}`;
    return {
      messageId: `<${'0'.repeat(32)}.${account}.${Buffer.from(id).toString('base64url')}@contoso.test>`,
      exchangeId: `<${id}@PR1.eurprd01.prod.outlook.com>`,
      bridgeId,
      tag: createHash('sha256').update(`secret ${bridgeId}`).digest('hex'),
    };
  }

  async lookUpSent({ bridgeId, messageIds }: SentLookup): Promise<FoundSubmission | undefined> {
    await Promise.resolve();
    const named = bridgeId === undefined ? undefined : parseBridgeId(bridgeId);
    const byBridgeId = named?.account === account ? this.#sent.get(named.id) : undefined;
    if (byBridgeId !== undefined) return byBridgeId;
    const readable = messageIds.filter((id) => parseMessageId(id) !== undefined || isExchangeId(id));
    for (const byMessageId of readable.slice(0, mostReads - (named === undefined ? 1 : 2))) {
      const sent = [...this.#sent.values()].find((one) => {
        const signs = MemorySentMessages.signsOf(one.submissionId);
        return signs.messageId === byMessageId || signs.exchangeId === byMessageId;
      });
      if (sent !== undefined) return { ...sent, byMessageId };
    }
    return undefined;
  }

  isReport(messageId: string): Promise<boolean> {
    return Promise.resolve(this.reports.has(messageId));
  }

  async checkTag(bridgeId: string, tag: string): Promise<boolean> {
    await Promise.resolve();
    return tag === createHash('sha256').update(`secret ${bridgeId}`).digest('hex');
  }

  async noteBounce(bounce: BounceNote): Promise<void> {
    await Promise.resolve();
    const { submissionId: id, mailbox, noticeId } = bounce;
    const key = JSON.stringify([id, noticeId]);
    if (this.#sent.get(id)?.mailbox !== mailbox || this.#noted.has(key)) return;
    this.#noted.add(key);
    this.bounces.push(bounce);
  }
}

const account = accountDigest('desk@contoso.test');
