// Where an SMTP dialog stands, and what was replied to which command.
//
// The SMTP library gives one and the same error for a connection that is cut before MAIL and after the final dot
// (seen with nodemailer 10.6: ECONNECTION, CONN, no reply code, at all of seven places). So the bridge keeps its
// own note. Each command that goes out is listed here until its reply comes (with PIPELINING, RFC 2920, several
// wait at once); the phase is that of the oldest one. Nothing said is kept but the replies to RCPT and MAIL, and
// the library masks what it sends during authentication before it comes here.
import { parseReply, type Reply } from '../mail/reply.ts';
import type { Phase } from '../outbound/ports.ts';

type Waiting = Exclude<Phase, 'token' | 'connect' | 'body' | 'dot'> | 'other';

export class SmtpTranscript {
  readonly #waiting: Waiting[] = ['greeting'];
  #between: Phase = 'greeting';
  #recipients: (Reply | undefined)[] = [];
  #mailRefused = false;
  #nonsenseAt: Phase | undefined;
  #injectedBytes = 0;

  /** The phase of the oldest command without a reply, else where the dialog has come to. */
  get phase(): Phase {
    const oldest = this.#waiting[0];
    return oldest === undefined || oldest === 'other' ? this.#between : oldest;
  }

  /** Replies to RCPT since the last `begin`, in order; undefined where one was no SMTP reply. Empty if MAIL was refused. */
  get recipients(): readonly (Reply | undefined)[] {
    return this.#mailRefused ? [] : this.#recipients;
  }

  /** The first command since `begin` that was answered with something that is no SMTP reply. */
  get nonsenseAt(): Phase | undefined {
    return this.#nonsenseAt;
  }

  /** Bytes that came in clear after the reply to STARTTLS: somebody spoke who should not have (RFC 3207 6). */
  get injectedBytes(): number {
    return this.#injectedBytes;
  }

  /** A new message, or nothing, comes next. */
  begin(): void {
    this.#between = 'mail';
    this.#recipients = [];
    this.#mailRefused = false;
    this.#nonsenseAt = undefined;
  }

  /** The server said go ahead, and the content begins to flow. */
  bodyBegins(): void {
    this.#between = 'body';
  }

  /** Everything up to and with the final dot was given to the socket. */
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
    if (reply === undefined && answered !== undefined && answered !== 'other') this.#nonsenseAt ??= answered;
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

/** Takes what the library would log, as far as a transcript needs it, and lets the rest go. */
export function listenerOf(transcript: SmtpTranscript): LibraryListener {
  const listen = (entry: unknown, ...detail: unknown[]): void => {
    if (typeof entry !== 'object' || entry === null) return;
    const kind: unknown = Reflect.get(entry, 'tnx');
    const discarded: unknown = Reflect.get(entry, 'discarded');
    const [text] = detail;
    if (typeof discarded === 'number') transcript.injected(discarded);
    else if (typeof text !== 'string') return;
    else if (kind === 'client') transcript.sent(text);
    else if (kind === 'server') transcript.received(text);
  };
  return { trace: listen, debug: listen, info: listen, warn: listen, error: listen, fatal: listen };
}
