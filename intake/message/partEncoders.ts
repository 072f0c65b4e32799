// Transfer encodings (RFC 2045 6), written line by line while a part goes by.
import type { Piece } from './lineReader.ts';

export interface PartEncoding {
  readonly from: 'identity' | 'base64' | 'quoted-printable';
  readonly to: 'base64' | 'quoted-printable' | 'lines cut';
}

export interface PartEncoder {
  take(piece: Piece): Buffer;
  /** What is still owed, when the part is over. */
  end(): Buffer;
}

const lineEnd = Buffer.from('\r\n');
const nothing = Buffer.alloc(0);

export function encoderFor(encoding: PartEncoding | undefined): PartEncoder {
  if (encoding === undefined) return plain;
  if (encoding.to === 'lines cut') return new LineCutter();
  if (encoding.to === 'quoted-printable') return new QuotedPrintable(encoding.from === 'quoted-printable');
  return encoding.from === 'base64' ? new Base64Wrapper() : new Base64();
}

/** Lines as they are, with CRLF. */
const plain: PartEncoder = {
  take: ({ bytes, endsLine }) => (endsLine ? Buffer.concat([bytes, lineEnd]) : Buffer.from(bytes)),
  end: () => nothing,
};

/** For what can't be encoded anew: a line is cut into lines. NULs go. */
class LineCutter implements PartEncoder {
  #column = 0;

  take({ bytes, endsLine }: Piece): Buffer {
    const out: number[] = [];
    for (const byte of bytes) {
      if (byte === 0) continue;
      if (this.#column === 990) {
        out.push(0x0d, 0x0a);
        this.#column = 0;
      }
      out.push(byte);
      this.#column += 1;
    }
    if (endsLine) {
      out.push(0x0d, 0x0a);
      this.#column = 0;
    }
    return Buffer.from(out);
  }

  end(): Buffer {
    return nothing;
  }
}

const hex = '0123456789ABCDEF';

/** Quoted-printable from text, or from quoted-printable whose lines are too long. Lines of at most 76. */
class QuotedPrintable implements PartEncoder {
  readonly #isEncoded: boolean;
  #column = 0;
  /** White space that must be encoded if the line ends after it. */
  #space: number | undefined;
  /** The beginning of `=XX`, which must not be torn apart. */
  #escape = '';

  constructor(isEncoded: boolean) {
    this.#isEncoded = isEncoded;
  }

  take({ bytes, endsLine }: Piece): Buffer {
    const out: string[] = [];
    for (const byte of bytes) {
      if (this.#isEncoded) this.#encoded(byte, out);
      else this.#byte(byte, out);
    }
    if (endsLine) {
      this.#flush(out, true);
      if (this.#isEncoded && this.#escape !== '') {
        // A soft line end, `=` at the end of the line, stays one.
        out.push(this.#escape.trimEnd());
        this.#escape = '';
      }
      out.push('\r\n');
      this.#column = 0;
    }
    return Buffer.from(out.join(''), 'latin1');
  }

  end(): Buffer {
    const out: string[] = [];
    this.#flush(out, true);
    if (this.#column > 0) out.push('\r\n');
    this.#column = 0;
    return Buffer.from(out.join(''), 'latin1');
  }

  #encoded(byte: number, out: string[]): void {
    const character = String.fromCharCode(byte);
    if (this.#escape !== '' || character === '=') {
      this.#escape += character;
      if (this.#escape.length === 3) {
        this.#write(this.#escape, out);
        this.#escape = '';
      }
    } else if (byte === 0 || byte > 0x7e) this.#write(escaped(byte), out);
    else this.#write(character, out);
  }

  #byte(byte: number, out: string[]): void {
    this.#flush(out, false);
    if (byte === 0x20 || byte === 0x09) this.#space = byte;
    else if (byte >= 0x21 && byte <= 0x7e && byte !== 0x3d) this.#write(String.fromCharCode(byte), out);
    else this.#write(escaped(byte), out);
  }

  #flush(out: string[], atLineEnd: boolean): void {
    if (this.#space === undefined) return;
    this.#write(atLineEnd ? escaped(this.#space) : String.fromCharCode(this.#space), out);
    this.#space = undefined;
  }

  #write(text: string, out: string[]): void {
    if (this.#column + text.length > 75) {
      out.push('=\r\n');
      this.#column = 0;
    }
    // A dot at the start of a line is what dot-stuffing errors eat; `From ` is what mbox files quote.
    out.push(this.#column === 0 && (text === '.' || text === 'F') ? escaped(text.charCodeAt(0)) : text);
    this.#column += out.at(-1)?.length ?? 0;
  }
}

function escaped(byte: number): string {
  return `=${hex[byte >> 4] ?? '0'}${hex[byte & 15] ?? '0'}`;
}

/** 57 bytes make a line of 76 characters. */
const lineBytes = 57;

class Base64 implements PartEncoder {
  #left: Buffer = nothing;
  #owesEnd = false;

  take({ bytes, endsLine }: Piece): Buffer {
    // The line end before a boundary belongs to the boundary (RFC 2046 5.1.1), so each waits for what follows.
    const data = Buffer.concat([this.#left, ...(this.#owesEnd ? [lineEnd] : []), bytes]);
    this.#owesEnd = endsLine;
    const whole = data.length - (data.length % lineBytes);
    this.#left = Buffer.from(data.subarray(whole));
    return wrapped(data.subarray(0, whole).toString('base64'));
  }

  end(): Buffer {
    const left = this.#left;
    this.#left = nothing;
    this.#owesEnd = false;
    return wrapped(left.toString('base64'));
  }
}

/** Base64 whose lines are too long. */
class Base64Wrapper implements PartEncoder {
  #left = '';

  take({ bytes }: Piece): Buffer {
    const text = this.#left + bytes.toString('latin1').replace(/[^A-Za-z0-9+/=]+/g, '');
    const whole = text.length - (text.length % 76);
    this.#left = text.slice(whole);
    return wrapped(text.slice(0, whole));
  }

  end(): Buffer {
    const left = this.#left;
    this.#left = '';
    return wrapped(left);
  }
}

function wrapped(base64: string): Buffer {
  const lines: string[] = [];
  for (let at = 0; at < base64.length; at += 76) lines.push(`${base64.slice(at, at + 76)}\r\n`);
  return Buffer.from(lines.join(''), 'latin1');
}
