// What every SentItems finds, and what it must not take for a find: a message whose copy is missed is sent again, and one
// whose copy is found by mistake is never sent.
import { expect, test } from '@jest/globals';
import type { SentItemsAnswer, SoughtCopy } from '../../shared/outbound/ports.ts';

export interface SentItemsUnderTest {
  /** Files a copy with this X-Mail-Bridge-Id and the Message-ID `<BRIDGEID@ours>`, dated so long ago. */
  readonly file: (bridgeId: string, agoMs?: number) => Promise<void>;
  /** Looks for copies that were sent just now. */
  readonly search: (bridgeIds: readonly string[]) => Promise<SentItemsAnswer>;
}

const dayMs = 86_400_000;
const account = 'AAAAAAAAAAAA';

export function sentItemsContract(make: () => Promise<SentItemsUnderTest>): void {
  const foundOf = (answer: SentItemsAnswer): readonly (readonly [string, string | undefined])[] => {
    if (answer.kind === 'notMade') throw new Error(answer.detail);
    return [...answer.found].map(([id, { messageId }]) => [id, messageId] as const).sort();
  };

  test('nothing is wanted: nothing is found, and the lookup was made', async () => {
    const { search } = await make();
    expect(foundOf(await search([]))).toEqual([]);
  });

  test('of several, those that are there are found, with their Message-ID', async () => {
    const { file, search } = await make();
    for (const id of ['a', 'b', 'c']) await file(`${id}.1.${account}`);
    expect(foundOf(await search([`c.1.${account}`, `d.1.${account}`, `a.1.${account}`]))).toEqual([
      [`a.1.${account}`, `<a.1.${account}@ours>`],
      [`c.1.${account}`, `<c.1.${account}@ours>`],
    ]);
  });

  test.each([
    ['of another attempt', `a.1.${account}`],
    ['of an attempt whose number begins alike', `a.22.${account}`],
    ['in another case', `A.2.${account}`],
    ['of a submission whose id ends alike', `xa.2.${account}`],
    ['of a submission whose id begins alike', `a.2.2.${account}`],
  ])('a copy %s proves nothing', async (_, other) => {
    const { file, search } = await make();
    await file(other);
    expect(foundOf(await search([`a.2.${account}`]))).toEqual([]);
  });

  test('a copy of days before the attempt is not looked at', async () => {
    const { file, search } = await make();
    await file(`a.1.${account}`, 4 * dayMs);
    expect(foundOf(await search([`a.1.${account}`]))).toEqual([]);
  });
}

export const soughtAt =
  (now: number) =>
  (bridgeId: string): SoughtCopy => ({ bridgeId, notBefore: now });
