// A plain SMTP client that notes each step with its reply and how long it took: for the checks that go past the bridge
// to see what the server does at its limits. It sends one message at a time and never retries.
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '../../shared/clock.ts';
import { parseReply, type Reply } from '../../shared/mail/reply.ts';

export type DialogStep = 'greeting' | 'ehlo' | 'starttls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'dot';

export interface StepTaken {
  readonly step: DialogStep;
  readonly ms: number;
  /** Undefined if the connection ended or nothing came within the time. */
  readonly reply?: Reply;
}

/** Longest reply, in characters. */
const replyMost = 8_192;

export class SmtpDialog {
  readonly #clock: Clock;
  readonly #stepMs: number;
  #socket: Socket;
  #buffer = '';
  #ended = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket, clock: Clock, stepMs: number) {
    this.#clock = clock;
    this.#stepMs = stepMs;
    this.#socket = socket;
    this.#listen(socket);
  }

  /** Greeting, EHLO, STARTTLS, EHLO, AUTH XOAUTH2; the last step taken, whose reply is 235 if it is logged in. */
  static async logIn(options: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly token: string;
    readonly clock: Clock;
    /** The longest wait for one reply. */
    readonly stepMs: number;
  }): Promise<{ readonly dialog: SmtpDialog; readonly last: StepTaken }> {
    const { host, port, user, token } = options;
    const dialog = new SmtpDialog(connectPlain({ host, port }), options.clock, options.stepMs);
    const steps: readonly (readonly [DialogStep, string | undefined, number])[] = [
      ['greeting', undefined, 220],
      ['ehlo', 'EHLO acceptance.invalid', 250],
      ['starttls', 'STARTTLS', 220],
      ['ehlo', 'EHLO acceptance.invalid', 250],
    ];
    for (const [step, command, wanted] of steps) {
      const taken = await dialog.#step(step, command);
      if (taken.reply?.code !== wanted) return { dialog, last: taken };
      if (step === 'starttls') await dialog.#secure(host);
    }
    const initial = Buffer.from(`user=${user}\u0001auth=Bearer ${token}\u0001\u0001`).toString('base64');
    const last = await dialog.#step('auth', `AUTH XOAUTH2 ${initial}`);
    // 334 carries what is wrong; an empty line asks for the final reply.
    return { dialog, last: last.reply?.code === 334 ? await dialog.#step('auth', '') : last };
  }

  /** The steps up to the first that was refused; the last one's reply is 250 at `dot` if the message was taken. */
  async send(from: string, to: string, content: string): Promise<readonly StepTaken[]> {
    const taken: StepTaken[] = [];
    const stuffed = content.replaceAll(/^\./gm, '..').replace(/(?:\r\n)?$/, '\r\n');
    const commands: readonly (readonly [DialogStep, string, number])[] = [
      ['mail', `MAIL FROM:<${from}>`, 250],
      ['rcpt', `RCPT TO:<${to}>`, 250],
      ['data', 'DATA', 354],
      ['dot', `${stuffed}.`, 250],
    ];
    for (const [step, command, wanted] of commands) {
      const one = await this.#step(step, command);
      taken.push(one);
      if (one.reply?.code !== wanted) break;
    }
    return taken;
  }

  /** Ends without waiting for the server. */
  close(): void {
    if (!this.#ended) this.#socket.end('QUIT\r\n');
    this.#socket.destroySoon();
  }

  async #step(step: DialogStep, command: string | undefined): Promise<StepTaken> {
    const since = this.#clock.monotonic();
    if (command !== undefined && !this.#ended) this.#socket.write(`${command}\r\n`);
    const text = await this.#reply(since + this.#stepMs);
    const ms = this.#clock.monotonic() - since;
    const reply = text === undefined ? undefined : parseReply(text);
    return { step, ms, ...(reply === undefined ? {} : { reply }) };
  }

  /** All lines of one reply (RFC 5321 4.2.1); undefined if there is none in time. */
  async #reply(endsAt: number): Promise<string | undefined> {
    for (;;) {
      const complete = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/.exec(this.#buffer)?.[0];
      if (complete !== undefined) {
        this.#buffer = this.#buffer.slice(complete.length);
        return complete.trimEnd();
      }
      const leftMs = endsAt - this.#clock.monotonic();
      if (this.#ended || leftMs <= 0 || this.#buffer.length > replyMost) return undefined;
      const waiting = new AbortController();
      this.#wake = () => {
        waiting.abort();
      };
      await this.#clock.sleep(leftMs, waiting.signal);
    }
  }

  async #secure(host: string): Promise<void> {
    this.#socket.removeAllListeners('data');
    const secure = connectTls({ socket: this.#socket, servername: host });
    this.#socket = secure;
    this.#listen(secure);
    const waiting = new AbortController();
    secure.once('secureConnect', () => {
      waiting.abort();
    });
    secure.once('close', () => {
      waiting.abort();
    });
    await this.#clock.sleep(this.#stepMs, waiting.signal);
  }

  #listen(socket: Socket): void {
    socket.on('data', (bytes: Buffer) => {
      this.#buffer += bytes.toString('latin1');
      this.#wake?.();
    });
    const end = (): void => {
      if (socket !== this.#socket) return;
      this.#ended = true;
      this.#wake?.();
    };
    // What went wrong shows as a step without a reply.
    socket.on('error', end);
    socket.on('close', end);
  }
}
