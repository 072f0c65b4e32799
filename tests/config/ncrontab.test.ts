import { describe, expect, test } from '@jest/globals';
import { parseSchedule } from '../../shared/config/ncrontab.ts';

/** The first instant after `after` that matches. */
function nextAfter(expression: string, at: number): number | undefined {
  const answer = parseSchedule(expression);
  if (answer.kind === 'invalid') throw new Error(answer.detail);
  return answer.schedule.next(at);
}

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
    ['0 0 9 1 Sept *', '2027-09-01T09:00:00.000Z'],
    ['59 59 23 31 Dec *', '2026-12-31T23:59:59.000Z'],
    ['1 30 9 25 11 *', '2027-11-25T09:30:01.000Z'],
    ['0 0 0 29 2 *', '2028-02-29T00:00:00.000Z'],
    // Both day and day of week have to match: Friday the 13th, and a leap day on a Monday.
    ['0 0 12 13 * Fri', '2027-08-13T12:00:00.000Z'],
    ['0 0 0 29 2 Mon', '2044-02-29T00:00:00.000Z'],
  ])('of %s is %s', (expression, expected) => {
    const next = nextAfter(expression, Date.parse(after));
    expect(next === undefined ? undefined : new Date(next).toISOString()).toBe(expected);
  });

  test('is strictly later, also from an exact tick', () => {
    const tick = Date.parse('2026-11-25T09:35:00.000Z');
    expect(nextAfter('0 */5 * * * *', tick)).toBe(tick + 300_000);
  });

  test('does not exist for the 31st of February', () => {
    expect(nextAfter('0 0 0 31 2 *', Date.parse(after))).toBeUndefined();
  });
});

describe('a schedule is refused', () => {
  test.each([
    ['0 3 * * *', 'put the second in front, "0 0 3 * * *"'],
    ['0 0 0 3 * * *', 'has 7 fields'],
    ['', 'fields'],
    ['00:05:00', 'is a time span'],
    ['60 * * * * *', '"60" for the second'],
    ['0 0 24 * * *', '"24" for the hour'],
    ['0 0 0 0 * *', '"0" for the day'],
    ['0 0 0 * * 7', '"7" for the day of the week'],
    ['0 0 0 * Foo *', '"Foo" for the month'],
    ['0 0 0 * J *', '"J" for the month'],
    ['0 */0 * * * *', '"*/0" for the minute'],
    ['0 */1.5 * * * *', '"*/1.5" for the minute'],
    ['0 5-1 * * * *', '"5-1" for the minute'],
    ['0 1-2-3 * * * *', '"1-2-3" for the minute'],
    ['0 , * * * *', '"," for the minute'],
    ['0 -5 * * * *', '"-5" for the minute'],
    ['* '.repeat(120), 'is too long'],
  ])('%s: %s', (expression, detail) => {
    expect(parseSchedule(expression)).toEqual({
      kind: 'invalid',
      detail: expect.stringContaining(detail),
    });
  });
});
