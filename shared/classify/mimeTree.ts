// The parts of a message as far as classification needs them: bounces come from software of thirty years, and a
// strict parser loses their damaged trees. Never throws; at most `nodeLimit` parts and `depthLimit` levels.
import { field, readHeaders, type HeaderField } from '../mail/headers.ts';
import { decodeBytes, decodeTransfer, structuredField } from './decodeText.ts';

export interface MimePart {
  readonly fields: readonly HeaderField[];
  /** `type/subtype` in lower case; `text/plain` where there is none (RFC 2045 5.2). */
  readonly contentType: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** Still encoded, characters as bytes, LF line ends. */
  readonly body: string;
  readonly parts: readonly MimePart[];
  /** What was wrong with its structure and how it was read all the same, as sentences. */
  readonly repairs: readonly string[];
}

export { decodedField } from './decodeText.ts';

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

/** The body with its transfer encoding and charset undone, and lines that end in LF. */
export function decodedText(part: MimePart): string {
  return decodedBody(part).text;
}

/** The same, with what was guessed or lost; at most `limit` characters. */
export function decodedBody(
  part: MimePart,
  limit = decodedLimit,
): { readonly text: string; readonly remarks: readonly string[] } {
  // Quoted-printable writes at most three characters for an octet.
  const { bytes, remark } = decodeTransfer(
    part.body.slice(0, limit * 3),
    field(part, 'content-transfer-encoding'),
  );
  const declared = part.parameters.get('charset') ?? '';
  const decoded = decodeBytes(bytes, { declared, html: part.contentType === 'text/html' });
  const whole = decoded.text.replaceAll('\r\n', '\n').replaceAll('\r', '\n');
  const cut =
    whole.length > limit || part.body.length > limit * 3
      ? `A text was cut to ${limit} characters; the raw message has all of it.`
      : undefined;
  const text = whole.slice(0, limit).replace(/[\ud800-\udbff]$/, '');
  return { text, remarks: [remark, decoded.remark, cut].filter((one) => one !== undefined) };
}

function readPart(text: string, count: { nodes: number }, depth: number, missingType: string): MimePart {
  count.nodes += 1;
  const { fields, bodyAt } = readHeaders(text);
  const { value, parameters } = structuredField(field({ fields }, 'content-type'));
  const contentType = /^[a-z0-9.+-]{1,60}\/[a-z0-9.+-]{1,80}/.exec(value)?.[0] ?? missingType;
  const body = text.slice(bodyAt);
  const leaf = { fields, contentType, parameters, body, parts: [], repairs: gapRepairs(text, bodyAt) };
  if (depth >= depthLimit || count.nodes >= nodeLimit) return leaf;
  const encoding = field({ fields }, 'content-transfer-encoding');
  if (contentType.startsWith('multipart/')) {
    const inner = contentType === 'multipart/digest' ? 'message/rfc822' : 'text/plain';
    const { found, repairs } = sectionsOf(body, parameters.get('boundary') ?? '', encoding);
    const parts: MimePart[] = [];
    for (const section of found) {
      if (count.nodes >= nodeLimit) break;
      parts.push(readPart(section, count, depth + 1, inner));
    }
    return { ...leaf, parts, repairs: [...leaf.repairs, ...repairs] };
  }
  if (contentType === 'message/rfc822' || contentType === 'message/global') {
    const inside = unencoded(body, encoding) ?? body;
    return { ...leaf, parts: [readPart(inside.replace(/^\n+/, ''), count, depth + 1, 'text/plain')] };
  }
  return leaf;
}

/** RFC 5322 2.1: an empty line divides the header from the body. */
function gapRepairs(text: string, bodyAt: number): readonly string[] {
  const divided = bodyAt <= 1 || bodyAt >= text.length || text.startsWith('\n\n', bodyAt - 2);
  return divided
    ? []
    : ['The empty line below a header is missing; the body begins at the first line that is no field.'];
}

/**
 * The bodies of a multipart. What RFC 2046 forbids and some programs send is undone: an encoded multipart, a boundary
 * parameter that is missing or that never comes.
 */
function sectionsOf(
  body: string,
  boundary: string,
  encoding: string,
): { readonly found: readonly string[]; readonly repairs: readonly string[] } {
  const named = sections(body, boundary);
  if (named.length > 0) return { found: named, repairs: [] };
  const plain = unencoded(body, encoding);
  if (plain !== undefined) {
    const { found } = sectionsOf(plain, boundary, '');
    if (found.length > 0) return { found, repairs: ['A multipart was encoded as a whole; it was decoded.'] };
  }
  const found = sections(body, likelyBoundary(body));
  return found.length === 0
    ? { found, repairs: ['A multipart has no parts.'] }
    : { found, repairs: ['The boundary of a multipart is wrong or missing; it was taken from the body.'] };
}

/** Characters for octets again; undefined for a body that is not encoded. */
function unencoded(body: string, encoding: string): string | undefined {
  if (!/^\s*(?:base64|quoted-printable)\s*$/i.test(encoding)) return undefined;
  return decodeTransfer(body.slice(0, decodedLimit * 4), encoding)
    .bytes.toString('latin1')
    .replaceAll('\r\n', '\n');
}

/** A line that begins with two hyphens and has a header field below it. */
function likelyBoundary(body: string): string {
  return (
    /(?:^|\n)--([^\s-][^\n]{0,69}?)[ \t]*\n[a-z][a-z0-9-]{1,40}:/i.exec(body.slice(0, 64 * 1024))?.[1] ?? ''
  );
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
