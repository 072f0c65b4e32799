import { describe, expect, test } from '@jest/globals';
import { parseSchedule } from '../../../local/functionsHost/cron.ts';

// A Wednesday.
const after = '2026-11-25T09:30:01.005Z';

describe('the next tick', () => {
  test.each([
    ['* * * * * *', '2026-11-25T09:30:02.000Z'],
    ['0 * * * * *', '2026-11-25T09:31:00.000Z'],
    ['0 */5 * * * *', '2026-11-25T09:35:00.000Z'],
    ['*/10 * * * * *', '2026-11-25T09:30:10.000Z'],
    ['30,15 30 9 * * *', '2026-11-25T09:30:15.000Z'],
    ['0 5/20 * * * *', '2026-11-25T09:45:00.000Z'],
    ['0 0 9-17/4 * * *', '2026-11-25T13:00:00.000Z'],
    ['0 0 3 * * *', '2026-11-26T03:00:00.000Z'],
    ['0 0 9 * * Mon-Fri', '2026-11-26T09:00:00.000Z'],
    ['0 0 9 * * sunday', '2026-11-29T09:00:00.000Z'],
    ['59 59 23 31 Dec *', '2026-12-31T23:59:59.000Z'],
    ['1 30 9 25 11 *', '2027-11-25T09:30:01.000Z'],
    ['0 0 0 29 2 *', '2028-02-29T00:00:00.000Z'],
    // Both day and day of week have to match: Friday the 13th, and a leap day on a Monday.
    ['0 0 12 13 * Fri', '2027-08-13T12:00:00.000Z'],
    ['0 0 0 29 2 Mon', '2044-02-29T00:00:00.000Z'],
  ])('of %s is %s', (expression, expected) => {
    const next = parseSchedule(expression).next(Date.parse(after));
    expect(next === undefined ? undefined : new Date(next).toISOString()).toBe(expected);
  });

  test('is strictly later, also from an exact tick', () => {
    const tick = Date.parse('2026-11-25T09:35:00.000Z');
    expect(parseSchedule('0 */5 * * * *').next(tick)).toBe(tick + 300_000);
  });

  test('does not exist for the 31st of February', () => {
    expect(parseSchedule('0 0 0 31 2 *').next(Date.parse(after))).toBeUndefined();
  });
});

describe('a schedule is refused', () => {
  test.each([
    ['0 3 * * *', 'has 5 fields'],
    ['0 0 0 3 * * *', 'has 7 fields'],
    ['', 'fields'],
    ['60 * * * * *', 'second "60"'],
    ['0 0 24 * * *', 'hour "24"'],
    ['0 0 0 0 * *', 'day "0"'],
    ['0 0 0 * * 7', 'day of week "7"'],
    ['0 0 0 * Foo *', 'month "Foo"'],
    ['0 */0 * * * *', 'a step'],
    ['0 */1.5 * * * *', 'a step'],
    ['0 5-1 * * * *', 'from low to high'],
    ['0 1-2-3 * * * *', 'two ends'],
    ['0 , * * * *', 'minute ","'],
    ['0 -5 * * * *', 'minute "-5"'],
  ])('%s: %s', (expression, detail) => {
    expect(() => parseSchedule(expression)).toThrow(detail);
  });
});
