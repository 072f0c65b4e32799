import { describe, expect, test } from '@jest/globals';
import { benchMail, mailBytes } from '../../local/bench/inboundMail.ts';
import { inboundReport, type InboundFigures } from '../../local/bench/inboundReport.ts';
import { StorageWatch } from '../../local/bench/inboundStores.ts';

const figures: InboundFigures = {
  messages: 10_000,
  sizeBytes: 5_000,
  plainMs: 1_000,
  plainParsedMs: 4_000,
  wholeMs: 60_000,
  passes: 1,
  storageMs: 58_750,
  storageCalls: 21_000,
  instantMs: 6_000,
  callsOfALoneMail: 8,
  callsPerMailWithThreeAttachments: 5.1,
};

test.each([0, 1, 96, 97, 9_999, 123_456])(
  'mail %i has the size that the bench names, and lines that end in CRLF',
  (number) => {
    const bytes = benchMail(number);
    expect(bytes.byteLength).toBe(mailBytes);
    const text = Buffer.from(bytes).toString('latin1');
    expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    // An escape that was cut would make the parser guess; what is left is the boundary and the charset.
    expect(
      text
        .replace(/=(?:\r\n|[0-9A-F]{2})/g, '')
        .split('\r\n\r\n')
        .slice(1)
        .join(),
    ).not.toMatch(/=[^_u]/);
  },
);

describe('the watch on storage', () => {
  test('counts calls that overlap once, and what lies between two calls not at all', async () => {
    let now = 0;
    const watch = new StorageWatch(() => now);
    const { promise: first, resolve: endFirst } = Promise.withResolvers<undefined>();
    const { promise: second, resolve: endSecond } = Promise.withResolvers<undefined>();
    const one = watch.during(() => first);
    now = 10;
    const other = watch.during(() => second);
    now = 30;
    endFirst(undefined);
    await one;
    now = 50;
    endSecond(undefined);
    await other;
    now = 1_000;
    await watch.during(() => {
      now += 5;
      return Promise.resolve();
    });
    expect([watch.busyMs, watch.callCount]).toEqual([55, 3]);
  });

  test('a call that fails has ended, too', async () => {
    let now = 0;
    const watch = new StorageWatch(() => now);
    const call = watch.during(() => Promise.reject(new Error('no')));
    now = 7;
    await expect(call).rejects.toThrow('no');
    expect(watch.busyMs).toBe(7);
  });
});

test.each([
  [1_250, true, 25],
  [1_260, false, 26],
  [200, true, -80],
])('%i ms outside storage against 1,000 ms of plain imapflow: %s', (outsideMs, ok, percent) => {
  const report = inboundReport({ ...figures, storageMs: figures.wholeMs - outsideMs });
  expect(report.ok).toBe(ok);
  expect(report.json).toMatchObject({
    ok,
    overPlainPercent: percent,
    outsideStorageSeconds: outsideMs / 1_000,
  });
  expect(report.rows.flat()).toContain(ok ? 'ok' : 'NOT OK');
});

test.each([
  ['calls per mail', { storageCalls: 23_000 }, true],
  ['too many calls per mail', { storageCalls: 23_001 }, false],
  ['a lone mail', { callsOfALoneMail: 9 }, false],
  ['attachments', { callsPerMailWithThreeAttachments: 5.31 }, false],
  ['own time', { instantMs: 6_800 }, true],
  ['too much own time', { instantMs: 6_801 }, false],
])('every goal counts: %s', (_name, more, ok) => {
  const report = inboundReport({ ...figures, ...more });
  expect(report.ok).toBe(ok);
  expect(report.rows.flat().includes('NOT OK')).toBe(!ok);
});
