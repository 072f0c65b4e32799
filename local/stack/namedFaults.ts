// What can go wrong, by name: for `npm run fault`, and for the tests that play the runbook. Each is done to the emulators
// of a running stack, for a mailbox or for all, and ends by itself after a time.
import type { Clock } from '../../shared/clock.ts';
import type { ImapFault, ImapStep, Rule, SmtpFault, SmtpStep } from '../emulators/exchange/faults.ts';
import type { Stack } from './stack.ts';

type Emulators = Pick<Stack, 'exchange' | 'entra' | 'vault'>;

export interface FaultRequest {
  readonly name: FaultName;
  /** All mailboxes unless named. */
  readonly mailbox?: string;
  /** Until it is ended, if absent. */
  readonly forMs?: number;
}

interface NamedFault {
  /** What happens, in a sentence. */
  readonly detail: string;
  /** Only for one mailbox. */
  readonly needsMailbox?: true;
  /** Does not end by itself; what ends it. */
  readonly lasts?: string;
  /** Injects it; the answer ends it. */
  readonly inject: (emulators: Emulators, mailbox: string | undefined) => () => void;
}

interface SmtpPlan {
  readonly at: SmtpStep;
  /** For one mailbox the step has to come after the login, before which nobody is known. */
  readonly ofMailboxAt?: SmtpStep;
  readonly does: SmtpFault;
  readonly times?: number;
}

const smtp =
  ({ at, ofMailboxAt = at, does, times }: SmtpPlan): NamedFault['inject'] =>
  ({ exchange }, account) =>
    rules(exchange, [
      {
        protocol: 'smtp',
        at: account === undefined ? at : ofMailboxAt,
        does,
        ...(account === undefined ? {} : { account }),
        ...(times === undefined ? {} : { times }),
      },
    ]);

const imap =
  (at: ImapStep, ofMailboxAt: ImapStep, does: ImapFault): NamedFault['inject'] =>
  ({ exchange }, account) =>
    rules(exchange, [
      account === undefined
        ? { protocol: 'imap', at, does }
        : { protocol: 'imap', at: ofMailboxAt, does, account },
    ]);

function rules(exchange: Emulators['exchange'], list: readonly Rule[]): () => void {
  const handles = list.map((rule) => exchange.injectFault(rule));
  return () => {
    for (const handle of handles) handle.end();
  };
}

const reply = (code: number, enhanced: string, text: string): SmtpFault => ({
  kind: 'reply',
  code,
  enhanced,
  text,
});

export const namedFaults = {
  'smtp-unreachable': {
    detail: 'connections to SMTP are reset',
    inject: smtp({ at: 'connect', ofMailboxAt: 'mail', does: { kind: 'cut' } }),
  },
  'smtp-slow': {
    detail: 'each message is taken ten seconds late',
    inject: smtp({ at: 'dot', does: { kind: 'delay', ms: 10_000 } }),
  },
  'smtp-auth-disabled': {
    detail: 'SMTP AUTH is switched off (535 5.7.139)',
    inject: smtp({
      at: 'auth',
      ofMailboxAt: 'mail',
      does: reply(
        535,
        '5.7.139',
        'Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.',
      ),
    }),
  },
  'send-as-denied': {
    detail: 'the login has no right to send as the mailbox (554 5.2.252)',
    inject: smtp({
      at: 'dot',
      does: reply(
        554,
        '5.2.252',
        'SendAsDenied; user@kaupunki.example not allowed to send as the mailbox; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied',
      ),
    }),
  },
  'smtp-busy': {
    detail: 'each message is deferred (451 4.3.0)',
    inject: smtp({
      at: 'mail',
      does: reply(451, '4.3.0', 'Temporary server error. Please try again later.'),
    }),
  },
  quota: {
    detail: 'the day’s quota is used up (554 5.2.0 SubmissionQuotaExceeded)',
    inject: smtp({
      at: 'dot',
      does: reply(
        554,
        '5.2.0',
        "STOREDRV.Submission.Exception:SubmissionQuotaExceededException; The message can't be submitted because the sender's submission quota was exceeded.",
      ),
    }),
  },
  'mail-refused': {
    detail: 'each message is refused for good (550 5.6.11)',
    inject: smtp({ at: 'dot', does: reply(550, '5.6.11', 'Invalid characters in the message.') }),
  },
  'lost-reply': {
    detail: 'the next message is taken, and the reply is lost',
    inject: smtp({ at: 'reply', does: { kind: 'cut' }, times: 1 }),
  },
  'mail-lost': {
    detail: 'the connection is reset after the content of the next message, which is not taken',
    inject: smtp({ at: 'dot', does: { kind: 'cut' }, times: 1 }),
  },
  'imap-unreachable': {
    detail: 'connections to IMAP are reset',
    inject: imap('connect', 'SELECT', { kind: 'cut' }),
  },
  'throttled-imap': {
    detail: 'IMAP answers that the request is throttled',
    inject: imap('SELECT', 'SELECT', { kind: 'throttle', backoffMs: 10_000 }),
  },
  'consent-revoked': {
    detail: 'the sessions of the mailbox are revoked (AADSTS50173)',
    needsMailbox: true,
    lasts: 'until somebody connects the mailbox again on the page',
    inject: ({ exchange, entra }, account = '') => {
      entra.revokeSessions(account);
      // The access tokens in hand would work on for an hour.
      const login = { account, times: 3 } as const;
      return rules(exchange, [
        {
          protocol: 'smtp',
          at: 'mail',
          does: reply(530, '5.7.57', 'Client not authenticated to send mail.'),
          ...login,
        },
        { protocol: 'imap', at: 'SELECT', does: { kind: 'expire' }, ...login },
      ]);
    },
  },
  'entra-down': {
    detail: 'Entra answers 503',
    inject: ({ entra }) => {
      entra.injectFault({ kind: 'httpError', status: 503 });
      return () => {
        entra.clearFaults();
      };
    },
  },
  'vault-down': {
    detail: 'Key Vault answers 503',
    inject: ({ vault }) => {
      vault.injectFault({ kind: 'outage' });
      return () => {
        vault.injectFault({ kind: 'none' });
      };
    },
  },
} as const satisfies Readonly<Record<string, NamedFault>>;

export type FaultName = keyof typeof namedFaults;
export const faultNames = Object.keys(namedFaults) as readonly FaultName[];

/** The faults of one stack. */
export class InjectedFaults {
  readonly #emulators: Emulators;
  readonly #clock: Clock;
  readonly #active = new Set<() => void>();

  constructor(emulators: Emulators, clock: Clock) {
    this.#emulators = emulators;
    this.#clock = clock;
  }

  /** Begins one; what happens and until when, in a sentence. Throws RangeError if it can't be done as asked. */
  begin({ name, mailbox, forMs }: FaultRequest): string {
    const fault: NamedFault = namedFaults[name];
    if (fault.needsMailbox === true && mailbox === undefined)
      throw new RangeError(`${name} is done to one mailbox: give --mailbox ADDRESS.`);
    const undo = fault.inject(this.#emulators, mailbox);
    const end = (): void => {
      if (this.#active.delete(end)) undo();
    };
    this.#active.add(end);
    if (forMs !== undefined) void this.#clock.sleep(forMs).then(end);
    const whose = mailbox === undefined ? '' : ` for ${mailbox}`;
    const until =
      fault.lasts ??
      (forMs === undefined ? 'until npm run fault -- none' : `for ${String(Math.round(forMs / 1_000))} s`);
    return `${name}${whose}: ${fault.detail}, ${until}.`;
  }

  /** Ends all; how many there were. */
  end(): number {
    const count = this.#active.size;
    for (const end of [...this.#active]) end();
    return count;
  }
}
