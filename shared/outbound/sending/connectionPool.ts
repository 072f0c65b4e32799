// The SMTP connections of one lease: opened before anything is claimed, kept while they are useful, never more than
// the lease allows. Connecting runs beside everything else and notifies at its end.
import { deadline } from '../../deadline.ts';
import type { Account } from '../../mail/mailbox.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { Dependencies } from '../dependencies.ts';
import type { RelayConnection, RelayFailure } from '../ports.ts';
import type { Signal } from './signal.ts';

export interface PooledConnection {
  readonly connection: RelayConnection;
  /** An attempt's dialog runs on it. */
  busy: boolean;
}

export class ConnectionPool {
  readonly #account: Account | undefined;
  readonly #signal: Signal;
  readonly #dependencies: Dependencies;
  #connections: readonly PooledConnection[] = [];
  #connecting = false;
  #mostCount: number;
  #failures: RelayFailure[] = [];
  #closed = false;

  /** Without an account nothing is ever opened. */
  constructor(account: Account | undefined, mostCount: number, signal: Signal, dependencies: Dependencies) {
    this.#account = account;
    this.#mostCount = mostCount;
    this.#signal = signal;
    this.#dependencies = dependencies;
  }

  get connecting(): boolean {
    return this.#connecting;
  }

  get count(): number {
    return this.#connections.length;
  }

  idle(): PooledConnection | undefined {
    this.#dropUnusable();
    return this.#connections.find(({ busy }) => !busy);
  }

  /** Why connections could not be opened since the last call. */
  takeFailures(): readonly RelayFailure[] {
    const failures = this.#failures;
    this.#failures = [];
    return failures;
  }

  /** Opens one more if the lease allows it and none is being opened. */
  open(): void {
    this.#dropUnusable();
    if (this.#closed || this.#connecting || this.#connections.length >= this.#mostCount) return;
    if (this.#account === undefined) return;
    this.#connecting = true;
    void this.#connect(this.#account)
      .catch(() => {
        // The relay returns failures; an exception is an internal fault, and counts as a server out of reach.
        const detail = 'The connection could not be opened: an internal fault.';
        this.#failures.push({ phase: 'connect', detail });
      })
      .finally(() => {
        this.#connecting = false;
        this.#signal.notify();
      });
  }

  async #connect(account: Account): Promise<void> {
    const { clock, numbers, relay } = this.#dependencies;
    const answer = await relay.connect(account, deadline(clock, numbers.connectMs));
    if (answer.kind === 'failed') this.#failures.push(answer.failure);
    else if (this.#closed) await answer.connection.close();
    else this.#connections = [...this.#connections, { connection: answer.connection, busy: false }];
  }

  /** The server has too many connections of ours: from now on one fewer, but at least one. */
  reduce(): void {
    this.#mostCount = Math.max(1, Math.min(this.#mostCount, this.#connections.length) - 1);
    const account = this.#account?.key ?? '';
    this.#dependencies.log(outboundEvents.connectionsReduced({ account, connectionCount: this.#mostCount }));
  }

  async closeIdle(): Promise<void> {
    const idle = this.#connections.filter(({ busy }) => !busy);
    this.#connections = this.#connections.filter(({ busy }) => busy);
    await Promise.all(idle.map(({ connection }) => connection.close()));
  }

  /** Closes idle connections and cuts busy ones; nothing is opened after this. */
  async closeAll(): Promise<void> {
    this.#closed = true;
    for (const { connection, busy } of this.#connections) if (busy) connection.destroy();
    await this.closeIdle();
  }

  #dropUnusable(): void {
    for (const { connection, busy } of this.#connections)
      if (!busy && !connection.usable) connection.destroy();
    this.#connections = this.#connections.filter(({ connection, busy }) => busy || connection.usable);
  }
}
