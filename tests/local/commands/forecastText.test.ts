// What `npm run quota` says of accounts in every state, within 80 columns.
import { expect, test } from '@jest/globals';
import { durationMs } from '../../../local/commandLine/duration.ts';
import { timeShown } from '../../../local/commandLine/fitted.ts';
import { forecastText } from '../../../local/commandLine/forecastText.ts';
import type { AccountForecast } from '../../../shared/outbound/outbound.ts';

const at = Date.UTC(2026, 10, 28, 10, 33);
const account: AccountForecast = {
  account: 'a.rather.long.address.of.a.desk@kaupunki.example',
  waitingCount: 1_000,
  more: true,
  clearsAt: at,
  nextAt: at,
  slotsInUse: 30,
  messagesPerMinute: 30,
  recipientsToday: 10_000,
  recipientsPerDay: 10_000,
  heldCount: 0,
  laterCount: 0,
  holds: [],
  orphanedConnectionCount: 0,
};

test('no account: it says so', () => {
  expect(forecastText([])).toBe('No mailbox sends: MAILBOXES has none with send.');
});

test('the table fits 80 columns with the largest numbers', () => {
  for (const line of forecastText([{ ...account, heldCount: 1_000, laterCount: 1_000 }]).split('\n'))
    expect(line.length).toBeLessThanOrEqual(80);
});

test('paused: what waits is held, and nothing promises a time', () => {
  const text = forecastText([
    {
      ...account,
      waitingCount: 0,
      more: false,
      heldCount: 12,
      holds: [{ reason: 'paused', detail: 'Paused by anna@example.com.', remedy: 'Resume it.' }],
    },
  ]);
  expect(text).toContain('not while held');
  expect(text).not.toContain('2026-11-28 10:33Z');
  expect(text).toContain(
    'all mailboxes: on hold. Paused by anna@example.com. Resume it. It ends when a person',
  );
});

test('a hold that is probed, scheduled mail, orphaned connections and the day’s allowance each have a sentence', () => {
  const text = forecastText([
    {
      ...account,
      laterCount: 3,
      nextLaterAt: at,
      orphanedConnectionCount: 2,
      blockedUntil: at,
      nextFree: { recipientCount: 40, at },
      holds: [{ mailbox: 'desk@x.example', reason: 'quota', detail: 'Full.', remedy: 'Wait.', probeAt: at }],
    },
  ]);
  expect(text).toContain('desk@x.example: on hold. Full. Wait. Tried again 2026-11-28 10:33Z.');
  expect(text).toContain('3 for later, the first 2026-11-28 10:33Z.');
  expect(text).toContain('2 connections of hosts that died');
  expect(text).toContain('none may be opened before 2026-11-28 10:33Z.');
  expect(text).toContain('40 of today’s recipients are free again 2026-11-28 10:33Z.');
});

test('times have one form, durations three units', () => {
  expect(timeShown('2026-11-28T10:33:59.123Z')).toBe('2026-11-28 10:33Z');
  expect(timeShown('')).toBe('');
  expect(['90s', '10m', '2h'].map((text) => durationMs(text, '--for'))).toEqual([90_000, 600_000, 7_200_000]);
  for (const text of ['', '90', '0s', '25h', '-1s', '1d'])
    expect(() => durationMs(text, '--for')).toThrow('--for is a time of at most 24h, such as 90s');
});
