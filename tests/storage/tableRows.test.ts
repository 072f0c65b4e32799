import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { connectionStringOf } from '../../local/stack/azurite.ts';
import { systemClock } from '../../shared/clock.ts';
import type { Field, Fields, Operation } from '../../shared/outbound/ports.ts';
import { makeStoreClients } from '../../shared/storage/clients.ts';
import { tableNames } from '../../shared/storage/names.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';
import { passOn, startEmulator, type Emulator } from './emulator.ts';

let emulator: Emulator;
let rows: TableRows;
let count = 0;
/** A partition that no other test has. */
const partition = (): string => `p${(count += 1)}`;

beforeAll(async () => {
  emulator = await startEmulator();
  rows = new TableRows(emulator.clients.table(tableNames.outbox));
});
afterAll(() => emulator.stop());

const insert = (key: string, fields: Fields = {}): Operation => ({ kind: 'insert', key, fields });

async function keysOf(p: string): Promise<readonly string[]> {
  return (await rows.query(p, { from: '', to: '~', limit: 1_000 })).map(({ key }) => key);
}

describe('what goes in comes out', () => {
  test('text, numbers of every size, booleans and bytes', async () => {
    const fields: Record<string, Field> = {
      text: 'Ää "quoted" \u{1F600} \r\n',
      empty: '',
      long: 'x'.repeat(32_768),
      int: 42,
      big: 1_764_000_000_123,
      biggest: Number.MAX_SAFE_INTEGER,
      least: Number.MIN_SAFE_INTEGER,
      half: 0.5,
      zero: 0,
      yes: true,
      no: false,
      bytes: new Uint8Array(randomBytes(65_536)),
      none: new Uint8Array(0),
    };
    const p = partition();
    const answer = await rows.commit(p, [insert('all', fields)]);
    const row = await rows.read(p, 'all');
    expect(answer).toEqual({ kind: 'ok', etags: { all: row?.etag } });
    expect(Object.keys(row?.fields ?? {}).sort()).toEqual(Object.keys(fields).sort());
    for (const [name, value] of Object.entries(fields)) {
      const got = row?.fields[name];
      if (value instanceof Uint8Array) {
        expect([name, Buffer.compare(Buffer.from(got as Uint8Array), Buffer.from(value))]).toEqual([name, 0]);
      } else expect([name, got]).toEqual([name, value]);
    }
  });

  test('any number and any text', async () => {
    const p = partition();
    let key = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true })),
        fc.string({ unit: 'binary', maxLength: 50 }).filter((text) => !text.includes('\u0000')),
        async (number, text) => {
          key += 1;
          const name = String(key);
          await rows.commit(p, [insert(name, { number, text })]);
          const fields = (await rows.read(p, name))?.fields;
          expect(fields?.['number']).toBeCloseTo(number, 15);
          expect(fields?.['text']).toBe(text);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('the keys that the outbox has, and the worst that a table key may have', async () => {
    const p = "o'brien=20x@example.com";
    const keys = [
      'account',
      "msg|A1._:@+-'%20",
      'due|0|001764000000123|id',
      'ä|ö|å',
      'spaces and + plus',
      'k'.repeat(512),
    ];
    for (const key of keys) {
      expect(await rows.commit(p, [insert(key, { key: 'x' })])).toMatchObject({ kind: 'ok' });
      expect(await rows.read(p, key)).toMatchObject({ key });
      expect(await rows.commit(p, [{ kind: 'merge', key, fields: { more: 1 } }])).toMatchObject({
        kind: 'ok',
      });
    }
    expect(
      new Set(
        await rows.query(p, { from: '', to: '\uffff', limit: 100 }).then((all) => all.map(({ key }) => key)),
      ),
    ).toEqual(new Set(keys));
    expect(
      await rows.commit(
        p,
        keys.map((key) => ({ kind: 'delete', key }) as const),
      ),
    ).toMatchObject({ kind: 'ok' });
  });
});

describe('query', () => {
  test('a range, in key order, from inclusive, to exclusive, cut at the limit', async () => {
    const p = partition();
    const keys = Array.from({ length: 250 }, (_, index) => `due|1|${String(index).padStart(15, '0')}`);
    const shuffled = [...keys].sort((a, b) => (a.at(-1) ?? '').localeCompare(b.at(-1) ?? ''));
    for (let at = 0; at < shuffled.length; at += 100) {
      await rows.commit(
        p,
        shuffled.slice(at, at + 100).map((key) => insert(key, { a: 1, b: 'x' })),
      );
    }
    const range = { from: keys[10] ?? '', to: keys[240] ?? '' };
    const all = await rows.query(p, { ...range, limit: 1_000 });
    expect(all.map(({ key }) => key)).toEqual(keys.slice(10, 240));
    const first = await rows.query(p, { ...range, limit: 7 });
    expect(first.map(({ key }) => key)).toEqual(keys.slice(10, 17));
    expect(await rows.query(partition(), { from: '', to: '~', limit: 5 })).toEqual([]);
  });

  test('the fields asked for and no others, with the ETag', async () => {
    const p = partition();
    await rows.commit(p, [insert('one', { a: 1, b: 'x', c: true }), insert('two', { b: 'y' })]);
    const found = await rows.query(p, { from: '', to: '~', limit: 10 }, ['a', 'c']);
    expect(found.map(({ key, fields }) => [key, fields])).toEqual([
      ['one', { a: 1, c: true }],
      ['two', {}],
    ]);
    expect(found[0]?.etag).toBe((await rows.read(p, 'one'))?.etag);
    const keysOnly = await rows.query(p, { from: '', to: '~', limit: 10 }, []);
    expect(keysOnly.map(({ key, fields }) => [key, fields])).toEqual([
      ['one', {}],
      ['two', {}],
    ]);
  });

  test('a quotation mark in a bound is a character', async () => {
    const p = partition();
    await rows.commit(p, [insert("a'b"), insert("a'c"), insert('b')]);
    const found = await rows.query(p, { from: "a'b", to: "a'c' or RowKey eq 'b", limit: 10 });
    expect(found.map(({ key }) => key)).toEqual(["a'b", "a'c"]);
  });
});

describe('commit', () => {
  test('merge keeps what it does not name, replace does not', async () => {
    const p = partition();
    await rows.commit(p, [insert('m', { a: 1, b: 2 }), insert('r', { a: 1, b: 2 })]);
    await rows.commit(p, [
      { kind: 'merge', key: 'm', fields: { b: 3 } },
      { kind: 'replace', key: 'r', fields: { b: 3 } },
    ]);
    expect((await rows.read(p, 'm'))?.fields).toEqual({ a: 1, b: 3 });
    expect((await rows.read(p, 'r'))?.fields).toEqual({ b: 3 });
  });

  test('the ETags of an answer are those that the next condition needs', async () => {
    const p = partition();
    const first = await rows.commit(p, [insert('account', { n: 0 }), insert('other', {})]);
    let etag = first.kind === 'ok' ? first.etags['account'] : undefined;
    for (let n = 1; n <= 5; n += 1) {
      const answer = await rows.commit(p, [
        { kind: 'merge', key: 'other', fields: { n } },
        { kind: 'replace', key: 'account', fields: { n }, ...(etag === undefined ? {} : { etag }) },
        insert(`row${n}`),
      ]);
      expect(answer).toMatchObject({ kind: 'ok' });
      etag = answer.kind === 'ok' ? answer.etags['account'] : undefined;
      expect(etag).toBe((await rows.read(p, 'account'))?.etag);
    }
  });

  test('each refusal says why and where, and leaves everything as it was', async () => {
    const p = partition();
    const made = await rows.commit(p, [insert('account', { n: 1 }), insert('there', {})]);
    const stale = made.kind === 'ok' ? (made.etags['account'] ?? '') : '';
    await rows.commit(p, [{ kind: 'merge', key: 'account', fields: { n: 2 } }]);
    const cases: readonly (readonly [readonly Operation[], object])[] = [
      [[insert('new'), insert('there')], { reason: 'exists', index: 1 }],
      [
        [insert('new'), { kind: 'merge', key: 'account', fields: {}, etag: stale }],
        { reason: 'changed', index: 1 },
      ],
      [
        [{ kind: 'replace', key: 'account', fields: {}, etag: stale }, insert('new')],
        { reason: 'changed', index: 0 },
      ],
      [[insert('new'), { kind: 'merge', key: 'gone', fields: {} }], { reason: 'missing', index: 1 }],
      [[insert('new'), { kind: 'replace', key: 'gone', fields: {} }], { reason: 'missing', index: 1 }],
      [[insert('new'), { kind: 'delete', key: 'gone' }], { reason: 'missing', index: 1 }],
      [[insert('new'), { kind: 'delete', key: 'there' }, insert('account')], { reason: 'exists', index: 2 }],
    ];
    for (const [operations, refusal] of cases) {
      expect(await rows.commit(p, operations)).toEqual({ kind: 'refused', ...refusal });
      expect(await keysOf(p)).toEqual(['account', 'there']);
    }
    expect((await rows.read(p, 'account'))?.fields).toEqual({ n: 2 });
  });

  test('a hundred operations are one transaction', async () => {
    const p = partition();
    const keys = Array.from({ length: 100 }, (_, index) => `k${String(index).padStart(3, '0')}`);
    const answer = await rows.commit(
      p,
      keys.map((key) => insert(key, { text: `{"json": "${key}"}` })),
    );
    expect(answer.kind === 'ok' ? Object.keys(answer.etags).sort() : answer).toEqual(keys);
    expect(
      await rows.commit(
        p,
        [...keys.slice(0, 99), 'k099'].map((key) => ({ kind: 'delete', key }) as const),
      ),
    ).toEqual({
      kind: 'ok',
      etags: {},
    });
    expect(await keysOf(p)).toEqual([]);
  });

  test('a conditional delete, by itself, removes only what it has seen', async () => {
    const p = partition();
    const made = await rows.commit(p, [insert('state', { n: 1 })]);
    const stale = made.kind === 'ok' ? (made.etags['state'] ?? '') : '';
    await rows.commit(p, [{ kind: 'merge', key: 'state', fields: { n: 2 } }]);
    const remove = (etag: string) => rows.commit(p, [{ kind: 'delete', key: 'state', etag }]);
    expect(await remove(stale)).toEqual({ kind: 'refused', reason: 'changed', index: 0 });
    const etag = (await rows.read(p, 'state'))?.etag ?? '';
    const both = await Promise.all([remove(etag), remove(etag)]);
    expect(both.map(({ kind }) => kind).sort()).toEqual(['ok', 'refused']);
    expect(await remove(etag)).toEqual({ kind: 'refused', reason: 'missing', index: 0 });
  });

  test('conditional and unconditional deletes in one transaction: each condition counts, its place is named', async () => {
    const p = partition();
    const keys = ["it's", 'a', 'b', 'c', 'd'];
    const text = 'x\r\nDELETE http://x HTTP/1.1\r\nif-match: *\r\n';
    const made = await rows.commit(
      p,
      keys.map((key) => insert(key, { text })),
    );
    const etags = made.kind === 'ok' ? made.etags : {};
    await rows.commit(p, [{ kind: 'merge', key: 'b', fields: { text: 'y' } }]);
    const deletes = keys.map((key): Operation => {
      const etag = etags[key];
      return { kind: 'delete', key, ...(key === 'c' || etag === undefined ? {} : { etag }) };
    });
    const more: readonly Operation[] = [insert('new', { text }), ...deletes];
    expect(await rows.commit(p, more)).toEqual({ kind: 'refused', reason: 'changed', index: 3 });
    expect(await keysOf(p)).toHaveLength(5);
    expect(
      await rows.commit(
        p,
        more.filter(({ key }) => key !== 'b'),
      ),
    ).toMatchObject({ kind: 'ok' });
    expect(await keysOf(p)).toEqual(['b', 'new']);
    expect((await rows.read(p, 'new'))?.fields).toEqual({ text });
  });

  test('of writers that race with one ETag, one wins', async () => {
    const p = partition();
    const made = await rows.commit(p, [insert('account', { winner: -1 })]);
    const etag = made.kind === 'ok' ? (made.etags['account'] ?? '') : '';
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, winner) =>
        rows.commit(p, [{ kind: 'merge', key: 'account', fields: { winner }, etag }, insert(`by${winner}`)]),
      ),
    );
    const winners = answers.flatMap(({ kind }, index) => (kind === 'ok' ? [index] : []));
    expect(winners).toHaveLength(1);
    expect(answers.filter(({ kind }) => kind === 'refused')).toHaveLength(7);
    expect((await rows.read(p, 'account'))?.fields['winner']).toBe(winners[0]);
    expect(await keysOf(p)).toEqual(['account', `by${winners[0] ?? ''}`]);
  });

  test("what only the caller's mistake can be is thrown before anything is sent", async () => {
    const p = partition();
    const many = Array.from({ length: 101 }, (_, index) => insert(`k${index}`));
    const wrong: readonly (readonly [string, readonly Operation[]])[] = [
      ['no operation', []],
      ['too many', many],
      ['twice', [insert('a'), { kind: 'delete', key: 'a' }]],
      ['slash', [insert('a/b')]],
      ['backslash', [insert('a\\b')]],
      ['hash', [insert('a#b')]],
      ['question mark', [insert('a?b')]],
      ['control', [insert('a\u0001')]],
      ['long key', [insert('k'.repeat(513))]],
      ['reserved field', [insert('a', { RowKey: 'b' })]],
      ['field name', [insert('a', { 'x-y': 1 })]],
      ['NaN', [insert('a', { n: Number.NaN })]],
      ['long text', [insert('a', { t: 'x'.repeat(32_769) })]],
      ['long bytes', [insert('a', { t: new Uint8Array(65_537) })]],
    ];
    const from = emulator.observations.length;
    for (const [name, operations] of wrong) {
      await expect(rows.commit(p, operations)).rejects.toThrow(Error);
      expect([name, emulator.observations.length - from]).toEqual([name, 0]);
    }
    await expect(rows.read(p, 'a/b')).rejects.toThrow(Error);
    await expect(rows.query(p, { from: '', to: '~', limit: 1_001 })).rejects.toThrow(Error);
  });
});

describe('a store in trouble', () => {
  test.each([500, 503, 429, 403])(
    'status %i: a transaction is unknown, a read is trouble',
    async (status) => {
      const server = createServer((request, response) => {
        request.resume().on('end', () => {
          response.writeHead(status, { 'retry-after': '0' }).end();
        });
      }).listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      const { port } = server.address() as AddressInfo;
      try {
        const sick = sickRows(port);
        expect(await sick.commit('p', [insert('a')])).toEqual({
          kind: 'unknown',
          detail: expect.stringContaining(String(status)),
        });
        await expect(sick.read('p', 'a')).rejects.toMatchObject({ name: 'StorageTrouble' });
        await expect(sick.query('p', { from: '', to: '~', limit: 1 })).rejects.toMatchObject({
          name: 'StorageTrouble',
        });
      } finally {
        server.closeAllConnections();
        server.close();
      }
    },
  );

  test('nobody listens, or the connection is cut', async () => {
    const server = createServer((request) => void request.socket.destroy()).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    expect(await sickRows(port).commit('p', [insert('a')])).toMatchObject({ kind: 'unknown' });
    server.close();
    expect(await sickRows(port).commit('p', [insert('a')])).toMatchObject({ kind: 'unknown' });
    await expect(sickRows(port).read('p', 'a')).rejects.toMatchObject({ name: 'StorageTrouble' });
  });

  test('applied, its answer lost, repeated by the SDK: refused, and a read tells', async () => {
    // A proxy that cuts the first answer to a transaction after the emulator has given it.
    let cut = false;
    const upstream = emulator.azurite.ports.table;
    const proxy = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url: path = '', headers } = request;
        void passOn(upstream, { method, path, headers }, Buffer.concat(chunks)).then((answer) => {
          if (!cut && path.includes('$batch')) {
            cut = true;
            request.socket.destroy();
            return;
          }
          response.writeHead(answer.status, answer.headers).end(answer.body);
        });
      });
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => proxy.once('listening', resolve));
    const { port } = proxy.address() as AddressInfo;
    try {
      const p = partition();
      expect(await sickRows(port).commit(p, [insert('a', { mark: 'mine' })])).toMatchObject({
        kind: 'refused',
        reason: 'exists',
      });
      expect(cut).toBe(true);
      expect((await rows.read(p, 'a'))?.fields).toEqual({ mark: 'mine' });
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });

  test('a table that is not there is trouble, not an absent row', async () => {
    const none = new TableRows(emulator.clients.table('notmade'));
    await expect(none.read('p', 'a')).rejects.toMatchObject({ name: 'StorageTrouble' });
    expect(await none.commit('p', [insert('a')])).toMatchObject({ kind: 'unknown' });
  });
});

function sickRows(port: number): TableRows {
  const clients = makeStoreClients(
    {
      kind: 'connectionString',
      connectionString: connectionStringOf({ blob: port, queue: port, table: port }),
    },
    { clock: systemClock, clockSampler: { observe: () => undefined } },
  );
  return new TableRows(clients.table(tableNames.outbox));
}
