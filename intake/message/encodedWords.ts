// Text in header fields: bytes outside ASCII become encoded words (RFC 2047 2 and 5).

/** An encoded word has at most 75 characters; this many bytes of UTF-8 as base64 keep within it. */
const bytesInWord = 45;

/**
 * What the bytes of a header mean, given one character a byte: UTF-8 if they are valid UTF-8, otherwise
 * windows-1252, which is what software that declares nothing most often wrote.
 */
export function textOfBytes(latin1: string): string {
  const bytes = Buffer.from(latin1, 'latin1');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/** The text as encoded words, one a line, ready for a field's value. */
export function encodeWords(text: string): string {
  const words: string[] = [];
  let open = '';
  for (const character of text) {
    if (Buffer.byteLength(open + character) > bytesInWord) {
      words.push(open);
      open = '';
    }
    open += character;
  }
  if (open !== '') words.push(open);
  return words.map((word) => `=?utf-8?B?${Buffer.from(word).toString('base64')}?=`).join('\r\n ');
}

/** Whether it has a character above ASCII. */
export function isEightBit(text: string): boolean {
  return /[^\u0000-\u007f]/.test(text);
}
