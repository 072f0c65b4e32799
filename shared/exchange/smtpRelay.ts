// The SMTP adapter: RFC 5321 with STARTTLS and XOAUTH2, as Exchange Online requires it (port 587).
//
// Connecting, in order:
//   1. an access token for the account, so that no connection is opened without one
//   2. TCP, the greeting, EHLO, STARTTLS (required), the certificate verified, TLS 1.2 at least; plaintext
//      received after the reply to STARTTLS ends the connection (RFC 3207 6); EHLO again
//   3. AUTH XOAUTH2. On 535 once more from the start, with a renewed token
// Sending, on a connection that stays open:
//   1. a message larger than the server's SIZE is refused here, before MAIL, with the reply of RFC 1870 6.1; so is
//      one with 8-bit bytes if the server does not offer 8BITMIME (RFC 6152 3); composed messages have none
//   2. MAIL, RCPT, DATA. If some recipients are refused and others accepted, the sender records that before the
//      content is sent (with PIPELINING, RFC 2920, DATA was sent by then; without content it has no effect)
//   3. the content in chunks, the time left checked before MAIL and before each chunk; the dot
//   4. the wait for the reply. When the time is up, here or earlier, the socket is destroyed
// After a refusal the transaction is reset (RSET) and the connection is used again; after 421, after a reply that
// says the session is not authenticated, and after a malformed reply, it is not.
//
// Of the library only the connection class is used. Its pool can't connect in advance and resends by itself; its
// errors don't distinguish a cut before MAIL from one after the dot, hence smtpTranscript.ts and contentSource.ts.
// A server's reply is bounded (64 KiB) before it is parsed, and parsed before it is used.
import { present } from '../mail/omit.ts';
import type { Socket } from 'node:net';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import type { Clock } from '../clock.ts';
import type { AccessTokens } from '../mail/accessToken.ts';
import type { Account } from '../mail/mailbox.ts';
import type { TimeLeft } from '../deadline.ts';
import type { ConnectResult, Relay } from '../outbound/ports.ts';
import { SmtpSession, type MakeSmtpClient } from './smtpSession.ts';
import { openSocket } from './smtpSocket.ts';
import { tokenFailure } from './smtpDetail.ts';

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

export class SmtpRelay implements Relay {
  readonly #options: SmtpRelayOptions;

  constructor(options: SmtpRelayOptions) {
    this.#options = options;
  }

  async connect(account: Account, time: TimeLeft): Promise<ConnectResult> {
    const first = await this.#tryToConnect(account, time, false);
    const refused =
      first.kind === 'failed' && first.failure.phase === 'auth' && first.failure.reply?.code === 535;
    return refused ? this.#tryToConnect(account, time, true) : first;
  }

  async #tryToConnect(account: Account, time: TimeLeft, renew: boolean): Promise<ConnectResult> {
    const answer = await this.#options.tokens.get(account.mailboxes[0], 'smtp', { renew });
    if (answer.kind !== 'token') return { kind: 'failed', failure: tokenFailure(answer) };
    const { server, clock } = this.#options;
    const opened = await openSocket(server, time, clock);
    if (opened.kind === 'failed') return opened;
    const session = new SmtpSession(clock, clientOn(opened.socket, this.#options));
    const failure = (await session.greet(time)) ?? (await session.logIn(account.user, answer.token, time));
    if (failure === undefined) return { kind: 'connected', connection: session };
    session.destroy();
    return { kind: 'failed', failure };
  }
}

function clientOn(connection: Socket, { server, ca }: SmtpRelayOptions): MakeSmtpClient {
  return (customAuth, logger) =>
    new SMTPConnection({
      connection,
      host: server.host,
      port: server.port,
      secure: false,
      requireTLS: true,
      tls: { minVersion: 'TLSv1.2', rejectUnauthorized: true, ...present({ ca }) },
      // An address literal, so that the machine's name is not disclosed (RFC 5321 4.1.4).
      name: '[127.0.0.1]',
      connectionTimeout: handshakeMs,
      greetingTimeout: handshakeMs,
      socketTimeout: silenceMs,
      socketCloseTimeout: 0,
      maxResponseSize: replyMostBytes,
      customAuth,
      transactionLog: true,
      logger,
    });
}
