// JSON in printable ASCII: a control character or a lone surrogate can make a queue message vanish at the receiver, and a
// character that changes the direction of text can make a log line show something else.

/** The UTF-16 unit as `\uXXXX`, as JSON writes it. */
export function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** JSON in one line, with every character outside printable ASCII escaped. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(/[^\x20-\x7e]/g, unicodeEscape);
}
