// One SMTP connection, from its greeting to its end; the order of steps is described in smtpRelay.ts.
import { memberOf } from '../mail/foreign.ts';
import { isAscii } from 'node:buffer';
import type { Clock } from '../clock.ts';
import { deadline, type TimeLeft } from '../deadline.ts';
import { isMessageId } from '../mail/messageId.ts';
import { parseReply, type Reply } from '../mail/reply.ts';
import type {
  Envelope,
  Phase,
  ProbeResult,
  RelayConnection,
  RelayFailure,
  Sender,
  SendResult,
} from '../outbound/ports.ts';
import { ContentSource } from './contentSource.ts';
import { SmtpOperation, type Ended, type Start, type Unfinished } from './smtpOperation.ts';
import {
  challengeDetail,
  checkEnvelope,
  eightBit,
  endsSession,
  noReply,
  phaseOfCommand,
  redact,
  tooLarge,
  notRecordedDetail,
} from './smtpReplies.ts';
import { listenerOf, SmtpTranscript, type LibraryListener } from './smtpTranscript.ts';
import { causeOf, failureIn } from './smtpDetail.ts';

/** The part of the library's connection that is used. */
export interface SmtpClient {
  readonly secure: boolean;
  on(event: 'error' | 'end', listener: (error?: unknown) => void): unknown;
  connect(done: (error?: Error) => void): void;
  login(auth: { readonly method: string; readonly user: string }, done: (error: Error | null) => void): void;
  send(
    envelope: {
      readonly from: string;
      readonly to: string[];
      readonly size: number;
      readonly use8BitMime: boolean;
    },
    message: ContentSource,
    done: (error: Error | null, info: { readonly response: string }) => void,
  ): void;
  reset(done: (error: Error | null) => void): void;
  quit(): void;
  close(): void;
}

/** The part of the library's handler context that our handlers use. */
export interface HandlerContext {
  readonly authMethods: readonly string[];
  readonly extensions: readonly string[];
  readonly maxAllowedSize: number | false;
  readonly sendCommand: (command: string) => Promise<{ readonly response: string }>;
}

export type MakeSmtpClient = (
  handlers: Readonly<Record<string, (context: HandlerContext) => Promise<void>>>,
  listener: LibraryListener,
) => SmtpClient;

/** For RSET after a refusal, and for QUIT. */
const cleanUpMs = 5_000;
/** The library runs our handler under this name; with a real mechanism's name it could choose its own. */
const tokenMethod = 'BRIDGE-XOAUTH2';
const probeMethod = 'BRIDGE-PROBE';

export class SmtpSession implements RelayConnection {
  readonly #client: SmtpClient;
  readonly #clock: Clock;
  readonly #operation: SmtpOperation;
  readonly #transcript = new SmtpTranscript();
  #sizeMostBytes = 0;
  #takesEightBit = false;
  #gone = false;
  /** What the library's authentication step runs. */
  #handler: ((context: HandlerContext) => Promise<void>) | undefined;

  constructor(clock: Clock, makeClient: MakeSmtpClient) {
    this.#clock = clock;
    this.#operation = new SmtpOperation(clock, () => {
      this.destroy();
    });
    const handler = (context: HandlerContext): Promise<void> => this.#handler?.(context) ?? Promise.resolve();
    const handlers = { [tokenMethod]: handler, [probeMethod]: handler };
    this.#client = makeClient(handlers, listenerOf(this.#transcript));
    this.#client.on('error', (error: unknown) => {
      this.#gone = true;
      this.#operation.interrupt({ kind: 'error', error });
    });
    this.#client.on('end', () => {
      this.#gone = true;
      // The library may close first and report the command's own error right after; that one is more specific.
      const { interrupt } = this.#operation;
      queueMicrotask(() => {
        interrupt({ kind: 'closed' });
      });
    });
  }

  get usable(): boolean {
    return !this.#gone;
  }

  /** Greeting, EHLO, STARTTLS, EHLO. */
  async greet(time: TimeLeft): Promise<RelayFailure | undefined> {
    const ended = await this.#run<undefined>(time, (done) => {
      this.#client.connect((error) => {
        done(endOf(error));
      });
    });
    if (ended.kind !== 'done') return this.#failure(ended);
    if (this.#transcript.injectedBytes > 0 || !this.#client.secure) {
      this.destroy();
      return failureIn('tls', 'plaintext was received after STARTTLS');
    }
    return undefined;
  }

  async logIn(user: string, token: string, time: TimeLeft): Promise<RelayFailure | undefined> {
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
      // 334 carries what is wrong with the token, as JSON; an empty line asks for the final reply.
      if (answer.response.startsWith('334')) seen.said.push((await sendCommand('')).response);
    };
    const ended = await this.#logInWith(tokenMethod, user, time);
    const reply = redact(parseReply(seen.said.at(-1) ?? ''), secrets);
    const failed = (cause: string): RelayFailure => failureIn('auth', cause, reply);
    if (ended.kind !== 'done') return reply === undefined ? this.#failure(ended) : failed('it was refused');
    if (!seen.offered) return failed('the server does not offer XOAUTH2');
    if (reply?.code === 235) {
      this.#transcript.begin();
      return undefined;
    }
    return failed(`the server refused the token${challengeDetail(seen.said[0], secrets)}`);
  }

  async send(envelope: Envelope, content: Uint8Array, sender: Sender): Promise<SendResult> {
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
    if (sender.remainingMs() <= 0) return unsent(this.#failure({ kind: 'timedOut' }));
    const progress: { dotSent: boolean } = { dotSent: false };
    const ended = await this.#run<string>(sender, (done, timedOut) => {
      const refuse = (why: Unfinished): false => {
        done(why);
        this.destroy();
        return false;
      };
      const source = new ContentSource(content, sender, {
        begins: async () => {
          // The library accepts anything that begins with a 2 as a positive reply; that is not enough to give the content.
          const { malformedReplyAt } = this.#transcript;
          if (malformedReplyAt !== undefined)
            return refuse({ kind: 'malformedReply', phase: malformedReplyAt });
          const answered = this.#recipients(envelope);
          const isRefused = answered.some(({ reply }) => reply.code >= 300);
          if (isRefused && !(await sender.recordRefusals(answered))) return refuse({ kind: 'notRecorded' });
          this.#transcript.bodyBegins();
          return true;
        },
        ended: () => {
          progress.dotSent = true;
          this.#transcript.dotSent();
        },
        timedOut,
      });
      const library = { from: envelope.from, to: [...envelope.to], size: content.length, use8BitMime };
      this.#client.send(library, source, (error, info) => {
        done(error === null ? { kind: 'done', value: info.response } : { kind: 'error', error });
      });
    });
    // Read at once: what happens to the socket later does not belong to this attempt.
    const { dotSent } = progress;
    const recipients = this.#recipients(envelope);
    const reply = ended.kind === 'done' ? parseReply(ended.value) : undefined;
    if (dotSent && reply !== undefined && reply.code < 300) {
      const id = /<[^<>\s]+>/.exec(reply.text)?.[0];
      const named = id !== undefined && isMessageId(id) ? { serverMessageId: id } : {};
      return { kind: 'accepted', dotSent: true, recipients, reply, ...named };
    }
    const failure = ended.kind === 'done' ? this.#untimely(reply) : this.#failure(ended);
    await this.#recover(failure, sender);
    return { kind: 'failed', dotSent, recipients, failure };
  }

  async probe(envelope: Envelope, time: TimeLeft): Promise<ProbeResult> {
    checkEnvelope(envelope);
    this.#transcript.begin();
    if (time.remainingMs() <= 0) return { kind: 'failed', failure: this.#failure({ kind: 'timedOut' }) };
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
        seen.refused = failureIn(phase, reply === undefined ? noReply : 'it was refused', reply);
        break;
      }
      await sendCommand('RSET');
    };
    const ended = await this.#logInWith(probeMethod, '', time);
    const { phase, refused } = seen;
    if (ended.kind === 'done' && refused === undefined) return { kind: 'ok' };
    const failure = ended.kind === 'done' ? refused : { ...this.#failure(ended), phase };
    if (failure === undefined) return { kind: 'ok' };
    if (ended.kind !== 'done' || endsSession(failure)) this.destroy();
    return { kind: 'failed', failure: refused ?? failure };
  }

  async close(): Promise<void> {
    if (this.#gone) return;
    if (this.#operation.isBusy) {
      this.destroy();
      return;
    }
    await this.#run<undefined>(deadline(this.#clock, cleanUpMs), () => {
      this.#client.quit();
    });
    this.destroy();
  }

  destroy(): void {
    this.#gone = true;
    this.#client.close();
    this.#operation.interrupt({ kind: 'closed' });
  }

  /** Leaves the connection ready for the next MAIL, or destroyed. */
  async #recover(failure: RelayFailure, time: TimeLeft): Promise<void> {
    const { phase, reply } = failure;
    // A reply in the middle of the body: client and server are out of step.
    if (reply === undefined || phase === 'body' || endsSession(failure)) {
      this.destroy();
      return;
    }
    if (phase === 'dot' || this.#gone) return;
    const timeLeft = deadline(this.#clock, Math.min(cleanUpMs, time.remainingMs()));
    const ended = await this.#run<undefined>(timeLeft, (done) => {
      this.#client.reset((error) => {
        done(endOf(error));
      });
    });
    if (ended.kind !== 'done') this.destroy();
  }

  #run<Value>(time: TimeLeft, start: Start<Value>): Promise<Ended<Value>> {
    return this.#gone ? Promise.resolve({ kind: 'closed' }) : this.#operation.run(time, start);
  }

  #logInWith(method: string, user: string, time: TimeLeft): Promise<Ended<undefined>> {
    return this.#run<undefined>(time, (done) => {
      this.#client.login({ method, user }, (error) => {
        done(endOf(error));
      });
    });
  }

  /** The library took it for success, and it is not: no valid reply, or one in the middle of the content. */
  #untimely(reply: Reply | undefined): RelayFailure {
    const { phase } = this.#transcript;
    const cause = reply === undefined ? noReply : 'the server replied before the end of the message';
    return failureIn(phase, cause);
  }

  #failure(ended: Unfinished): RelayFailure {
    if (ended.kind === 'malformedReply') return failureIn(ended.phase, noReply);
    const { phase } = this.#transcript;
    if (ended.kind === 'notRecorded') return { phase, detail: notRecordedDetail };
    if (ended.kind !== 'error') {
      return failureIn(
        phase,
        ended.kind === 'timedOut' ? 'the time for this attempt is over' : 'ECONNECTION',
      );
    }
    const { error } = ended;
    const wire = memberOf(error, 'response');
    const reply = typeof wire === 'string' ? parseReply(wire) : undefined;
    return reply === undefined
      ? failureIn(phase, typeof wire === 'string' ? noReply : causeOf(error))
      : failureIn(phaseOfCommand(error) ?? phase, 'it was refused', reply);
  }

  /** The recipients with a reply; a malformed reply counts as none. */
  #recipients(envelope: Envelope): SendResult['recipients'] {
    return this.#transcript.recipients.flatMap((reply, index) => {
      const address = envelope.to[index];
      return address === undefined || reply === undefined ? [] : [{ address, reply }];
    });
  }
}

const endOf = (error: Error | null | undefined): Ended<undefined> =>
  error ? { kind: 'error', error } : { kind: 'done', value: undefined };
