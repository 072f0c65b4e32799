// An SMTP client that says what a test tells it and keeps the dialog.
import { connect, type Socket } from 'node:net';

export class SmtpDialog {
  readonly #socket: Socket;
  #text = '';
  #taken = 0;
  #wake: () => void = () => undefined;
  #isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
      this.#wake();
    });
    const closed = (): void => {
      this.#isClosed = true;
      this.#wake();
    };
    socket.on('close', closed);
    socket.on('error', closed);
  }

  static async open(port: number): Promise<SmtpDialog> {
    const socket = connect(port, '127.0.0.1');
    const dialog = new SmtpDialog(socket);
    if ((await dialog.reply()) === '') throw new Error('There was no greeting');
    return dialog;
  }

  /** The next reply, all its lines; '' if the connection was closed. */
  async reply(): Promise<string> {
    for (;;) {
      const rest = this.#text.slice(this.#taken);
      const end = /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/.exec(rest)?.[0];
      if (end !== undefined) {
        this.#taken += end.length;
        return end.trimEnd();
      }
      if (this.#isClosed) return '';
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async say(line: string): Promise<string> {
    this.#socket.write(`${line}\r\n`);
    return this.reply();
  }

  write(bytes: string | Buffer): void {
    this.#socket.write(bytes);
  }

  /** EHLO to the end of DATA; the reply to the final dot, or the first that refuses. */
  async send(mail: {
    readonly from?: string;
    readonly to?: readonly string[];
    readonly content: string | Buffer;
  }): Promise<string> {
    const mailFrom = await this.say(`MAIL FROM:<${mail.from ?? 'desk@example.com'}>`);
    if (!mailFrom.startsWith('250')) return mailFrom;
    for (const to of mail.to ?? ['citizen@example.org']) await this.say(`RCPT TO:<${to}>`);
    const data = await this.say('DATA');
    if (!data.startsWith('354')) return data;
    const text = Buffer.isBuffer(mail.content) ? mail.content.toString('latin1') : mail.content;
    this.write(
      Buffer.from(
        `${text.replace(/^\./gm, '..')}\r\n.\r\n`,
        Buffer.isBuffer(mail.content) ? 'latin1' : 'utf8',
      ),
    );
    return this.reply();
  }

  /** As a client that was killed: no QUIT. */
  cut(): void {
    this.#socket.destroy();
  }

  async quit(): Promise<void> {
    await this.say('QUIT');
    this.#socket.destroy();
  }
}

/** A client that has said EHLO. */
export async function client(port: number): Promise<SmtpDialog> {
  const dialog = await SmtpDialog.open(port);
  await dialog.say('EHLO client.example');
  return dialog;
}

/** A small mail from desk@example.com; fields can be replaced or added. */
export function mail(fields: Readonly<Record<string, string>> = {}, body = 'Hello.\r\n'): string {
  const all: Record<string, string> = {
    From: 'Desk <desk@example.com>',
    To: 'citizen@example.org',
    Subject: 'INC-1',
    'Message-ID': `<${Math.random().toString(36).slice(2)}.1@esm>`,
    Date: 'Mon, 23 Nov 2026 10:00:00 +0200',
    ...fields,
  };
  return `${Object.entries(all)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n${body}`;
}
