// What every Rows refuses, and how: whatever the table adapter refuses, its model refuses, and the other way round.
// Without it a model may allow what the real store does not, and every test on the model proves nothing.
import { expect, test } from '@jest/globals';
import type { CommitAnswer, Fields, Operation } from '../../shared/outbound/ports.ts';
import type { RowsUnderTest } from './rowsContract.ts';

let count = 0;
const partition = (): string => `limits${String((count += 1))}`;
const insert = (key: string, fields: Fields = {}): Operation => ({ kind: 'insert', key, fields });

const forbidden = ['/', '\\', '#', '?', '\u0000', '\u0009', '\u001f', '\u007f', '\u0080', '\u009f'];
const text = (characters: number): string => 'x'.repeat(characters);

/** `sizes` of texts that make a row or a transaction of about so many KiB. */
const wide = (chunks: number): Fields =>
  Object.fromEntries(Array.from({ length: chunks }, (_, index) => [`t${String(index)}`, text(32_000)]));

export function rowsLimits(make: () => RowsUnderTest): void {
  const subject = {
    get rows() {
      return make().rows;
    },
    run: <Answer>(work: Promise<Answer>): Promise<Answer> => make().run(work),
  };
  const commit = (p: string, operations: readonly Operation[]): Promise<CommitAnswer> =>
    subject.run(subject.rows.commit(p, operations));
  const keysOf = async (p: string): Promise<readonly string[]> =>
    (await subject.run(subject.rows.query(p, { from: '', to: '~', limit: 1_000 }))).map(({ key }) => key);
  const etagsOf = (answer: CommitAnswer): Readonly<Record<string, string>> =>
    answer.kind === 'ok' ? answer.etags : {};

  test.each(forbidden)('the character %j in a key', async (character) => {
    const bad = `a${character}b`;
    const p = partition();
    await expect(subject.run(subject.rows.read(p, bad))).rejects.toThrow('forbidden');
    await expect(subject.run(subject.rows.read(bad, 'a'))).rejects.toThrow('forbidden');
    await expect(subject.run(subject.rows.query(bad, { from: '', to: '~', limit: 1 }))).rejects.toThrow(
      'forbidden',
    );
    for (const operation of [
      insert(bad),
      { kind: 'delete', key: bad },
      { kind: 'merge', key: bad, fields: {} },
    ] as const)
      await expect(commit(p, [operation])).rejects.toThrow('forbidden');
    await expect(commit(bad, [insert('a')])).rejects.toThrow('forbidden');
  });

  test('keys of 512 characters, and one more', async () => {
    const p = partition();
    expect(await commit(p, [insert('k'.repeat(512))])).toMatchObject({ kind: 'ok' });
    await expect(commit(p, [insert('k'.repeat(513))])).rejects.toThrow('too long');
    await expect(subject.run(subject.rows.read(p, 'k'.repeat(513)))).rejects.toThrow('too long');
  });

  const taken: readonly (readonly [string, readonly Operation[]])[] = [
    ['100 operations', Array.from({ length: 100 }, (_, index) => insert(`k${String(index)}`))],
    ['a text of 64 KiB', [insert('a', { t: text(32_768) })]],
    ['bytes of 64 KiB', [insert('a', { b: new Uint8Array(65_536) })]],
    ['a row of 1,000 KB', [insert('a', wide(15))]],
    [
      'a transaction of 3.5 MB',
      Array.from({ length: 7 }, (_, index) => insert(`k${String(index)}`, wide(15))),
    ],
  ];
  test.each(taken)('%s: taken', async (_, operations) => {
    expect(await commit(partition(), operations)).toMatchObject({ kind: 'ok' });
  });

  const refused: readonly (readonly [string, readonly Operation[]])[] = [
    ['no operation', []],
    ['101 operations', Array.from({ length: 101 }, (_, index) => insert(`k${String(index)}`))],
    ['one key twice', [insert('a'), { kind: 'delete', key: 'a' }]],
    ['a text over 64 KiB', [insert('a', { t: text(32_769) })]],
    ['bytes over 64 KiB', [insert('a', { b: new Uint8Array(65_537) })]],
    ['a row over 1 MiB', [insert('a', wide(17))]],
    [
      'a transaction over 4 MiB',
      Array.from({ length: 9 }, (_, index) => insert(`k${String(index)}`, wide(15))),
    ],
    [
      'a transaction over 4 MiB as sent',
      Array.from({ length: 5 }, (_, index) =>
        insert(
          `k${String(index)}`,
          Object.fromEntries(Array.from({ length: 10 }, (__, n) => [`t${String(n)}`, '漢'.repeat(32_000)])),
        ),
      ),
    ],
    ['a number that is none', [insert('a', { n: Number.NaN })]],
    ['an infinite number', [insert('a', { n: Number.POSITIVE_INFINITY })]],
    ['a name with a hyphen', [insert('a', { 'x-y': 1 })]],
    ['a name that begins with a digit', [insert('a', { '1x': 1 })]],
    ['the name RowKey', [insert('a', { RowKey: 'b' })]],
    ['the name timestamp', [insert('a', { timestamp: 1 })]],
  ];
  test.each(refused)('%s: refused before anything is written', async (_, operations) => {
    const p = partition();
    await expect(commit(p, operations)).rejects.toThrow(Error);
    expect(await keysOf(p)).toEqual([]);
  });

  test.each([0, -1, 1.5, 1_001])('a query of %d rows: refused', async (limit) => {
    await expect(subject.run(subject.rows.query(partition(), { from: '', to: '~', limit }))).rejects.toThrow(
      '1 to 1000',
    );
  });

  test('conditions of merge, replace and delete, alone and in a batch: which one, and nothing is written', async () => {
    const p = partition();
    const made = etagsOf(await commit(p, [insert('old', { n: 1 }), insert('same', { n: 1 })]));
    const stale = made['old'] ?? '';
    const same = made['same'] ?? '';
    await commit(p, [{ kind: 'merge', key: 'old', fields: { n: 2 } }]);
    const cases: readonly (readonly [readonly Operation[], object])[] = [
      [[{ kind: 'delete', key: 'old', etag: stale }], { reason: 'changed', index: 0 }],
      [[insert('new'), { kind: 'delete', key: 'old', etag: stale }], { reason: 'changed', index: 1 }],
      [
        [
          { kind: 'delete', key: 'same', etag: same },
          { kind: 'merge', key: 'old', fields: {}, etag: stale },
        ],
        { reason: 'changed', index: 1 },
      ],
      [[{ kind: 'replace', key: 'old', fields: {}, etag: stale }], { reason: 'changed', index: 0 }],
      [[insert('new'), insert('same')], { reason: 'exists', index: 1 }],
      [[insert('new'), { kind: 'merge', key: 'gone', fields: {} }], { reason: 'missing', index: 1 }],
      [[insert('new'), { kind: 'replace', key: 'gone', fields: {} }], { reason: 'missing', index: 1 }],
      [[insert('new'), { kind: 'delete', key: 'gone' }], { reason: 'missing', index: 1 }],
      [[insert('new'), { kind: 'delete', key: 'gone', etag: stale }], { reason: 'missing', index: 1 }],
    ];
    for (const [operations, refusal] of cases) {
      expect(await commit(p, operations)).toEqual({ kind: 'refused', ...refusal });
      expect(await keysOf(p)).toEqual(['old', 'same']);
    }
    const all = await commit(p, [
      { kind: 'delete', key: 'same', etag: same },
      { kind: 'delete', key: 'old' },
      insert('new'),
    ]);
    expect(Object.keys(etagsOf(all))).toEqual(['new']);
    expect(await keysOf(p)).toEqual(['new']);
  });

  test('merge keeps what it does not name; a query gives the fields asked for, from inclusive, to exclusive', async () => {
    const p = partition();
    await commit(p, [insert('a', { x: 1, y: 'y' }), insert('b', { x: 2 }), insert('c', { x: 3 })]);
    await commit(p, [
      { kind: 'merge', key: 'a', fields: { x: 4 } },
      { kind: 'replace', key: 'b', fields: { y: 'z' } },
    ]);
    const found = await subject.run(subject.rows.query(p, { from: 'a', to: 'c', limit: 10 }, ['y']));
    expect(found.map(({ key, fields }) => [key, fields])).toEqual([
      ['a', { y: 'y' }],
      ['b', { y: 'z' }],
    ]);
    expect((await subject.run(subject.rows.read(p, 'a')))?.fields).toEqual({ x: 4, y: 'y' });
    expect(await subject.run(subject.rows.read(p, 'absent'))).toBeUndefined();
  });
}
