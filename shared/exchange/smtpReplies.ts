// How replies of an SMTP server are read here. Judging them is the outbound module's task (judgeReply.ts).
import { memberOf } from '../mail/foreign.ts';
import { parseAddress } from '../mail/address.ts';
import type { Reply } from '../mail/reply.ts';
import type { Envelope, Phase, RelayFailure } from '../outbound/ports.ts';

export const noReply = 'the server sent a malformed reply';
export const notRecordedDetail =
  'Some of the recipients were refused, and that could not be recorded, so the message was not sent.';

/** The library names the refused command; with PIPELINING the dialog has moved on by then. */
export function phaseOfCommand(error: unknown): Phase | undefined {
  const command = memberOf(error, 'command');
  if (command === 'MAIL FROM') return 'mail';
  return command === 'RCPT TO' ? 'rcpt' : undefined;
}

/** 421 announces the end (RFC 5321 3.8); the others mean that the session is not, or no longer, authenticated. */
export function endsSession({ phase, reply }: RelayFailure): boolean {
  if (reply === undefined || reply.code === 421) return true;
  const unauthenticated =
    [530, 534, 535, 538].includes(reply.code) || /^[45]\.7\.57$/.test(reply.enhanced ?? '');
  return phase === 'mail' && unauthenticated;
}

/** The server's own limit, with the reply that it would have given (RFC 1870 6.1). */
export function tooLarge(bytes: number, mostBytes: number): RelayFailure {
  const text = `Message size exceeds fixed maximum message size: ${bytes} bytes, the limit is ${mostBytes}`;
  return {
    phase: 'mail',
    detail: `The message is too large for this mailbox: ${bytes} bytes, the limit is ${mostBytes}.`,
    reply: { code: 552, enhanced: '5.3.4', text },
  };
}

/** Only a raw message from ESM can have 8-bit bytes. */
export const eightBit: RelayFailure = {
  phase: 'mail',
  detail:
    'The message has bytes outside ASCII, and the server does not accept them; encode it as quoted-printable or base64.',
  reply: { code: 554, enhanced: '5.6.3', text: 'Conversion required but not supported' },
};

/** A second check: every address was validated at acceptance. */
export function checkEnvelope({ from, to }: Envelope): void {
  const wrong = [...(from === '' ? [] : [from]), ...to].some(
    (address) => parseAddress(address).kind !== 'ok',
  );
  if (wrong || to.length === 0)
    throw new Error('an envelope needs plain addresses and at least one recipient');
}

/** The status in the JSON of a 334: why the server rejects the token (its own text, bounded). */
export function challengeDetail(wire: string | undefined, secrets: readonly string[]): string {
  const encoded = /^334 ([A-Za-z0-9+/=]{1,4000})/.exec(wire ?? '')?.[1];
  const status = /"status"\s*:\s*"([\w-]{1,40})"/.exec(
    Buffer.from(encoded ?? '', 'base64').toString('latin1'),
  )?.[1];
  return status === undefined || secrets.some((secret) => secret.includes(status))
    ? ''
    : ` (status ${status})`;
}

/** A server may repeat what it was sent. */
export function redact(reply: Reply | undefined, secrets: readonly string[]): Reply | undefined {
  if (reply === undefined) return undefined;
  return { ...reply, text: secrets.reduce((text, secret) => text.replaceAll(secret, '***'), reply.text) };
}
