// Lines out of chunks. CRLF, LF and CR each end a line; a very long line comes in pieces.
import { lineMostBytes } from './contentScan.ts';

/** A line, or a piece of one that is longer than 64 KiB. */
export interface Piece {
  /** Without the line's end. */
  readonly bytes: Buffer;
  /** A whole line. */
  readonly isWhole: boolean;
  /** Not the first piece of its line. */
  readonly continues: boolean;
  /** Its line ends here. False for the text behind the last line end of a body. */
  readonly endsLine: boolean;
  /** Belongs to a line of more than 998 octets. */
  readonly isLong: boolean;
  readonly hasNul: boolean;
  /** Its end was not CRLF. */
  readonly isBare: boolean;
}

const pieceBytes = 65_536;
const carriageReturn = 0x0d;
const lineFeed = 0x0a;

export class LineReader {
  #left: Buffer = Buffer.alloc(0);
  #continues = false;

  *take(chunk: Buffer): Iterable<Piece> {
    const data = this.#left.length === 0 ? chunk : Buffer.concat([this.#left, chunk]);
    let from = 0;
    for (let at = 0; at < data.length; at += 1) {
      const byte = data[at];
      if (byte !== carriageReturn && byte !== lineFeed) continue;
      // Half of a CRLF may still come.
      if (byte === carriageReturn && at + 1 === data.length) break;
      const isCrlf = byte === carriageReturn && data[at + 1] === lineFeed;
      yield this.#piece(data.subarray(from, at), true, !isCrlf);
      if (isCrlf) at += 1;
      from = at + 1;
    }
    while (data.length - from > pieceBytes) {
      yield this.#piece(data.subarray(from, from + pieceBytes), false, false);
      from += pieceBytes;
    }
    this.#left = Buffer.from(data.subarray(from));
  }

  *end(): Iterable<Piece> {
    const left = this.#left;
    if (left.length === 0) return;
    this.#left = Buffer.alloc(0);
    if (left.at(-1) === carriageReturn) yield this.#piece(left.subarray(0, -1), true, true);
    else yield { ...this.#piece(left, true, true), endsLine: false };
  }

  #piece(bytes: Buffer, endsLine: boolean, isBare: boolean): Piece {
    const continues = this.#continues;
    this.#continues = !endsLine;
    return {
      bytes,
      isWhole: endsLine && !continues,
      continues,
      endsLine,
      isLong: continues || !endsLine || bytes.length > lineMostBytes,
      hasNul: bytes.includes(0),
      isBare,
    };
  }
}
