// The SMTP and IMAP ports of one process. Its own note of the stage (has the dot been given to the socket?) and
// its deadline are kept as the real adapter keeps them; the server model decides what happens to the message.
import type { TimeLeft } from '../../shared/deadline.ts';
import type { Account, Mailbox } from '../../shared/mail/mailbox.ts';
import type {
  ConnectResult,
  Envelope,
  SentItemsAnswer,
  Relay,
  RelayConnection,
  RelayFailure,
  Sender,
  SendResult,
  SentItems,
  SoughtCopy,
} from '../../shared/outbound/ports.ts';
import type { ServerRates } from './faultProfile.ts';
import type { Machine } from './machine.ts';
import type { Scheduler } from './scheduler.ts';
import type { Server, ServerConnection } from './server.ts';
import { invalidContent } from './server.ts';

/** A server that lost its client notices within five minutes of silence and one of slowness. */
const slowMs = 60_000;
const idleMs = 300_000;

export interface Ends {
  readonly scheduler: Scheduler;
  readonly machine: Machine;
  readonly server: Server;
  readonly rates: ServerRates;
}

export class SimulatedRelay implements Relay {
  readonly #ends: Ends;

  constructor(ends: Ends) {
    this.#ends = ends;
  }

  async connect(account: Account, budget: TimeLeft): Promise<ConnectResult> {
    const { scheduler, machine, server } = this.#ends;
    if (machine.dead) return never();
    server.connectCount += 1;
    await wait(machine, scheduler.between(100, 400));
    const failure = server.connectFailure(account.key);
    if (failure?.reply === undefined && failure !== undefined) {
      await wait(machine, Math.min(scheduler.between(100, 30_000), Math.max(0, budget.remainingMs())));
      return { kind: 'failed', failure };
    }
    const end = server.accept(account.key);
    const connection = new SimulatedConnection(this.#ends, account, end);
    // Greeting, EHLO, the token and AUTH.
    await wait(machine, scheduler.between(50, 400));
    if (failure !== undefined || budget.remainingMs() <= 0 || !end.open) {
      connection.destroy();
      const detail = 'The connection was not ready in time.';
      return { kind: 'failed', failure: failure ?? { phase: 'connect', detail } };
    }
    end.touch();
    return { kind: 'connected', connection };
  }
}

type Message = Parameters<Server['take']>[0];

class SimulatedConnection implements RelayConnection {
  readonly #ends: Ends;
  readonly #account: Account;
  readonly #end: ServerConnection;
  #destroyed = false;

  constructor(ends: Ends, account: Account, end: ServerConnection) {
    this.#ends = ends;
    this.#account = account;
    this.#end = end;
    const { scheduler, machine } = ends;
    const unwatch = machine.onDeath(() => {
      // Its socket is closed with it, or its whole machine is gone and the server finds out by silence.
      const quietMs = end.lastActivityAt + idleMs - scheduler.now;
      const ms = scheduler.chance(0.5) ? scheduler.between(0, 1_000) : quietMs + scheduler.between(0, slowMs);
      scheduler.after(ms, () => {
        end.close();
      });
    });
    end.onClose(unwatch);
  }

  get usable(): boolean {
    return !this.#isGone();
  }

  #isGone(): boolean {
    return this.#destroyed || !this.#end.open;
  }

  async send(envelope: Envelope, content: Uint8Array, budget: Sender): Promise<SendResult> {
    const { machine, server, rates, scheduler } = this.#ends;
    if (machine.dead) return never();
    const message = this.#read(envelope, content);
    const dialogPlan = server.dialogPlan(this.#account.key, envelope.to);
    const left = await this.#step(dialogPlan.envelopeMs, budget);
    if (left !== undefined) return failed(false, [], { phase: 'mail', detail: left });
    if (dialogPlan.refuse?.phase === 'mail') {
      const { reply } = dialogPlan.refuse;
      return failed(false, [], { phase: 'mail', reply, detail: reply.text });
    }
    const recipients = envelope.to.map((address) => ({
      address,
      reply: dialogPlan.rcpt.get(address) ?? { code: 250, enhanced: '2.1.5', text: 'Recipient OK' },
    }));
    const tried = {
      at: scheduler.now,
      account: this.#account.key,
      id: message.id,
      count: recipients.length,
      keptCount: 0,
    };
    server.tried.push(tried);
    for (const address of dialogPlan.rcpt.keys()) server.refused.add(`${message.id} ${address}`);
    const accepted = recipients.filter(({ reply }) => reply.code < 300).map(({ address }) => address);
    const [refused] = recipients;
    if (accepted.length === 0) {
      const reply = refused === undefined ? {} : { reply: refused.reply };
      return failed(false, recipients, { phase: 'rcpt', ...reply, detail: 'No recipient was accepted.' });
    }
    if (accepted.length < recipients.length && !(await budget.recordRefusals(recipients))) {
      this.destroy();
      return failed(false, recipients, { phase: 'data', detail: 'The refusals could not be noted.' });
    }
    const leftInBody = await this.#step(dialogPlan.bodyMs, budget);
    if (leftInBody !== undefined) return failed(false, recipients, { phase: 'body', detail: leftInBody });
    if (dialogPlan.cut === 'beforeDot') {
      this.#end.close();
      return failed(false, recipients, { phase: 'body', detail: 'The connection was cut.' });
    }
    if (server.happens(rates.death)) machine.die();
    // From here on the dot is in the socket, and the server has it even if the client dies.
    const refusal = dialogPlan.refuse;
    if (refusal === undefined && !dialogPlan.dropped) {
      const acceptsInMs = dialogPlan.acceptsAfterMs ?? scheduler.between(0, dialogPlan.replyMs);
      tried.keptCount = accepted.length;
      server.take({ ...message, recipients: accepted }, acceptsInMs);
    }
    if (server.happens(rates.death)) machine.die();
    if (dialogPlan.cut === 'afterDot') {
      server.leftInDoubt += 1;
      tried.keptCount = accepted.length;
      this.#end.close();
      return failed(true, recipients, { phase: 'dot', detail: 'The connection was cut.' });
    }
    const replyMs = (dialogPlan.acceptsAfterMs ?? 0) + dialogPlan.replyMs;
    const unanswered = await this.#step(replyMs, budget);
    if (unanswered !== undefined) {
      server.leftInDoubt += 1;
      tried.keptCount = accepted.length;
      return failed(true, recipients, { phase: 'dot', detail: unanswered });
    }
    if (refusal?.reply.text === invalidContent) server.blamed.add(message.id);
    if (refusal !== undefined)
      return failed(true, recipients, { phase: 'dot', reply: refusal.reply, detail: refusal.reply.text });
    const serverMessageId = `<${message.id}.${message.attempt}@server.example>`;
    return {
      kind: 'accepted',
      dotSent: true,
      recipients,
      reply: { code: 250, enhanced: '2.0.0', text: `OK ${serverMessageId}` },
      serverMessageId,
    };
  }

  /** The time of one step; or why the dialog ended in it. */
  async #step(ms: number, budget: TimeLeft): Promise<string | undefined> {
    const { machine } = this.#ends;
    const end = this.#end;
    if (this.#isGone()) return 'The connection is gone.';
    end.touch();
    let restMs = ms;
    while (restMs > 0) {
      const turnMs = Math.min(restMs, Math.max(0, budget.remainingMs()));
      if (turnMs <= 0) break;
      await waitOpen(machine, end, turnMs);
      if (this.#isGone()) return 'The connection was closed.';
      restMs -= turnMs;
    }
    if (budget.remainingMs() <= 0) {
      this.destroy();
      return 'No time is left.';
    }
    end.touch();
    return undefined;
  }

  #read(envelope: Envelope, content: Uint8Array): Message {
    const text = Buffer.from(content).toString();
    const header = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1] ?? '';
    const bridgeId = header('X-Mail-Bridge-Id');
    const [, id = bridgeId, attempt = '0'] = /^(.+)\.(\d+)\.[\w-]+$/.exec(bridgeId) ?? [];
    return {
      account: this.#account.key,
      mailbox: envelope.from,
      id,
      attempt: Number(attempt),
      recipients: envelope.to,
      subject: header('Subject'),
    };
  }

  async probe(_envelope: Envelope, budget: TimeLeft): ReturnType<RelayConnection['probe']> {
    const { machine, server, scheduler } = this.#ends;
    if (machine.dead) return never();
    const left = await this.#step(scheduler.between(200, 1_000), budget);
    if (left !== undefined) return { kind: 'failed', failure: { phase: 'mail', detail: left } };
    const refuse = server.dialogPlan(this.#account.key, []).refuse;
    if (refuse?.phase !== 'mail') return { kind: 'ok' };
    const { reply } = refuse;
    return { kind: 'failed', failure: { phase: 'mail', reply, detail: reply.text } };
  }

  async close(): Promise<void> {
    const { machine, scheduler } = this.#ends;
    if (machine.dead) return never();
    if (this.usable) await wait(machine, scheduler.between(20, 100));
    this.destroy();
  }

  destroy(): void {
    if (this.#ends.machine.dead || this.#destroyed) return;
    this.#destroyed = true;
    this.#ends.scheduler.after(this.#ends.scheduler.between(5, 50), () => {
      this.#end.close();
    });
  }
}

const failed = (
  dotSent: boolean,
  recipients: SendResult['recipients'],
  failure: RelayFailure,
): SendResult => ({ kind: 'failed', dotSent, recipients, failure });

/** Sent Items of the model server; some lookups fail. */
export class SimulatedSentItems implements SentItems {
  readonly #ends: Ends;

  constructor(ends: Ends) {
    this.#ends = ends;
  }

  async search(account: Account, _mailbox: Mailbox, wanted: readonly SoughtCopy[]): Promise<SentItemsAnswer> {
    const { machine, scheduler, server, rates } = this.#ends;
    if (machine.dead) return never();
    await wait(machine, scheduler.between(300, 3_000));
    server.looks += 1;
    if (server.happens(rates.lookNotMade) || server.incident(account.key) === 'outage')
      return { kind: 'notMade', detail: 'The mailbox could not be read.' };
    const found = new Map<string, { readonly messageId?: string }>();
    for (const { bridgeId } of wanted) {
      if (server.hasCopy(account.key, attemptOf(bridgeId)))
        found.set(bridgeId, { messageId: `<${bridgeId}@copy.example>` });
    }
    return { kind: 'searched', found };
  }
}

/** X-Mail-Bridge-Id without its last part, the account. */
const attemptOf = (bridgeId: string): string => bridgeId.replace(/\.[\w-]{12}$/, '');

const wait = (machine: Machine, ms: number): Promise<void> =>
  new Promise((resolve) => {
    machine.after(ms, resolve);
  });

/** Ends early when the server closes. */
const waitOpen = (machine: Machine, end: ServerConnection, ms: number): Promise<void> =>
  new Promise((resolve) => {
    const go = (): void => {
      cancel();
      forget();
      resolve();
    };
    const cancel = machine.after(ms, go);
    const forget = end.onClose(() => {
      machine.wake(go);
    });
  });

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);
