import { expect, test } from '@jest/globals';
import { ConcurrencyLimit } from '../shared/concurrencyLimit.ts';

test('so many run at once, and the others in the order in which they came', async () => {
  const limit = new ConcurrencyLimit(2);
  const started: number[] = [];
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<undefined>());
  const tasks = gates.map(({ promise }, number) =>
    limit.run(async () => {
      started.push(number);
      await promise;
      return number;
    }),
  );
  await Promise.resolve();
  expect(started).toEqual([0, 1]);
  gates[1]?.resolve(undefined);
  await tasks[1];
  await Promise.resolve();
  expect(started).toEqual([0, 1, 2]);
  for (const { resolve } of gates) resolve(undefined);
  expect(await Promise.all(tasks)).toEqual([0, 1, 2, 3, 4]);
});

test('a task that fails gives its place to the next', async () => {
  const limit = new ConcurrencyLimit(1);
  const failing = limit.run(() => Promise.reject(new Error('no')));
  const next = limit.run(() => Promise.resolve('done'));
  await expect(failing).rejects.toThrow('no');
  expect(await next).toBe('done');
});

test('one that comes when a place has just become free does not pass those that wait', async () => {
  const limit = new ConcurrencyLimit(1);
  const order: string[] = [];
  const note = (name: string) => (): Promise<void> => {
    order.push(name);
    return Promise.resolve();
  };
  const first = limit.run(note('first'));
  const waiting = limit.run(note('waiting'));
  const late = first.then(() => limit.run(note('late')));
  await Promise.all([first, waiting, late]);
  expect(order).toEqual(['first', 'waiting', 'late']);
});
