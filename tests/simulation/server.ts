// Exchange Online as the relay and the Sent Items lookup see it. The server's side of a dialog continues without the
// client: it accepts a message once it has the final dot, perhaps minutes later, files a copy, and keeps an idle
// connection for five minutes. The oracle uses its log.
import type { Reply } from '../../shared/mail/reply.ts';
import type { RelayFailure } from '../../shared/outbound/ports.ts';
import type { ServerRates } from './faultProfile.ts';
import type { Scheduler } from './scheduler.ts';

export interface Arrival {
  readonly at: number;
  readonly account: string;
  readonly mailbox: string;
  readonly id: string;
  readonly attempt: number;
  readonly recipients: readonly string[];
  /** Identifies one of several contents under one id. */
  readonly subject: string;
}

export type IncidentKind =
  | 'outage'
  | 'transientErrors'
  | 'quota'
  | 'signIn'
  | 'busy'
  | 'closing'
  /** A permanent reply that nobody knows, and that is about the sender. */
  | 'senderFault'
  /** Every recipient is refused for now. */
  | 'recipientStorm';

/** A temporary problem of one account. */
export interface Incident {
  readonly account: string;
  readonly kind: IncidentKind;
  readonly from: number;
  readonly to: number;
}

/** How the server will handle one message. */
export interface DialogPlan {
  /** Until the envelope's replies, then until the dot, then until the reply. */
  readonly envelopeMs: number;
  readonly bodyMs: number;
  readonly replyMs: number;
  readonly refuse?: { readonly phase: 'mail' | 'dot'; readonly reply: Reply };
  readonly rcpt: ReadonlyMap<string, Reply>;
  readonly cut?: 'beforeDot' | 'afterDot';
  /** After the dot the message is dropped with the connection. */
  readonly dropped: boolean;
  readonly acceptsAfterMs?: number;
}

const idleMs = 300_000;
/** The one permanent refusal that is the message's own fault. */
export const invalidContent = 'Invalid message content';

export class Server {
  readonly arrivals: Arrival[] = [];
  readonly #copies = new Map<string, number>();
  readonly #rates: ServerRates;
  readonly #scheduler: Scheduler;
  readonly #open = new Map<string, number>();
  incidents: readonly Incident[] = [];
  faultsStopAt = 0;
  /** `id address` of every RCPT that was refused. */
  readonly refused = new Set<string>();
  /** Messages that were refused for their content. */
  readonly blamed = new Set<string>();
  /** Every attempt that came to its RCPT commands, in order. */
  readonly tried: {
    readonly at: number;
    readonly account: string;
    readonly id: string;
    readonly count: number;
    /** Recipients that stay charged when the message is tried again: those accepted, or all if nobody knows. */
    keptCount: number;
  }[] = [];
  mostOpen = new Map<string, number>();
  /** After the dot: cut, or left without a reply in time. */
  leftInDoubt = 0;
  connectCount = 0;
  looks = 0;

  constructor(scheduler: Scheduler, rates: ServerRates) {
    this.#scheduler = scheduler;
    this.#rates = rates;
  }

  get openCount(): number {
    return [...this.#open.values()].reduce((sum, count) => sum + count, 0);
  }

  /** A rate while the faults last. */
  happens(rate: number): boolean {
    return this.#scheduler.now < this.faultsStopAt && this.#scheduler.chance(rate);
  }

  incident(account: string): IncidentKind | undefined {
    const { now } = this.#scheduler;
    return this.incidents.find((one) => one.account === account && one.from <= now && now < one.to)?.kind;
  }

  /** TLS is up: from here it counts. */
  accept(account: string): ServerConnection {
    return new ServerConnection(this.#scheduler, (change) => {
      const count = (this.#open.get(account) ?? 0) + change;
      this.#open.set(account, count);
      this.mostOpen.set(account, Math.max(count, this.mostOpen.get(account) ?? 0));
      this.#scheduler.trace(`server has ${count} of ${account}`);
    });
  }

  /** The reason why a connection fails before MAIL. */
  connectFailure(account: string): RelayFailure | undefined {
    switch (this.incident(account)) {
      case 'outage':
        return { phase: 'connect', detail: 'The server does not answer.' };
      case 'closing':
        return failure('greeting', { code: 421, enhanced: '4.3.2', text: 'Service not available' });
      case 'signIn':
        return failure('auth', { code: 535, enhanced: '5.7.3', text: 'Authentication unsuccessful' });
      case 'transientErrors':
      case 'quota':
      case 'busy':
      case 'senderFault':
      case 'recipientStorm':
      case undefined:
        return undefined;
    }
  }

  dialogPlan(account: string, recipients: readonly string[]): DialogPlan {
    const chance = this.#scheduler;
    const rates = this.#rates;
    const totalMs = this.#latencyMs();
    // The server takes the message at any point of the time that the sending takes.
    const [first, second] = [chance.uniform(), chance.uniform()].sort((one, other) => one - other);
    const rcpt = new Map<string, Reply>();
    for (const address of recipients) {
      if (this.incident(account) === 'recipientStorm')
        rcpt.set(address, { code: 450, enhanced: '4.2.1', text: 'Try again later' });
      else if (this.happens(rates.recipientForNow))
        rcpt.set(address, { code: 452, enhanced: '4.2.2', text: 'Mailbox full' });
      else if (this.happens(rates.recipientForGood))
        rcpt.set(address, { code: 550, enhanced: '5.1.1', text: 'User unknown' });
    }
    const refuse = this.#refusal(account);
    const cut = this.happens(rates.cutBeforeDot)
      ? 'beforeDot'
      : this.happens(rates.cutAfterDot)
        ? 'afterDot'
        : undefined;
    const late =
      cut === 'afterDot' ? chance.chance(0.5) : cut === undefined && this.happens(rates.acceptsLate);
    return {
      envelopeMs: totalMs * (first ?? 0),
      bodyMs: totalMs * ((second ?? 0) - (first ?? 0)),
      replyMs: totalMs * (1 - (second ?? 0)),
      rcpt,
      ...(refuse === undefined ? {} : { refuse }),
      ...(cut === undefined ? {} : { cut }),
      dropped: cut === 'afterDot' && chance.chance(rates.dropped),
      ...(late ? { acceptsAfterMs: chance.between(rates.latestLeastMs, 600_000) } : {}),
    };
  }

  #refusal(account: string): DialogPlan['refuse'] {
    const rates = this.#rates;
    const phase = this.#scheduler.chance(0.5) ? 'mail' : 'dot';
    switch (this.incident(account)) {
      case 'transientErrors':
        return { phase, reply: { code: 451, enhanced: '4.7.0', text: 'Temporary server error.' } };
      case 'quota': {
        const text =
          'STOREDRV.Submission.Exception:SubmissionQuotaExceededException; the message can not be submitted because the submission quota was exceeded.';
        return { phase: 'dot', reply: { code: 554, enhanced: '5.2.0', text } };
      }
      case 'busy':
        return {
          phase,
          reply: { code: 432, enhanced: '4.3.2', text: 'Concurrent connections limit exceeded.' },
        };
      case 'senderFault':
        return {
          phase: 'dot',
          reply: { code: 550, enhanced: '5.7.999', text: 'Your account is not in order.' },
        };
      case 'outage':
      case 'closing':
      case 'signIn':
      case 'recipientStorm':
      case undefined:
        break;
    }
    if (this.happens(rates.refusedForNow))
      return { phase, reply: { code: 451, enhanced: '4.7.0', text: 'Temporary server error.' } };
    if (this.happens(rates.refusedForGood))
      return { phase: 'dot', reply: { code: 554, enhanced: '5.6.0', text: invalidContent } };
    return undefined;
  }

  #latencyMs(): number {
    const chance = this.#scheduler;
    const kind = this.#rates.tail ? chance.uniform() : 0;
    if (kind < 0.9) return chance.between(500, 2_500);
    return kind < 0.99 ? chance.between(5_000, 25_000) : chance.between(30_000, 90_000);
  }

  /** The final dot is here, and the message is accepted after so long. */
  take(message: Omit<Arrival, 'at'>, afterMs: number): void {
    this.#scheduler.after(afterMs, () => {
      const at = this.#scheduler.now;
      this.arrivals.push({ at, ...message });
      this.#scheduler.trace(`server accepts ${message.id}.${message.attempt}`);
      if (this.#scheduler.chance(this.#rates.copyNever)) return;
      this.#copies.set(
        `${message.account} ${message.id}.${message.attempt}`,
        at + this.#scheduler.between(this.#rates.copyLeastMs, this.#rates.copyMostMs),
      );
    });
  }

  hasCopy(account: string, bridgeId: string): boolean {
    const visibleAt = this.#copies.get(`${account} ${bridgeId}`);
    return visibleAt !== undefined && visibleAt <= this.#scheduler.now;
  }
}

const failure = (phase: RelayFailure['phase'], reply: Reply): RelayFailure => ({
  phase,
  reply,
  detail: reply.text,
});

/** The server's end of one connection. */
export class ServerConnection {
  readonly #scheduler: Scheduler;
  readonly #counted: (change: 1 | -1) => void;
  readonly #closed = new Set<() => void>();
  #lastActivityAt: number;
  open = true;

  constructor(scheduler: Scheduler, counted: (change: 1 | -1) => void) {
    this.#scheduler = scheduler;
    this.#counted = counted;
    this.#lastActivityAt = scheduler.now;
    counted(1);
    this.#watchIdle();
  }

  touch(): void {
    this.#lastActivityAt = this.#scheduler.now;
  }

  get lastActivityAt(): number {
    return this.#lastActivityAt;
  }

  /** Notifies the client, if it still exists. */
  onClose(listener: () => void): () => void {
    this.#closed.add(listener);
    return () => this.#closed.delete(listener);
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.#counted(-1);
    for (const listener of [...this.#closed]) listener();
    this.#closed.clear();
  }

  #watchIdle(): void {
    const restMs = this.#lastActivityAt + idleMs - this.#scheduler.now;
    if (restMs <= 0) this.close();
    else
      this.#scheduler.after(restMs, () => {
        if (this.open) this.#watchIdle();
      });
  }
}
