// The small rules that the room is built of, as tables.
import { describe, expect, test } from '@jest/globals';
import { judgeImap, type ImapFailure } from '../../shared/exchange/imapTrouble.ts';
import { codesIn } from '../../shared/classify/bounceCodes.ts';
import type { Bounce, Classification } from '../../shared/contract/classification.ts';
import { mailText, messageIds, readHeaders } from '../../shared/mail/headers.ts';
import { dateOf } from '../../shared/classify/mailDate.ts';
import { decodedField } from '../../shared/classify/mimeTree.ts';
import { asciiJson } from '../../shared/mail/text.ts';
import { retryDelayMs } from '../../shared/inbound/retryDelay.ts';
import { senderLimit } from '../../shared/inbound/relate.ts';
import { identify } from '../../shared/inbound/stableId.ts';
import { TaskPool, inParallel, KeyedMutex } from '../../shared/inbound/concurrency.ts';

describe('header fields', () => {
  test.each<[string, string, readonly (readonly [string, string])[]]>([
    [
      'CRLF',
      'A: 1\r\nB: 2\r\n\r\nbody',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    [
      'LF',
      'A: 1\nB: 2\n\nbody',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    [
      'CR',
      'A: 1\rB: 2\r\rbody',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    [
      'CR CR LF',
      'A: 1\r\r\nB: 2\r\r\n\r\r\nbody',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['folded', 'A: 1\r\n\t2\r\n 3\r\n\r\n', [['a', '1 2 3']]],
    ['an mbox line first', 'From a@b Thu Apr 29\nA: 1\n\n', [['a', '1']]],
    ['a space before the colon', 'A : 1\n\n', [['a', '1']]],
    ['no empty line before the body', 'A: 1\nthis is the body\nB: 2\n', [['a', '1']]],
    [
      'a parameter on a line of its own',
      'Content-Type: a/b;\nboundary="x"\nB: 2\n\n',
      [
        ['content-type', 'a/b; boundary="x"'],
        ['b', '2'],
      ],
    ],
    ['nothing', '', []],
  ])('%s', (_name, text, fields) => {
    const found = readHeaders(mailText(Buffer.from(text)));
    expect(found.fields.map(({ name, value }) => [name, value])).toEqual(fields);
  });

  test.each([
    ['=?utf-8?Q?K=C3=A4yt=C3=B6s?=', 'Käytös'],
    ['=?iso-8859-1?q?K=E4?= =?utf-8?B?w7Y=?=', 'Käö'],
    ['a =?unknown?q?x=E4?= b', 'a xä b'],
    ['=?utf-8?q?a_b?=', 'a b'],
    ['plain', 'plain'],
    ['=?broken', '=?broken'],
  ])('%s is read as %s', (value, text) => {
    expect(decodedField(value)).toBe(text);
  });

  test.each([
    ['Wed, 25 Nov 2026 09:00:00 +0200', Date.UTC(2026, 10, 25, 7)],
    ['Wed, 25 Nov 2026 09:00:00 +0200 (EET)', Date.UTC(2026, 10, 25, 7)],
    ['yesterday', undefined],
    ['Wed, 25 Nov 3026 09:00:00 +0200', undefined],
    ['', undefined],
  ])('the date %s', (value, at) => {
    expect(dateOf(value)).toBe(at);
  });

  test('ids in angle brackets, each once', () => {
    expect(messageIds('<a@b> text <c@d>\t<a@b> <no id>')).toEqual(['<a@b>', '<c@d>']);
  });
});

describe('identity', () => {
  const idOf = (text: string, key = 'desk'): string =>
    identify(key, readHeaders(mailText(Buffer.from(text))), Buffer.from(text)).baseId;
  const base = 'Received: from b\r\nMessage-ID: <a@b>\r\nDate: today\r\nSubject: x\r\n\r\n';

  test.each<[string, string, boolean]>([
    ['another hop on top', `Received: from c\r\n${base}`, true],
    ['other folding', base.replace('from b', 'from\r\n\tb'), true],
    ['another subject', base.replace('x\r\n', 'y\r\n'), true],
    ['another first hop', base.replace('from b', 'from c'), false],
    ['another Message-ID', base.replace('a@b', 'c@b'), false],
    ['another Date', base.replace('today', 'tomorrow'), false],
  ])('%s: the same id? %#', (_name, other, same) => {
    expect(idOf(other) === idOf(base)).toBe(same);
  });

  test('is of one mailbox, hexadecimal and short', () => {
    expect(idOf(base)).toMatch(/^[0-9a-f]{32}$/);
    expect(idOf(base, 'other')).not.toBe(idOf(base));
  });
});

describe('codes in running text', () => {
  test.each([
    ['550 5.1.1 User unknown', '5.1.1', '550'],
    ['550-5.7.26 a\n550 5.7.26 b', '5.7.26', '550'],
    ['Sorry. (#5.1.1)', '5.1.1', ''],
    ["550-'5.7.1 <x>... Access denied'", '5.7.1', '550'],
    ['554 5.0.0 failed; 552 5.2.2 full', '5.2.2', '552'],
    ['554 4.4.7 expired <421 4.4.2 Connection timed out>', '4.4.2', '421'],
    ['host 192.0.2.5 said nothing', '', ''],
    ['host mx[5.1.1.9] and version 5.1.1.2', '', ''],
    ['250 2.0.0 ok', '', ''],
    ['ERROR_CODE :550, mailbox unavailable', '', '550'],
  ])('%s', (text, status, replyCode) => {
    expect(codesIn(text)).toEqual({ status, replyCode });
  });
});

describe('what an IMAP failure means', () => {
  test.each<[string, Omit<ImapFailure, 'message'>, string]>([
    [
      'throttled',
      { responseText: 'Request is throttled. Suggested Backoff Time: 92415 milliseconds' },
      'throttled',
    ],
    [
      'not connected',
      { responseText: 'User is authenticated but not connected.', authenticationFailed: true },
      'notConnected',
    ],
    ['refused', { responseText: 'AUTHENTICATE failed.', authenticationFailed: true }, 'signInRefused'],
    [
      'the server is down at login',
      { responseText: 'Internal error', authenticationFailed: true, serverResponseCode: 'UNAVAILABLE' },
      'unavailable',
    ],
    ['the token ran out', { reason: 'Session invalidated - AccessTokenExpired' }, 'tokenExpired'],
    ['cut', { code: 'NoConnection' }, 'unavailable'],
  ])('%s', (_name, failure, kind) => {
    expect(judgeImap({ message: 'Command failed', ...failure }).kind).toBe(kind);
  });

  test('the delay that the server asks for, at most an hour', () => {
    const asked = (ms: number): number | undefined =>
      judgeImap({ message: `Request is throttled. Suggested Backoff Time: ${ms} milliseconds` }).retryAfterMs;
    expect([asked(92_415), asked(999_999_999)]).toEqual([92_415, 3_600_000]);
  });

  test('a server cannot write into our lines', () => {
    const { detail } = judgeImap({
      message: 'x',
      responseText: `a\r\nFAKE LINE\u001b[2J${'y'.repeat(2_000)}`,
    });
    expect(detail).not.toMatch(/[\r\n\u001b]/);
    expect(detail.length).toBeLessThan(400);
  });
});

describe('retry delays', () => {
  const numbers = { firstRetryDelayMs: 60_000, longestRetryDelayMs: 1_800_000 };

  test.each([
    [1, undefined, 60_000],
    [3, undefined, 240_000],
    [50, undefined, 1_800_000],
    [1, 250_000, 250_000],
    [6, 250_000, 1_800_000],
  ])('after %s failures, %s asked for', (failures, retryAfterMs, pause) => {
    const trouble = {
      kind: 'throttled',
      detail: '',
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    } as const;
    expect(retryDelayMs(trouble, failures, numbers)).toBe(pause);
  });
});

describe('limits of the sending side', () => {
  test.each([
    ['5.1.90', '', 'recipientsPerDay'],
    ['5.2.0', 'STOREDRV.Submission.Exception:SubmissionQuotaExceededException', 'recipientsPerDay'],
    ['5.7.233', '', 'tenantLimit'],
    ['5.7.708', '', 'senderBlocked'],
    ['5.1.8', 'Access denied, bad outbound sender AS(42003)', 'senderBlocked'],
    ['5.1.8', 'Bad sender address', undefined],
    ['5.1.1', 'User unknown', undefined],
  ])('%s %s', (status, diagnostic, limit) => {
    const recipient = {
      address: 'a@b',
      status,
      replyCode: '550',
      hard: false,
      reason: 'undefined',
      action: 'failed',
      diagnostic,
    } as const;
    const bounce: Bounce = { severity: 'soft', recipients: [recipient] };
    const found: Classification = {
      kind: 'bounce',
      list: false,
      bounce,
      returned: {},
      loopGuard: { mayAnswer: false, reasons: [] },
      because: '',
    };
    expect(senderLimit(found)).toBe(limit);
  });
});

test('JSON in printable ASCII means the same', () => {
  const value = { text: 'ä\u0001\ud800\u2028"\\', '\u00fc': [1, null] };
  const text = asciiJson(value);
  expect(text).toMatch(/^[\x20-\x7e]*$/);
  expect(JSON.parse(text)).toEqual(value);
});

describe('several things at once', () => {
  test('no more than allowed, results in order', async () => {
    let running = 0;
    let most = 0;
    const results = await inParallel([5, 1, 4, 2, 3], 2, async (item) => {
      running += 1;
      most = Math.max(most, running);
      for (let n = 0; n < item; n += 1) await Promise.resolve();
      running -= 1;
      return item * 10;
    });
    expect([results, most]).toEqual([[50, 10, 40, 20, 30], 2]);
  });

  test('after a failure nothing is begun, and what was begun has ended when it is thrown', async () => {
    const seen: string[] = [];
    const { promise: held, resolve: release } = Promise.withResolvers<undefined>();
    const all = inParallel(['slow', 'bad', 'never'], 2, async (item) => {
      seen.push(item);
      if (item === 'bad') throw new Error('bad');
      await held;
      seen.push(`${item} ended`);
    }).catch((error: unknown) => {
      seen.push(String(error));
    });
    // More turns of the engine than the failure needs to be heard.
    for (let n = 0; n < 20; n += 1) await Promise.resolve();
    release(undefined);
    await all;
    expect(seen).toEqual(['slow', 'bad', 'slow ended', 'Error: bad']);
  });

  test('a flow has room for so many, and none once something failed', async () => {
    const flow = new TaskPool(2);
    const ends: (() => void)[] = [];
    const held = (): Promise<void> => new Promise((resolve) => ends.push(resolve));
    await flow.capacity();
    void flow.start(held);
    await flow.capacity();
    void flow.start(held);
    let hasRoom = false;
    const room = flow.capacity().then(() => (hasRoom = true));
    for (let n = 0; n < 20; n += 1) await Promise.resolve();
    expect(hasRoom).toBe(false);
    ends[1]?.();
    await room;
    await flow.track(Promise.reject(new Error('elsewhere'))).catch(() => undefined);
    await expect(flow.capacity()).rejects.toThrow('elsewhere');
    let idle = false;
    const end = flow.idle().then(() => (idle = true));
    for (let n = 0; n < 20; n += 1) await Promise.resolve();
    expect(idle).toBe(false);
    ends[0]?.();
    await end;
  });

  test('one key, one at a time, also after a failure', async () => {
    const turns = new KeyedMutex();
    const seen: string[] = [];
    const task = (name: string) => async (): Promise<void> => {
      seen.push(`${name} begins`);
      await Promise.resolve();
      seen.push(`${name} ends`);
      if (name === 'a') throw new Error('a failed');
    };
    await Promise.allSettled([turns.run('k', task('a')), turns.run('k', task('b'))]);
    expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  });
});
