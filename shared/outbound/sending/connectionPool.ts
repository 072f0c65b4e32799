// The SMTP connections of one lease: opened before anything is claimed, kept while they are of use, never more
// than the lease allows. Connecting goes on beside everything else; the bell rings when it is over.
import type { Account } from '../../mail/mailbox.ts';
import type { WakeUp } from './wakeUp.ts';
import type { Dependencies } from '../dependencies.ts';
import type { RelayConnection, RelayFailure } from '../ports.ts';

export interface Line {
  readonly connection: RelayConnection;
  busy: boolean;
}

export class Lines {
  readonly #account: Account;
  readonly #doors: Dependencies;
  readonly #bell: WakeUp;
  #lines: Line[] = [];
  #connectingCount = 0;
  #mostCount: number;
  #failures: RelayFailure[] = [];
  #closed = false;

  constructor(account: Account, mostCount: number, doors: Dependencies, bell: WakeUp) {
    this.#account = account;
    this.#mostCount = mostCount;
    this.#doors = doors;
    this.#bell = bell;
  }

  /** A connection that waits for work. */
  idle(): Line | undefined {
    this.#dropUnusable();
    return this.#lines.find(({ busy }) => !busy);
  }

  get connecting(): boolean {
    return this.#connectingCount > 0;
  }

  get count(): number {
    return this.#lines.length;
  }

  /** Why connections could not be opened, since it was last asked. */
  takeFailures(): readonly RelayFailure[] {
    const failures = this.#failures;
    this.#failures = [];
    return failures;
  }

  /** Opens one more, where the lease allows it and none is being opened. */
  open(): void {
    this.#dropUnusable();
    if (this.#closed || this.connecting || this.#lines.length >= this.#mostCount) return;
    this.#connectingCount += 1;
    void this.#connect()
      .catch(() => {
        // The relay answers trouble; an exception is a fault of ours, and counts as a server out of reach.
        this.#failures.push({
          phase: 'connect',
          detail: 'The connection could not be opened: an internal fault.',
        });
      })
      .finally(() => {
        this.#connectingCount -= 1;
        this.#bell.ring();
      });
  }

  async #connect(): Promise<void> {
    const { clock, numbers, relay } = this.#doors;
    const until = clock.monotonic() + numbers.connectMs;
    const answer = await relay.connect(this.#account, { remainingMs: () => until - clock.monotonic() });
    if (answer.kind === 'failed') this.#failures.push(answer.failure);
    else if (this.#closed) await answer.connection.close();
    else this.#lines.push({ connection: answer.connection, busy: false });
  }

  /** The server has too many of ours: from now on one fewer, but one. */
  reduce(): number {
    this.#mostCount = Math.max(1, Math.min(this.#mostCount, this.#lines.length) - 1);
    return this.#mostCount;
  }

  async closeIdle(): Promise<void> {
    const idle = this.#lines.filter(({ busy }) => !busy);
    this.#lines = this.#lines.filter(({ busy }) => busy);
    await Promise.all(idle.map(({ connection }) => connection.close()));
  }

  /** Closes what is idle and cuts what is not; nothing is opened after this. */
  async closeAll(): Promise<void> {
    this.#closed = true;
    for (const { connection, busy } of this.#lines) if (busy) connection.destroy();
    await this.closeIdle();
  }

  #dropUnusable(): void {
    for (const { connection, busy } of this.#lines) if (!busy && !connection.usable) connection.destroy();
    this.#lines = this.#lines.filter(({ connection, busy }) => busy || connection.usable);
  }
}
