// IMAP syntax (RFC 3501 9): a command line with its literals into tokens, sets of numbers, and back into strings.
// Everything is latin1, one character a byte, so that nothing is lost on the way.
import type { Content } from './content.ts';

export type Token =
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'list'; readonly items: readonly Token[] }
  | { readonly kind: 'literal'; readonly content: Content };

/** What arrived for one command: text, literal, text, literal, … */
export type Piece = string | Content;

const maxDepth = 20;

/** The tokens of a command's arguments, or undefined if they make no sense. */
export function tokenize(pieces: readonly Piece[]): readonly Token[] | undefined {
  const stack: Token[][] = [[]];
  const top = (): Token[] => stack.at(-1) ?? [];
  for (const piece of pieces) {
    if (typeof piece !== 'string') {
      top().push({ kind: 'literal', content: piece });
      continue;
    }
    for (let at = 0; at < piece.length;) {
      const character = piece[at] ?? '';
      if (character === ' ') at += 1;
      else if (character === '(') {
        if (stack.length > maxDepth) return undefined;
        stack.push([]);
        at += 1;
      } else if (character === ')') {
        const items = stack.pop();
        if (items === undefined || stack.length === 0) return undefined;
        top().push({ kind: 'list', items });
        at += 1;
      } else {
        const found = word(piece, at);
        if (found === undefined) return undefined;
        top().push({ kind: 'text', value: found.value });
        at = found.end;
      }
    }
  }
  return stack.length === 1 ? stack[0] : undefined;
}

/** A quoted string, or an atom; brackets keep what is within: `BODY[HEADER.FIELDS (FROM TO)]<0.10>`. */
function word(text: string, from: number): { readonly value: string; readonly end: number } | undefined {
  if (text[from] === '"') {
    const quoted = /"((?:[^"\\]|\\.)*)"/y;
    quoted.lastIndex = from;
    const [whole, inner] = quoted.exec(text) ?? [];
    if (whole === undefined || inner === undefined) return undefined;
    return { value: inner.replace(/\\(.)/g, '$1'), end: from + whole.length };
  }
  const atom = /(?:\[[^\]]*\]|[^ ()"[])+/y;
  atom.lastIndex = from;
  const [whole] = atom.exec(text) ?? [];
  return whole === undefined ? undefined : { value: whole, end: from + whole.length };
}

/** The text of a token, a literal's included; undefined for a list. */
export function textOf(token: Token | undefined): string | undefined {
  if (token === undefined || token.kind === 'list') return undefined;
  return token.kind === 'text' ? token.value : token.content.buffer().toString('latin1');
}

export type NumberSet = readonly (readonly [number, number])[];

/** `1:5,7,9:*`, where `*` is Infinity; undefined if it is no set. */
export function parseSet(text: string | undefined): NumberSet | undefined {
  if (text === undefined || !/^(?:\d+|\*)(?::(?:\d+|\*))?(?:,(?:\d+|\*)(?::(?:\d+|\*))?)*$/.test(text))
    return undefined;
  return text.split(',').map((range) => {
    const [from = 0, to = from] = range.split(':').map((end) => (end === '*' ? Infinity : Number(end)));
    return [Math.min(from, to), Math.max(from, to)];
  });
}

/** Is the number in the set? `max` is what `*` stands for: a range above it means its last message (RFC 3501 6.4.8). */
export function inSet(set: NumberSet, number: number, max: number): boolean {
  return set.some(([from, to]) =>
    to === Infinity ? number >= Math.min(from, max) : number >= from && number <= to,
  );
}

/** Numbers as a set, runs joined. */
export function formatSet(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] + 1 === number) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}:${to}`)).join(',');
}

/** A string for the wire: quoted where it may be, else a literal; NIL for none. */
export function nstring(value: string | undefined): string {
  if (value === undefined) return 'NIL';
  const clean = value.replaceAll('\0', '');
  if (/^[\x01-\x09\x0b\x0c\x0e-\x7f]*$/.test(clean)) return `"${clean.replace(/["\\]/g, '\\$&')}"`;
  return `{${clean.length}}\r\n${clean}`;
}

const monthNames = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `25-Nov-2026 09:00:00 +0000`. */
export function formatInternalDate(at: number): string {
  const date = new Date(at);
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = String(date.getUTCDate()).padStart(2, ' ');
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return `"${day}-${monthNames[date.getUTCMonth()] ?? ''}-${date.getUTCFullYear()} ${time} +0000"`;
}

/** The instant of an IMAP date (`25-Nov-2026`), at 0:00 UTC, or of a date and time. */
export function parseImapDate(text: string | undefined): number | undefined {
  const found = /^ ?(\d{1,2})-(\w{3})-(\d{4})(?: (\d\d:\d\d:\d\d) ([+-]\d{4}))?$/.exec(text ?? '');
  const [, day, month, year, time = '00:00:00', zone = '+0000'] = found ?? [];
  if (day === undefined || month === undefined || year === undefined) return undefined;
  const at = Date.parse(`${day} ${month} ${year} ${time} ${zone}`);
  return Number.isNaN(at) ? undefined : at;
}
