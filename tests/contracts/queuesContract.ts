// What every Queues takes and refuses.
import { expect, test } from '@jest/globals';
import type { Queues } from '../../shared/outbound/ports.ts';

export interface QueuesUnderTest {
  readonly queues: Queues;
  readonly run: <Answer>(work: Promise<Answer>) => Promise<Answer>;
  /** Texts on the status queue, in order. */
  readonly published: () => Promise<readonly string[]>;
}

export function queuesContract(make: () => QueuesUnderTest): void {
  test.each([
    ['nothing', ''],
    [
      'every printable ASCII character',
      Array.from({ length: 95 }, (_, code) => String.fromCharCode(32 + code)).join(''),
    ],
    ['64 KiB', 'x'.repeat(65_536)],
  ])('%s: taken as it is', async (_, text) => {
    const { queues, run, published } = make();
    await run(queues.publish(text));
    expect((await published()).at(-1)).toBe(text);
  });

  test.each([
    ['64 KiB and one', 'x'.repeat(65_537)],
    ['a letter outside ASCII', 'ä'],
    ['a control character', 'a\u0001b'],
    ['a line end', 'a\nb'],
    ['DEL', '\u007f'],
    ['half a surrogate pair', '\ud800'],
  ])('%s: refused with a RangeError', async (_, text) => {
    const { queues, run } = make();
    await expect(run(queues.publish(text))).rejects.toThrow(RangeError);
  });

  test('any account can be woken', async () => {
    const { queues, run } = make();
    await run(queues.wake("o'brien=c3=a4@example.com"));
  });
}
