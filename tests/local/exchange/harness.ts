// What the tests of the emulator share: its start, tokens with their claims in clear text, and a client
// that speaks SMTP line by line.
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { makeCertificates } from '../../../local/stack/certificates.ts';
import type { Certificates } from '../../../local/stack/certificates.ts';
import type { TokenVerdict } from '../../../local/emulators/exchange/accounts.ts';
import { startExchange } from '../../../local/emulators/exchange/exchange.ts';
import type { Exchange, ExchangeOptions } from '../../../local/emulators/exchange/exchange.ts';
import { systemClock } from '../../../shared/clock.ts';
import type { Clock } from '../../../shared/clock.ts';

export const HOST = '127.0.0.1';

/** Tokens are JSON: the authority's verdict on them. */
export function tokenFor(user: string, more: Partial<Extract<TokenVerdict, { kind: 'ok' }>> = {}): string {
  return JSON.stringify({
    kind: 'ok',
    audienceOk: true,
    user,
    scopes: ['https://outlook.office.com/SMTP.Send', 'https://outlook.office.com/IMAP.AccessAsUser.All'],
    roles: [],
    expiresAt: Date.now() + 3_600_000,
    ...more,
  });
}

export function appToken(app: string, more: Partial<Extract<TokenVerdict, { kind: 'ok' }>> = {}): string {
  const delegated = JSON.parse(tokenFor('nobody')) as object;
  return JSON.stringify({
    ...delegated,
    user: undefined,
    app,
    scopes: [],
    roles: ['SMTP.SendAsApp', 'IMAP.AccessAsApp'],
    ...more,
  });
}

export function checkToken(token: string): TokenVerdict {
  try {
    return JSON.parse(token) as TokenVerdict;
  } catch {
    return { kind: 'bad', why: 'not one of ours' };
  }
}

let made: Promise<Certificates> | undefined;

export function certificates(): Promise<Certificates> {
  made ??= makeCertificates();
  return made;
}

const started: Exchange[] = [];

export async function exchangeWith(options: Partial<ExchangeOptions> = {}): Promise<Exchange> {
  const { cert, key } = await certificates();
  const exchange = await startExchange({
    cert,
    key,
    clock: systemClock,
    checkToken,
    accounts: ['desk@contoso.test'],
    ...options,
  });
  started.push(exchange);
  return exchange;
}

/** Closes every emulator that a test started. */
export async function closeAll(): Promise<void> {
  await Promise.all(started.splice(0).map((exchange) => exchange.close()));
}

export function xoauth2(user: string, token: string): string {
  return Buffer.from(`user=${user}\x01auth=Bearer ${token}\x01\x01`).toString('base64');
}

/** A client that sends lines and reads replies, for the places where a library would not go. */
export class LineClient {
  #socket: Socket;
  #text = '';
  #ended = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen(socket);
  }

  static async open(port: number): Promise<LineClient> {
    const socket = connect({ port, host: HOST });
    const client = new LineClient(socket);
    await once(socket, 'connect');
    return client;
  }

  static async openTls(port: number): Promise<LineClient> {
    const { ca } = await certificates();
    const socket = connectTls({ port, host: HOST, ca, servername: 'localhost' });
    const client = new LineClient(socket);
    await once(socket, 'secureConnect');
    return client;
  }

  async startTls(): Promise<void> {
    const { ca } = await certificates();
    this.#socket.removeAllListeners('data');
    const secure = connectTls({ socket: this.#socket, ca, servername: 'localhost' });
    await once(secure, 'secureConnect');
    this.#socket = secure;
    this.#listen(secure);
  }

  write(text: string | Buffer): void {
    this.#socket.write(text);
  }

  /** The next whole SMTP reply, its lines joined by `|`; `closed` when the connection ended instead. */
  async reply(): Promise<string> {
    return this.until(/^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\r?\n/);
  }

  /** Everything up to and with what the pattern matches at the beginning. */
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = pattern.exec(this.#text)?.[0];
      if (found !== undefined) {
        this.#text = this.#text.slice(found.length);
        return found.trimEnd().replace(/\r\n/g, '|');
      }
      if (this.#ended) return 'closed';
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async command(line: string): Promise<string> {
    this.write(`${line}\r\n`);
    return this.reply();
  }

  async closed(): Promise<void> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #listen(socket: Socket): void {
    socket.on('data', (bytes: Buffer) => {
      this.#text += bytes.toString('latin1');
      this.#wake();
    });
    for (const event of ['close', 'error']) {
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }
}

/** Connected, inside TLS, logged in: ready for MAIL. */
export async function smtpClient(
  exchange: Exchange,
  user = 'desk@contoso.test',
  token = tokenFor(user),
): Promise<LineClient> {
  const client = await LineClient.open(exchange.smtpPort);
  await client.reply();
  await client.command('EHLO test');
  await client.command('STARTTLS');
  await client.startTls();
  await client.command('EHLO test');
  const reply = await client.command(`AUTH XOAUTH2 ${xoauth2(user, token)}`);
  if (!reply.startsWith('235')) throw new Error(reply);
  return client;
}

export interface Mail {
  readonly from?: string;
  readonly to?: readonly string[];
  readonly content?: string;
}

export function mailText(bridgeId = 'a.1', from = 'desk@contoso.test'): string {
  return [
    `From: <${from}>`,
    'To: <kim@fabrikam.test>',
    'Subject: Hello',
    `Message-ID: <${bridgeId}@contoso.test>`,
    `X-Mail-Bridge-Id: ${bridgeId}`,
    '',
    'Hello',
    '',
  ].join('\r\n');
}

/** The whole dialog of one message; the last reply. */
export async function sendBy(client: LineClient, mail: Mail = {}): Promise<string> {
  const { from = 'desk@contoso.test', to = ['kim@fabrikam.test'], content = mailText() } = mail;
  const replies = [await client.command(`MAIL FROM:<${from}>`)];
  for (const one of to) replies.push(await client.command(`RCPT TO:<${one}>`));
  replies.push(await client.command('DATA'));
  if (!(replies.at(-1) ?? '').startsWith('354')) return replies.at(-1) ?? '';
  client.write(`${content.replace(/^\./gm, '..')}.\r\n`);
  return client.reply();
}

/** A clock that only moves when advanced. */
export class ManualClock implements Clock {
  #ms = 1_000_000;
  readonly #sleepers: { readonly at: number; readonly wake: () => void }[] = [];

  now(): number {
    return Date.UTC(2026, 10, 25) + this.#ms;
  }

  monotonic(): number {
    return this.#ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) resolve();
      this.#sleepers.push({ at: this.#ms + ms, wake: resolve });
      signal?.addEventListener('abort', () => {
        resolve();
      });
    });
  }

  /** How many sleep now and would still have to. */
  get sleeping(): number {
    return this.#sleepers.filter(({ at }) => at > this.#ms).length;
  }

  advance(ms: number): void {
    this.#ms += ms;
    for (const { at, wake } of this.#sleepers) if (at <= this.#ms) wake();
  }
}

/** Waits until it is so; fails after some seconds. */
export async function until(so: () => boolean): Promise<void> {
  for (let tries = 0; !so(); tries += 1) {
    if (tries > 1_000) throw new Error('It never became so');
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}
