// Single functions, at their edges.
import { describe, expect, test } from '@jest/globals';
import { reportedAddress } from '../../shared/classify/bounceAddress.ts';
import { codesIn, isTelling } from '../../shared/classify/bounceCodes.ts';
import { judgeRefusal, type Refusal } from '../../shared/classify/bounceReason.ts';
import { classified } from './made.ts';

describe('codes in running text', () => {
  test.each([
    ['550 5.1.1 User unknown', '5.1.1', '550'],
    ['550-5.7.26 a\n550 5.7.26 b', '5.7.26', '550'],
    ['Sorry. (#5.1.1)', '5.1.1', ''],
    ["550-'5.7.1 <x>... Access denied'", '5.7.1', '550'],
    ['550  5.1.1', '5.1.1', '550'],
    ['550\n5.1.1', '5.1.1', '550'],
    // Of several the most telling: neither x.0.0 nor "gave up".
    ['554 5.0.0 failed; 552 5.2.2 full', '5.2.2', '552'],
    ['552 5.2.2 full; 554 5.0.0 failed', '5.2.2', '552'],
    ['554 4.4.7 expired; 452 4.2.2 full', '4.2.2', '452'],
    ['554 4.4.7 expired <421 4.4.2 Connection timed out>', '4.4.2', '421'],
    ['554 4.4.7 expired', '4.4.7', '554'],
    ['554 5.0.0 failed', '5.0.0', '554'],
    ['554 5.0.0 failed (#5.1.1)', '5.1.1', '554'],
    ['554 5.0.0 failed (#5.0.0)', '5.0.0', '554'],
    ['(#5.0.0) (#5.1.1)', '5.1.1', ''],
    ['(#5.4.7) (#5.1.1)', '5.1.1', ''],
    ['(#5.0.0) (#4.0.0)', '5.0.0', ''],
    // Not codes.
    ['host 192.0.2.5 said nothing', '', ''],
    ['host mx[5.1.1.9] and version 5.1.1.2', '', ''],
    ['15.1.1 and 5.1.1111', '', ''],
    ['250 2.0.0 ok', '', ''],
    ['at 12:550 and 1/550 and #550', '', ''],
    ['600 or 590', '', ''],
    ['550: no', '', '550'],
    ['550, no', '', '550'],
    ['550-no', '', '550'],
    ['550 192.0.2.1', '', ''],
    ['ERROR_CODE :550, mailbox unavailable', '', '550'],
    ['[SMTP Error Code 550]', '', '550'],
    ['[SMTP Error code: 451]', '', '451'],
    [`${'x '.repeat(5_000)}550 5.1.1`, '', ''],
    ['', '', ''],
  ])('%s', (text, status, replyCode) => {
    expect(codesIn(text)).toEqual({ status, replyCode });
  });

  test.each([
    ['5.1.1', true],
    ['5.0.0', false],
    ['4.0.0', false],
    ['2.0.0', false],
    ['5.0.01', true],
    ['15.0.0', true],
    ['', false],
  ])('%s is telling: %s', (status, telling) => {
    expect(isTelling(status)).toBe(telling);
  });
});

describe('a code alone', () => {
  const reason = (more: Partial<Refusal>): string =>
    judgeRefusal({ text: '', status: '', replyCode: '', command: '', ...more }).reason;

  test.each([
    ['5.1.0', 'userunknown'],
    ['5.1.1', 'userunknown'],
    ['4.1.1', 'userunknown'],
    ['5.1.10', 'userunknown'],
    ['5.1.3', 'userunknown'],
    ['5.1.2', 'hostunknown'],
    ['4.1.2', 'hostunknown'],
    ['5.1.4', 'filtered'],
    ['5.1.6', 'hasmoved'],
    ['5.1.7', 'rejected'],
    ['5.1.8', 'rejected'],
    ['5.1.90', 'toomanyconn'],
    ['5.2.1', 'suspend'],
    ['4.2.1', 'suspend'],
    ['5.2.2', 'mailboxfull'],
    ['4.2.2', 'mailboxfull'],
    ['5.2.3', 'exceedlimit'],
    ['5.2.4', 'filtered'],
    ['5.3.2', 'notaccept'],
    ['4.3.1', 'systemfull'],
    ['5.3.4', 'mesgtoobig'],
    ['5.3.5', 'systemerror'],
    ['5.4.4', 'hostunknown'],
    ['4.4.4', 'networkerror'],
    ['4.4.1', 'expired'],
    ['4.4.2', 'expired'],
    ['4.4.7', 'expired'],
    ['5.4.6', 'networkerror'],
    ['5.4.310', 'hostunknown'],
    ['5.4.312', 'networkerror'],
    ['5.5.1', 'syntaxerror'],
    ['5.6.1', 'contenterror'],
    ['5.7.1', 'securityerror'],
    ['5.7.13', 'suspend'],
    ['5.7.23', 'authfailure'],
    ['5.7.25', 'requireptr'],
    ['5.7.26', 'authfailure'],
    ['5.7.27', 'notaccept'],
    ['5.7.509', 'authfailure'],
    ['5.7.606', 'blocked'],
    ['5.0.0', 'undefined'],
    ['', 'undefined'],
  ])('%s: %s', (status, expected) => {
    expect(reason({ status })).toBe(expected);
  });

  test.each<[string, Refusal['command'], string]>([
    ['521', '', 'notaccept'],
    ['556', '', 'notaccept'],
    ['552', '', 'mailboxfull'],
    ['450', '', 'expired'],
    ['421', 'rcpt', 'expired'],
    ['550', 'rcpt', 'filtered'],
    ['553', 'rcpt', 'filtered'],
    ['554', 'rcpt', 'onhold'],
    ['550', '', 'onhold'],
    ['553', 'data', 'onhold'],
    ['550', 'mail', 'rejected'],
    ['450', 'mail', 'expired'],
  ])('%s after %s: %s', (replyCode, command, expected) => {
    expect(reason({ replyCode, command })).toBe(expected);
  });

  test.each<[string, Partial<Refusal>, string, boolean]>([
    ['user unknown', { command: 'mail' }, 'rejected', false],
    ['user unknown', { command: 'rcpt' }, 'userunknown', true],
    ['user unknown', { command: 'data' }, 'filtered', false],
    ['user unknown', { command: 'data', status: '5.1.1' }, 'userunknown', true],
    ['user unknown', { status: '5.1.5' }, 'userunknown', true],
    ['user unknown', { status: '5.7.1', replyCode: '550' }, 'filtered', false],
    ['user unknown', { status: '5.2.0', replyCode: '550' }, 'filtered', false],
    ['user unknown', { replyCode: '550' }, 'filtered', false],
    ['user unknown', { replyCode: '550', status: '5.0.0' }, 'userunknown', true],
    ['user unknown', {}, 'userunknown', true],
    ['550: : user unknown', { command: 'rcpt' }, 'filtered', false],
    ['550 <kim@x.test>: user unknown', { replyCode: '550' }, 'userunknown', true],
    ["this user doesn't have a x.test account", { replyCode: '554' }, 'userunknown', true],
    ['msexch:imc unknown user', { command: 'rcpt' }, 'filtered', false],
    ['unknown domain', { command: 'mail' }, 'rejected', false],
    ['unknown domain', { status: '4.1.5' }, 'networkerror', false],
    ['unknown domain', {}, 'hostunknown', true],
    ['unknown domain', { replyCode: '451' }, 'hostunknown', false],
    ['does not accept mail', {}, 'notaccept', true],
    ['does not accept mail', { status: '4.3.2' }, 'notaccept', false],
    ['USER\u2019S \n MAILBOX   is FULL', {}, 'mailboxfull', false],
    ["5.3.0 - other mail system problem 550-'user unknown'", { command: 'rcpt' }, 'userunknown', true],
    ['user unknown. this message has been in the queue too long', { command: 'rcpt' }, 'userunknown', true],
    ['user unknown. scanned by X for virus and spam', { command: 'rcpt' }, 'userunknown', true],
    [
      'the account or domain may not exist, they may be blacklisted, or missing the proper dns entries',
      {},
      'hostunknown',
      true,
    ],
    [`${'x '.repeat(3_000)}user unknown`, {}, 'undefined', false],
  ])('%s, %j: %s', (text, more, expected, hard) => {
    const found = judgeRefusal({ text, status: '', replyCode: '', command: '', ...more });
    expect([found.reason, found.hard]).toEqual([expected, hard]);
  });

  test('what stands far from the phrase belongs to something else', () => {
    const far = 'lorem ipsum '.repeat(30);
    const hard = (text: string): boolean =>
      judgeRefusal({ text, status: '5.1.1', replyCode: '550', command: 'rcpt' }).hard;
    expect(hard(`user unknown ${far} your rate limit`)).toBe(true);
    expect(hard(`your rate limit ${far} user unknown`)).toBe(true);
    expect(hard('user unknown, your rate limit')).toBe(false);
    expect(hard('your rate limit: user unknown')).toBe(false);
  });

  test.each([
    ['host mx.x.test[192.0.2.1] said: 550 5.1.1 <kim@x.test>', true],
    ['Remote server returned: 550 5.1.1', true],
    ['Original Sender: <a@b.test> Remote-MTA: <192.0.2.1>', true],
    ['https://x.test/help?id=1 550 5.1.1', true],
    ['http://x.test/', true],
    ['x1 y2z 3', true],
    ['abc', true],
    ['abcd', false],
    ['jag är inte', false],
    ['ääää', false],
  ])('5.1.1 and no words but %s: %s', (text, hard) => {
    expect(judgeRefusal({ text, status: '5.1.1', replyCode: '', command: '' }).hard).toBe(hard);
  });
});

test.each([
  ['rfc822;"kim doe"@x.test more', '"kim doe"@x.test'],
  ['rfc822; Kim Doe <kim@x.test>', 'kim@x.test'],
  ['rfc822; Kim <kim>', 'kim'],
  ['rfc822; kim@x.test, jo@x.test', 'kim@x.test'],
  ['x; kim (a comment)', 'kim'],
  ['kim; doe', 'doe'],
  ['a\u0000\u0001b', 'a b'],
  ['<kim', 'kim'],
  ['a<b', 'a<b'],
  ["o'neil", "o'neil"],
  ["'kim", 'kim'],
  ["'kim'", 'kim'],
  ['"kim\'', '"kim'],
  ['xsmtp:kim@x.test', 'xsmtp:kim@x.test'],
  ['mailto:kim@x.test', 'kim@x.test'],
  ['rfc822=kim@x.test', 'kim@x.test'],
  [`${'k'.repeat(247)}@x.test`, `${'k'.repeat(247)}@x.test`],
  [`${'k'.repeat(248)}@x.test`, ''],
  ['\\x{1F}\\x{20}\\x{10FFFF}@x', '\u{10ffff}@x'],
  ['utf-8; \\x{10FFFF}@x.test', '\u{10ffff}@x.test'],
  ['utf-8; \\x{20}', ''],
  ['xIMCEAEX-a@b.test', 'xIMCEAEX-a@b.test'],
  ['IMCEAEX-kim+40x+2Etest@b.test', ''],
  ['imceaex-kim+40x+2Etest@b.test', ''],
  ['IMCEASMTP-kim+20doe+40x+2Etest@b.test', ''],
  ['IMCEASMTP-kim+40x+2Etest+2F@b.test', ''],
])('the address in %j is %j', (value, address) => {
  expect(reportedAddress(value)).toBe(address);
});

test.each<[string, readonly string[], string]>([
  ['x', ['Auto-Submitted: auto-replied'], 'Auto-Submitted'],
  ['Automatic reply: x', ['Auto-Submitted: auto-generated'], 'Auto-Submitted'],
  ['Out of office', ['Auto-Submitted: auto-notified'], 'Auto-Submitted'],
  ['x', ['X-Autoreply: yes'], 'x-autoreply'],
  ['Automatic reply: x', [], 'subject'],
  ['Out of office', ['Precedence: bulk'], 'subject'],
  ['Out of office', ['Precedence: autoreply'], 'precedence'],
  ['x', ['Return-Path: <>', 'References: <a@contoso.test>'], 'null reverse-path'],
  ['Automatic reply: x', ['Return-Path: <kim@fabrikam.test>', 'Precedence: bulk'], 'nothing'],
  ['Re: Automatic reply: x', ['Precedence: bulk'], 'nothing'],
  ['x', ['Auto-Submitted: auto-generated'], 'nothing else'],
  ['x', ['List-Id: <x>'], 'list mail'],
])('why %s with %j: %s', (subject, more, because) => {
  const found = classified({ subject, more });
  if (because === 'nothing') expect(['nothing else', 'list mail', 'subject']).toContain(found.because);
  else expect(found.because).toBe(because);
});
