import { expect, test } from '@jest/globals';
import { tableSignInRows } from '../../shared/oauth/tableSignInRows.ts';
import type { CommitAnswer, Operation, Row, Rows } from '../../shared/outbound/ports.ts';

/** The outbound side's rows as far as this adapter needs them: a map with ETags that can lose answers. */
class ShapedRows implements Rows {
  readonly rows = new Map<string, Row>();
  loseAnswers = false;
  private etag = 0;
  read(partition: string, key: string): Promise<Row | undefined> {
    return Promise.resolve(this.rows.get(`${partition}/${key}`));
  }
  query(): Promise<readonly Row[]> {
    return Promise.resolve([]);
  }
  commit(partition: string, operations: readonly Operation[]): Promise<CommitAnswer> {
    for (const operation of operations) {
      const at = `${partition}/${operation.key}`;
      const there = this.rows.get(at);
      if (operation.kind === 'insert') {
        if (there !== undefined) return Promise.resolve({ kind: 'refused', reason: 'exists' });
      } else if (there?.etag !== operation.etag) {
        return Promise.resolve({ kind: 'refused', reason: there === undefined ? 'missing' : 'changed' });
      }
      if (operation.kind === 'delete') this.rows.delete(at);
      else this.rows.set(at, { key: operation.key, etag: String(++this.etag), fields: operation.fields });
    }
    return Promise.resolve(
      this.loseAnswers ? { kind: 'unknown', detail: 'timeout' } : { kind: 'ok', etags: {} },
    );
  }
}

test('of two writers with the same ETag one gets true, and the second read shows whose write it was', async () => {
  const rows = tableSignInRows(new ShapedRows());
  expect(await rows.insert('a', { generation: 'one' })).toBe(true);
  expect(await rows.insert('a', { generation: 'two' })).toBe(false);
  const row = await rows.read('a');
  expect(row?.fields).toEqual({ generation: 'one' });
  expect(await rows.replace('a', { generation: 'three' }, row?.etag ?? '')).toBe(true);
  expect(await rows.replace('a', { generation: 'four' }, row?.etag ?? '')).toBe(false);
  expect(await rows.remove('a', row?.etag ?? '')).toBe(false);
  expect((await rows.read('a'))?.fields).toEqual({ generation: 'three' });
  expect(await rows.remove('a', (await rows.read('a'))?.etag ?? '')).toBe(true);
  expect(await rows.read('a')).toBeUndefined();
});

test('a lost answer is neither yes nor no', async () => {
  const shaped = new ShapedRows();
  shaped.loseAnswers = true;
  await expect(tableSignInRows(shaped).insert('a', {})).rejects.toThrow('did not answer: timeout');
});
