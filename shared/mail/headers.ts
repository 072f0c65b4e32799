// A lenient reader of header blocks, the only one for incoming mail. Never throws; linear in its input.
//
// Bytes are taken one to one as characters (latin1), so that nothing is lost before a charset is known, and every
// kind of line end becomes LF: mail with bare CR was seen in the wild, and a parser that sees one long line there
// finds no parts at all.
import { messageIds } from './messageIdList.ts';

export { messageIds } from './messageIdList.ts';

export interface HeaderField {
  /** In lower case. */
  readonly name: string;
  /** Unfolded, outer white space removed, characters as bytes. */
  readonly value: string;
}

export interface HeaderBlock {
  readonly fields: readonly HeaderField[];
  /** Where the body begins in the text. */
  readonly bodyAt: number;
}

/** More fields than this are not read: the largest real header seen has some 200. */
const fieldCountLimit = 2_000;
const valueLimit = 65_536;

/** The bytes as text with LF line ends; a byte order mark and the mbox line before the header are dropped. */
export function mailText(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    .toString('latin1')
    // Twice, because some relays write CR CR LF.
    .replaceAll('\r\n', '\n')
    .replaceAll('\r\n', '\n')
    .replaceAll('\r', '\n');
  return withoutMboxLine(text.startsWith('\u00ef\u00bb\u00bf') ? text.slice(3) : text);
}

/** Without the line that an mbox puts before each mail. */
function withoutMboxLine(text: string): string {
  const start = text.startsWith('From ') || text.startsWith('>From ') ? text.indexOf('\n') + 1 : 0;
  return start > 0 ? text.slice(start) : text;
}

/** Reads fields up to the first empty line or the first line that can't be a field. */
export function readHeaders(text: string, from = 0, to = text.length): HeaderBlock {
  const open: OpenField[] = [];
  let at = from;
  let last: OpenField | undefined;
  let bodyAt = to;
  while (at < to) {
    let end = text.indexOf('\n', at);
    if (end < 0 || end > to) end = to;
    if (end === at) {
      bodyAt = Math.min(end + 1, to);
      break;
    }
    const first = text.charCodeAt(at);
    // Some software breaks a parameter onto a line of its own without the space that folding needs.
    const loose = last?.semicolon === true && /^[a-z-]{1,20}\s?=/i.test(text.slice(at, at + 24));
    if (first === 0x20 || first === 0x09 || loose) {
      if (last !== undefined) append(last, text.slice(at, Math.min(end, at + valueLimit)).trim());
    } else {
      const colon = fieldColon(text, at, end);
      if (colon < 0) {
        // A line that is no field: the blank line is missing, unless nothing was read yet (a stray first line).
        if (open.length > 0) {
          bodyAt = at;
          break;
        }
      } else if (open.length < fieldCountLimit) {
        last = {
          name: text.slice(at, colon).trimEnd().toLowerCase(),
          pieces: [],
          length: 0,
          semicolon: false,
        };
        append(last, text.slice(colon + 1, Math.min(end, colon + 1 + valueLimit)).trim());
        open.push(last);
      } else {
        last = undefined;
      }
    }
    at = end + 1;
  }
  return { fields: open.map(({ name, pieces }) => ({ name, value: pieces.join(' ') })), bodyAt };
}

/** A field while its lines are read. The pieces are joined once: a value may be folded into half a million lines. */
interface OpenField {
  readonly name: string;
  readonly pieces: string[];
  length: number;
  semicolon: boolean;
}

/** Lines of white space only add nothing (RFC 5322 4.2). */
function append(field: OpenField, piece: string): void {
  if (piece === '' || field.length >= valueLimit) return;
  field.pieces.push(piece);
  field.length += piece.length + 1;
  field.semicolon = piece.endsWith(';');
}

/** The first field of that name; empty if there is none. */
export function field(block: { readonly fields: readonly HeaderField[] }, name: string): string {
  return block.fields.find((one) => one.name === name)?.value ?? '';
}

export function fieldsNamed(
  block: { readonly fields: readonly HeaderField[] },
  name: string,
): readonly string[] {
  return block.fields.filter((one) => one.name === name).map((one) => one.value);
}

/**
 * Which message it is and which it answers; the same whether its body could be parsed or not. Each id is one that an
 * answer can carry; of long References the first and the nearest are kept.
 */
export function threadOf(block: { readonly fields: readonly HeaderField[] }): {
  readonly messageId: string;
  readonly inReplyTo: readonly string[];
  readonly references: readonly string[];
} {
  return {
    messageId: messageIds(field(block, 'message-id'))[0] ?? '',
    inReplyTo: messageIds(field(block, 'in-reply-to')),
    references: messageIds(fieldsNamed(block, 'references').join(' ')),
  };
}

/** The position of the colon that ends a field name of printable characters, or -1. */
function fieldColon(text: string, at: number, end: number): number {
  const limit = Math.min(end, at + 200);
  for (let i = at; i < limit; i += 1) {
    const code = text.charCodeAt(i);
    if (code === 0x3a) return i > at ? i : -1;
    // White space before the colon is obsolete syntax (RFC 5322 4.5) and still seen.
    if (code <= 0x20 || code >= 0x7f)
      return /^[ \t]+:/.test(text.slice(i, i + 20)) ? text.indexOf(':', i) : -1;
  }
  return -1;
}
