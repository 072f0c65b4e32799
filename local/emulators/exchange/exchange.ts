// An emulator of Exchange Online: SMTP submission and IMAP on one mail store, with the known limits, reply
// texts and quirks of the real service (each of them a switch, so that both variants of undocumented behaviour can be
// tested). Nothing leaves this machine: mail to an address without an account here is accepted, counted and dropped.
//
// Its log is the oracle of the whole project: see serverLog.ts.
import { randomBytes } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Clock } from '../../../shared/clock.ts';
import { Accounts, sameAddress } from './accounts.ts';
import type { AccountOptions, TokenCheck } from './accounts.ts';
import { deliver } from './delivery.ts';
import { Faults } from './faults.ts';
import type { BeforeStep, Rule, RuleHandle, SmtpStep } from './faults.ts';
import { startImap } from './imapServer.ts';
import { MailStore } from './mailStore.ts';
import { defaultLimits } from './quirks.ts';
import type { ExchangeLimits, ImapQuirks, RecipientRule, SmtpQuirks } from './quirks.ts';
import { ServerLog } from './serverLog.ts';
import type { Figures } from './serverLog.ts';
import { Connections, Rates } from './smtpLimits.ts';
import { serverNames } from './smtpReplies.ts';
import { startSmtp } from './smtpServer.ts';

export interface ExchangeOptions {
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  readonly clock: Clock;
  readonly checkToken: TokenCheck;
  readonly accounts: readonly (AccountOptions | string)[];
  /** The period of the message limit; 60,000. */
  readonly periodMs?: number;
  /** The period of the recipient limit; 86,400,000. */
  readonly dayMs?: number;
  readonly limits?: Partial<ExchangeLimits>;
  /** How long each step of SMTP takes; at `dot` before the message is taken, at `reply` after. */
  readonly latency?: (step: SmtpStep) => number;
  readonly beforeStep?: BeforeStep;
  /** 0 (any free port) unless set. */
  readonly smtpPort?: number;
  readonly imapPort?: number;
}

export interface Exchange {
  /** STARTTLS, on 127.0.0.1. */
  readonly smtpPort: number;
  /** Implicit TLS, on 127.0.0.1. */
  readonly imapPort: number;
  readonly store: MailStore;
  readonly accounts: Accounts;
  readonly log: ServerLog;
  readonly smtp: SmtpQuirks;
  readonly imap: ImapQuirks;
  figures(): Figures;
  /** Adds a fault rule; of several rules that apply, the first one acts. */
  injectFault(rule: Rule): RuleHandle;
  /** Removes all fault rules. */
  clearFaults(): void;
  /** Sets how mail to this address, or to every address of `*@domain`, is handled; undefined resets it. */
  recipient(address: string, rule: RecipientRule | undefined): void;
  /** Adds an account, or changes one; its mailbox is made if need be. */
  account(account: AccountOptions): void;
  /** Cuts every open connection of that protocol (both unless named). */
  cutAll(protocol?: 'smtp' | 'imap'): void;
  close(): Promise<void>;
}

/** Starts the emulator; it listens when the promise resolves. Rejects if a port is taken. */
export async function startExchange(options: ExchangeOptions): Promise<Exchange> {
  const { clock, periodMs = 60_000, dayMs = 86_400_000 } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const accounts = new Accounts([]);
  const store = new MailStore(clock);
  const log = new ServerLog(clock);
  const faults = new Faults(clock);
  const closing = new AbortController();
  const recipients = new RecipientRules();
  const smtp: SmtpQuirks = {
    overRate: 'delay',
    overConnections: 'dot',
    sentItems: { mailbox: 'authenticated', delayMs: 0, replaceMessageId: false },
  };
  const imap: ImapQuirks = {
    exactSize: false,
    rebuild: false,
    malformedBodyStructure: false,
    headerSearchFindsNothing: false,
    ignoresPartial: false,
    partFaults: [],
    hiddenFromSearch: new Set(),
  };
  const account = (added: AccountOptions): void => {
    accounts.set(added);
    if (store.find(added.address) === undefined) store.add(added.address, added.language);
  };
  for (const one of options.accounts) account(typeof one === 'string' ? { address: one } : one);
  const names = serverNames(randomBytes(2).toString('hex').toUpperCase());
  const shared = {
    clock,
    store,
    accounts,
    log,
    faults,
    limits,
    names,
    checkToken: options.checkToken,
    beforeStep: options.beforeStep,
    closing: closing.signal,
    secureContext: createSecureContext({ cert: options.cert, key: options.key, minVersion: 'TLSv1.2' }),
    recipientRule: (address: string) => recipients.of(address),
  };
  const smtpListener = await startSmtp(
    {
      ...shared,
      quirks: smtp,
      connections: new Connections(),
      rates: new Rates({ periodMs, dayMs, messagesPerPeriod: limits.messagesPerPeriod }),
      latency: options.latency ?? (() => 0),
      newServerId: () => `${randomBytes(12).toString('hex').toUpperCase()}@${names.hostname}`,
      deliver: (message, content) => {
        deliver({ ...shared, quirks: smtp }, message, content);
      },
      useDeferral: (address) => {
        recipients.useDeferral(address);
      },
    },
    options.smtpPort ?? 0,
  );
  const imapListener = await startImap(
    { ...shared, quirks: imap, sessions: new Map() },
    options.imapPort ?? 0,
  );
  const listeners = { smtp: smtpListener, imap: imapListener };
  return {
    smtpPort: smtpListener.port,
    imapPort: imapListener.port,
    store,
    accounts,
    log,
    smtp,
    imap,
    figures: () => log.figures(periodMs, dayMs),
    injectFault: (rule) => faults.add(rule),
    clearFaults: () => {
      faults.clear();
    },
    recipient: (address, rule) => {
      recipients.set(address, rule);
    },
    account,
    cutAll: (protocol) => {
      for (const one of protocol === undefined ? (['smtp', 'imap'] as const) : [protocol])
        listeners[one].cutAll();
    },
    close: async () => {
      closing.abort();
      await Promise.all([smtpListener.close(), imapListener.close()]);
    },
  };
}

/** Rules for mail to an address or to a whole domain; the address takes precedence. */
class RecipientRules {
  readonly #rules = new Map<string, RecipientRule>();

  set(address: string, rule: RecipientRule | undefined): void {
    if (rule === undefined) this.#rules.delete(sameAddress(address));
    else this.#rules.set(sameAddress(address), rule);
  }

  of(address: string): RecipientRule | undefined {
    return (
      this.#rules.get(sameAddress(address)) ??
      this.#rules.get(`*${sameAddress(address).replace(/^.*@/, '@')}`)
    );
  }

  /** One of a deferral's times is over. */
  useDeferral(address: string): void {
    const rule = this.of(address);
    if (rule?.kind !== 'defer' || rule.times === undefined) return;
    const times = rule.times - 1;
    // The address itself gets the rest, so that a domain's deferral counts for each of its addresses.
    this.#rules.set(sameAddress(address), times > 0 ? { ...rule, times } : { kind: 'usual' });
  }
}
