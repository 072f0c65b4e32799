// One client's connection, read and written in sequence: a session is an ordinary function that awaits its next
// line, so every cut, delay and silence has an exact place. The socket is paused while no read is pending.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { SecureContext } from 'node:tls';

const readAheadBytes = 1024 * 1024;
const keptLineBytes = 64;

export type Line =
  | { readonly kind: 'line'; readonly bytes: Buffer }
  /** The line was longer than allowed; it has been read to its end and dropped, but for its first bytes. */
  | { readonly kind: 'tooLong'; readonly head: Buffer }
  | { readonly kind: 'idle' }
  | { readonly kind: 'end' };

export type EndedBy = 'client' | 'server';

export class Wire {
  /** Aborted when the connection is closed, by either side. */
  readonly gone: AbortSignal;
  readonly #gone = new AbortController();
  readonly #onGone: (by: EndedBy) => void;
  #socket: Socket;
  #buffered: Buffer = Buffer.alloc(0);
  #incoming: Buffer[] = [];
  #incomingBytes = 0;
  #wake: (() => void) | undefined;
  #idle = false;

  /** `onGone` is called once, at the instant at which the connection ends. */
  constructor(socket: Socket, onGone: (by: EndedBy) => void) {
    this.#socket = socket;
    this.#onGone = onGone;
    this.gone = this.#gone.signal;
    socket.setNoDelay(true);
    this.#listen();
  }

  get isGone(): boolean {
    return this.gone.aborted;
  }

  /** The next line without its CRLF (a bare LF ends one too). With `idleMs`: `idle` after so much silence. */
  async readLine(maxBytes: number, idleMs = 0): Promise<Line> {
    this.#idle = false;
    this.#socket.setTimeout(idleMs);
    try {
      let head: Buffer | undefined;
      for (let from = 0; ;) {
        this.#gather();
        const end = this.#buffered.indexOf(10, from);
        if (end !== -1) {
          const bytes = this.#buffered.subarray(0, end > 0 && this.#buffered[end - 1] === 13 ? end - 1 : end);
          this.#buffered = this.#buffered.subarray(end + 1);
          if (head === undefined && bytes.length <= maxBytes) return { kind: 'line', bytes };
          return { kind: 'tooLong', head: head ?? bytes.subarray(0, keptLineBytes) };
        }
        if (this.#buffered.length > maxBytes) {
          head ??= this.#buffered.subarray(0, keptLineBytes);
          this.#buffered = Buffer.alloc(0);
        }
        from = this.#buffered.length;
        if (!(await this.#more())) return { kind: this.#wasIdle() ? 'idle' : 'end' };
      }
    } finally {
      this.#socket.setTimeout(0);
    }
  }

  /** Some bytes, at most `maxBytes`; undefined at the end. */
  async readSome(maxBytes = Infinity): Promise<Buffer | undefined> {
    this.#gather();
    if (this.#buffered.length === 0 && !(await this.#more())) return undefined;
    this.#gather();
    const some = this.#buffered.subarray(0, maxBytes);
    this.#buffered = this.#buffered.subarray(some.length);
    return some;
  }

  /** Puts back what was read too far. */
  unread(bytes: Buffer): void {
    this.#gather();
    this.#buffered = Buffer.concat([bytes, this.#buffered]);
  }

  /** Resolves when the bytes are with the kernel or the connection is gone; waits while the client is slow. */
  async write(data: string | Buffer): Promise<void> {
    if (this.isGone || !this.#socket.writable) return;
    const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
    const room = this.#socket.write(bytes);
    if (room) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#socket.off('drain', done);
        this.gone.removeEventListener('abort', done);
        resolve();
      };
      this.#socket.on('drain', done);
      this.gone.addEventListener('abort', done, { once: true });
    });
  }

  /**
   * Goes on over TLS. What the client sent in clear before the handshake is thrown away (RFC 3207 4.2).
   * False when the handshake failed.
   */
  async startTls(secureContext: SecureContext): Promise<boolean> {
    const plain = this.#socket;
    plain.removeAllListeners('data');
    this.#buffered = Buffer.alloc(0);
    this.#incoming = [];
    this.#incomingBytes = 0;
    const secure = new TLSSocket(plain, { isServer: true, secureContext });
    this.#socket = secure;
    this.#listen();
    return new Promise((resolve) => {
      secure.once('secure', () => {
        resolve(true);
      });
      if (this.isGone) resolve(false);
      this.gone.addEventListener('abort', () => {
        resolve(false);
      });
    });
  }

  /** Ends it in order: what was written is still delivered. */
  end(): void {
    this.#left('server');
    this.#socket.end();
  }

  /** Ends it at once, without a goodbye. */
  cut(): void {
    this.#left('server');
    this.#socket.destroy();
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on('data', (bytes: Buffer) => {
      this.#incoming.push(bytes);
      this.#incomingBytes += bytes.length;
      if (this.#incomingBytes + this.#buffered.length > readAheadBytes) socket.pause();
      this.#wake?.();
    });
    socket.on('timeout', () => {
      this.#idle = true;
      this.#wake?.();
    });
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.#left('client');
      });
    }
  }

  #left(by: EndedBy): void {
    if (this.isGone) return;
    this.#onGone(by);
    this.#gone.abort();
    this.#wake?.();
  }

  #wasIdle(): boolean {
    return this.#idle;
  }

  #gather(): void {
    if (this.#incoming.length === 0) return;
    this.#buffered = Buffer.concat([this.#buffered, ...this.#incoming]);
    this.#incoming = [];
    this.#incomingBytes = 0;
  }

  /** Waits for bytes; false at the end of the connection or when it has been idle too long. */
  async #more(): Promise<boolean> {
    if (this.#incoming.length > 0) return true;
    if (this.isGone) return false;
    this.#socket.resume();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
    return this.#incoming.length > 0;
  }
}
