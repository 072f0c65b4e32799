/**
 * JSON in one line, every character outside printable ASCII as \uXXXX: a control character or a lone surrogate can
 * make a queue message vanish at the receiver.
 */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
