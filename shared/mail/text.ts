// The rules for text that comes from outside or goes into a queue, a log line, a header or a name: which characters are
// control characters, how long a text may be, how the rest is escaped.

/** C0, DEL, C1 (NEL among them) and the two Unicode line separators: what could end a line or hide in one. */
const controls = '\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029';
const control = new RegExp(`[${controls}]`);
const everyControl = new RegExp(`[${controls}]`, 'g');
const blanks = new RegExp(`[ ${controls}]+`, 'g');

/** Where the first control character or line separator is; undefined if there is none. */
export const controlAt = (text: string): number | undefined => control.exec(text)?.index;

/**
 * Text from a server, made safe to keep and show: control characters and line separators become spaces, runs of
 * spaces one, broken surrogates U+FFFD, at most `characters` UTF-16 units (cut between characters).
 */
export function boundedText(text: string, characters: number): string {
  const plain = text
    .slice(0, characters * 4)
    .toWellFormed()
    .replace(blanks, ' ')
    .trim();
  return plain.length <= characters ? plain : plain.slice(0, characters).replace(/[\ud800-\udbff]$/, '');
}

/** The text in one line: control characters and line separators become spaces, broken surrogates U+FFFD. */
export const plainLine = (text: string): string => text.toWellFormed().replace(everyControl, ' ');

/** The UTF-16 unit as `\uXXXX`, as JSON writes it. */
export function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/**
 * JSON in one line, with every character outside printable ASCII escaped: a control character or a lone surrogate can make a queue
 * message vanish at the receiver, and a character that changes the direction of text makes a log line show something else.
 */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(/[^\x20-\x7e]/g, unicodeEscape);
}

/** What looks like an address, whatever its alphabet. */
const addressLike = /(?:"[^"]{0,200}"|[^\s<>"'(),;:\[\]]+)@[^\s<>"'(),;:\[\]]+/g;

/** A server's words without the addresses that they quote, but for those in `allowed` (any case). */
export const withoutAddresses = (text: string, allowed: readonly string[]): string =>
  text.replace(addressLike, (address) => {
    const plain = address.replace(/[.!?]+$/, '').toLowerCase();
    return allowed.some((one) => one.toLowerCase() === plain) ? address : '(address)';
  });
