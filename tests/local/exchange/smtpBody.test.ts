import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hasBareLineEnd, readBody } from '../../../local/emulators/exchange/smtpBody.ts';
import type { ByteSource } from '../../../local/emulators/exchange/smtpBody.ts';

class Pieces implements ByteSource {
  left: Buffer[];

  constructor(pieces: readonly Buffer[]) {
    this.left = [...pieces];
  }

  readSome(): Promise<Buffer | undefined> {
    return Promise.resolve(this.left.shift());
  }

  unread(bytes: Buffer): void {
    this.left.unshift(bytes);
  }
}

/** Cuts bytes at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...sorted]
    .map((from, at) => bytes.subarray(from, sorted[at] ?? bytes.length))
    .filter((piece) => piece.length > 0);
}

// Made of what the reader has to tell apart.
const content = fc
  .array(fc.constantFrom('.', '..', '\r\n', '\r\n.', 'a', 'b.c', '\r', '\n', '\n.\n'), { maxLength: 30 })
  .map((parts) => `${parts.join('')}\r\n`);
const places = fc.array(fc.nat(200), { maxLength: 20 });

test('any content comes through any cutting, and what follows it is left alone', async () => {
  await fc.assert(
    fc.asyncProperty(content, places, async (text, at) => {
      // RFC 5321 4.5.2: a dot that begins a line is doubled; lines end with CRLF alone.
      const stuffed = text.replace(/(^|\r\n)\./g, '$1..');
      const source = new Pieces(cut(Buffer.from(`${stuffed}.\r\nQUIT\r\n`), at));
      const body = await readBody(source, 10_000);
      expect(body.kind === 'whole' && Buffer.concat(body.pieces).toString()).toBe(text);
      expect(body.kind === 'whole' && body.bareLineEnd).toBe(/\r(?!\n)|(?<!\r)\n/.test(text));
      expect(Buffer.concat(source.left).toString()).toBe('QUIT\r\n');
    }),
    { numRuns: 3_000 },
  );
});

test('more than is allowed is read to its end and not kept', async () => {
  const source = new Pieces([Buffer.from('12345\r\n'), Buffer.from('67890\r\n.\r\nRSET\r\n')]);
  const body = await readBody(source, 10);
  expect(body).toMatchObject({ kind: 'whole', tooLarge: true });
  expect(source.left.toString()).toBe('RSET\r\n');
});

test('a client that leaves has sent nothing', async () => {
  expect(await readBody(new Pieces([Buffer.from('half\r\n.\r')]), 10)).toEqual({ kind: 'broken' });
});

test.each([
  ['a\r\nb\r\n', 10, false],
  ['\nb', 13, false],
  ['\nb', 97, true],
  ['a', 13, true],
  ['a\rb', 10, true],
  ['a\r', 10, false],
])('bare line ends in %j after %j', (text, before, expected) => {
  expect(hasBareLineEnd(Buffer.from(text), before)).toBe(expected);
});
