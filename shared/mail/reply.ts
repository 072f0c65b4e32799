import { present } from './omit.ts';
import { boundedText } from './text.ts';

/** An SMTP answer (RFC 5321 4.2), with its enhanced status (RFC 3463) if the server gave one. */
export interface Reply {
  readonly code: number;
  /** `5.7.3`, or absent. */
  readonly enhanced?: string;
  /** The server's text, all lines joined by a space, at most 1,000 characters, without control characters. */
  readonly text: string;
}

/** More than this of a reply is never looked at: a server's text is untrusted and may be endless. */
const replyCharacters = 16_384;
const textCharacters = 1_000;

/**
 * Reads a reply as it came over the wire: one line or many (`550-5.1.1 …` CRLF `550 5.1.1 …`).
 * Undefined if it does not begin with a code from 200 to 599.
 */
export function parseReply(wire: string): Reply | undefined {
  const lines = wire.slice(0, replyCharacters).split(/\r\n|\r|\n/);
  const code = /^([2-5][0-9]{2})(?:[ -]|$)/.exec(lines[0] ?? '')?.[1];
  if (code === undefined) return undefined;
  let enhanced: string | undefined;
  const detail: string[] = [];
  for (const line of lines) {
    // Every line of a reply repeats the code, and may repeat the enhanced status (RFC 2034 4).
    const rest = /^[2-5][0-9]{2}[ -]/.test(line)
      ? line.slice(4)
      : line.slice(0, 3) === code
        ? line.slice(3)
        : line;
    const status = /^([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)/.exec(rest)?.[1];
    enhanced ??= status;
    detail.push(status === undefined ? rest : rest.slice(status.length + 1));
  }
  return {
    code: Number(code),
    ...present({ enhanced }),
    text: boundedText(detail.join(' '), textCharacters),
  };
}
