// A message's bytes as the pieces they arrived in. A mail of 150 MB is held once and written out from where it
// lies: nothing here joins the pieces unless a caller asks for one buffer.

const crlf = Buffer.from('\r\n');
const emptyLine = Buffer.from('\r\n\r\n');

export class Content {
  readonly sizeBytes: number;
  readonly #pieces: readonly Buffer[];

  constructor(pieces: readonly Buffer[]) {
    this.#pieces = pieces;
    this.sizeBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  }

  static of(bytes: string | Uint8Array): Content {
    return new Content([Buffer.from(bytes)]);
  }

  /** The bytes from `start`, at most `length` of them, as views on the stored pieces. */
  *slices(start = 0, length: number = this.sizeBytes): Generator<Buffer> {
    let skip = start;
    let left = Math.min(length, this.sizeBytes - start);
    for (const piece of this.#pieces) {
      if (left <= 0) return;
      if (skip >= piece.length) {
        skip -= piece.length;
        continue;
      }
      const view = piece.subarray(skip, skip + left);
      skip = 0;
      left -= view.length;
      yield view;
    }
  }

  part(start: number, length: number): Content {
    return new Content([...this.slices(start, length)]);
  }

  /** One buffer with everything; a copy unless the message came as one piece. */
  buffer(): Buffer {
    const [only] = this.#pieces;
    return this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces);
  }

  /** The header block with its closing empty line (RFC 5322 2.1); everything if there is no empty line. */
  header(): Content {
    let before = 0;
    // An empty header block is a message that begins with the empty line: look as if a line had ended before it.
    let tail = crlf;
    for (const piece of this.#pieces) {
      const seam = Buffer.concat([tail, piece.subarray(0, 3)]).indexOf(emptyLine);
      if (seam !== -1) return this.part(0, before - tail.length + seam + 4);
      const at = piece.indexOf(emptyLine);
      if (at !== -1) return this.part(0, before + at + 4);
      before += piece.length;
      tail = Buffer.concat([tail, piece.subarray(-3)]).subarray(-3);
    }
    return this;
  }
}

export interface HeaderField {
  readonly name: string;
  /** Unfolded, without the ends' white space. */
  readonly value: string;
  /** Verbatim, folded, with its line end. */
  readonly raw: string;
}

/** The fields of a header block, in order (RFC 5322 2.2). Bytes are read as latin1, so nothing is lost. */
export function headerFields(content: Content): readonly HeaderField[] {
  const text = content.header().buffer().toString('latin1');
  const fields: HeaderField[] = [];
  for (const raw of text.split(/(?<=\r?\n)(?![ \t])/)) {
    const colon = raw.indexOf(':');
    if (colon <= 0) continue;
    const value = raw
      .slice(colon + 1)
      .replace(/\r?\n(?=[ \t])/g, '')
      .trim();
    fields.push({ name: raw.slice(0, colon).trim(), value, raw });
  }
  return fields;
}

/** The first field of that name, or undefined. */
export function headerValue(fields: readonly HeaderField[], name: string): string | undefined {
  const wanted = name.toLowerCase();
  return fields.find((field) => field.name.toLowerCase() === wanted)?.value;
}
