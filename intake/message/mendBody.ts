// A body that every server on the way takes: CRLF, no NUL, no line over 998 octets (RFC 5321 4.5.3.1.6).
//
// Line ends are put right in place. A part with long lines or NULs is encoded anew: base64 is wrapped, quoted-printable
// broken softly, text becomes quoted-printable and anything else base64. The message is walked twice, never held:
// once to learn what each part needs, since a part's header comes before its lines, and once to write it.
import { boundaryOf, lineMostBytes } from './contentScan.ts';
import { encoderFor, type PartEncoding } from './partEncoders.ts';
import { headerMostBytes, readFields, valueOf, type Field } from './headerFields.ts';
import { mendField } from './mendHeader.ts';
import { LineReader, type Piece } from './lineReader.ts';

const depthMost = 30;
const partsMostCount = 2_000;

/** What the second pass does with each part, by number in the order of the message; the message itself is 0. */
export interface BodyPlan {
  readonly encodings: ReadonlyMap<number, PartEncoding>;
  readonly remarks: readonly string[];
}

type Chunks = AsyncIterable<Buffer>;

/** The first pass. `fields` are the message's own, `chunks` its body. */
export async function planBody(fields: readonly Field[], chunks: Chunks): Promise<BodyPlan> {
  const needs = new Map<number, { long: boolean; nul: boolean }>();
  const parts = new Map<number, readonly Field[]>();
  let bareEnds = false;
  const walker = new MimeWalker(fields);
  parts.set(0, fields);
  for await (const piece of pieces(chunks)) {
    if (piece.isBare) bareEnds = true;
    for (const event of walker.take(piece)) {
      if (event.kind === 'header') parts.set(event.part, event.fields);
      else if (event.kind === 'content' && (event.piece.isLong || event.piece.hasNul)) {
        const need = needs.get(event.part) ?? { long: false, nul: false };
        needs.set(event.part, { long: need.long || event.piece.isLong, nul: need.nul || event.piece.hasNul });
      }
    }
  }
  const encodings = new Map<number, PartEncoding>();
  const remarks = bareEnds
    ? ['The body had lines that did not end with CRLF; their ends were replaced.']
    : [];
  for (const [part, need] of needs) {
    const own = parts.get(part) ?? [];
    const encoding = choose(own, need);
    encodings.set(part, encoding);
    const what = need.nul ? 'NUL characters' : `lines longer than ${lineMostBytes} bytes`;
    if (remarks.length < 20) remarks.push(`Part ${part + 1} had ${what} and was written as ${encoding.to}.`);
  }
  if (needs.size > 0 && /^multipart\/signed/i.test(valueOf(fields, 'content-type') ?? '')) {
    remarks.push('The message was signed; its signature no longer fits.');
  }
  return { encodings, remarks };
}

/** The fields of the message itself, with the encoding that its own content gets. */
export function planFields(fields: readonly Field[], plan: BodyPlan): readonly Field[] {
  const encoding = plan.encodings.get(0);
  return encoding === undefined ? fields : withEncoding(fields, encoding.to);
}

/** The second pass: the body as it is sent. The same input gives the same bytes. */
export async function* mendBody(
  fields: readonly Field[],
  chunks: Chunks,
  plan: BodyPlan,
): AsyncIterable<Buffer> {
  const walker = new MimeWalker(fields);
  let encoder = encoderFor(plan.encodings.get(0));
  let open = 0;
  for await (const piece of pieces(chunks)) {
    const out: Buffer[] = [];
    for (const event of walker.take(piece)) {
      if (event.part !== open || event.kind !== 'content') {
        out.push(encoder.end());
        open = event.part;
        encoder = encoderFor(plan.encodings.get(open));
      }
      if (event.kind === 'content') out.push(encoder.take(event.piece));
      else if (event.kind === 'delimiter') out.push(Buffer.from(`${event.line}\r\n`, 'latin1'));
      else out.push(Buffer.from(headerText(event.fields, plan.encodings.get(event.part)), 'latin1'));
    }
    yield Buffer.concat(out);
  }
  yield encoder.end();
}

function headerText(fields: readonly Field[], encoding: PartEncoding | undefined): string {
  const own = encoding === undefined ? fields : withEncoding(fields, encoding.to);
  return `${own.map((field) => mendField(field).text).join('')}\r\n`;
}

function withEncoding(fields: readonly Field[], encoding: string): readonly Field[] {
  if (encoding === 'lines cut') return fields;
  const label = 'Content-Transfer-Encoding';
  const others = fields.filter(({ name }) => name !== 'content-transfer-encoding');
  return [
    ...others,
    { name: label.toLowerCase(), label, value: encoding, text: `${label}: ${encoding}\r\n` },
  ];
}

function choose(fields: readonly Field[], need: { readonly nul: boolean }): PartEncoding {
  const type = (valueOf(fields, 'content-type') ?? 'text/plain').toLowerCase();
  const now = (valueOf(fields, 'content-transfer-encoding') ?? '7bit')
    .toLowerCase()
    .replace(/;.*$/, '')
    .trim();
  if (now === 'base64') return { from: 'base64', to: 'base64' };
  if (now === 'quoted-printable') return { from: 'quoted-printable', to: 'quoted-printable' };
  // Only identity can be encoded anew, and what has parts of its own must not be (RFC 2045 6.4).
  if (!['7bit', '8bit', 'binary', ''].includes(now) || /^(?:multipart|message)\//.test(type)) {
    return { from: 'identity', to: 'lines cut' };
  }
  return { from: 'identity', to: type.startsWith('text/') && !need.nul ? 'quoted-printable' : 'base64' };
}

async function* pieces(chunks: Chunks): AsyncIterable<Piece> {
  const reader = new LineReader();
  for await (const chunk of chunks) yield* reader.take(chunk);
  yield* reader.end();
}

type Event =
  | { readonly kind: 'content'; readonly part: number; readonly piece: Piece }
  | { readonly kind: 'delimiter'; readonly part: number; readonly line: string }
  | { readonly kind: 'header'; readonly part: number; readonly fields: readonly Field[] };

/** Which part each line belongs to. What it can't follow (too deep, too many parts) stays with the part before. */
class MimeWalker {
  /** Boundaries of the open multiparts, the innermost last, each with the part that has it. */
  readonly #open: { readonly boundary: string; readonly part: number }[] = [];
  #part = 0;
  #lastPart = 0;
  /** Lines of a part's header while it is read. */
  #header: string[] | undefined;
  #headerBytes = 0;

  constructor(fields: readonly Field[]) {
    this.#enter(fields);
  }

  *take(piece: Piece): Iterable<Event> {
    if (piece.isWhole && piece.bytes[0] === 0x2d && piece.bytes[1] === 0x2d) {
      const line = piece.bytes.toString('latin1').trimEnd();
      const found = this.#delimiter(line);
      if (found !== undefined) {
        yield* this.#endHeader();
        this.#open.length = found.depth;
        const closes = found.closes;
        this.#part = this.#open.at(-1)?.part ?? 0;
        if (closes) this.#open.pop();
        else if (this.#lastPart < partsMostCount) {
          this.#header = [];
          this.#headerBytes = 0;
        }
        yield { kind: 'delimiter', part: this.#part, line };
        return;
      }
    }
    if (this.#header === undefined) {
      yield { kind: 'content', part: this.#part, piece };
      return;
    }
    if (piece.isWhole && piece.bytes.length === 0) {
      yield* this.#endHeader();
      return;
    }
    this.#headerBytes += piece.bytes.length;
    // A header without an end is content; what was read of it is written as a header all the same.
    if (this.#headerBytes > headerMostBytes) yield* this.#endHeader();
    else if (piece.continues)
      this.#header.push(`${this.#header.pop() ?? ''}${piece.bytes.toString('latin1')}`);
    else this.#header.push(piece.bytes.toString('latin1'));
  }

  *#endHeader(): Iterable<Event> {
    const lines = this.#header;
    if (lines === undefined) return;
    this.#header = undefined;
    const { fields, rest } = readFields(lines);
    this.#lastPart += 1;
    this.#part = this.#lastPart;
    yield { kind: 'header', part: this.#part, fields };
    this.#enter(fields);
    const part = this.#part;
    for (const line of rest) {
      yield { kind: 'content', part, piece: wholeLine(line) };
    }
  }

  #enter(fields: readonly Field[]): void {
    const type = valueOf(fields, 'content-type') ?? '';
    const boundary = boundaryOf(type);
    if (/^multipart\//i.test(type) && boundary !== undefined && this.#open.length < depthMost) {
      this.#open.push({ boundary, part: this.#part });
    }
    const encoding = valueOf(fields, 'content-transfer-encoding') ?? '';
    // A message inside is walked like the outer one, unless it is encoded (RFC 2046 5.2.1 forbids that).
    if (
      /^message\/rfc822/i.test(type) &&
      !/base64|quoted/i.test(encoding) &&
      this.#lastPart < partsMostCount
    ) {
      this.#header = [];
      this.#headerBytes = 0;
    }
  }

  #delimiter(line: string): { readonly depth: number; readonly closes: boolean } | undefined {
    for (let index = this.#open.length - 1; index >= 0; index -= 1) {
      const mark = `--${this.#open[index]?.boundary ?? ''}`;
      if (line === mark) return { depth: index + 1, closes: false };
      if (line === `${mark}--`) return { depth: index + 1, closes: true };
    }
    return undefined;
  }
}

function wholeLine(text: string): Piece {
  const bytes = Buffer.from(text, 'latin1');
  const isLong = bytes.length > lineMostBytes;
  const hasNul = bytes.includes(0);
  return { bytes, isWhole: true, continues: false, endsLine: true, isLong, hasNul, isBare: false };
}
