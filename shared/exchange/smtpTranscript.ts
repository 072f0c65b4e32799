// The phase of an SMTP dialog, and which reply belongs to which command.
//
// The SMTP library gives the same error for a connection that is cut before MAIL and after the final dot (nodemailer
// 10.6: ECONNECTION, CONN, no reply code, in all of seven places). So the bridge keeps track itself. Each command is
// listed here until its reply comes (with PIPELINING, RFC 2920, several wait at once); the phase is that of the oldest
// one. Only the replies to RCPT and MAIL are kept, and the library masks what it sends during authentication.
import { memberOf } from '../mail/foreign.ts';
import { parseReply, type Reply } from '../mail/reply.ts';
import type { Phase } from '../outbound/ports.ts';

type Waiting = Exclude<Phase, 'token' | 'connect' | 'body' | 'dot'> | 'other';

export class SmtpTranscript {
  readonly #waiting: Waiting[] = ['greeting'];
  #between: Phase = 'greeting';
  #recipients: (Reply | undefined)[] = [];
  #mailRefused = false;
  #malformedReplyAt: Phase | undefined;
  #injectedBytes = 0;

  /** The phase of the oldest command without a reply, else that of the last step. */
  get phase(): Phase {
    const oldest = this.#waiting[0];
    return oldest === undefined || oldest === 'other' ? this.#between : oldest;
  }

  /** Replies to RCPT since the last `begin`, in order; undefined for a malformed one. Empty if MAIL was refused. */
  get recipients(): readonly (Reply | undefined)[] {
    return this.#mailRefused ? [] : this.#recipients;
  }

  /** The phase of the first malformed reply since `begin`. */
  get malformedReplyAt(): Phase | undefined {
    return this.#malformedReplyAt;
  }

  /** Plaintext bytes received after the reply to STARTTLS: possibly injected (RFC 3207 6). */
  get injectedBytes(): number {
    return this.#injectedBytes;
  }

  /** The next command is MAIL or QUIT. */
  begin(): void {
    this.#between = 'mail';
    this.#recipients = [];
    this.#mailRefused = false;
    this.#malformedReplyAt = undefined;
  }

  /** The server replied 354; the content follows. */
  bodyBegins(): void {
    this.#between = 'body';
  }

  /** Everything up to and including the final dot was written to the socket. */
  dotSent(): void {
    this.#between = 'dot';
  }

  sent(command: string): void {
    const verb = /^[A-Za-z]+/.exec(command)?.[0]?.toUpperCase() ?? '';
    this.#waiting.push(waitingFor[verb] ?? 'other');
  }

  received(wire: string): void {
    const answered = this.#waiting.shift();
    const reply = parseReply(wire);
    const positive = reply !== undefined && reply.code < 400;
    if (answered !== undefined && answered !== 'other') this.#between = answered;
    if (reply === undefined && answered !== undefined && answered !== 'other')
      this.#malformedReplyAt ??= answered;
    if (answered === 'mail') this.#mailRefused = !positive;
    if (answered === 'rcpt') this.#recipients.push(reply);
  }

  injected(bytes: number): void {
    this.#injectedBytes += bytes;
  }
}

const waitingFor: Readonly<Record<string, Waiting>> = {
  EHLO: 'greeting',
  STARTTLS: 'tls',
  AUTH: 'auth',
  MAIL: 'mail',
  RCPT: 'rcpt',
  DATA: 'data',
};

type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
export type LibraryListener = Readonly<Record<Level, (entry: unknown, ...detail: unknown[]) => void>>;

/** Feeds the transcript from what the library would log, and ignores the rest. */
export function listenerOf(transcript: SmtpTranscript): LibraryListener {
  const listen = (entry: unknown, ...detail: unknown[]): void => {
    const kind = memberOf(entry, 'tnx');
    const discarded = memberOf(entry, 'discarded');
    const [text] = detail;
    if (typeof discarded === 'number') transcript.injected(discarded);
    else if (typeof text !== 'string') return;
    else if (kind === 'client') transcript.sent(text);
    else if (kind === 'server') transcript.received(text);
  };
  return { trace: listen, debug: listen, info: listen, warn: listen, error: listen, fatal: listen };
}
