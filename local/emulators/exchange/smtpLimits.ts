// The server's own counting of what an account may do. It shares nothing with the bridge's limiter: one judges
// the other.
import { sameAddress } from './accounts.ts';
import type { ConnectionRecord, MessageRecord } from './serverLog.ts';

/** The connections that are logged in, by account, in the order of their logins. */
export class Connections {
  readonly #open = new Map<string, ConnectionRecord[]>();

  /** Adds one; the answer is how many the account now has. */
  logIn(connection: ConnectionRecord, account: string): number {
    const open = this.#open.get(sameAddress(account)) ?? [];
    open.push(connection);
    this.#open.set(sameAddress(account), open);
    return open.length;
  }

  logOut(connection: ConnectionRecord): void {
    for (const open of this.#open.values()) {
      const at = open.indexOf(connection);
      if (at !== -1) open.splice(at, 1);
    }
  }

  /** 1 for the account's oldest connection; 0 for one that is not logged in. */
  rank(connection: ConnectionRecord): number {
    for (const open of this.#open.values()) {
      const at = open.indexOf(connection);
      if (at !== -1) return at + 1;
    }
    return 0;
  }
}

interface Taken {
  readonly atNs: number;
  readonly recipients: number;
  /** When its reply may go, where replies wait for their turn. */
  readonly turnNs: number;
}

/** What each account had taken, within the period and within the day. */
export class Rates {
  readonly #periodNs: number;
  readonly #dayNs: number;
  readonly #perPeriod: number;
  readonly #taken = new Map<string, Taken[]>();

  constructor(options: {
    readonly periodMs: number;
    readonly dayMs: number;
    readonly messagesPerPeriod: number;
  }) {
    this.#periodNs = options.periodMs * 1e6;
    this.#dayNs = options.dayMs * 1e6;
    this.#perPeriod = options.messagesPerPeriod;
  }

  took(message: MessageRecord): void {
    const name = sameAddress(message.account);
    const taken = this.#taken.get(name) ?? [];
    // Its turn comes a period after that of the one `perPeriod` places before it.
    const before = taken[taken.length - this.#perPeriod];
    const turnNs = Math.max(message.acceptedNs, before === undefined ? 0 : before.turnNs + this.#periodNs);
    taken.push({ atNs: message.acceptedNs, recipients: message.to.length, turnNs });
    this.#taken.set(name, taken);
  }

  /** Messages in the period that ends now: (now - period, now]. */
  messages(account: string, nowNs: number): number {
    return this.#since(account, nowNs - this.#periodNs).length;
  }

  /** Recipients in the day that ends now. */
  recipients(account: string, nowNs: number): number {
    return this.#since(account, nowNs - this.#dayNs).reduce((sum, { recipients }) => sum + recipients, 0);
  }

  /** How long the reply to the message taken at that instant has to wait for its turn. */
  waitMs(account: string, acceptedNs: number): number {
    const own = this.#taken.get(sameAddress(account))?.findLast(({ atNs }) => atNs === acceptedNs);
    return own === undefined ? 0 : Math.max(0, (own.turnNs - acceptedNs) / 1e6);
  }

  #since(account: string, afterNs: number): readonly Taken[] {
    const taken = this.#taken.get(sameAddress(account)) ?? [];
    const first = taken.findLastIndex(({ atNs }) => atNs <= afterNs) + 1;
    return taken.slice(first);
  }
}
