// The door to SMTP: RFC 5321 with STARTTLS and XOAUTH2, as Exchange Online wants it (port 587).
//
// Connecting, in order:
//   1. an access token for the account, so that no connection is opened in vain
//   2. TCP, the greeting, EHLO, STARTTLS (required), the certificate verified, TLS 1.2 at least; whoever spoke in
//      clear after STARTTLS was answered ends it (RFC 3207 6); EHLO again
//   3. AUTH XOAUTH2. On 535 once more from the start, with a renewed token
// Sending, on a connection that stays open:
//   1. a message larger than the server's SIZE is refused here, before MAIL, in the words of RFC 1870 6.1; so is
//      one with 8-bit bytes where the server takes none (RFC 6152 3); what the bridge composes has none
//   2. MAIL, RCPT, DATA; the content in chunks, the budget asked before MAIL and before each chunk; the dot
//   3. the wait for the reply. It and everything before it end with the budget: then the socket is destroyed
// After a refusal the transaction is reset (RSET) and the connection is used again; after 421, after a reply that
// says the session is not authenticated, and after anything that was no SMTP reply, it is not.
//
// Of the library only the connection class is used. Its pool can't connect first and sends again by itself; its
// errors don't tell a cut before MAIL from one after the dot, hence the transcript and the content's own note.
// What a server says is bounded (64 KiB a reply) before it is read, and read before it is used.
import { isAscii } from 'node:buffer';
import type { Socket } from 'node:net';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import type { Clock } from '../clock.ts';
import type { AccessTokens } from '../mail/accessToken.ts';
import type { Account } from '../mail/mailbox.ts';
import { isMessageId } from '../mail/messageId.ts';
import { parseReply, type Reply } from '../mail/reply.ts';
import type {
  Budget,
  ConnectResult,
  Envelope,
  Phase,
  Relay,
  RelayConnection,
  RelayFailure,
  SendResult,
} from '../outbound/ports.ts';
import { ContentSource } from './contentSource.ts';
import {
  challengeWords,
  checkEnvelope,
  eightBit,
  endsSession,
  noReply,
  phaseOfCommand,
  redact,
  tooLarge,
} from './smtpReplies.ts';
import { openSocket } from './smtpSocket.ts';
import { SmtpTranscript } from './smtpTranscript.ts';
import { causeOf, failureWords, tokenFailure } from './smtpWords.ts';

export interface SmtpRelayOptions {
  readonly server: { readonly host: string; readonly port: number };
  readonly tokens: AccessTokens;
  readonly clock: Clock;
  /** Authorities to trust instead of the system's, PEM. */
  readonly ca?: string;
}

const replyMostBytes = 65_536;
/** From the socket's opening to the second EHLO. */
const handshakeMs = 60_000;
/** Silence on an open connection; RFC 5321 4.5.3.2.6 gives the reply to the dot ten minutes. */
const silenceMs = 11 * 60_000;
/** For what is only politeness: RSET after a refusal, QUIT. */
const politenessMs = 5_000;
/** How late the end of a budget may be noticed: storage's time, which it is counted in, moves under us. */
const budgetLookMs = 1_000;
/** The library runs a handler of ours under this name; a real mechanism's name could let it choose another one. */
const tokenMethod = 'BRIDGE-XOAUTH2';
const probeMethod = 'BRIDGE-PROBE';

type Client = SMTPConnection;

export class SmtpRelay implements Relay {
  readonly #options: SmtpRelayOptions;

  constructor(options: SmtpRelayOptions) {
    this.#options = options;
  }

  async connect(account: Account, budget: Budget): Promise<ConnectResult> {
    const first = await this.#tryToConnect(account, budget, false);
    const refused =
      first.kind === 'failed' && first.failure.phase === 'auth' && first.failure.reply?.code === 535;
    return refused ? this.#tryToConnect(account, budget, true) : first;
  }

  async #tryToConnect(account: Account, budget: Budget, renew: boolean): Promise<ConnectResult> {
    const answer = await this.#options.tokens.get(account.mailboxes[0], 'smtp', { renew });
    if (answer.kind !== 'token') return { kind: 'failed', failure: tokenFailure(answer) };
    const opened = await openSocket(this.#options.server, budget, this.#options.clock);
    if (opened.kind === 'failed') return opened;
    const session = new SmtpSession(opened.socket, this.#options);
    const failure =
      (await session.greet(budget)) ?? (await session.logIn(account.user, answer.token, budget));
    if (failure === undefined) return { kind: 'connected', connection: session };
    session.destroy();
    return { kind: 'failed', failure };
  }
}

/** How an operation of the library ended. */
type Ended<Value> = { readonly kind: 'done'; readonly value: Value } | Unfinished;
type Unfinished =
  /** The library's error; the connection may go on. */
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'nonsense'; readonly phase: Phase }
  | { readonly kind: 'over' | 'closed' };

class SmtpSession implements RelayConnection {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #transcript = new SmtpTranscript();
  #sizeMostBytes = 0;
  #takesEightBit = false;
  #gone = false;
  #lastError: unknown;
  /** Ends the operation under way. */
  #interrupt: ((ended: Unfinished) => void) | undefined;
  /** What the handler that the library runs under our method's name does. */
  #handler: ((context: HandlerContext) => Promise<void>) | undefined;

  constructor(socket: Socket, { server, clock, ca }: SmtpRelayOptions) {
    this.#clock = clock;
    const handler = (context: HandlerContext): Promise<void> => this.#handler?.(context) ?? Promise.resolve();
    this.#client = new SMTPConnection({
      connection: socket,
      host: server.host,
      port: server.port,
      secure: false,
      requireTLS: true,
      tls: { minVersion: 'TLSv1.2', rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) },
      // An address literal: the machine's name is nobody's business (RFC 5321 4.1.4).
      name: '[127.0.0.1]',
      connectionTimeout: handshakeMs,
      greetingTimeout: handshakeMs,
      socketTimeout: silenceMs,
      socketCloseTimeout: 0,
      maxResponseSize: replyMostBytes,
      customAuth: { [tokenMethod]: handler, [probeMethod]: handler },
      transactionLog: true,
      logger: this.#listener(),
    });
    this.#client.on('error', (error: unknown) => {
      this.#gone = true;
      this.#lastError ??= error;
      this.#interrupt?.({ kind: 'error', error });
    });
    this.#client.on('end', () => {
      this.#gone = true;
      // The library may close first and tell the command's own error right after; that one says more.
      const interrupt = this.#interrupt;
      queueMicrotask(() => interrupt?.({ kind: 'closed' }));
    });
  }

  get usable(): boolean {
    return !this.#gone;
  }

  /** Greeting, EHLO, STARTTLS, EHLO. */
  async greet(budget: Budget): Promise<RelayFailure | undefined> {
    const ended = await this.#run<undefined>(budget, (done) => {
      this.#client.connect((error) => {
        done(error === undefined ? { kind: 'done', value: undefined } : { kind: 'error', error });
      });
    });
    if (ended.kind !== 'done') return this.#failure(ended);
    if (this.#transcript.injectedBytes > 0 || !this.#client.secure) {
      this.destroy();
      return { phase: 'tls', words: failureWords('tls', 'somebody spoke in clear after STARTTLS') };
    }
    return undefined;
  }

  async logIn(user: string, token: string, budget: Budget): Promise<RelayFailure | undefined> {
    const initial = Buffer.from(`user=${user}\u0001auth=Bearer ${token}\u0001\u0001`).toString('base64');
    const secrets = [token, initial];
    const seen: { offered: boolean; readonly said: string[] } = { offered: true, said: [] };
    this.#handler = async ({ authMethods, extensions, maxAllowedSize, sendCommand }) => {
      this.#sizeMostBytes = maxAllowedSize === false ? 0 : maxAllowedSize;
      this.#takesEightBit = extensions.includes('8BITMIME');
      seen.offered = authMethods.includes('XOAUTH2');
      if (!seen.offered) return;
      const answer = await sendCommand(`AUTH XOAUTH2 ${initial}`);
      seen.said.push(answer.response);
      // 334 carries what is wrong with the token, as JSON; an empty line asks for the verdict.
      if (answer.response.startsWith('334')) seen.said.push((await sendCommand('')).response);
    };
    const ended = await this.#logInWith(tokenMethod, user, budget);
    const reply = redact(parseReply(seen.said.at(-1) ?? ''), secrets);
    const failed = (cause: string): RelayFailure => ({
      phase: 'auth',
      words: failureWords('auth', cause),
      ...(reply === undefined ? {} : { reply }),
    });
    if (ended.kind !== 'done') return reply === undefined ? this.#failure(ended) : failed('it was refused');
    if (!seen.offered) return failed('the server does not offer XOAUTH2');
    if (reply?.code === 235) {
      this.#transcript.begin();
      return undefined;
    }
    return failed(`the server refused the token${challengeWords(seen.said[0], secrets)}`);
  }

  async send(envelope: Envelope, content: Uint8Array, budget: Budget): Promise<SendResult> {
    checkEnvelope(envelope);
    this.#transcript.begin();
    const unsent = (failure: RelayFailure): SendResult => ({
      kind: 'failed',
      dotSent: false,
      recipients: [],
      failure,
    });
    if (this.#sizeMostBytes > 0 && content.length > this.#sizeMostBytes) {
      return unsent(tooLarge(content.length, this.#sizeMostBytes));
    }
    const use8BitMime = !isAscii(content);
    if (use8BitMime && !this.#takesEightBit) return unsent(eightBit);
    if (budget.remainingMs() <= 0) return unsent(this.#failure({ kind: 'over' }));
    const note: { dotSent: boolean } = { dotSent: false };
    const ended = await this.#run<string>(budget, (done, over) => {
      const source = new ContentSource(content, budget, {
        begins: () => {
          // The library takes anything that begins with a 2 for yes; a message is not given for that.
          if (this.#transcript.nonsenseAt !== undefined) {
            done({ kind: 'nonsense', phase: this.#transcript.nonsenseAt });
            this.destroy();
          }
          this.#transcript.bodyBegins();
        },
        ended: () => {
          note.dotSent = true;
          this.#transcript.dotSent();
        },
        over,
      });
      const library = { from: envelope.from, to: [...envelope.to], size: content.length, use8BitMime };
      this.#client.send(library, source, (error, info) => {
        done(error === null ? { kind: 'done', value: info.response } : { kind: 'error', error });
      });
    });
    // Read at once: what happens to the socket from here on is no part of this attempt.
    const { dotSent } = note;
    const recipients = this.#recipients(envelope);
    const reply = ended.kind === 'done' ? parseReply(ended.value) : undefined;
    if (dotSent && reply !== undefined && reply.code < 300) {
      const id = /<[^<>\s]+>/.exec(reply.text)?.[0];
      const named = id !== undefined && isMessageId(id) ? { serverMessageId: id } : {};
      return { kind: 'accepted', dotSent: true, recipients, reply, ...named };
    }
    const failure = ended.kind === 'done' ? this.#untimely(reply) : this.#failure(ended);
    await this.#recover(failure, budget);
    return { kind: 'failed', dotSent, recipients, failure };
  }

  async probe(
    envelope: Envelope,
    budget: Budget,
  ): Promise<{ readonly kind: 'ok' } | { readonly kind: 'failed'; readonly failure: RelayFailure }> {
    checkEnvelope(envelope);
    this.#transcript.begin();
    if (budget.remainingMs() <= 0) return { kind: 'failed', failure: this.#failure({ kind: 'over' }) };
    const steps: readonly { readonly phase: Phase; readonly command: string }[] = [
      { phase: 'mail', command: `MAIL FROM:<${envelope.from}>` },
      ...envelope.to.map((address) => ({ phase: 'rcpt', command: `RCPT TO:<${address}>` }) as const),
    ];
    const seen: { phase: Phase; refused?: RelayFailure } = { phase: 'mail' };
    // The library sends no MAIL without DATA; but a handler of an authentication method may send any command.
    this.#handler = async ({ sendCommand }) => {
      for (const step of steps) {
        const { phase } = step;
        seen.phase = phase;
        const reply = parseReply((await sendCommand(step.command)).response);
        if (reply !== undefined && reply.code < 300) continue;
        seen.refused = {
          phase,
          words: failureWords(phase, reply === undefined ? noReply : 'it was refused'),
          ...(reply === undefined ? {} : { reply }),
        };
        break;
      }
      await sendCommand('RSET');
    };
    const ended = await this.#logInWith(probeMethod, '', budget);
    const { phase, refused } = seen;
    if (ended.kind === 'done' && refused === undefined) return { kind: 'ok' };
    const failure = ended.kind === 'done' ? refused : { ...this.#failure(ended), phase };
    if (failure === undefined) return { kind: 'ok' };
    if (ended.kind !== 'done' || endsSession(failure)) this.destroy();
    return { kind: 'failed', failure: refused ?? failure };
  }

  async close(): Promise<void> {
    if (this.#gone) return;
    if (this.#interrupt !== undefined) {
      this.destroy();
      return;
    }
    await this.#run<undefined>(within(politenessMs, this.#clock), () => {
      this.#client.quit();
    });
    this.destroy();
  }

  destroy(): void {
    this.#gone = true;
    this.#client.close();
    this.#interrupt?.({ kind: 'closed' });
  }

  /** Leaves the connection ready for the next MAIL, or gone. */
  async #recover(failure: RelayFailure, budget: Budget): Promise<void> {
    const { phase, reply } = failure;
    // A reply to half a body: the server and we no longer speak of the same thing.
    if (reply === undefined || phase === 'body' || endsSession(failure)) {
      this.destroy();
      return;
    }
    if (phase === 'dot' || this.#gone) return;
    const timeLeft = within(Math.min(politenessMs, budget.remainingMs()), this.#clock);
    const ended = await this.#run<undefined>(timeLeft, (done) => {
      this.#client.reset((error) => {
        done(error === null ? { kind: 'done', value: undefined } : { kind: 'error', error });
      });
    });
    if (ended.kind !== 'done') this.destroy();
  }

  /** Runs one operation of the library to its callback, the connection's end, or the budget's; whichever is first. */
  #run<Value>(
    budget: Budget,
    start: (done: (ended: Ended<Value>) => void, over: () => void) => void,
  ): Promise<Ended<Value>> {
    if (this.#interrupt !== undefined) throw new Error('an SMTP connection does one thing at a time');
    const finished = new AbortController();
    return new Promise<Ended<Value>>((resolve) => {
      const end = (ended: Ended<Value>): void => {
        if (finished.signal.aborted) return;
        finished.abort();
        this.#interrupt = undefined;
        resolve(ended);
      };
      const over = (): void => {
        end({ kind: 'over' });
        this.destroy();
      };
      this.#interrupt = end;
      if (this.#gone) {
        end(this.#lastError === undefined ? { kind: 'closed' } : { kind: 'error', error: this.#lastError });
        return;
      }
      void this.#watch(budget, finished.signal, over);
      start(end, over);
    });
  }

  async #watch(budget: Budget, finished: AbortSignal, over: () => void): Promise<void> {
    while (!finished.aborted) {
      const remainingMs = budget.remainingMs();
      if (remainingMs <= 0) {
        over();
        return;
      }
      await this.#clock.sleep(Math.min(remainingMs, budgetLookMs), finished);
    }
  }

  #logInWith(method: string, user: string, budget: Budget): Promise<Ended<undefined>> {
    return this.#run<undefined>(budget, (done) => {
      this.#client.login({ method, user }, (error) => {
        done(error === null ? { kind: 'done', value: undefined } : { kind: 'error', error });
      });
    });
  }

  /** The library took it for success, and it is none: no reply at all, or one to half a message. */
  #untimely(reply: Reply | undefined): RelayFailure {
    const { phase } = this.#transcript;
    const cause = reply === undefined ? noReply : 'the server replied before the end of the message';
    return { phase, words: failureWords(phase, cause) };
  }

  #failure(ended: Unfinished): RelayFailure {
    if (ended.kind === 'nonsense') return { phase: ended.phase, words: failureWords(ended.phase, noReply) };
    const { phase } = this.#transcript;
    if (ended.kind !== 'error') {
      const cause = ended.kind === 'over' ? 'the time for this attempt is over' : 'ECONNECTION';
      return { phase, words: failureWords(phase, cause) };
    }
    const { error } = ended;
    const wire: unknown =
      typeof error === 'object' && error !== null ? Reflect.get(error, 'response') : undefined;
    const reply = typeof wire === 'string' ? parseReply(wire) : undefined;
    if (reply === undefined) {
      const cause = typeof wire === 'string' ? noReply : causeOf(error);
      return { phase, words: failureWords(phase, cause) };
    }
    const refusedPhase = phaseOfCommand(error) ?? phase;
    return { phase: refusedPhase, words: failureWords(refusedPhase, 'it was refused'), reply };
  }

  /** Whose replies came; an address whose reply was none stands with those that were never answered. */
  #recipients(envelope: Envelope): SendResult['recipients'] {
    return this.#transcript.recipients.flatMap((reply, index) => {
      const address = envelope.to[index];
      return address === undefined || reply === undefined ? [] : [{ address, reply }];
    });
  }

  /** What the library would log, as far as the transcript needs it; the rest is let go. */
  #listener(): Readonly<Record<Level, (entry: unknown, ...words: unknown[]) => void>> {
    const listen = (entry: unknown, ...words: unknown[]): void => {
      if (typeof entry !== 'object' || entry === null) return;
      const kind: unknown = Reflect.get(entry, 'tnx');
      const discarded: unknown = Reflect.get(entry, 'discarded');
      const [text] = words;
      if (typeof discarded === 'number') this.#transcript.injected(discarded);
      else if (typeof text !== 'string') return;
      else if (kind === 'client') this.#transcript.sent(text);
      else if (kind === 'server') this.#transcript.received(text);
    };
    return { trace: listen, debug: listen, info: listen, warn: listen, error: listen, fatal: listen };
  }
}

type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** What the library hands to a handler, as far as ours use it. */
interface HandlerContext {
  readonly authMethods: readonly string[];
  readonly extensions: readonly string[];
  readonly maxAllowedSize: number | false;
  readonly sendCommand: (command: string) => Promise<{ readonly response: string }>;
}

function within(limitMs: number, clock: Clock): Budget {
  const endsAt = clock.monotonic() + limitMs;
  return { remainingMs: () => endsAt - clock.monotonic() };
}
