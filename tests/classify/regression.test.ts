// Everything that is made of each made report, to the letter: a change of the rules shows here what else it changes.
// After a change that is meant: UPDATE_CLASSIFIED=1 npm test -- tests/classify/regression.test.ts, and read the difference.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { notices } from './fixtures/notices.ts';
import { reports } from './fixtures/reports.ts';
import { classified, type Made } from './made.ts';

const file = join(import.meta.dirname, 'fixtures', 'classified.json');
const all: readonly (readonly [string, Made])[] = [
  ...Object.entries(reports),
  ...notices.map(
    ({ server, from = 'MAILER-DAEMON@mx.fabrikam.test', subject, more = '', body }): [string, Made] => [
      `notice: ${server}`,
      { from, subject, more: more.split('\n').filter((line) => line !== ''), body },
    ],
  ),
];

if (process.env['UPDATE_CLASSIFIED'] === '1') {
  const now = Object.fromEntries(all.map(([name, made]) => [name, classified(made)]));
  writeFileSync(file, `${JSON.stringify(now, null, 2)}\n`);
}

const expected: unknown = JSON.parse(readFileSync(file, 'utf8'));

test.each(all)('%s', (name, made) => {
  expect({ [name]: classified(made) }).toEqual({ [name]: isRecord(expected) ? expected[name] : undefined });
});

test('nothing is expected of a report that is gone', () => {
  expect(isRecord(expected) ? Object.keys(expected) : []).toEqual(all.map(([name]) => name));
});

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
