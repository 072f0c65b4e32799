// Fault injection. A rule names a step of a dialog, the connections it applies to, how often and for how long, and the
// fault. Rules are evaluated in the order in which they were added; the first that applies acts.
import type { Clock } from '../../../shared/clock.ts';
import { sameAddress } from './accounts.ts';

/**
 * The steps of an SMTP dialog, in their order. `body` is inside the content, `dot` after the final dot and before
 * the message is taken, `reply` after it was taken and counted, before the client gets the reply.
 */
export type SmtpStep =
  | 'connect'
  | 'banner'
  | 'ehlo'
  | 'starttls'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'body'
  | 'dot'
  | 'reply'
  | 'rset'
  | 'noop'
  | 'quit';

export type SmtpFault =
  /** The connection is reset. In the body: after `afterBytes` of content. */
  | { readonly kind: 'cut'; readonly afterBytes?: number }
  /** No further reply, forever or for a time; the connection stays open. */
  | { readonly kind: 'hang'; readonly forMs?: number }
  | { readonly kind: 'delay'; readonly ms: number }
  /** A reply instead of the usual one; the step has no effect. `thenClose` as after a 421. */
  | {
      readonly kind: 'reply';
      readonly code: number;
      readonly enhanced?: string;
      readonly text: string;
      readonly thenClose?: boolean;
    }
  /** At `dot`: no reply; the message is accepted that much later, even if the client has disconnected. */
  | { readonly kind: 'acceptLate'; readonly afterMs: number };

/**
 * The steps of an IMAP dialog: `connect`, `greeting`, a command by its name (`AUTHENTICATE`, `SELECT`,
 * `UID FETCH`, …), `command` for any, `message` for each message of a FETCH, `idle` while one is idling.
 */
export type ImapStep = 'connect' | 'greeting' | 'command' | 'message' | 'idle' | (string & {});

export type ImapFault =
  /** The connection is reset. At `message`: after `afterBytes` of its literal. */
  | { readonly kind: 'cut'; readonly afterBytes?: number }
  | { readonly kind: 'hang'; readonly forMs?: number }
  | { readonly kind: 'delay'; readonly ms: number }
  /** The tagged answer, instead of the usual one. */
  | { readonly kind: 'answer'; readonly status: 'NO' | 'BAD'; readonly text: string }
  /** `Request is throttled. Suggested Backoff Time: N milliseconds`. */
  | { readonly kind: 'throttle'; readonly backoffMs: number; readonly status?: 'NO' | 'BAD' }
  /** `* BYE text`, and the connection ends. */
  | { readonly kind: 'bye'; readonly text: string }
  /** A verbatim line before the regular answer: `Server Unavailable. 15` is not valid IMAP. */
  | { readonly kind: 'line'; readonly text: string }
  /** At `message`: the message is gone from the folder just before it would be sent. */
  | { readonly kind: 'vanish' }
  /** The session ends as it does when its token runs out. */
  | { readonly kind: 'expire' };

interface RuleBase {
  /** Only for this authenticated account. */
  readonly account?: string;
  /** How many matches are let through first; 0 unless set. */
  readonly skip?: number;
  /** How many times it acts; without end unless set. */
  readonly times?: number;
  /** For how long from now, by the server's clock. */
  readonly forMs?: number;
}

export interface SmtpRule extends RuleBase {
  readonly protocol: 'smtp';
  readonly at: SmtpStep;
  /** Only where this recipient is named: at `rcpt` the one, later any of the envelope. */
  readonly recipient?: string;
  /** Only for a message with this text in its Subject or its X-Mail-Bridge-Id (from `dot` on). */
  readonly marked?: string;
  readonly does: SmtpFault;
}

export interface ImapRule extends RuleBase {
  readonly protocol: 'imap';
  readonly at: ImapStep;
  readonly folder?: string;
  /** Only for the message with this UID (`message`). */
  readonly uid?: number;
  readonly does: ImapFault;
}

export type Rule = SmtpRule | ImapRule;

export interface RuleHandle {
  /** How often it acted. */
  hits(): number;
  end(): void;
}

/** The position in a dialog, for rules and for the hook. */
export interface StepInfo {
  readonly protocol: 'smtp' | 'imap';
  readonly connection: number;
  readonly account?: string;
  readonly recipients?: readonly string[];
  readonly folder?: string;
  readonly uid?: number;
  /** The private header of the message, from the end of its content on. */
  readonly bridgeId?: string;
  /** As it stands in the header, from the end of its content on. */
  readonly subject?: string;
}

/** Called before each step takes effect; `cut` resets the connection there. A crash test kills its client here. */
export type BeforeStep = (
  step: SmtpStep | ImapStep,
  info: StepInfo,
) => Promise<undefined | 'cut'> | undefined | 'cut';

interface Active {
  readonly rule: Rule;
  readonly until: number;
  seen: number;
  hits: number;
}

export class Faults {
  readonly #clock: Clock;
  readonly #active: Active[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(rule: Rule): RuleHandle {
    const until = rule.forMs === undefined ? Infinity : this.#clock.monotonic() + rule.forMs;
    const active: Active = { rule, until, seen: 0, hits: 0 };
    this.#active.push(active);
    return {
      hits: () => active.hits,
      end: () => {
        const at = this.#active.indexOf(active);
        if (at !== -1) this.#active.splice(at, 1);
      },
    };
  }

  /** Ends every rule. */
  clear(): void {
    this.#active.length = 0;
  }

  smtp(step: SmtpStep, info: StepInfo): SmtpFault | undefined {
    for (const active of this.#active) {
      const { rule } = active;
      if (rule.protocol !== 'smtp' || rule.at !== step || !this.#applies(active, info)) continue;
      if (rule.recipient !== undefined && !names(info.recipients ?? [], rule.recipient)) continue;
      if (rule.marked !== undefined && !isMarked(info, rule.marked)) continue;
      if (this.#takes(active)) return rule.does;
    }
    return undefined;
  }

  imap(step: ImapStep, info: StepInfo): ImapFault | undefined {
    for (const active of this.#active) {
      const { rule } = active;
      if (rule.protocol !== 'imap' || rule.at !== step || !this.#applies(active, info)) continue;
      if (rule.folder !== undefined && rule.folder !== info.folder) continue;
      if (rule.uid !== undefined && rule.uid !== info.uid) continue;
      if (this.#takes(active)) return rule.does;
    }
    return undefined;
  }

  #applies({ rule, until }: Active, info: StepInfo): boolean {
    if (this.#clock.monotonic() >= until) return false;
    return rule.account === undefined || sameAddress(rule.account) === sameAddress(info.account ?? '');
  }

  #takes(active: Active): boolean {
    active.seen += 1;
    if (active.seen <= (active.rule.skip ?? 0)) return false;
    if (active.hits >= (active.rule.times ?? Infinity)) return false;
    active.hits += 1;
    return true;
  }
}

function isMarked({ bridgeId, subject }: StepInfo, mark: string): boolean {
  return [bridgeId, subject].some((text) => text?.includes(mark) === true);
}

function names(recipients: readonly string[], wanted: string): boolean {
  return recipients.some((one) => sameAddress(one) === sameAddress(wanted));
}
