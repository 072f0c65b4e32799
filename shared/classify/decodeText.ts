// Octets to text: the one decoder for header fields, for classification and for bodies.
//
// Declared charsets are often missing, unknown or wrong. The order is: the declared charset if all octets decode in it;
// UTF-8 if the octets are valid; what an HTML document says of itself (`<meta charset>`); for header fields the charset
// of the body; windows-1252. ASCII by any name counts as undeclared if there are octets above 127. A charset of a
// family is read as the family's largest member (WHATWG Encoding Standard 4.2). Never throws; linear.
import libmime from 'libmime';
import { decode as decodeCharset, normalizeCharset } from 'libmime/lib/charset.js';
import { decode as decodeQuotedPrintable } from 'libqp';

export interface Decoded {
  /** Well-formed Unicode without a byte order mark. */
  readonly text: string;
  /** What was guessed or lost, as a sentence; undefined if nothing was. */
  readonly remark?: string;
}

export interface CharsetHints {
  /** The charset parameter, or that of an encoded word; '' or absent if there is none. */
  readonly declared?: string;
  /** The octets are an HTML document, which may name its charset. */
  readonly html?: boolean;
  /** Of the body, for a header field with octets above 127. */
  readonly body?: string;
}

/** `declared` may come from the header of any mail. */
export function decodeBytes(
  octets: Uint8Array,
  { declared = '', html = false, body = '' }: CharsetHints,
): Decoded {
  const bytes = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  const charset = knownCharset(declared);
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'ascii') {
    const text = cleaned(decodeCharset(bytes, charset));
    if (!text.includes('\ufffd')) return { text };
    const other = validUtf8(bytes);
    if (other !== undefined) return { text: other, remark: `The text says ${shown(declared)} and is UTF-8.` };
    return { text, remark: `Some octets of the text are none of ${shown(declared)}.` };
  }
  const ascii = charset === 'ascii' || declared.trim() === '';
  const utf8 = validUtf8(bytes);
  if (utf8 !== undefined) {
    const escaped = japanese(bytes, ascii);
    if (escaped !== undefined) return escaped;
    // A charset that writes everything in ASCII, and is not decoded because it smuggles markup past filters.
    if (/utf-?7/i.test(declared)) return guessed(utf8, 'UTF-8', declared);
    if (charset === 'utf-8' || isAscii(bytes)) return { text: utf8 };
    return guessed(utf8, 'UTF-8', charset === 'ascii' ? '' : declared);
  }
  if (charset === 'utf-8') {
    return {
      text: mixed(bytes),
      remark: 'Some octets of the text are not UTF-8 and were read as windows-1252.',
    };
  }
  for (const name of [html ? charsetOfHtml(bytes) : '', body]) {
    const hinted = knownCharset(name);
    if (hinted === undefined || hinted === 'ascii' || hinted === 'utf-8') continue;
    const text = cleaned(decodeCharset(bytes, hinted));
    if (!text.includes('\ufffd')) return guessed(text, shown(name), declared);
  }
  return guessed(windows1252.decode(bytes), 'windows-1252', declared);
}

/** A body without its transfer encoding (RFC 2045 6); `body` has one character for each octet. */
export function decodeTransfer(
  body: string,
  encoding: string,
): { readonly bytes: Buffer; readonly remark?: string } {
  switch (encoding.trim().toLowerCase()) {
    case 'base64':
      return base64(body);
    case 'quoted-printable':
      return { bytes: decodeQuotedPrintable(body) };
    case 'x-uuencode':
    case 'x-uue':
    case 'uuencode':
      return { bytes: Buffer.from(body, 'latin1'), remark: 'A part is uuencoded and was left as it is.' };
    default:
      return { bytes: Buffer.from(body, 'latin1') };
  }
}

/**
 * A field's value with its encoded words (RFC 2047) decoded. Octets above 127 outside of encoded words are text in
 * UTF-8 (RFC 6532), else in the charset of the body. Control characters and line separators become spaces.
 */
export function decodedField(value: string, bodyCharset = ''): string {
  let decoded = '';
  let at = 0;
  for (const run of encodedWords(value)) {
    decoded += eightBit(value.slice(at, run.begin), bodyCharset);
    decoded += decodeBytes(run.bytes, { declared: run.charset, body: bodyCharset }).text;
    at = run.end;
  }
  return (decoded + eightBit(value.slice(at), bodyCharset)).replace(controls, ' ');
}

/** The value before the first semicolon and the parameters, names in lower case, RFC 2231 and comments undone. */
export function structuredField(value: string): {
  readonly value: string;
  readonly parameters: ReadonlyMap<string, string>;
} {
  const read = libmime.parseHeaderValue(value.slice(0, fieldLimit), { stripComments: true });
  return {
    value: read.value.trim().toLowerCase(),
    parameters: new Map(Object.entries(read.params).map(([name, one]) => [name.toLowerCase(), one])),
  };
}

/** A structured field has a few hundred characters. */
const fieldLimit = 8_000;
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

interface WordRun {
  readonly begin: number;
  readonly end: number;
  readonly charset: string;
  readonly bytes: Buffer;
}

const encodedWord = /=\?([^?*\s]{1,60})(?:\*[^?\s]{0,20})?\?([bq])\?([^?]{0,8000})\?=/gi;

/** Words side by side in one charset are one text: some programs cut between the octets of a character. */
function encodedWords(value: string): readonly WordRun[] {
  const runs: WordRun[] = [];
  for (const match of value.matchAll(encodedWord)) {
    const [whole, charset = '', encoding = '', content = ''] = match;
    const bytes =
      encoding.toLowerCase() === 'b'
        ? base64(content).bytes
        : decodeQuotedPrintable(content.replaceAll('_', '=20').replaceAll(' ', '=20'));
    const end = match.index + whole.length;
    const last = runs.at(-1);
    const beside = last !== undefined && value.slice(last.end, match.index).trim() === '';
    if (last !== undefined && beside && last.charset.toLowerCase() === charset.toLowerCase()) {
      runs[runs.length - 1] = { ...last, end, bytes: Buffer.concat([last.bytes, bytes]) };
    } else {
      runs.push({ begin: beside ? last.end : match.index, end, charset, bytes });
    }
  }
  return runs;
}

function eightBit(characters: string, body: string): string {
  if (isAsciiText(characters)) return characters;
  return decodeBytes(Buffer.from(characters, 'latin1'), { body }).text;
}

/** Ends at its padding (RFC 2045 6.8), unless more base64 follows: some programs encode piece by piece. */
function base64(text: string): { readonly bytes: Buffer; readonly remark?: string } {
  const pieces: Buffer[] = [];
  let quantum = '';
  let ended = false;
  let left = false;
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '') continue;
    if (/[^A-Za-z0-9+/=]/.test(line)) {
      // A footer in clear text, which a gateway appended.
      if (ended || (quantum.length % 4 === 0 && quantum !== '' && line.includes(' '))) {
        left = true;
        break;
      }
    }
    for (const piece of line.replace(/[^A-Za-z0-9+/=]/g, '').match(/[A-Za-z0-9+/]+=*|=+/g) ?? []) {
      quantum += piece.replace(/=+$/, '');
      ended = piece.endsWith('=');
      if (!ended) continue;
      pieces.push(Buffer.from(quantum, 'base64'));
      quantum = '';
    }
  }
  pieces.push(Buffer.from(quantum, 'base64'));
  const bytes = Buffer.concat(pieces);
  return left ? { bytes, remark: 'Text that follows the end of a base64 part was left out.' } : { bytes };
}

/** The name for the decoder; undefined for a charset that no decoder knows. */
function knownCharset(declared: string): string | undefined {
  const name = declared
    .trim()
    .toLowerCase()
    .replace(/^["']|["']$/g, '')
    .slice(0, 60);
  if (name === '') return undefined;
  if (asciiNames.test(name)) return 'ascii';
  if (/^(?:utf-?8|unicode-1-1-utf-8|cp65001|x-utf-8)$/.test(name)) return 'utf-8';
  if (/^(?:cs)?iso-?2022-?jp/.test(name)) return 'iso-2022-jp';
  const normal = normalizeCharset(name).toLowerCase();
  const charset = families.get(normal) ?? families.get(name) ?? normal;
  // libmime reads what it does not know as UTF-8: these two octets are one letter in nothing else.
  return decodeCharset(Buffer.from([0xc3, 0xa9]), charset) === '\u00e9' ? undefined : charset;
}

const asciiNames =
  /^(?:(?:us-?)?ascii|us|ansi_x3\.4-19(?:68|86)|iso_?-?646(?:[-.]?(?:us|irv:\d{4}))?|iso-ir-6|ibm367|cp367|csascii|646)$/;

const families: ReadonlyMap<string, string> = new Map([
  ['iso-8859-1', 'windows-1252'],
  ['iso-8859-9', 'windows-1254'],
  ['iso-8859-11', 'windows-874'],
  ['tis-620', 'windows-874'],
  ['gb2312', 'gb18030'],
  ['gb_2312-80', 'gb18030'],
  ['x-gbk', 'gb18030'],
  ['gbk', 'gb18030'],
  ['hz-gb-2312', 'gb18030'],
  ['euc-kr', 'cp949'],
  ['ks_c_5601-1987', 'cp949'],
  ['shift_jis', 'cp932'],
  ['big5', 'big5-hkscs'],
]);

/** Every octet is a character here, five of them controls (WHATWG Encoding Standard). */
const windows1252 = new TextDecoder('windows-1252');
const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

function validUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** ISO-2022-JP is ASCII with escape sequences; mail in it often says so nowhere. */
function japanese(bytes: Buffer, undeclared: boolean): Decoded | undefined {
  if (!undeclared || !(bytes.includes('\u001b$B', 'latin1') || bytes.includes('\u001b$@', 'latin1')))
    return undefined;
  return guessed(cleaned(decodeCharset(bytes, 'iso-2022-jp')), 'ISO-2022-JP');
}

/** Valid UTF-8 as that, and each octet between as windows-1252. */
function mixed(bytes: Buffer): string {
  const pieces: string[] = [];
  let begin = 0;
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length > 0) {
      at += length;
      continue;
    }
    pieces.push(bytes.toString('utf8', begin, at), windows1252.decode(bytes.subarray(at, at + 1)));
    at += 1;
    begin = at;
  }
  return cleaned(pieces.join('') + bytes.toString('utf8', begin));
}

/** Octets of the valid UTF-8 character there, 0 for none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  // Most are ASCII, and asking the decoder about each would be slow.
  if ((bytes[at] ?? 0) < 0x80) return 1;
  return [2, 3, 4].find((length) => validUtf8(bytes.subarray(at, at + length)) !== undefined) ?? 0;
}

/** HTML 13.2.3.2 looks at the first 1,024 octets; Word puts more before it. Quoted-printable is undone already. */
function charsetOfHtml(bytes: Buffer): string {
  const head = bytes.toString('latin1', 0, 8_192);
  return /<meta\b[^>]{0,400}?charset\s*=\s*["']?\s*([\w:.-]{2,40})/i.exec(head)?.[1] ?? '';
}

function guessed(text: string, charset: string, declared = ''): Decoded {
  const said =
    declared.trim() === '' ? 'No charset is declared' : `The charset ${shown(declared)} is unknown`;
  return { text, remark: `${said}; the text was read as ${charset}.` };
}

/** A name from a mail, safe to show. */
function shown(charset: string): string {
  return charset.replace(/[^\w:.+-]/g, '').slice(0, 40);
}

function cleaned(text: string): string {
  return (text.startsWith('\ufeff') ? text.slice(1) : text).toWellFormed();
}

function isAscii(bytes: Buffer): boolean {
  return isAsciiText(bytes.toString('latin1'));
}

function isAsciiText(text: string): boolean {
  return /^[\u0000-\u007f]*$/.test(text);
}
