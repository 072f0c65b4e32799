// The server's log: every connection, every accepted message and every refusal, each with its time. It is the oracle of
// the whole project: nothing is logged that did not happen, and everything is logged before the client can know of it.
//
// Instants ending in Ns are whole nanoseconds of the clock's monotonic time; they order events within one server.
// Instants ending in At are UTC milliseconds, for joining with other processes' logs.
import type { Clock } from '../../../shared/clock.ts';
import { sameAddress } from './accounts.ts';
import { mostAtOnce, mostInAnySpan } from './figures.ts';

export interface ConnectionRecord {
  readonly number: number;
  readonly protocol: 'smtp' | 'imap';
  readonly openedNs: number;
  readonly openedAt: number;
  /** When the TLS handshake was done. */
  tlsNs?: number;
  /** Who logged in. */
  account?: string;
  closedNs?: number;
  /** `quit`, `client` (hung up), `server` (cut, or closed by us). */
  closedBy?: 'quit' | 'client' | 'server';
}

export interface MessageRecord {
  /** 1, 2, …: the order in which they were taken. */
  readonly number: number;
  readonly connection: number;
  readonly account: string;
  /** The envelope. Refused recipients are not in `to`. */
  readonly from: string;
  readonly to: readonly string[];
  readonly refused: readonly { readonly address: string; readonly reply: string }[];
  /** MAIL arrived. */
  readonly mailNs: number;
  /** The final dot arrived. */
  readonly dotNs: number;
  /** The server took the message. */
  readonly acceptedNs: number;
  readonly acceptedAt: number;
  /** The 250 was handed to the socket; absent if it never was. */
  repliedNs?: number;
  /** The client was still there when the message was taken. */
  readonly clientThere: boolean;
  readonly bridgeId?: string;
  readonly bridgeTag?: string;
  readonly messageId?: string;
  readonly subject?: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** The id in the 250, without angle brackets. */
  readonly serverId: string;
}

/** A reply of 4xx or 5xx that the server gave. */
export interface RefusalRecord {
  readonly connection: number;
  readonly account?: string;
  readonly step: string;
  readonly atNs: number;
  /** The reply as sent, first line. */
  readonly reply: string;
  readonly bridgeId?: string;
}

export interface Violation {
  readonly kind: 'messageRate' | 'recipientRate' | 'connections' | 'recipientsPerMessage' | 'messageSize';
  readonly account: string;
  readonly connection: number;
  readonly atNs: number;
  /** What it would have come to, and what is allowed. */
  readonly count: number;
  readonly limit: number;
}

export interface AccountFigures {
  readonly messages: number;
  readonly recipients: number;
  /** The most messages in any half-open period; the largest of the three ways to date a message. */
  readonly mostMessages: number;
  readonly mostMessagesBy: { readonly dot: number; readonly accepted: number; readonly replied: number };
  /** The most accepted recipients in any half-open day. */
  readonly mostRecipients: number;
  /** The most SMTP connections at one time, from the TLS handshake to the close. */
  readonly mostConnections: number;
}

export interface Figures extends AccountFigures {
  /** By account; the figures above are the worst of each (and the sums of messages and recipients). */
  readonly accounts: Readonly<Record<string, AccountFigures>>;
  readonly violations: readonly Violation[];
}

export class ServerLog {
  readonly connections: ConnectionRecord[] = [];
  readonly messages: MessageRecord[] = [];
  readonly refusals: RefusalRecord[] = [];
  readonly violations: Violation[] = [];
  readonly #clock: Clock;
  readonly #listeners = new Set<(message: MessageRecord) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** This instant in nanoseconds. A double holds whole nanoseconds exactly for a hundred days. */
  nowNs(): number {
    return Math.round(this.#clock.monotonic() * 1e6);
  }

  opened(protocol: 'smtp' | 'imap'): ConnectionRecord {
    const number = this.connections.length + 1;
    const record = { number, protocol, openedNs: this.nowNs(), openedAt: this.#clock.now() };
    this.connections.push(record);
    return record;
  }

  accepted(message: Omit<MessageRecord, 'number' | 'acceptedNs' | 'acceptedAt'>): MessageRecord {
    const number = this.messages.length + 1;
    const record = { ...message, number, acceptedNs: this.nowNs(), acceptedAt: this.#clock.now() };
    this.messages.push(record);
    for (const listener of this.#listeners) listener(record);
    return record;
  }

  /** Calls back for every message taken from now on; returns what ends it. */
  onAccepted(listener: (message: MessageRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The messages that carry this `X-Mail-Bridge-Id` (`<id>.<attempt>.<account>`), or any attempt of this id. */
  messagesOf(bridgeId: string): readonly MessageRecord[] {
    const attempt = new RegExp(`^${bridgeId.replace(/[^A-Za-z0-9]/g, '\\$&')}(\\.\\d+)?(\\.[\\w-]{12})?$`);
    return this.messages.filter(
      (message) => message.bridgeId !== undefined && attempt.test(message.bridgeId),
    );
  }

  figures(periodMs: number, dayMs: number): Figures {
    const names = new Set(this.messages.map((message) => sameAddress(message.account)));
    for (const { account, protocol } of this.connections) {
      if (account !== undefined && protocol === 'smtp') names.add(sameAddress(account));
    }
    const accounts = Object.fromEntries(
      [...names].map((name) => [name, this.#account(name, periodMs, dayMs)]),
    );
    const all = Object.values(accounts);
    const worst = (of: (figures: AccountFigures) => number): number =>
      all.reduce((most, one) => Math.max(most, of(one)), 0);
    const sum = (of: (figures: AccountFigures) => number): number =>
      all.reduce((total, one) => total + of(one), 0);
    return {
      messages: sum((one) => one.messages),
      recipients: sum((one) => one.recipients),
      mostMessages: worst((one) => one.mostMessages),
      mostMessagesBy: {
        dot: worst((one) => one.mostMessagesBy.dot),
        accepted: worst((one) => one.mostMessagesBy.accepted),
        replied: worst((one) => one.mostMessagesBy.replied),
      },
      mostRecipients: worst((one) => one.mostRecipients),
      mostConnections: worst((one) => one.mostConnections),
      accounts,
      violations: this.violations,
    };
  }

  #account(name: string, periodMs: number, dayMs: number): AccountFigures {
    const own = this.messages.filter((message) => sameAddress(message.account) === name);
    const most = (instant: (message: MessageRecord) => number | undefined): number => {
      const dated = own.flatMap((message) => instant(message) ?? []);
      return mostInAnySpan(
        dated.map((at) => ({ at, weight: 1 })),
        periodMs * 1e6,
      );
    };
    const by = {
      dot: most((message) => message.dotNs),
      accepted: most((message) => message.acceptedNs),
      replied: most((message) => message.repliedNs),
    };
    const recipients = own.map((message) => ({ at: message.acceptedNs, weight: message.to.length }));
    const open = this.connections.flatMap(({ protocol, account, tlsNs, closedNs }) =>
      protocol === 'smtp' && tlsNs !== undefined && sameAddress(account ?? '') === name
        ? { from: tlsNs, ...(closedNs === undefined ? {} : { to: closedNs }) }
        : [],
    );
    return {
      messages: own.length,
      recipients: recipients.reduce((sum, { weight }) => sum + weight, 0),
      mostMessages: Math.max(by.dot, by.accepted, by.replied),
      mostMessagesBy: by,
      mostRecipients: mostInAnySpan(recipients, dayMs * 1e6),
      mostConnections: mostAtOnce(open),
    };
  }
}
