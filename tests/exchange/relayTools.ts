// What the relay's tests share.
import { systemClock } from '../../shared/clock.ts';
import { SmtpRelay } from '../../shared/exchange/smtpRelay.ts';
import type { AccessTokens, TokenAnswer } from '../../shared/mail/accessToken.ts';
import type { Account, Mailbox } from '../../shared/mail/mailbox.ts';
import type { Envelope, RelayConnection, Sender } from '../../shared/outbound/ports.ts';
import { makeCertificates, type Certificates } from '../../local/stack/certificates.ts';

let made: Promise<Certificates> | undefined;
export const certificates = (): Promise<Certificates> => (made ??= makeCertificates());

const mailbox: Mailbox = {
  address: 'desk@example.com',
  signIn: 'application',
  imapUser: 'desk@example.com',
  smtpUser: 'desk@example.com',
  send: true,
  receive: false,
  folder: 'INBOX',
  afterFetch: { kind: 'none' },
  fetchFrom: { kind: 'all' },
  limits: { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 },
};
export const account: Account = {
  key: 'desk@example.com',
  user: 'desk@example.com',
  mailboxes: [mailbox],
  limits: mailbox.limits,
};

export const envelope: Envelope = { from: 'desk@example.com', to: ['user@example.net'] };
export const content = Buffer.from('Subject: hello\r\n\r\nHello.\r\n');

/** A budget that is plenty, or ends after so many milliseconds, of one who writes everything down. */
export function budget(ms = 60_000): Sender {
  const endsAt = systemClock.monotonic() + ms;
  return {
    remainingMs: () => endsAt - systemClock.monotonic(),
    recordRefusals: () => Promise.resolve(true),
  };
}

/** Gives the tokens in order, the last one for ever, and keeps what it was asked. */
export class ScriptedTokens implements AccessTokens {
  readonly asked: { readonly protocol: string; readonly renew: boolean }[] = [];
  readonly #answers: readonly TokenAnswer[];

  constructor(...answers: readonly (string | TokenAnswer)[]) {
    this.#answers = answers.map((answer) =>
      typeof answer === 'string'
        ? { kind: 'token', token: answer, expiresAt: systemClock.now() + 3_600_000 }
        : answer,
    );
  }

  get(_mailbox: Mailbox, protocol: string, options?: { readonly renew?: boolean }): Promise<TokenAnswer> {
    const answer = this.#answers[Math.min(this.asked.length, this.#answers.length - 1)];
    this.asked.push({ protocol, renew: options?.renew ?? false });
    if (answer === undefined) throw new Error('no token was scripted');
    return Promise.resolve(answer);
  }
}

export const secret = 'canary-ACCESS-token';

export async function relayTo(
  port: number,
  options: { readonly tokens?: AccessTokens; readonly host?: string; readonly trust?: boolean } = {},
): Promise<SmtpRelay> {
  const { ca } = await certificates();
  return new SmtpRelay({
    server: { host: options.host ?? 'localhost', port },
    tokens: options.tokens ?? new ScriptedTokens(secret),
    clock: systemClock,
    ...(options.trust === false ? {} : { ca }),
  });
}

export async function connected(port: number, tokens?: AccessTokens): Promise<RelayConnection> {
  const relay = await relayTo(port, tokens === undefined ? {} : { tokens });
  const answer = await relay.connect(account, budget());
  if (answer.kind !== 'connected') throw new Error(JSON.stringify(answer.failure));
  return answer.connection;
}
