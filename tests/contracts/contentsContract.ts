// What every Contents must do, run against the emulator's blobs and against the memory model.
import { createHash, randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import type { Contents } from '../../shared/outbound/ports.ts';

export interface ContentsUnderTest {
  readonly contents: Contents;
  readonly uploadContainer: string;
  /** Puts a blob where ESM puts its own. */
  readonly upload: (name: string, bytes: Uint8Array) => Promise<void>;
  readonly run: <Answer>(work: Promise<Answer>) => Promise<Answer>;
}

export function contentsContract(make: () => ContentsUnderTest): void {
  const use = <Answer>(call: (contents: Contents) => Promise<Answer>): Promise<Answer> => {
    const { contents, run } = make();
    return run(call(contents));
  };
  const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

  test('what is put comes back, also when put twice; what is not there is undefined', async () => {
    const bytes = randomBytes(1_000);
    expect(await use((contents) => contents.get(hash(bytes)))).toBeUndefined();
    await use((contents) => contents.put(hash(bytes), bytes));
    await use((contents) => contents.put(hash(bytes), bytes));
    expect(Buffer.from((await use((contents) => contents.get(hash(bytes)))) ?? [])).toEqual(bytes);
  });

  test('an upload becomes ours under its hash', async () => {
    const bytes = randomBytes(1_000);
    const { uploadContainer, upload } = make();
    await upload('a/b.bin', bytes);
    const answer = await use((contents) => contents.adopt(`${uploadContainer}/a/b.bin`, 1_000));
    expect(answer).toEqual({ kind: 'adopted', name: hash(bytes), sha256: hash(bytes), sizeBytes: 1_000 });
    expect(Buffer.from((await use((contents) => contents.get(hash(bytes)))) ?? [])).toEqual(bytes);
    expect(await use((contents) => contents.adopt(`${uploadContainer}/a/b.bin`, 999))).toEqual({
      kind: 'tooLarge',
    });
    expect(await use((contents) => contents.adopt(`${uploadContainer}/none`, 999))).toEqual({
      kind: 'absent',
    });
    expect(await use((contents) => contents.adopt('elsewhere/a/b.bin', 1_000))).toEqual({
      kind: 'forbidden',
    });
  });

  test('a content is named by its hash, or refused', async () => {
    const bytes = randomBytes(10);
    const other = hash(randomBytes(10));
    await expect(use((contents) => contents.put(other, bytes))).rejects.toThrow('SHA-256');
    expect(await use((contents) => contents.get(other))).toBeUndefined();
    for (const name of ['', '../x', 'a'.repeat(63), hash(bytes).toUpperCase()]) {
      await expect(use((contents) => contents.put(name, bytes))).rejects.toThrow('SHA-256');
      expect(await use((contents) => contents.get(name))).toBeUndefined();
      expect(await use((contents) => contents.removeIfOlder(name, 0))).toBe(true);
    }
  });

  test('what the caller changes afterwards changes nothing in the store', async () => {
    const bytes = randomBytes(100);
    const [name, before] = [hash(bytes), Uint8Array.from(bytes)];
    await use((contents) => contents.put(name, bytes));
    bytes.fill(0);
    const got = await use((contents) => contents.get(name));
    expect([...(got ?? [])]).toEqual([...before]);
    got?.fill(0);
    expect([...((await use((contents) => contents.get(name))) ?? [])]).toEqual([...before]);
  });

  test.each([
    'a link',
    'no name',
    'a step up',
    'a dot at the end',
    'a query',
    'an encoded part',
    'a backslash',
    'another container that begins alike',
    'a name that is too long',
  ])('%s: forbidden, whatever is there', async (what) => {
    const { uploadContainer } = make();
    const references: Readonly<Record<string, string>> = {
      'a link': `https://x.blob.core.windows.net/${uploadContainer}/a`,
      'no name': `${uploadContainer}/`,
      'a step up': `${uploadContainer}/../a`,
      'a dot at the end': `${uploadContainer}/a.`,
      'a query': `${uploadContainer}/a?b`,
      'an encoded part': `${uploadContainer}/a%2fb`,
      'a backslash': `${uploadContainer}/a\\b`,
      'another container that begins alike': `${uploadContainer}2/a`,
      'a name that is too long': `${uploadContainer}/${'x'.repeat(1_025)}`,
    };
    expect(await use((contents) => contents.adopt(references[what] ?? '', 1_000))).toEqual({
      kind: 'forbidden',
    });
  });

  test('only what is old enough is removed, and what is gone is gone', async () => {
    const bytes = randomBytes(10);
    await use((contents) => contents.put(hash(bytes), bytes));
    expect(await use((contents) => contents.removeIfOlder(hash(bytes), 60_000))).toBe(false);
    expect(await use((contents) => contents.removeIfOlder(hash(bytes), -60_000))).toBe(true);
    expect(await use((contents) => contents.get(hash(bytes)))).toBeUndefined();
    expect(await use((contents) => contents.removeIfOlder(hash(bytes), 60_000))).toBe(true);
  });

  test('names are listed once, in order, in pages', async () => {
    for (let index = 0; index < 9; index += 1) {
      const bytes = randomBytes(10);
      await use((contents) => contents.put(hash(bytes), bytes));
    }
    const all = await use((contents) => contents.list({ limit: 1_000 }));
    expect([...all]).toEqual([...all].sort());
    const paged: string[] = [];
    for (let page = 0; page < 100; page += 1) {
      const after = paged.at(-1);
      const names = await use((contents) =>
        contents.list({ ...(after === undefined ? {} : { after }), limit: 4 }),
      );
      paged.push(...names);
      if (names.length < 4) break;
    }
    expect(paged).toEqual(all);
    expect(all.length).toBeGreaterThanOrEqual(9);
  });
}
