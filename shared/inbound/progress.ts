// The durable side of a run: the lease, the cursor, and what is to be written with the cursor's next write.
//
// One transaction a batch: the rows of its messages are inserted, and with them go the cursor past the batch before, the
// actions that are due for it, and the removal of those that are done. Then its notices are published. What of a batch is
// inserted and not known to be published is named in the cursor (`unannounced`).
import { StorageTrouble } from '../storageErrors.ts';
import { inboundEvents } from '../telemetry/inboundEvents.ts';
import { emptyCursor, survived, type Counted } from './cursorChanges.ts';
import type { InboundDependencies, MailboxContext } from './dependencies.ts';
import type { Cursor, Lease, PendingAction, StoredMessage } from './ports.ts';

/** So many messages may come and go between two runs before another reader is suspected. */
const concurrentReaderCount = 3;

type Needs = Pick<InboundDependencies, 'ledger' | 'clock' | 'numbers' | 'log'>;

/** Another run took the lease: unwinds to `run`, which stops. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

export class Progress {
  readonly #context: MailboxContext;
  readonly #dependencies: Needs;
  #lease: Lease;
  #cursor: Cursor;
  /** Written with the next write of the cursor. */
  #due: readonly PendingAction[] = [];
  #done: readonly PendingAction[] = [];
  /** Written as due, and not begun. */
  #written: readonly PendingAction[] = [];

  constructor(
    context: MailboxContext,
    acquired: { readonly lease: Lease; readonly cursor: Cursor | undefined },
    dependencies: Needs,
  ) {
    const { lease, cursor } = acquired;
    this.#context = context;
    this.#dependencies = dependencies;
    this.#lease = lease;
    const { folder } = context.mailbox;
    this.#cursor = cursor?.folder === folder ? cursor : emptyCursor(folder, cursor, dependencies.clock.now());
  }

  /** With what is not written yet. */
  get cursor(): Cursor {
    return this.#cursor;
  }

  /** Changes what the next write says. */
  set(cursor: Cursor): void {
    this.#cursor = cursor;
  }

  /** The same; messages that another reader took are reported. */
  setCounted({ cursor, vanishedCount }: Counted): void {
    this.#cursor = cursor;
    if (vanishedCount === 0) return;
    const { log } = this.#dependencies;
    const mailbox = this.#context.hash;
    log(inboundEvents.uidsVanished({ mailbox, count: vanishedCount }));
    if (cursor.vanishedCount >= concurrentReaderCount)
      log(inboundEvents.concurrentReader({ mailbox, vanishedCount: cursor.vanishedCount }));
  }

  /** Actions that become due with the next write. */
  addDue(actions: readonly PendingAction[]): void {
    if (actions.length === 0) return;
    this.#due = [...this.#due, ...actions];
    this.#cursor = { ...this.#cursor, hasPending: true };
  }

  /** Actions that are done: their rows go with the next write. */
  addDone(actions: readonly PendingAction[]): void {
    this.#done = [...this.#done, ...actions];
  }

  get hasDue(): boolean {
    return this.#due.length > 0;
  }

  /** Actions that are durable now, each once. */
  takeWritten(): readonly PendingAction[] {
    const written = this.#written;
    this.#written = [];
    return written;
  }

  /**
   * Writes the cursor, and inserts the rows of `stored` with it. Ids whose rows are there already, unexpectedly, are
   * returned, and then nothing was written. Throws LeaseLost or StorageTrouble.
   */
  async write(stored: readonly StoredMessage[] = [], cursor = this.#cursor): Promise<readonly string[]> {
    const { ledger, clock, numbers } = this.#dependencies;
    const leaseUntil = clock.now() + numbers.leaseMs;
    const [due, done] = [this.#due, this.#done];
    const answer = await ledger.advance(this.#lease, {
      cursor,
      stored,
      pending: due,
      cleared: done,
      leaseUntil,
    });
    if (answer.kind === 'lost') throw new LeaseLost();
    if (answer.kind === 'known') {
      if (answer.ids.length === 0)
        throw new StorageTrouble('The ledger refused a transaction without a reason.');
      return answer.ids;
    }
    this.#lease = answer.lease;
    this.#cursor = cursor;
    this.#due = [];
    this.#written = [...this.#written, ...due];
    this.#done = [];
    return [];
  }

  /** The last write: the lease is released. False if another run has it. */
  async release(cursor: Cursor, failedIn?: number): Promise<boolean> {
    const last = survived(cursor, failedIn);
    const answer = await this.#dependencies.ledger.releaseLease(this.#lease, {
      cursor: last,
      pending: this.#due,
      cleared: this.#done,
    });
    if (answer.kind === 'ok') this.#cursor = last;
    return answer.kind === 'ok';
  }
}
