// Postfix and Dovecot side by side, the relay and the mailboxes as in production, and an eavesdropper between.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { startDovecot, type Dovecot } from '../../../local/realServers/dovecot.ts';
import { startPostfix, type Postfix } from '../../../local/realServers/postfix.ts';
import { systemClock } from '../../../shared/clock.ts';
import { SmtpRelay } from '../../../shared/exchange/smtpRelay.ts';
import type { AccessTokens } from '../../../shared/mail/accessToken.ts';
import type { RelayConnection } from '../../../shared/outbound/ports.ts';
import { account, budget } from '../../exchange/relayTools.ts';
import { imapAt, mailboxOf, TestTokens } from '../../inbound/rig.ts';
import { certificates } from '../../local/exchange/harness.ts';

export const desk = account.user;
export const [kim, lee] = ['kim@example.com', 'lee@example.com'];
export const messageMostBytes = 4_000_000;
const pollMs = 20;
const arrivalTries = 500;

export interface Servers {
  readonly dovecot: Dovecot;
  readonly postfix: Postfix;
  close(): Promise<void>;
}

export async function startServers(): Promise<Servers> {
  const { cert, key } = await certificates();
  const dovecot = await startDovecot({ cert, key, clock: systemClock });
  const options = { cert, key, clock: systemClock, dovecot, addresses: [desk, kim, lee] as const };
  const postfix = await startPostfix({ ...options, messageMostBytes });
  return {
    dovecot,
    postfix,
    close: async () => {
      await Promise.all([dovecot.close(), postfix.close()]);
    },
  };
}

export async function relayTo(port: number, tokens: AccessTokens): Promise<SmtpRelay> {
  const { ca } = await certificates();
  return new SmtpRelay({ server: { host: 'localhost', port }, tokens, clock: systemClock, ca });
}

export async function connected(port: number, tokens: AccessTokens): Promise<RelayConnection> {
  const answer = await (await relayTo(port, tokens)).connect(account, budget());
  if (answer.kind !== 'connected') throw new Error(JSON.stringify(answer.failure));
  return answer.connection;
}

/** A mailbox on Dovecot, read as fetchMail reads it. */
export class Inbox {
  readonly #dovecot: Dovecot;
  readonly #address: string;
  #lastUid = 0;

  constructor(dovecot: Dovecot, address: string) {
    this.#dovecot = dovecot;
    this.#address = address;
  }

  /** What has come since the last call: as many messages as are expected, or more. */
  async next(count: number): Promise<readonly Buffer[]> {
    const { ca } = await certificates();
    const tokens = new TestTokens((user) => this.#dovecot.token(user));
    const answer = await imapAt(this.#dovecot.imapPort, ca, tokens).open(mailboxOf(this.#address), budget());
    if (answer.kind !== 'ok') throw new Error(answer.trouble.detail);
    const { session } = answer;
    const read = async (uid: number): Promise<Buffer> => {
      const pieces = [];
      for await (const piece of session.stream({ uid, bytes: new Uint8Array(), whole: false }))
        pieces.push(piece);
      return Buffer.concat(pieces);
    };
    for (let tries = 0; tries < arrivalTries; tries += 1) {
      const listed = await session.listAbove(this.#lastUid);
      if (listed.kind !== 'ok') throw new Error(listed.trouble.detail);
      if (listed.uids.length >= count) {
        const messages = [];
        for (const uid of listed.uids) messages.push(await read(uid));
        this.#lastUid = listed.uids.at(-1) ?? this.#lastUid;
        await session.close();
        return messages;
      }
      await systemClock.sleep(pollMs);
    }
    throw new Error(`${String(count)} messages did not come to ${this.#address}`);
  }
}

/** Somebody on the way to a server, who reads all that goes by. */
export interface Eavesdropper {
  readonly port: number;
  /** Both directions, as it went by. */
  heard(): string;
  close(): Promise<void>;
}

export async function eavesdrop(serverPort: number): Promise<Eavesdropper> {
  const heard: Buffer[] = [];
  const sockets: Socket[] = [];
  const server = createServer((client) => {
    const onward = connect(serverPort, '127.0.0.1');
    for (const [from, to] of [
      [client, onward],
      [onward, client],
    ] as const) {
      sockets.push(from);
      from.on('data', (bytes: Buffer) => {
        heard.push(bytes);
      });
      from.on('error', () => {
        to.destroy();
      });
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    heard: () => Buffer.concat(heard).toString('latin1'),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
