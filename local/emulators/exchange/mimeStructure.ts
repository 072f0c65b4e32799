// The parts of a message, as far as BODYSTRUCTURE and sections need them (RFC 3501 6.4.5, 7.4.2): where each
// begins and ends, and what its header says.
import { Content, headerFields, headerValue } from './content.ts';
import type { HeaderField } from './content.ts';

const maxDepth = 30;
const maxParts = 1_000;

export interface Part {
  /** The bytes of the header block, its empty line included. */
  readonly header: Content;
  readonly fields: readonly HeaderField[];
  readonly body: Content;
  readonly type: string;
  readonly subtype: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** The parts of a multipart. */
  readonly parts: readonly Part[];
  /** The message within a message/rfc822. */
  readonly inner?: Part;
}

export function parseMime(content: Content): Part {
  return parsePart(content.buffer(), { left: maxParts }, 0);
}

function parsePart(bytes: Buffer, budget: { left: number }, depth: number): Part {
  const header = new Content([bytes]).header();
  const fields = headerFields(header);
  const body = bytes.subarray(header.sizeBytes);
  const { type, subtype, parameters } = contentType(headerValue(fields, 'Content-Type'));
  const boundary = parameters.get('boundary');
  budget.left -= 1;
  const deeper = depth < maxDepth && budget.left > 0;
  const parts =
    deeper && type === 'multipart' && boundary !== undefined
      ? pieces(body, boundary)
          .slice(0, budget.left)
          .map((piece) => parsePart(piece, budget, depth + 1))
      : [];
  return {
    header,
    fields,
    body: new Content([body]),
    // A multipart without parts has no form in BODYSTRUCTURE: it is shown as text, as servers do.
    ...(type === 'multipart' && parts.length === 0 ? { type: 'text', subtype: 'plain' } : { type, subtype }),
    parameters,
    parts,
    ...(deeper && type === 'message' && subtype === 'rfc822'
      ? { inner: parsePart(body, budget, depth + 1) }
      : {}),
  };
}

/** The content between the delimiter lines (RFC 2046 5.1.1). */
function pieces(body: Buffer, boundary: string): readonly Buffer[] {
  const delimiter = Buffer.from(`--${boundary}`, 'latin1');
  const found: Buffer[] = [];
  let begin = -1;
  for (let at = body.indexOf(delimiter); at !== -1; at = body.indexOf(delimiter, at + delimiter.length)) {
    if (at > 0 && body[at - 1] !== 10) continue;
    const after = body.subarray(at + delimiter.length, at + delimiter.length + 200).toString('latin1');
    const line = /^(--)?[ \t]*(\r?\n|$)/.exec(after);
    if (line === null) continue;
    if (begin !== -1) found.push(body.subarray(begin, lineBefore(body, begin, at)));
    if (line[1] !== undefined) return found;
    begin = at + delimiter.length + line[0].length;
  }
  // Not closed: the last part runs to the end.
  if (begin !== -1) found.push(body.subarray(begin));
  return found;
}

/** The line end before a delimiter belongs to the delimiter. */
function lineBefore(body: Buffer, begin: number, at: number): number {
  if (at - 2 >= begin && body[at - 2] === 13) return at - 2;
  return Math.max(begin, at - 1);
}

/** Type, subtype (both in lower case) and parameters; text/plain if there is nothing usable (RFC 2045 5.2). */
export function contentType(value: string | undefined): Pick<Part, 'type' | 'subtype' | 'parameters'> {
  const [, type, subtype] = /^\s*([\w.+-]+)\/([\w.+-]+)/.exec(value ?? '') ?? [];
  if (type === undefined || subtype === undefined)
    return { type: 'text', subtype: 'plain', parameters: new Map() };
  return { type: type.toLowerCase(), subtype: subtype.toLowerCase(), parameters: parametersOf(value ?? '') };
}

/** The parameters after the first semicolon: `; name=value`, `; name="value"`. */
export function parametersOf(value: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const [, name = '', quoted, plain] of value.matchAll(
    /;\s*([^\s=;]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))/g,
  )) {
    parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '');
  }
  return parameters;
}

/** The part that a section number names (`1.2`), or undefined. */
export function partAt(root: Part, path: readonly number[]): Part | undefined {
  let part: Part | undefined = root;
  for (const [at, number] of path.entries()) {
    // Within a message/rfc822, numbers go on into the message it holds.
    const holder: Part | undefined = at > 0 && part?.inner !== undefined ? part.inner : part;
    if (holder === undefined) return undefined;
    part = holder.parts.length > 0 ? holder.parts[number - 1] : number === 1 ? holder : undefined;
  }
  return part;
}
