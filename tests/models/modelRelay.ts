// A working SMTP server behind the relay's port: latency, replies by script, cuts before and after
// the final dot, acceptance after the client has given up; a log of what it accepted, by its own clock; and the
// copies it files in Sent Items.
import type { TimeLeft } from '../../shared/deadline.ts';
import type { Account } from '../../shared/mail/mailbox.ts';
import type { Reply } from '../../shared/mail/reply.ts';
import type {
  ConnectResult,
  Envelope,
  Phase,
  Relay,
  RelayConnection,
  RelayFailure,
  Sender,
  SendResult,
} from '../../shared/outbound/ports.ts';
import type { VirtualClock } from './virtualClock.ts';

export interface Arrival {
  readonly at: number;
  readonly account: string;
  readonly from: string;
  readonly recipients: readonly string[];
  /** `SUBMISSION.ATTEMPT` of X-Mail-Bridge-Id, without the account. */
  readonly bridgeId: string;
  readonly messageId: string;
}

/** How the server handles one message. */
export interface DialogPlan {
  readonly latencyMs?: number;
  /** The reply to each RCPT, where it is not 250. */
  readonly rcpt?: (address: string) => Reply | undefined;
  /** A reply that ends it in this phase. */
  readonly refuse?: { readonly phase: Phase; readonly reply: Reply };
  /** The connection breaks, before or after the final dot; in the latter case the server may have accepted. */
  readonly cut?: 'beforeDot' | 'afterDotAccepted' | 'afterDotLost';
  /** No reply to the final dot; accepted so much later. */
  readonly acceptsAfterMs?: number;
  /** The copy in Sent Items: after so many ms, or never. */
  readonly copyAfterMs?: number | 'never';
}

export interface Occasion {
  readonly account: string;
  readonly bridgeId: string;
  readonly envelope: Envelope;
}

/** X-Mail-Bridge-Id without its last part, the account. */
export const attemptOf = (bridgeId: string): string => bridgeId.replace(/\.[\w-]{12}$/, '');

const ok = (text: string): Reply => ({ code: 250, enhanced: '2.0.0', text });

export class ModelServer {
  readonly arrivals: Arrival[] = [];
  readonly copies: {
    readonly account: string;
    readonly bridgeId: string;
    readonly visibleAt: number;
    readonly messageId: string;
  }[] = [];
  readonly refusals: { readonly at: number; readonly phase: Phase }[] = [];
  readonly connects: number[] = [];
  readonly probes: number[] = [];
  /** The host in the ids that it gives; Exchange's names end in .outlook.com. */
  name = 'server';
  openCount = 0;
  mostOpenCount = 0;
  /** Asked for every message; the default accepts after 1.5 s and files the copy at once. */
  dialogPlan: (occasion: Occasion) => DialogPlan = () => ({});
  /** Asked for every connection; a failure ends it. */
  connectFailure: () => RelayFailure | undefined = () => undefined;
  probeAnswer: () => RelayFailure | undefined = () => undefined;
}

export class ModelRelay implements Relay {
  readonly #server: ModelServer;
  readonly #world: VirtualClock;
  readonly #isDead: () => boolean;
  /** Those of this host, for its death. */
  readonly connections: ModelConnection[] = [];

  constructor(server: ModelServer, world: VirtualClock, isDead: () => boolean) {
    this.#server = server;
    this.#world = world;
    this.#isDead = isDead;
  }

  async connect(account: Account): Promise<ConnectResult> {
    this.#server.connects.push(this.#world.now);
    await this.#world.sleep(200);
    const failure = this.#server.connectFailure();
    if (failure !== undefined) return { kind: 'failed', failure };
    this.#server.openCount += 1;
    this.#server.mostOpenCount = Math.max(this.#server.mostOpenCount, this.#server.openCount);
    const connection = new ModelConnection(this.#server, this.#world, account, this.#isDead);
    this.connections.push(connection);
    return { kind: 'connected', connection };
  }
}

export class ModelConnection implements RelayConnection {
  readonly #server: ModelServer;
  readonly #world: VirtualClock;
  readonly #account: Account;
  readonly #isDead: () => boolean;
  readonly #cut = new AbortController();
  usable = true;

  constructor(server: ModelServer, world: VirtualClock, account: Account, isDead: () => boolean) {
    this.#server = server;
    this.#world = world;
    this.#account = account;
    this.#isDead = isDead;
  }

  async send(envelope: Envelope, content: Uint8Array, budget: Sender): Promise<SendResult> {
    const text = Buffer.from(content).toString();
    const bridgeId = /^X-Mail-Bridge-Id: (.*)$/m.exec(text)?.[1] ?? '';
    const messageId = /^Message-ID: (.*)$/m.exec(text)?.[1] ?? '';
    const occasion: Occasion = { account: this.#account.key, bridgeId: attemptOf(bridgeId), envelope };
    const dialogPlan = this.#server.dialogPlan(occasion);
    const latencyMs = dialogPlan.latencyMs ?? 1_500;
    if (budget.remainingMs() <= 0) return this.#fail(false, [], { phase: 'mail', detail: 'no time left' });
    await this.#pause(latencyMs / 3, budget);
    const recipients = envelope.to.map((address) => ({
      address,
      reply: dialogPlan.rcpt?.(address) ?? ok('2.1.5 OK'),
    }));
    const accepted = recipients.filter(({ reply }) => reply.code < 300).map(({ address }) => address);
    const { refuse } = dialogPlan;
    if (refuse !== undefined && refuse.phase !== 'dot') return this.#refuse(false, recipients, refuse);
    if (accepted.length === 0) {
      const reply = recipients[0]?.reply;
      return this.#fail(false, recipients, {
        phase: 'rcpt',
        detail: 'no recipient accepted',
        ...(reply === undefined ? {} : { reply }),
      });
    }
    if (accepted.length < recipients.length && !(await budget.recordRefusals(recipients))) {
      this.destroy();
      return this.#fail(false, recipients, { phase: 'data', detail: 'the refusals could not be noted' });
    }
    await this.#pause(latencyMs / 3, budget);
    if (dialogPlan.cut === 'beforeDot') {
      this.destroy();
      return this.#fail(false, recipients, { phase: 'body', detail: 'the connection was cut' });
    }
    if (budget.remainingMs() <= 0) {
      this.destroy();
      return this.#fail(false, recipients, { phase: 'body', detail: 'out of time' });
    }
    if (this.#isDead() || !this.usable)
      return this.#fail(false, recipients, { phase: 'body', detail: 'gone' });
    const lateMs = dialogPlan.acceptsAfterMs;
    if (refuse === undefined && dialogPlan.cut !== 'afterDotLost') {
      this.#acceptLater(occasion, accepted, messageId, lateMs ?? latencyMs / 6, dialogPlan.copyAfterMs ?? 0);
    }
    if (dialogPlan.cut !== undefined || lateMs !== undefined) {
      if (lateMs !== undefined) await this.#pause(budget.remainingMs(), budget);
      this.destroy();
      return this.#fail(true, recipients, { phase: 'dot', detail: 'no reply to the final dot' });
    }
    await this.#pause(latencyMs / 3, budget);
    if (refuse !== undefined) return this.#refuse(true, recipients, refuse);
    if (budget.remainingMs() <= 0) {
      this.destroy();
      return this.#fail(true, recipients, { phase: 'dot', detail: 'out of time' });
    }
    const serverMessageId = `<${bridgeId}@${this.#server.name}>`;
    return {
      kind: 'accepted',
      dotSent: true,
      recipients,
      reply: ok(`2.0.0 OK ${serverMessageId}`),
      serverMessageId,
    };
  }

  #acceptLater(
    { account, bridgeId, envelope }: Occasion,
    recipients: readonly string[],
    messageId: string,
    afterMs: number,
    copyAfterMs: number | 'never',
  ): void {
    void this.#world.sleep(afterMs).then(() => {
      const at = this.#world.now;
      this.#server.arrivals.push({ at, account, from: envelope.from, recipients, bridgeId, messageId });
      if (copyAfterMs !== 'never') {
        this.#server.copies.push({
          account,
          bridgeId,
          visibleAt: at + copyAfterMs,
          messageId: `<copy-${bridgeId}@server>`,
        });
      }
    });
  }

  #refuse(
    dotSent: boolean,
    recipients: SendResult['recipients'],
    { phase, reply }: { readonly phase: Phase; readonly reply: Reply },
  ): SendResult {
    this.#server.refusals.push({ at: this.#world.now, phase });
    if (reply.code === 421) this.destroy();
    return this.#fail(dotSent, recipients, { phase, reply, detail: reply.text });
  }

  #fail(dotSent: boolean, recipients: SendResult['recipients'], failure: RelayFailure): SendResult {
    return { kind: 'failed', dotSent, recipients, failure };
  }

  async probe(): ReturnType<RelayConnection['probe']> {
    this.#server.probes.push(this.#world.now);
    await this.#world.sleep(300);
    const failure = this.#server.probeAnswer();
    return failure === undefined ? { kind: 'ok' } : { kind: 'failed', failure };
  }

  async close(): Promise<void> {
    await this.#world.sleep(50);
    this.destroy();
  }

  destroy(): void {
    if (this.usable) this.#server.openCount -= 1;
    this.usable = false;
    this.#cut.abort();
  }

  #pause(ms: number, budget: TimeLeft): Promise<void> {
    return this.#world.sleep(Math.min(ms, Math.max(0, budget.remainingMs())), this.#cut.signal);
  }
}
