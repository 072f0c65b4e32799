// The content of a DATA command, as a stream: from the bytes on the wire to those of the message (RFC 5321 4.5.2),
// ended by CRLF.CRLF and nothing else, so that no bare line end can smuggle a second message.

/** Where the bytes come from: a Wire. */
export interface ByteSource {
  /** Some bytes; undefined at the end. */
  readSome(): Promise<Buffer | undefined>;
  /** Puts back what was read too far. */
  unread(bytes: Buffer): void;
}

export type Body =
  | {
      readonly kind: 'whole';
      readonly pieces: readonly Buffer[];
      /** A CR or LF that stood alone: Exchange refuses such content with 5.6.11. */
      readonly bareLineEnd: boolean;
      /** More came than was allowed; the pieces end at the limit. */
      readonly tooLarge: boolean;
    }
  /** The client left, or `stopAfterBytes` were read. */
  | { readonly kind: 'broken' };

const crlfDot = Buffer.from('\r\n.');

/** Reads to the final dot. With `stopAfterBytes` it stops there, in the middle. */
export async function readBody(wire: ByteSource, maxBytes: number, stopAfterBytes = Infinity): Promise<Body> {
  const pieces: Buffer[] = [];
  let size = 0;
  let read = 0;
  let bareLineEnd = false;
  let last = 10;
  const take = (bytes: Buffer): void => {
    if (bytes.length === 0) return;
    bareLineEnd ||= hasBareLineEnd(bytes, last);
    last = bytes[bytes.length - 1] ?? last;
    size += bytes.length;
    if (size <= maxBytes) pieces.push(bytes);
  };
  // The dialog so far ended with a line end, so a first line of one dot is the end of an empty message.
  let carry = Buffer.from('\r\n');
  let virtual = 2;
  for (;;) {
    const some = await wire.readSome();
    if (some === undefined) return { kind: 'broken' };
    read += some.length;
    if (read >= stopAfterBytes) return { kind: 'broken' };
    const data = Buffer.concat([carry, some]);
    let from = 0;
    const emit = (to: number): void => {
      const begin = Math.min(to, from + virtual);
      virtual -= begin - from;
      take(data.subarray(begin, to));
    };
    for (;;) {
      const at = data.indexOf(crlfDot, from);
      if (at === -1 || at + 5 > data.length) {
        // Keep what may be the beginning of the end.
        const keep = at === -1 ? Math.max(from, data.length - 2) : at;
        emit(keep);
        carry = data.subarray(keep);
        break;
      }
      emit(at + 2);
      if (data[at + 3] === 13 && data[at + 4] === 10) {
        wire.unread(data.subarray(at + 5));
        return { kind: 'whole', pieces, bareLineEnd, tooLarge: size > maxBytes };
      }
      from = at + 3;
    }
  }
}

/** Is there a CR without LF, or an LF without CR? A CR at the very end is judged with the next piece. */
export function hasBareLineEnd(bytes: Buffer, before: number): boolean {
  if (before === 13 && bytes[0] !== 10) return true;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) {
    if ((at === 0 ? before : bytes[at - 1]) !== 13) return true;
  }
  for (let at = bytes.indexOf(13); at !== -1 && at + 1 < bytes.length; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] !== 10) return true;
  }
  return false;
}
