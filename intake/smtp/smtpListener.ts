// The SMTP side: one server for each place where clients connect. The only importer of smtp-server.
//
// What the library does otherwise than we want, and what is done about it:
//   - an error without a reply code becomes 550 at MAIL and RCPT, and an async handler that rejects never answers: all
//     handlers go through `settle`, which always answers, 451 for what is unexpected;
//   - 4xx is no "later" for JavaMail, and one refused RCPT loses the whole mail: RCPT accepts anything that is an
//     address in form, and recipients are judged with the message;
//   - without a certificate of ours it offers STARTTLS with a published key: STARTTLS is then disabled;
//   - it tells nobody what a client does after a reply: its log does, one call for each command (`logger`).
import type { AddressInfo } from 'node:net';
import { domainToASCII } from 'node:url';
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server';
import type { Clock } from '../../shared/clock.ts';
import type { IntakeLog } from '../intakeEvents.ts';
import type { ListenerSettings } from '../settings/intakeSettings.ts';
import type { Answer } from '../spool/repeats.ts';
import type { Certificate } from './certificate.ts';
import { judgeLogin, type LoginRules } from './login.ts';
import type { Receiver } from './receiver.ts';
import { errorCode } from '../errorCode.ts';

export interface ListenerDependencies {
  readonly receiver: Receiver;
  readonly login: LoginRules;
  readonly log: IntakeLog;
  readonly clock: Clock;
  readonly hostName: string;
  readonly connectionsMost: number;
  readonly certificate: Certificate | undefined;
}

export interface SmtpListener {
  readonly port: number;
  /** For connections from now on. */
  useCertificate(certificate: Certificate): void;
  /** The largest message, for EHLO. */
  useSize(bytes: number): void;
  /** Takes no more connections; messages in transfer get their reply. */
  close(): Promise<void>;
}

/** A token of an Entra application with many roles has some 14 KB in base64; the library's own limit is 16 KiB. */
const commandMostBytes = 64 * 1024;
/** RFC 5321 4.5.3.2.7 asks for 5 minutes at least. */
const idleMs = 5 * 60_000;
/** A whole message: 36 MB at 256 kbit/s take 20 minutes. */
const transferMs = 30 * 60_000;
const closeMs = 10_000;
const recipientsMostCount = 10_000;

/** Throws an error whose message is a sentence if the place can't be listened at. */
export async function listenForMail(
  settings: ListenerSettings,
  dependencies: ListenerDependencies,
): Promise<SmtpListener> {
  const { certificate, hostName, connectionsMost, log } = dependencies;
  const connections = new Connections(settings, dependencies);
  const server = new SMTPServer({
    name: hostName,
    banner: 'esm-mail-bridge intake',
    authMethods: ['PLAIN', 'LOGIN', 'XOAUTH2'],
    authOptional: settings.isLoopback,
    allowInsecureAuth: settings.isLoopback,
    disabledCommands: [...unusedCommands, ...(certificate === undefined ? ['STARTTLS'] : [])],
    disableReverseLookup: true,
    lenientAddressParsing: true,
    maxClients: connectionsMost,
    maxRecipients: recipientsMostCount,
    maxCommandLength: commandMostBytes,
    socketTimeout: idleMs,
    closeTimeout: closeMs,
    minVersion: 'TLSv1.2',
    ...(certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key }),
    ...connections.handlers,
  });
  // Failed handshakes and resets of clients arrive here.
  server.on('error', (error: Error) => {
    log.clientTrouble(error.message);
  });
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', (error: Error & { code?: string }) => {
      reject(new Error(cannotListen(settings, error.code ?? error.message)));
    });
    server.listen(settings.port, settings.address, resolve);
  });
  return {
    port: portOf(server.server.address()),
    useCertificate: ({ cert, key }) => {
      server.updateSecureContext({ cert, key });
    },
    useSize: (bytes) => {
      server.options.size = bytes;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
      }),
  };
}

const unusedCommands = ['VRFY', 'HELP', 'WIZ', 'SHELL', 'KILL', 'XCLIENT', 'XFORWARD'];

/** What the library calls, and what is known of each connection. */
class Connections {
  readonly #settings: ListenerSettings;
  readonly #dependencies: ListenerDependencies;
  /** The last 250 for a message, by connection. */
  readonly #answers = new Map<string, Answer>();

  constructor(settings: ListenerSettings, dependencies: ListenerDependencies) {
    this.#settings = settings;
    this.#dependencies = dependencies;
  }

  get handlers(): SMTPServerOptions {
    const { receiver, login, log, clock } = this.#dependencies;
    return {
      logger: commandLog((id) => {
        this.#commandCame(id);
      }),
      onAuth: (auth, session, callback) => {
        const method = auth.method === 'XOAUTH2' || auth.method === 'LOGIN' ? auth.method : 'PLAIN';
        const user = auth.username ?? '';
        const password = typeof auth.password === 'string' ? { password: auth.password } : {};
        const client = { address: session.remoteAddress, isLoopback: this.#settings.isLoopback };
        this.#settle(session, callback, async () => {
          const answer = await judgeLogin({ method, user, ...password }, client, login);
          if (answer.kind === 'in') callback(null, { user });
          else {
            log.loginRefused(session.remoteAddress, method, user.slice(0, 100), answer.reason);
            callback(replyError(answer.code, answer.text));
          }
        });
      },
      onMailFrom: (address, session, callback) => {
        const declared = address.args === false ? 0 : Number(address.args['SIZE'] ?? 0);
        this.#settle(session, callback, async () => {
          const refusal = await receiver.readiness(Number.isSafeInteger(declared) ? declared : 0);
          if (refusal === undefined) callback(null);
          else {
            log.temporarilyRefused(refusal.code, refusal.text, nameOf(session));
            callback(replyError(refusal.code, refusal.text));
          }
        });
      },
      onData: (stream, session, callback) => {
        const envelope = {
          mailFrom:
            session.envelope.mailFrom === false ? '' : asciiAddress(session.envelope.mailFrom.address),
          recipients: session.envelope.rcptTo.map(({ address }) => asciiAddress(address)),
        };
        this.#settle(session, callback, async () => {
          const over = new AbortController();
          void clock.sleep(transferMs, over.signal).then(() => {
            if (!over.signal.aborted) stream.destroy(new Error('The message took too long'));
          });
          try {
            const reply = await receiver.receive(stream, envelope, nameOf(session));
            if (reply.kind === 'refused') callback(replyError(reply.code, reply.text));
            else {
              this.#answers.set(session.id, reply.answer);
              callback(null, `2.0.0 Queued as ${reply.id}`);
            }
          } finally {
            over.abort();
          }
        });
      },
      onClose: (session) => {
        this.#answers.delete(session.id);
      },
    };
  }

  /** Whatever a client says after a 250, it has read it. */
  #commandCame(connection: string): void {
    const answer = this.#answers.get(connection);
    if (answer !== undefined) answer.answered = true;
    this.#answers.delete(connection);
  }

  #settle(session: SMTPServerSession, callback: (error: Error) => void, act: () => Promise<void>): void {
    act().catch((error: unknown) => {
      const { log } = this.#dependencies;
      // The client went away; the reply goes nowhere.
      const isGone = errorCode(error) === 'ECONNECTION';
      const text = '4.3.0 The intake failed; try again later';
      if (!isGone) log.temporarilyRefused(451, text, nameOf(session), error);
      callback(replyError(451, text));
    });
  }
}

/** The library's log, of which only the commands count; their text is not looked at. */
function commandLog(
  came: (connection: string) => void,
): Exclude<SMTPServerOptions['logger'], boolean | undefined> {
  const ignore = (): void => undefined;
  return {
    trace: ignore,
    debug: (entry: unknown) => {
      if (typeof entry !== 'object' || entry === null || !('tnx' in entry) || entry.tnx !== 'command') return;
      if ('cid' in entry && typeof entry.cid === 'string') came(entry.cid);
    },
    info: ignore,
    warn: ignore,
    error: ignore,
    fatal: ignore,
  };
}

function replyError(code: number, text: string): Error {
  return Object.assign(new Error(text), { responseCode: code });
}

/** The library gives domains in Unicode; mail is sent with their ASCII form. */
function asciiAddress(address: string): string {
  const at = address.lastIndexOf('@');
  const domain = domainToASCII(address.slice(at + 1));
  return at < 0 || domain === '' ? address : `${address.slice(0, at)}@${domain}`;
}

function nameOf(session: SMTPServerSession): string {
  const user: unknown = session.user;
  const who = typeof user === 'string' ? ` as ${user.slice(0, 100)}` : '';
  return `${session.remoteAddress}${who}`;
}

function cannotListen({ address, port }: ListenerSettings, reason: string): string {
  const place = `Can't listen at ${address}, port ${port}`;
  if (reason === 'EADDRINUSE') return `${place}: another program has it; end that one, or set another port.`;
  if (reason === 'EACCES') {
    return `${place}: ports below 1024 need a right that this user lacks (CAP_NET_BIND_SERVICE); grant it, or set another port.`;
  }
  if (reason === 'EADDRNOTAVAIL') return `${place}: this machine has no such address.`;
  return `${place}: ${reason}.`;
}

function portOf(address: AddressInfo | string | null): number {
  return address === null || typeof address === 'string' ? 0 : address.port;
}
