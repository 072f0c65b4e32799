// Text that goes into a header field: whatever could end the field, start another one or hide there is refused.
import { controlAt } from './text.ts';

const encodedWord = /=\?([^?\s]{1,60})\?([bBqQ])\?([^?\s]{0,1000})\?=/g;

/**
 * Why this text can't be in a header field, with the remedy; undefined if it can. An encoded word
 * (RFC 2047) is looked into: some readers decode one that holds a line break into a second header.
 */
export function headerTextTrouble(text: string): string | undefined {
  const place = controlAt(text);
  if (place !== undefined) return `has a line break or control character at position ${place}; remove it`;
  if (!text.isWellFormed()) return 'has half of a character (a lone surrogate); correct the encoding';
  for (const [, charset = '', encoding = '', body = ''] of text.matchAll(encodedWord)) {
    if (/^utf-?7/i.test(charset) || hidesControl(encoding, body)) {
      return 'has an encoded word that hides a control character; write the text itself, it is encoded for you';
    }
  }
  return undefined;
}

function hidesControl(encoding: string, body: string): boolean {
  const bytes =
    encoding.toLowerCase() === 'b'
      ? Buffer.from(body, 'base64').toString('latin1')
      : body.replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  // Bytes, not characters: those above 0x7f are parts of encoded characters.
  return /[\u0000-\u001f\u007f]/.test(bytes);
}
