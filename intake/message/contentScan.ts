// One pass over a message while it arrives: its header, its hashes, and whether its body can be sent as it is.
// Keeps no more than the header and one line, whatever the size of the message.
import { createHash } from 'node:crypto';
import { headerMostBytes } from './headerFields.ts';

/** Octets of a line, without its CRLF (RFC 5322 2.1.1). */
export const lineMostBytes = 998;

export interface Scanned {
  readonly sizeBytes: number;
  /** Of the content as it came, hex. */
  readonly sha256: string;
  /** Header lines without their ends, one character a byte. */
  readonly headerLines: readonly string[];
  readonly headerTooLarge: boolean;
  /** Where the body begins, behind the empty line; the size if there is no body. */
  readonly bodyAt: number;
  /** Every line ends with CRLF, none is longer than 998 octets, there is no NUL. */
  readonly bodyIsClean: boolean;
  /** Of the body without its boundary lines, hex: the same for one message composed twice. */
  readonly bodyHash: string;
}

const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const dash = 0x2d;
/** A line is judged whole up to here; what is longer is a long line anyway. */
const carryMostBytes = 4_096;
const boundariesMostCount = 200;

export class ContentScan {
  readonly #content = createHash('sha256');
  readonly #body = createHash('sha256');
  readonly #headerLines: string[] = [];
  readonly #boundaries = new Set<string>();
  #carry: Buffer = Buffer.alloc(0);
  #sizeBytes = 0;
  #headerBytes = 0;
  #bodyAt: number | undefined;
  #headerTooLarge = false;
  #isClean = true;
  /** Inside a line whose beginning was already given away. */
  #inLongLine = false;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  feed(chunk: Buffer): void {
    this.#content.update(chunk);
    const carried = this.#carry.length;
    const data = carried === 0 ? chunk : Buffer.concat([this.#carry, chunk]);
    const dataAt = this.#sizeBytes - carried;
    this.#sizeBytes += chunk.length;
    let lineAt = 0;
    let hashedTo = 0;
    for (let at = 0; at < data.length; at += 1) {
      const byte = data[at] ?? 0;
      if (byte === lineFeed) {
        if (this.#bodyAt === undefined) {
          this.#headerLine(data.subarray(lineAt, at), dataAt + at + 1);
          hashedTo = at + 1;
        } else {
          const skip = this.#bodyLine(data, lineAt, at);
          if (skip) {
            this.#body.update(data.subarray(hashedTo, lineAt));
            hashedTo = at + 1;
          }
        }
        this.#inLongLine = false;
        lineAt = at + 1;
      } else if (
        byte === 0 ||
        (byte === carriageReturn && at + 1 < data.length && data[at + 1] !== lineFeed)
      ) {
        this.#isClean = false;
      }
    }
    if (this.#bodyAt !== undefined) this.#body.update(data.subarray(hashedTo, lineAt));
    this.#keep(data.subarray(lineAt));
  }

  /** Call once, at the end of the message. */
  finish(): Scanned {
    if (this.#bodyAt === undefined) {
      if (this.#carry.length > 0) this.#headerLine(this.#carry, this.#sizeBytes);
      this.#bodyAt ??= this.#sizeBytes;
    } else if (this.#carry.length > 0 || this.#inLongLine) {
      this.#body.update(this.#carry);
      this.#isClean = false;
    }
    return {
      sizeBytes: this.#sizeBytes,
      sha256: this.#content.digest('hex'),
      headerLines: this.#headerLines,
      headerTooLarge: this.#headerTooLarge,
      bodyAt: this.#bodyAt,
      bodyIsClean: this.#isClean,
      bodyHash: this.#body.digest('hex'),
    };
  }

  /** What has no line end yet; of a very long line only its last byte, which may be half of a CRLF. */
  #keep(tail: Buffer): void {
    const isLong = tail.length > carryMostBytes || this.#inLongLine;
    if (!isLong || this.#bodyAt === undefined) {
      this.#carry = Buffer.from(tail.subarray(0, headerMostBytes));
      if (tail.length > headerMostBytes) this.#headerTooLarge = true;
      return;
    }
    this.#isClean = false;
    this.#inLongLine = true;
    const keptAt = tail.at(-1) === carriageReturn ? tail.length - 1 : tail.length;
    this.#body.update(tail.subarray(0, keptAt));
    this.#carry = Buffer.from(tail.subarray(keptAt));
  }

  #headerLine(line: Buffer, nextAt: number): void {
    const text = (line.at(-1) === carriageReturn ? line.subarray(0, -1) : line).toString('latin1');
    if (text === '') {
      this.#bodyAt = nextAt;
      // What a header has of these is mended with the header, always.
      this.#isClean = true;
      return;
    }
    this.#headerBytes += line.length + 1;
    if (this.#headerBytes > headerMostBytes) {
      this.#headerTooLarge = true;
      return;
    }
    this.#learnBoundary(text);
    // A CR alone ends a line for some readers (RFC 5322 2.2 forbids it): so it does here.
    this.#headerLines.push(...text.split('\r').filter((part) => part !== ''));
  }

  /** Judges a line of the body; true if it is a boundary, whose text changes each time a message is composed. */
  #bodyLine(data: Buffer, from: number, to: number): boolean {
    const end = to > from && data[to - 1] === carriageReturn ? to - 1 : to;
    if (end === to || end - from > lineMostBytes) this.#isClean = false;
    if (this.#inLongLine || end - from > lineMostBytes) return false;
    const first = data[from];
    if (first === dash && data[from + 1] === dash) {
      const text = data.toString('latin1', from + 2, end).trimEnd();
      return this.#boundaries.has(text) || this.#boundaries.has(text.replace(/--$/, ''));
    }
    // Only the header of a part can name a boundary: `Content-Type: …` or a folded line of it.
    if (first === 0x20 || first === 0x09 || first === 0x43 || first === 0x63) {
      return this.#learnBoundary(data.toString('latin1', from, end));
    }
    return false;
  }

  #learnBoundary(line: string): boolean {
    const found = boundaryOf(line);
    if (found === undefined || this.#boundaries.size >= boundariesMostCount) return false;
    this.#boundaries.add(found);
    return true;
  }
}

/** The boundary that a Content-Type value, or a line of it, names. */
export function boundaryOf(text: string): string | undefined {
  const found = /\bboundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(text);
  return (found?.[1] ?? found?.[2])?.trimEnd();
}
