// How replies of an SMTP server are read here, apart from their verdict, which is the outbound side's to give.
import { parseAddress } from '../mail/address.ts';
import type { Reply } from '../mail/reply.ts';
import type { Envelope, Phase, RelayFailure } from '../outbound/ports.ts';

export const noReply = 'the server said something that is no SMTP reply';
export const unnotedWords =
  'Some of the recipients were refused, and that could not be written down, so the message was not given.';

/** The library names the command that was refused; with PIPELINING the dialog is further on by then. */
export function phaseOfCommand(error: unknown): Phase | undefined {
  const command: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'command') : undefined;
  if (command === 'MAIL FROM') return 'mail';
  return command === 'RCPT TO' ? 'rcpt' : undefined;
}

/** 421 announces the end (RFC 5321 3.8); the others say that the session is not, or no longer, authenticated. */
export function endsSession({ phase, reply }: RelayFailure): boolean {
  if (reply === undefined) return true;
  if (reply.code === 421) return true;
  const unauthenticated =
    [530, 534, 535, 538].includes(reply.code) || /^[45]\.7\.57$/.test(reply.enhanced ?? '');
  return phase === 'mail' && unauthenticated;
}

/** The server's own limit, in the words that it would have used (RFC 1870 6.1). */
export function tooLarge(bytes: number, mostBytes: number): RelayFailure {
  const text = `Message size exceeds fixed maximum message size: ${bytes} bytes, the server takes ${mostBytes}`;
  return {
    phase: 'mail',
    detail: `The message is too large for this mailbox: ${bytes} bytes, the server takes ${mostBytes}.`,
    reply: { code: 552, enhanced: '5.3.4', text },
  };
}

/** Only a raw message of ESM's can come to this. */
export const eightBit: RelayFailure = {
  phase: 'mail',
  detail:
    'The message has bytes outside ASCII, and the server takes none; encode it as quoted-printable or base64.',
  reply: { code: 554, enhanced: '5.6.3', text: 'Conversion required but not supported' },
};

/** The second wall: whatever has come this far was validated at the door. */
export function checkEnvelope({ from, to }: Envelope): void {
  const wrong = [...(from === '' ? [] : [from]), ...to].some(
    (address) => parseAddress(address).kind !== 'ok',
  );
  if (wrong || to.length === 0)
    throw new Error('an envelope has plain addresses, and at least one recipient');
}

/** The status in a 334's JSON: what the server has against the token (its own words, bounded). */
export function challengeWords(wire: string | undefined, secrets: readonly string[]): string {
  const encoded = /^334 ([A-Za-z0-9+/=]{1,4000})/.exec(wire ?? '')?.[1];
  const status = /"status"\s*:\s*"([\w-]{1,40})"/.exec(
    Buffer.from(encoded ?? '', 'base64').toString('latin1'),
  )?.[1];
  return status === undefined || secrets.some((secret) => secret.includes(status))
    ? ''
    : ` (status ${status})`;
}

/** A server may say back what it was told. */
export function redact(reply: Reply | undefined, secrets: readonly string[]): Reply | undefined {
  if (reply === undefined) return undefined;
  return { ...reply, text: secrets.reduce((text, secret) => text.replaceAll(secret, '***'), reply.text) };
}
