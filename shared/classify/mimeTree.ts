// The parts of a message as far as classification needs them: bounces come from software of thirty years, and a
// strict parser loses their damaged trees. Never throws; at most `nodeLimit` parts and `depthLimit` levels.
import { field, readHeaders, type HeaderField } from '../mail/headers.ts';

export interface MimePart {
  readonly fields: readonly HeaderField[];
  /** `type/subtype` in lower case; `text/plain` where there is none (RFC 2045 5.2). */
  readonly contentType: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** Still encoded, characters as bytes, LF line ends. */
  readonly body: string;
  readonly parts: readonly MimePart[];
}

const nodeLimit = 500;
const depthLimit = 20;
/** A text part is decoded up to here; bounce texts are far shorter. */
const decodedLimit = 512 * 1024;

/** `text` comes from `mailText`. */
export function readMimeTree(text: string): MimePart {
  return readPart(text, { nodes: 0 }, 0, 'text/plain');
}

/** The part and all below it, in order. */
export function* walk(part: MimePart): Iterable<MimePart> {
  yield part;
  for (const child of part.parts) yield* walk(child);
}

/** The body with its transfer encoding and charset undone. */
export function decodedText(part: MimePart): string {
  const encoding = field(part, 'content-transfer-encoding').toLowerCase().trim();
  const body = part.body.slice(0, decodedLimit * 2);
  const bytes =
    encoding === 'base64'
      ? Buffer.from(body, 'base64')
      : Buffer.from(encoding === 'quoted-printable' ? quotedPrintable(body) : body, 'latin1');
  return inCharset(bytes, part.parameters.get('charset') ?? '')
    .slice(0, decodedLimit)
    .replaceAll('\r\n', '\n')
    .replaceAll('\r', '\n');
}

/** A field's value with its encoded words (RFC 2047) decoded; bytes outside ASCII are tried as UTF-8. */
export function decodedField(value: string): string {
  const joined = value.replace(/(=\?[^?\s]{1,60}\?[bBqQ]\?[^?\s]*\?=)\s+(?==\?)/g, '$1');
  let decoded = '';
  let at = 0;
  for (const match of joined.matchAll(
    /=\?([^?*\s]{1,60})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?]{0,4000})\?=/g,
  )) {
    decoded += eightBit(joined.slice(at, match.index));
    const [whole, charset = '', encoding = '', content = ''] = match;
    const bytes =
      encoding.toUpperCase() === 'B'
        ? Buffer.from(content, 'base64')
        : Buffer.from(quotedPrintable(content.replaceAll('_', ' ')), 'latin1');
    decoded += inCharset(bytes, charset);
    at = match.index + whole.length;
  }
  return decoded + eightBit(joined.slice(at));
}

/** Parameters of a structured field, names in lower case; RFC 2231 is not needed where this is used. */
export function parametersOf(value: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const pattern = /;\s*([a-z0-9-]{1,40})\s*=\s*(?:"([^"]{0,1000})"|([^\s;"]{1,1000}))/gi;
  for (const match of value.slice(0, 8_000).matchAll(pattern)) {
    const name = (match[1] ?? '').toLowerCase();
    if (!found.has(name)) found.set(name, match[2] ?? match[3] ?? '');
  }
  return found;
}

function readPart(text: string, count: { nodes: number }, depth: number, missingType: string): MimePart {
  count.nodes += 1;
  const { fields, bodyAt } = readHeaders(text);
  const value = field({ fields }, 'content-type');
  const named = /^\s*([a-z0-9.+-]{1,60}\/[a-z0-9.+-]{1,80})/i.exec(value)?.[1]?.toLowerCase();
  const contentType = named ?? missingType;
  const parameters = parametersOf(value);
  const body = text.slice(bodyAt);
  const leaf = { fields, contentType, parameters, body, parts: [] };
  if (depth >= depthLimit || count.nodes >= nodeLimit) return leaf;
  if (contentType.startsWith('multipart/')) {
    const inner = contentType === 'multipart/digest' ? 'message/rfc822' : 'text/plain';
    const parts: MimePart[] = [];
    for (const section of sections(body, parameters.get('boundary') ?? '')) {
      if (count.nodes >= nodeLimit) break;
      parts.push(readPart(section, count, depth + 1, inner));
    }
    return { ...leaf, parts };
  }
  if (contentType === 'message/rfc822' || contentType === 'message/global') {
    const encoding = field({ fields }, 'content-transfer-encoding').toLowerCase();
    const inside =
      encoding === 'base64' ? Buffer.from(body, 'base64').toString('latin1') : body.replace(/^\n+/, '');
    return { ...leaf, parts: [readPart(inside, count, depth + 1, 'text/plain')] };
  }
  return leaf;
}

/** The bodies between the boundary lines; one without an end runs to the end of the text. */
function sections(body: string, boundary: string): readonly string[] {
  if (boundary === '') return [];
  const found: string[] = [];
  const mark = `--${boundary}`;
  let start = -1;
  let at = body.startsWith(mark) ? 0 : after(body, mark, 0);
  while (at >= 0) {
    if (start >= 0) found.push(body.slice(start, Math.max(start, at - 1)));
    const lineEnd = body.indexOf('\n', at);
    const closing = body.startsWith('--', at + mark.length);
    start = closing || lineEnd < 0 ? -1 : lineEnd + 1;
    if (start < 0 || found.length >= nodeLimit) break;
    at = body.startsWith(mark, start) ? start : after(body, mark, start);
  }
  if (start >= 0) found.push(body.slice(start));
  return found;
}

/** The next line that begins with the mark. */
function after(body: string, mark: string, from: number): number {
  const at = body.indexOf(`\n${mark}`, from);
  return at < 0 ? -1 : at + 1;
}

function quotedPrintable(text: string): string {
  return text
    .replace(/=[ \t]{0,20}\n/g, '')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function inCharset(bytes: Uint8Array, charset: string): string {
  const name = charset
    .trim()
    .toLowerCase()
    .replace(/^["']|["']$/g, '');
  if (name === '' || name === 'us-ascii' || name === 'ascii') return eightBitBytes(bytes);
  try {
    return new TextDecoder(name).decode(bytes);
  } catch {
    // A charset the platform doesn't know: the same as none.
    return eightBitBytes(bytes);
  }
}

function eightBit(characters: string): string {
  return /^[\u0000-\u007f]*$/.test(characters)
    ? characters
    : eightBitBytes(Buffer.from(characters, 'latin1'));
}

/** UTF-8 where it is that, else windows-1252, which is what mail without a charset usually means. */
function eightBitBytes(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}
