import { expect, test } from '@jest/globals';
import { readBlobReference } from '../../shared/mail/blobReference.ts';

const container = 'outbound-uploads';
const name = (reference: string): string => `${container}/${reference}`;

test.each(['a', 'report.pdf', '2026/11/a b.pdf', '.hidden', 'x'.repeat(1_024), '\u00e4'])(
  'the name %j is read as it is',
  (written) => {
    expect(readBlobReference(name(written), container)).toEqual({ kind: 'ok', name: written });
  },
);

// Contract and storage had a validator each: a caller was told to put a blob where it was already.
// prettier-ignore
test.each([
  ['https://account.blob.core.windows.net/outbound-uploads/a', 'is a link'],
  [container, 'is not a container and a name'],
  [name(''), 'is not a container and a name'],
  [name('a//b'), 'is not a container and a name'],
  [name('../a'), 'is not a container and a name'],
  [name('./a'), 'is not a container and a name'],
  [name('...'), 'is not a container and a name'],
  [name('report.'), 'ends in a dot'],
  [name('a./b'), 'ends in a dot'],
  [name('x'.repeat(1_025)), 'has a name of 1025 characters'],
  [name('x'.repeat(1_071)), 'has a name of 1071 characters'],
  ['outbound-content/a', 'is in another container'],
  [name('a?b'), 'has a character that no reference may have'],
  [name('a%2fb'), 'has a character that no reference may have'],
  [name('a\\b'), 'has a character that no reference may have'],
  [name('a#b'), 'has a character that no reference may have'],
  [name('a\u0000'), 'has a character that no reference may have'],
  [name('a\u2028'), 'has a character that no reference may have'],
  [name('a\ud800'), 'has a character that no reference may have'],
])('%j is refused', (reference, detail) => {
  const read = readBlobReference(reference, container);
  expect(read).toMatchObject({ kind: 'refused' });
  expect(read.kind === 'refused' ? read.detail : '').toContain(detail);
  expect(read.kind === 'refused' ? read.detail : '').toContain('write "outbound-uploads/name"');
});
