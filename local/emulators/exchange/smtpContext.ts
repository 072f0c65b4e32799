// What every SMTP session of one server shares.
import type { SecureContext } from 'node:tls';
import type { Clock } from '../../../shared/clock.ts';
import type { Accounts, TokenCheck } from './accounts.ts';
import type { BeforeStep, Faults, SmtpStep } from './faults.ts';
import type { ExchangeLimits, RecipientRule, SmtpQuirks } from './quirks.ts';
import type { MessageRecord, ServerLog } from './serverLog.ts';
import type { Connections, Rates } from './smtpLimits.ts';
import type { Names } from './smtpReplies.ts';
import type { Content } from './content.ts';

export interface SmtpContext {
  readonly clock: Clock;
  readonly secureContext: SecureContext;
  readonly accounts: Accounts;
  readonly checkToken: TokenCheck;
  readonly limits: ExchangeLimits;
  readonly quirks: SmtpQuirks;
  readonly log: ServerLog;
  readonly faults: Faults;
  readonly connections: Connections;
  readonly rates: Rates;
  readonly latency: (step: SmtpStep) => number;
  readonly beforeStep: BeforeStep | undefined;
  readonly names: Names;
  /** Aborted when the server closes. */
  readonly closing: AbortSignal;
  /** How mail to this address is handled. */
  recipientRule(address: string): RecipientRule | undefined;
  /** A deferral was given for it. */
  useDeferral(address: string): void;
  newServerId(): string;
  /** Files and delivers a message just taken. */
  deliver(message: MessageRecord, content: Content): void;
}
