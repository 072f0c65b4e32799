// An SMTP server that does what a test tells it at each step, over real sockets and TLS. It keeps every byte of
// every message as it came over the wire.
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { TLSSocket, type TLSSocketOptions } from 'node:tls';

/** What the server does at a step. Text is sent as it stands, with CRLF after it. */
export type Answer =
  | string
  | { readonly raw: string | Buffer }
  | { readonly do: 'cut' | 'hang' }
  | { readonly then: 'cut'; readonly say: string }
  /** Keeps writing this until the client goes. */
  | { readonly endless: string };

export interface Script {
  readonly greeting?: Answer;
  readonly ehlo?: (secure: boolean) => Answer;
  readonly starttls?: Answer;
  readonly auth?: (line: string, times: number) => Answer;
  readonly mail?: (line: string, times: number) => Answer;
  readonly rcpt?: (line: string, times: number) => Answer;
  readonly data?: (times: number) => Answer;
  /** Cuts when so many bytes of the content have come. */
  readonly cutBodyAt?: number;
  /** Says this when so many bytes of the content have come. */
  readonly sayInBody?: { readonly at: number; readonly answer: Answer };
  readonly dot?: (times: number) => Answer;
  readonly rset?: Answer;
  readonly quit?: Answer;
}

export interface ScriptedServer {
  readonly port: number;
  /** Every command line, in order, of all connections. */
  readonly commands: string[];
  /** Every content as it came, up to and with the final dot's line. */
  readonly messages: Buffer[];
  /** All bytes that came in clear, before TLS. */
  readonly inClear: () => string;
  readonly connections: () => { readonly opened: number; readonly open: number };
  /** Writes a line on every open connection, whatever the script says. */
  say(line: string): void;
  /** Resets every open connection. */
  reset(): void;
  stop(): Promise<void>;
}

export type Keys = Pick<TLSSocketOptions, 'cert' | 'key' | 'minVersion' | 'maxVersion' | 'ciphers'>;

const endOfData = Buffer.from('\r\n.\r\n');

export async function startScriptedServer(
  keys: Keys,
  script: Script = {},
  host = '127.0.0.1',
): Promise<ScriptedServer> {
  const commands: string[] = [];
  const messages: Buffer[] = [];
  const clear: Buffer[] = [];
  const sockets = new Set<Socket>();
  const times = { auth: 0, mail: 0, rcpt: 0, data: 0, dot: 0 };
  let opened = 0;

  const serve = (socket: Socket, secure: boolean): void => {
    socket.on('error', () => undefined);
    let input = Buffer.alloc(0);
    let mode: 'command' | 'auth' | 'content' = 'command';
    // The content in pieces, and the last bytes of the one before: the end may lie across two.
    let parts: Buffer[] = [];
    let length = 0;
    let tail = Buffer.alloc(0);
    let said = false;
    const state: { dead: boolean } = { dead: false };
    let mailAccepted = false;
    let recipientAccepted = false;

    const answer = (what: Answer): void => {
      if (typeof what === 'string') socket.write(`${what}\r\n`);
      else if ('raw' in what) socket.write(what.raw);
      else if ('endless' in what) {
        const pour = (): void => {
          if (socket.destroyed) return;
          socket.write(what.endless, () => setImmediate(pour));
        };
        pour();
      } else if ('say' in what) {
        socket.write(`${what.say}\r\n`, () => socket.destroy());
      } else {
        state.dead = true;
        // What was answered before still arrives.
        if (what.do === 'cut') socket.destroySoon();
      }
    };
    const yes = (what: Answer): boolean => typeof what === 'string' && what.startsWith('2');

    const command = (line: string): void => {
      commands.push(line);
      if (mode === 'auth') {
        mode = 'command';
        answer('535 5.7.3 Authentication unsuccessful');
        return;
      }
      const verb = /^[A-Za-z]+/.exec(line)?.[0]?.toUpperCase() ?? '';
      switch (verb) {
        case 'EHLO':
          answer(
            script.ehlo?.(secure) ??
              (secure
                ? '250-test\r\n250-SIZE 1000000\r\n250 AUTH LOGIN XOAUTH2'
                : '250-test\r\n250 STARTTLS'),
          );
          return;
        case 'STARTTLS': {
          const what = script.starttls ?? '220 2.0.0 SMTP server ready';
          answer(what);
          const ready = typeof what === 'string' ? what : 'raw' in what ? what.raw.toString() : '';
          if (!ready.startsWith('220')) return;
          socket.removeAllListeners('data');
          const upgraded = new TLSSocket(socket, {
            isServer: true,
            ...keys,
          });
          sockets.add(upgraded);
          serve(upgraded, true);
          return;
        }
        case 'AUTH': {
          const what = script.auth?.(line, (times.auth += 1)) ?? '235 2.7.0 Authentication successful';
          if (typeof what === 'string' && what.startsWith('334')) mode = 'auth';
          answer(what);
          return;
        }
        case 'MAIL':
          {
            const what = script.mail?.(line, (times.mail += 1)) ?? '250 2.1.0 Sender OK';
            mailAccepted = yes(what);
            recipientAccepted = false;
            answer(what);
          }
          return;
        case 'RCPT':
          {
            const usual = mailAccepted ? '250 2.1.5 Recipient OK' : '503 5.5.2 Need mail command';
            const what = script.rcpt?.(line, (times.rcpt += 1)) ?? usual;
            recipientAccepted ||= yes(what);
            answer(what);
          }
          return;
        case 'DATA': {
          const usual = recipientAccepted ? '354 Start mail input' : '503 5.5.2 Need rcpt command';
          const what = script.data?.((times.data += 1)) ?? usual;
          answer(what);
          if (typeof what === 'string' && what.startsWith('354')) {
            mode = 'content';
            parts = [];
            length = 0;
            // A dot at the very beginning ends an empty content.
            tail = Buffer.from('\r\n');
            said = false;
          }
          return;
        }
        case 'RSET':
          answer(script.rset ?? '250 2.0.0 Resetting');
          return;
        case 'QUIT':
          answer(script.quit ?? { say: '221 2.0.0 Closing', then: 'cut' });
          return;
        default:
          answer('500 5.3.3 Unrecognized command');
      }
    };

    const take = (): void => {
      for (;;) {
        if (state.dead || socket.destroyed) return;
        if (mode === 'content') {
          const window = Buffer.concat([tail, input]);
          const found = window.indexOf(endOfData);
          const taken = found === -1 ? input.length : found + endOfData.length - tail.length;
          parts.push(input.subarray(0, taken));
          length += taken;
          tail = window.subarray(-4);
          input = input.subarray(taken);
          if (script.cutBodyAt !== undefined && length >= script.cutBodyAt) {
            socket.destroy();
            return;
          }
          if (!said && script.sayInBody !== undefined && length >= script.sayInBody.at) {
            said = true;
            answer(script.sayInBody.answer);
          }
          if (found === -1) return;
          messages.push(Buffer.concat(parts));
          mode = 'command';
          answer(
            script.dot?.((times.dot += 1)) ??
              '250 2.0.0 OK <server-id@test.prod.outlook.com> [Hostname=test]',
          );
        }
        const at = input.indexOf('\r\n');
        if (at === -1) return;
        const line = input.subarray(0, at).toString('latin1');
        input = input.subarray(at + 2);
        command(line);
      }
    };

    socket.on('data', (chunk: Buffer) => {
      if (!secure) clear.push(chunk);
      if (state.dead) return;
      input = Buffer.concat([input, chunk]);
      take();
    });
    if (!secure) answer(script.greeting ?? '220 test ESMTP');
  };

  const server = createServer((socket) => {
    opened += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serve(socket, false);
  }).listen(0, host);
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    commands,
    messages,
    inClear: () => Buffer.concat(clear).toString('latin1'),
    connections: () => ({ opened, open: [...sockets].filter((s) => !(s instanceof TLSSocket)).length }),
    say: (line) => {
      for (const socket of sockets) if (socket instanceof TLSSocket) socket.write(`${line}\r\n`);
    },
    reset: () => {
      for (const socket of sockets) if (!(socket instanceof TLSSocket)) socket.resetAndDestroy();
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
