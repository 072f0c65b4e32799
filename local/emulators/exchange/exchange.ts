// A stand-in for Exchange Online: SMTP submission and IMAP on one mail store, with the limits, the texts and the
// oddities that are known of the real one (and each of them a switch, so that both sides of what is unknown can be
// tried). It never reaches beyond this machine: mail to an address that is no account here is taken and counted,
// and goes nowhere.
//
// Its log is the judge of the whole project: see serverLog.ts.
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
import { defaultLimits } from './manners.ts';
import type { ExchangeLimits, ImapManners, RecipientManner, SmtpManners } from './manners.ts';
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
  readonly smtp: SmtpManners;
  readonly imap: ImapManners;
  figures(): Figures;
  /** Adds a fault rule; the first of those that apply acts. */
  misbehave(rule: Rule): RuleHandle;
  /** Ends all fault rules. */
  behave(): void;
  /** What becomes of mail to this address, or to every address of `*@domain`; undefined: nothing special. */
  recipient(address: string, manner: RecipientManner | undefined): void;
  /** Adds an account, or changes one; its mailbox is made if need be. */
  account(account: AccountOptions): void;
  /** Cuts every open connection of that protocol (both unless named). */
  cutAll(protocol?: 'smtp' | 'imap'): void;
  close(): Promise<void>;
}

/** Starts the stand-in; it listens when the promise resolves. Rejects where a port is taken. */
export async function startExchange(options: ExchangeOptions): Promise<Exchange> {
  const { clock, periodMs = 60_000, dayMs = 86_400_000 } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const accounts = new Accounts([]);
  const store = new MailStore(clock);
  const log = new ServerLog(clock);
  const faults = new Faults(clock);
  const closing = new AbortController();
  const recipients = new RecipientManners();
  const smtp: SmtpManners = {
    overRate: 'delay',
    overConnections: 'dot',
    sentItems: { mailbox: 'authenticated', delayMs: 0, replaceMessageId: false },
  };
  const imap: ImapManners = {
    exactSize: false,
    rebuild: false,
    malformedBodyStructure: false,
    headerSearchFindsNothing: false,
  };
  const account = (told: AccountOptions): void => {
    accounts.set(told);
    if (store.find(told.address) === undefined) store.add(told.address, told.language);
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
    recipientManner: (address: string) => recipients.of(address),
  };
  const smtpListener = await startSmtp(
    {
      ...shared,
      manners: smtp,
      connections: new Connections(),
      rates: new Rates({ periodMs, dayMs, messagesPerPeriod: limits.messagesPerPeriod }),
      latency: options.latency ?? (() => 0),
      newServerId: () => `${randomBytes(12).toString('hex').toUpperCase()}@${names.hostname}`,
      deliver: (message, content) => {
        deliver({ ...shared, manners: smtp }, message, content);
      },
      useDeferral: (address) => {
        recipients.useDeferral(address);
      },
    },
    options.smtpPort ?? 0,
  );
  const imapListener = await startImap(
    { ...shared, manners: imap, sessions: new Map() },
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
    misbehave: (rule) => faults.add(rule),
    behave: () => {
      faults.clear();
    },
    recipient: (address, manner) => {
      recipients.set(address, manner);
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

/** What becomes of mail to an address or to a whole domain; the address goes first. */
class RecipientManners {
  readonly #manners = new Map<string, RecipientManner>();

  set(address: string, manner: RecipientManner | undefined): void {
    if (manner === undefined) this.#manners.delete(sameAddress(address));
    else this.#manners.set(sameAddress(address), manner);
  }

  of(address: string): RecipientManner | undefined {
    return (
      this.#manners.get(sameAddress(address)) ??
      this.#manners.get(`*${sameAddress(address).replace(/^.*@/, '@')}`)
    );
  }

  /** One of a deferral's times is over. */
  useDeferral(address: string): void {
    const manner = this.of(address);
    if (manner?.kind !== 'defer' || manner.times === undefined) return;
    const times = manner.times - 1;
    // The address itself gets the rest, so that a domain's deferral counts for each of its addresses.
    this.#manners.set(sameAddress(address), times > 0 ? { ...manner, times } : { kind: 'usual' });
  }
}
