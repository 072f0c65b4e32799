// Safe mode: who is reached under which modes, and how they are written.
import { describe, expect, test } from '@jest/globals';
import { callerSettings } from '../../shared/http/callers.ts';
import { deliverText, deliveryOf, mayReach, readDeliver, type Deliver } from '../../shared/mail/deliver.ts';

const tester: Deliver = { redirect: 'tester@example.com', allow: ['@example.com', 'Anna@example.org'] };
const other: Deliver = { redirect: 'other@example.net', allow: ['@example.org'] };

describe('who is reached', () => {
  test.each<readonly [string, readonly Deliver[], boolean]>([
    ['citizen@kunta.example', ['live', 'live'], true],
    ['citizen@kunta.example', ['hold', 'live'], false],
    ['citizen@kunta.example', ['live', 'hold'], false],
    ['citizen@kunta.example', [tester, 'live'], false],
    ['tester@example.com', [tester, 'live'], true],
    ['TESTER@EXAMPLE.COM', [tester, 'live'], true],
    ['anyone@Example.Com', [tester, 'live'], true],
    ['anna@example.org', [tester, 'live'], true],
    ['bert@example.org', [tester, 'live'], false],
    ['x@sub.example.com', [tester, 'live'], false],
    ['x@notexample.com', [tester, 'live'], false],
    ['anna@example.org', [tester, other], true],
    ['bert@example.org', [tester, other], false],
    ['other@example.net', [tester, other], true],
    ['tester@example.com', [tester, 'hold'], false],
  ])('%s under %j: %s', (address, modes, reached) => {
    expect(mayReach(address, modes)).toBe(reached);
  });
});

test('who is replaced is counted, the replacement is there once, and every recipient left may be reached', () => {
  const modes = [tester, other];
  const asked = ['citizen@kunta.example', 'anna@example.org', 'second@kunta.example', 'tester@example.com'];
  const { recipients, remark } = deliveryOf(asked, modes);
  expect(recipients).toEqual(['anna@example.org', 'tester@example.com']);
  expect(remark).toBe('Safe mode: in place of 2 of 4 recipients it goes to tester@example.com.');
  expect(recipients.every((address) => mayReach(address, modes))).toBe(true);
  expect(deliveryOf(asked, ['live', 'live'])).toEqual({ recipients: asked });
  expect(deliveryOf(['anna@example.org'], modes)).toEqual({ recipients: ['anna@example.org'] });
  expect(deliveryOf(asked, ['hold', other]).recipients).toEqual(asked);
});

describe('how it is written', () => {
  test.each<readonly [unknown, string]>([
    ['Live', ''],
    [true, ''],
    [['hold'], ''],
    [{}, '.redirect'],
    [{ redirect: 'nobody' }, '.redirect'],
    [{ redirect: 'a@example.com', allow: 'b@example.com' }, '.allow'],
    [{ redirect: 'a@example.com', allow: ['b@example.com', 'example.com'] }, '.allow[1]'],
    [{ redirect: 'a@example.com', allow: ['@'] }, '.allow[0]'],
    [{ redirect: 'a@example.com', permit: [] }, '.permit'],
  ])('%j is refused by settings and keys alike', (value, path) => {
    expect(readDeliver(value)).toMatchObject({ kind: 'refused', path });
    const caller = { name: 'esm', rights: ['send'], deliver: value };
    expect(callerSettings.safeParse(caller).success).toBe(false);
  });

  test.each<Deliver>(['live', 'hold', { redirect: 'a@example.com' }, tester])(
    '%j is accepted by both',
    (value) => {
      expect(readDeliver(value).kind).toBe('ok');
      expect(callerSettings.safeParse({ name: 'esm', rights: ['send'], deliver: value }).success).toBe(true);
    },
  );

  test('in words', () => {
    expect(deliverText('live')).toBeUndefined();
    expect(deliverText('hold')).toBe('holds all mail');
    expect(deliverText({ redirect: 'a@example.com' })).toBe('sends to a@example.com alone');
    expect(deliverText(tester)).toBe('sends to tester@example.com and @example.com, Anna@example.org only');
  });
});
