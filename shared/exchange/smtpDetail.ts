// What went wrong in an SMTP dialog, as a sentence: the phase and the cause, never an address, a token or a setting.
import { textIn } from '../mail/foreign.ts';
import type { Phase, RelayFailure } from '../outbound/ports.ts';
import { present } from '../mail/omit.ts';
import type { Reply } from '../mail/reply.ts';
import type { TokenAnswer } from '../mail/accessToken.ts';

const doing: Readonly<Record<Phase, string>> = {
  token: 'getting an access token',
  connect: 'connecting',
  greeting: 'waiting for the greeting',
  tls: 'starting TLS',
  auth: 'authenticating',
  mail: 'waiting for the reply to MAIL',
  rcpt: 'waiting for the replies to RCPT',
  data: 'waiting for the reply to DATA',
  body: 'sending the message',
  dot: 'waiting for the reply to the final dot',
};

/** Codes of Node and OpenSSL that an administrator can act on. */
const causes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the server refused the connection',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  ETIMEDOUT: 'the server did not answer in time',
  ENOTFOUND: "the server's name can't be resolved",
  EAI_AGAIN: "the server's name can't be resolved now",
  EHOSTUNREACH: "the server can't be reached",
  ENETUNREACH: "the network can't be reached",
  ECONNECTION: 'the connection was closed',
  EPROTOCOL: 'the server did not speak SMTP, or sent a reply that is too long',
  ETLS: 'TLS could not be started',
  DEPTH_ZERO_SELF_SIGNED_CERT: "the server's certificate is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "the server's certificate was issued by an unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the server's certificate was issued by an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the server's certificate was issued by an unknown authority",
  CERT_HAS_EXPIRED: "the server's certificate has expired",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet",
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is for another host name",
};

/** A sentence with phase and cause; `cause` is a code, or a clause of ours. */
function failureDetail(phase: Phase, cause: string): string {
  const why = causes[cause] ?? (/^[A-Z0-9_]{2,60}$/.test(cause) ? `the error was ${cause}` : cause);
  return `While ${doing[phase]}: ${why}.`;
}

/** That an operation failed in this phase. */
export const failureIn = (phase: Phase, cause: string, reply?: Reply): RelayFailure => ({
  phase,
  detail: failureDetail(phase, cause),
  ...present({ reply }),
});

/** The most specific code: those of TLS and sockets, which the SMTP library keeps in `originalCode`. */
export function causeOf(error: unknown): string {
  return textIn(error, 'originalCode') || textIn(error, 'code') || 'an unknown error';
}

export function tokenFailure(answer: Exclude<TokenAnswer, { kind: 'token' }>): RelayFailure {
  return { phase: 'token', detail: answer.detail, token: answer.kind };
}
