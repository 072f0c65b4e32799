// What every Rows must do, run against the table of the storage emulator and against the memory model that the
// simulation stands on: a model that drifts from the store would prove nothing.
import { expect, test } from '@jest/globals';
import type { CommitAnswer, Fields, Operation, Rows } from '../../shared/outbound/ports.ts';

export interface RowsUnderTest {
  readonly rows: Rows;
  /** Lets time pass until the work is done: real time, or the model's. */
  readonly run: <Answer>(work: Promise<Answer>) => Promise<Answer>;
}

const insert = (key: string, fields: Fields = {}): Operation => ({
  kind: 'insert',
  key,
  fields,
});
const etagOf = (answer: CommitAnswer, key: string): string => {
  const etag = answer.kind === 'ok' ? answer.etags[key] : undefined;
  if (etag === undefined) throw new Error(`no ETag of ${key} in ${JSON.stringify(answer)}`);
  return etag;
};

export function rowsContract(make: () => RowsUnderTest): void {
  let count = 0;
  const partition = (): string => `contract${(count += 1)}`;
  const commit = (p: string, operations: readonly Operation[]): Promise<CommitAnswer> => {
    const { rows, run } = make();
    return run(rows.commit(p, operations));
  };
  const read = (p: string, key: string) => {
    const { rows, run } = make();
    return run(rows.read(p, key));
  };
  const query = (p: string, from: string, to: string, limit: number, select?: readonly string[]) => {
    const { rows, run } = make();
    return run(rows.query(p, { from, to, limit }, select));
  };

  test('an absent row is undefined, a written one comes back with the ETag of its write', async () => {
    const p = partition();
    expect(await read(p, 'account')).toBeUndefined();
    const etag = etagOf(await commit(p, [insert('account', { a: 1, b: 'x' })]), 'account');
    expect(await read(p, 'account')).toEqual({ key: 'account', etag, fields: { a: 1, b: 'x' } });
    expect(await read(partition(), 'account')).toBeUndefined();
  });

  test('every kind of field comes back as it was', async () => {
    const p = partition();
    const fields = {
      text: 'ä\u{1F600}',
      none: '',
      number: 1_764_000_000_123,
      half: -0.5,
      yes: true,
      no: false,
    };
    const bytes = Uint8Array.from([0, 1, 254, 255]);
    await commit(p, [{ kind: 'insert', key: 'all', fields: { ...fields, bytes } }]);
    const got = (await read(p, 'all'))?.fields ?? {};
    expect(got).toMatchObject(fields);
    const back = got['bytes'];
    expect(back instanceof Uint8Array ? [...back] : back).toEqual([...bytes]);
  });

  test('merge keeps what it does not name, replace does not, each with a new ETag', async () => {
    const p = partition();
    const first = await commit(p, [insert('m', { a: 1, b: 2 }), insert('r', { a: 1, b: 2 })]);
    const second = await commit(p, [
      { kind: 'merge', key: 'm', fields: { b: 3 }, etag: etagOf(first, 'm') },
      { kind: 'replace', key: 'r', fields: { b: 3 }, etag: etagOf(first, 'r') },
    ]);
    expect(etagOf(second, 'm')).not.toBe(etagOf(first, 'm'));
    expect(await read(p, 'm')).toMatchObject({ etag: etagOf(second, 'm') });
    expect((await read(p, 'm'))?.fields).toEqual({ a: 1, b: 3 });
    expect((await read(p, 'r'))?.fields).toEqual({ b: 3 });
  });

  test('an unchanged row that is written again has a new ETag', async () => {
    const p = partition();
    const first = await commit(p, [insert('account', { a: 1 })]);
    const again: Operation = { kind: 'merge', key: 'account', fields: {}, etag: etagOf(first, 'account') };
    const second = await commit(p, [again]);
    expect(etagOf(second, 'account')).not.toBe(etagOf(first, 'account'));
    expect(await commit(p, [again])).toMatchObject({ kind: 'refused', reason: 'changed' });
  });

  test('each refusal says why, and nothing of the transaction is there', async () => {
    const p = partition();
    const stale = etagOf(await commit(p, [insert('account', { n: 1 }), insert('there')]), 'account');
    await commit(p, [{ kind: 'merge', key: 'account', fields: { n: 2 } }]);
    const refusals: readonly (readonly [readonly Operation[], string, number])[] = [
      [[insert('new'), insert('there')], 'exists', 1],
      [[insert('new'), { kind: 'merge', key: 'account', fields: {}, etag: stale }], 'changed', 1],
      [[{ kind: 'replace', key: 'account', fields: {}, etag: stale }, insert('new')], 'changed', 0],
      [[insert('new'), { kind: 'merge', key: 'gone', fields: {} }], 'missing', 1],
      [[insert('new'), { kind: 'merge', key: 'gone', fields: {}, etag: stale }], 'missing', 1],
      [[insert('new'), { kind: 'replace', key: 'gone', fields: {} }], 'missing', 1],
      [[insert('new'), { kind: 'delete', key: 'gone' }], 'missing', 1],
    ];
    for (const [operations, reason, index] of refusals) {
      expect(await commit(p, operations)).toEqual({ kind: 'refused', reason, index });
      expect((await query(p, '', '~', 10)).map(({ key }) => key)).toEqual(['account', 'there']);
    }
    expect((await read(p, 'account'))?.fields).toEqual({ n: 2 });
  });

  test('a delete names no ETag in the answer; a conditional one removes only what it has seen', async () => {
    const p = partition();
    const stale = etagOf(await commit(p, [insert('a'), insert('b')]), 'a');
    expect(await commit(p, [{ kind: 'delete', key: 'b' }])).toEqual({ kind: 'ok', etags: {} });
    const etag = etagOf(await commit(p, [{ kind: 'merge', key: 'a', fields: { n: 1 } }]), 'a');
    expect(await commit(p, [{ kind: 'delete', key: 'a', etag: stale }])).toMatchObject({
      kind: 'refused',
      reason: 'changed',
    });
    expect(await commit(p, [{ kind: 'delete', key: 'a', etag }])).toEqual({ kind: 'ok', etags: {} });
    expect(await commit(p, [{ kind: 'delete', key: 'a', etag }])).toMatchObject({
      kind: 'refused',
      reason: 'missing',
    });
  });

  test('a query is a range in key order, cut at its limit, with the fields it asks for', async () => {
    const p = partition();
    const keys = ['due|0|002', 'due|0|001', 'due|1|001', 'account', 'due|0|003', 'event|a|1'];
    await commit(
      p,
      keys.map((key, n) => insert(key, { n, other: 'x' })),
    );
    expect((await query(p, 'due|0|', 'due|0|~', 10)).map(({ key }) => key)).toEqual([
      'due|0|001',
      'due|0|002',
      'due|0|003',
    ]);
    expect((await query(p, 'due|0|001', 'due|0|003', 10)).map(({ key }) => key)).toEqual([
      'due|0|001',
      'due|0|002',
    ]);
    expect((await query(p, '', '~', 2)).map(({ key }) => key)).toEqual(['account', 'due|0|001']);
    expect((await query(p, 'due|1|', 'due|1|~', 10, ['n'])).map(({ fields }) => fields)).toEqual([{ n: 2 }]);
    expect((await query(p, 'due|1|', 'due|1|~', 10, [])).map(({ fields }) => fields)).toEqual([{}]);
    expect(await query(p, 'x', 'y', 10)).toEqual([]);
  });

  test('a hundred operations are one transaction, one more or the same row twice is a mistake', async () => {
    const p = partition();
    const many = Array.from({ length: 101 }, (_, index) => insert(`k${String(index).padStart(3, '0')}`));
    await expect(commit(p, many)).rejects.toThrow(Error);
    await expect(commit(p, [insert('a'), { kind: 'delete', key: 'a' }])).rejects.toThrow(Error);
    await expect(commit(p, [])).rejects.toThrow(Error);
    expect(await query(p, '', '~', 10)).toEqual([]);
    expect((await commit(p, many.slice(0, 100))).kind).toBe('ok');
    expect(await query(p, '', '~', 1_000)).toHaveLength(100);
  });
}
