// What every message must satisfy before it is sent, whatever its source (RFC 5322 2.1.1, 2.3; RFC 5321 4.5.2).
// A line end that two servers read differently is how one message becomes two (SMTP smuggling).
import { bufferOf } from '../mail/foreign.ts';

/** Octets of a line, without its CRLF. */
export const lineMostBytes = 998;

const cr = 0x0d;
const lf = 0x0a;
const crlf = Buffer.from('\r\n');

export interface WireTrouble {
  /** 1-based. */
  readonly line: number;
  readonly what: 'bareCr' | 'bareLf' | 'nul' | 'longLine' | 'eightBitHeader' | 'blankHeaderLine';
}

/** The first thing that must not go on the wire, or undefined. One pass. */
export function wireTrouble(bytes: Uint8Array): WireTrouble | undefined {
  let line = 1;
  let startedAt = 0;
  let isHeader = true;
  /** Nothing but white space so far. */
  let isBlank = true;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === cr) {
      if (bytes[at + 1] !== lf) return { line, what: 'bareCr' };
      if (at - startedAt > lineMostBytes) return { line, what: 'longLine' };
      if (at === startedAt) isHeader = false;
      // A reader that trims line ends takes it for the end of the header (RFC 5322 3.2.2 forbids it).
      else if (isHeader && isBlank) return { line, what: 'blankHeaderLine' };
      isBlank = true;
      at += 1;
      line += 1;
      startedAt = at + 1;
    } else if (byte === lf) return { line, what: 'bareLf' };
    else if (byte === 0) return { line, what: 'nul' };
    else if (byte > 0x7f && isHeader) return { line, what: 'eightBitHeader' };
    else if (byte !== 0x20 && byte !== 0x09) isBlank = false;
  }
  return bytes.length - startedAt > lineMostBytes ? { line, what: 'longLine' } : undefined;
}

/** Without the lines of its header that have white space only; a header longer than `mostBytes` is left as it is. */
export function withoutBlankHeaderLines(bytes: Uint8Array, mostBytes: number): Uint8Array {
  const whole = bufferOf(bytes);
  const end = whole.indexOf('\r\n\r\n');
  const header = whole.subarray(0, end < 0 ? whole.length : end + 2);
  if (header.length > mostBytes || whole.subarray(0, 2).equals(crlf)) return bytes;
  const text = header.toString('latin1');
  const kept = text.replace(/\r\n[ \t]+(?=\r\n)/g, '');
  if (kept === text) return bytes;
  return Buffer.concat([Buffer.from(kept, 'latin1'), whole.subarray(header.length)]);
}

/** Every line end, of whatever kind, as CRLF; the same bytes if they are so already. */
export function withCrlf(bytes: Uint8Array): Uint8Array {
  let missing = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    if (bytes[at] === cr ? bytes[at + 1] !== lf : bytes[at] === lf && bytes[at - 1] !== cr) missing += 1;
  }
  if (missing === 0) return bytes;
  const made = new Uint8Array(bytes.length + missing);
  let to = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === lf && bytes[at - 1] !== cr) made[to++] = cr;
    made[to++] = byte;
    if (byte === cr && bytes[at + 1] !== lf) made[to++] = lf;
  }
  return made;
}
