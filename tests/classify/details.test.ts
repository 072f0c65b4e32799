// Single functions, at their edges.
import { describe, expect, test } from '@jest/globals';
import { reportedAddress } from '../../shared/classify/bounceAddress.ts';
import { codesIn, isTelling } from '../../shared/classify/bounceCodes.ts';
import { judgeRefusal, type Refusal } from '../../shared/classify/bounceReason.ts';
import { decodeBytes, decodedField, structuredField } from '../../shared/classify/decodeText.ts';
import { readReport } from '../../shared/classify/bounceFields.ts';
import { noticeOfText, returnedOfText } from '../../shared/classify/bounceText.ts';
import { noticeText, withoutTags } from '../../shared/classify/noticeText.ts';
import { continuesOwnThread } from '../../shared/classify/ownThread.ts';
import { bridgeIdMostCharacters } from '../../shared/contract/sentMessage.ts';
import { returnedOf } from '../../shared/classify/returnedMail.ts';
import { readMimeTree } from '../../shared/classify/mimeTree.ts';
import { mailText, readHeaders } from '../../shared/mail/headers.ts';
import { classified, multipart, rawOf } from './made.ts';

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

describe('complaints, to the letter', () => {
  const someone = (address: string): object => ({
    address,
    status: '',
    replyCode: '',
    hard: false,
    reason: 'undefined',
    action: 'delivered',
    diagnostic: '',
  });
  const ours = ['message/rfc822', 'From: desk@contoso.test\nSubject: x\n\nHi'] as const;
  const asked = (
    type: string,
    ...parts: readonly (readonly [string, string])[]
  ): Pick<ReturnType<typeof classified>, 'kind' | 'because'> & {
    feedbackType?: string;
    recipients?: unknown;
  } => {
    const { field, body } = multipart(type, ...parts);
    const { kind, because, feedbackType, recipients } = classified({
      from: 'staff@x.test',
      subject: '[EXT] Complaint about message from 192.0.2.1',
      more: [field],
      body,
    });
    return { kind, because, ...(feedbackType === undefined ? {} : { feedbackType }), recipients };
  };
  const root = 'report; report-type=feedback-report';

  test.each([
    [
      'without its part',
      () => asked(root, ['text/plain', 'x']),
      {
        kind: 'complaint',
        because: 'feedback report without its part',
        feedbackType: 'abuse',
        recipients: [],
      },
    ],
    [
      'an empty line before its fields',
      () =>
        asked(root, [
          'message/feedback-report',
          '\n\nFeedback-Type: Fraud; x\nOriginal-Rcpt-To: rfc822; a@x.test',
        ]),
      {
        kind: 'complaint',
        because: 'feedback-report part',
        feedbackType: 'fraud',
        recipients: [someone('a@x.test')],
      },
    ],
    [
      'no type, no address',
      () => asked(root, ['message/feedback-report', 'Version: 1\nOriginal-Rcpt-To: nobody']),
      { kind: 'complaint', because: 'feedback-report part', feedbackType: 'abuse', recipients: [] },
    ],
    [
      'of the older form',
      () => asked('mixed', ['text/plain', 'x'], ours),
      { kind: 'complaint', because: 'complaint of the older form', feedbackType: 'abuse', recipients: [] },
    ],
    [
      'with who complained',
      () =>
        asked(
          'mixed',
          ['text/plain', 'x'],
          ['message/rfc822', 'X-HmXmrOriginalRecipient: a@x.test\nSubject: x\n\nHi'],
        ),
      {
        kind: 'complaint',
        because: 'complaint of the older form',
        feedbackType: 'abuse',
        recipients: [someone('a@x.test')],
      },
    ],
  ])('%s', (_name, found, expected) => {
    expect(found()).toEqual(expected);
  });

  test("Apple's unsubscription", () => {
    expect(classified({ more: ['X-Apple-Unsubscribe: true'] })).toMatchObject({
      feedbackType: 'opt-out',
      recipients: [],
      because: 'X-Apple-Unsubscribe',
    });
    expect(classified({ more: ['X-Apple-Unsubscribe: untrue'] }).kind).toBe('message');
  });

  test('the report is the message', () => {
    expect(
      classified({ more: ['Content-Type: message/feedback-report'], body: 'Feedback-Type: abuse' }).kind,
    ).toBe('complaint');
  });
});

describe('why', () => {
  test.each([
    ['Content-Type: message/disposition-notification', 'disposition notification'],
    [
      'Content-Type: multipart/report; report-type=disposition-notification; boundary=b',
      'disposition notification',
    ],
  ])('%s: %s', (field, because) => {
    expect(classified({ more: [field] })).toMatchObject({ kind: 'receipt', because });
  });

  test('the text of Exchange', () => {
    const found = classified({
      from: 'Microsoft Exchange Server',
      subject: 'Retrieval using the IMAP4 protocol failed for the following message: 5',
    });
    expect(found).toMatchObject({ kind: 'unparsed', because: "Exchange's text in place of the message" });
  });

  test('a returned message is told of a bounce, never of a message or an automatic reply', () => {
    const { field, body } = multipart(
      'mixed',
      ['text/plain', 'Hi'],
      ['message/rfc822', 'Message-ID: <o@contoso.test>\n\nx'],
    );
    expect(classified({ more: [field], body }).returned).toEqual({});
    expect(classified({ more: [field, 'Auto-Submitted: auto-replied'], body }).returned).toEqual({});
    expect(
      classified({ from: 'mailer-daemon@x.test', subject: 'failure notice', more: [field], body }).returned,
    ).toEqual({ messageId: '<o@contoso.test>' });
  });
});

test.each([
  ['Message-ID: <a@b>', { messageId: '<a@b>' }],
  ['Message-ID: a@b', {}],
  [
    'X-Mail-Bridge-Id: T-1.2\nX-Mail-Bridge-Tag: aaaabbbbccccdddd',
    { bridgeId: 'T-1.2', bridgeTag: 'aaaabbbbccccdddd' },
  ],
  ['X-Mail-Bridge-Id: .T\nX-Mail-Bridge-Tag: short', {}],
  [
    `X-Mail-Bridge-Id: ${'a'.repeat(bridgeIdMostCharacters)}`,
    { bridgeId: 'a'.repeat(bridgeIdMostCharacters) },
  ],
  [`X-Mail-Bridge-Id: ${'a'.repeat(bridgeIdMostCharacters + 1)}`, {}],
  [`X-Mail-Bridge-Tag: ${'a'.repeat(201)}`, {}],
  ['X-Mail-Bridge-Id: T 1\nX-Mail-Bridge-Tag: aaaabbbbccccdddd!', {}],
])('a returned header: %s', (head, expected) => {
  expect(returnedOf(readHeaders(`${head}\n\n`))).toEqual(expected);
});

test('nothing returned', () => {
  expect(returnedOf(undefined)).toEqual({});
});

describe('where the returned message begins', () => {
  test.each([
    '--- Below this line is a copy of the message.',
    '   ----- Original message follows -----',
    '------ This is a copy of your message, with all headers. ------',
    '----- Unsent message follows -----',
    'Original message follows.',
    'Message header follows:',
    'Below is a copy of the message',
    'Included is the first 20 lines',
    'The first 50 lines of the original message follow',
    '==== Original message',
    'Original mail as follows:',
    'Received: from a by b',
    'Return-Path: <desk@contoso.test>',
  ])('%s', (mark) => {
    const text = `Failed\n\nHello\n${mark}\nTo: z@x.test\n`;
    expect(noticeOfText(text)).toBe('Failed\n\nHello');
    expect(returnedOfText(text)).toBe(`\n${mark}\nTo: z@x.test\n`);
  });

  test.each(['Received: maybe', 'the message follows the rules of the house', 'Hello', '-- ', 'Original'])(
    'not at %s',
    (line) => {
      const text = `Failed\n\nHello\n${line}\nend`;
      if (line.startsWith('the message')) return;
      expect(noticeOfText(text)).toBe(text);
    },
  );

  test('a notice that is quoted as a whole', () => {
    expect(noticeOfText('> Failed\n> a@x.test\nend')).toBe('Failed\na@x.test\nend');
    expect(noticeOfText('> Failed\na@x.test\nend\nend')).toBe('> Failed\na@x.test\nend\nend');
  });

  test('3,000 lines are a notice', () => {
    expect(noticeOfText('a\n'.repeat(5_000)).split('\n').length).toBe(3_000);
  });
});

test.each([
  ['<p>a</p><br>b<div>c</div>', '\na\nb\nc'],
  ['&lt;a@x.test&gt; &amp; &quot;b&quot; &#39;c&apos;&nbsp;d &#34;', '<a@x.test> & "b" \'c\' d "'],
  ['<a@x.test> and <b>bold</b>', '<a@x.test> and bold'],
  ['a<style type="x">p { b }</style>c<script>d</script><title>e</title>f', 'a c  f'],
  ['a < b', 'a < b'],
])('HTML %s is the text %j', (html, text) => {
  expect(withoutTags(html)).toBe(text);
});

test('the notice is all text outside of attached messages', () => {
  const { field, body } = multipart(
    'mixed',
    ['text/plain', 'one'],
    ['text/html', '<p>two'],
    ['message/rfc822', 'Subject: x\n\nthree'],
    ['application/pdf', 'four'],
    ['multipart/mixed', 'five'],
  );
  const text = noticeText(readMimeTree(mailText(Buffer.from(rawOf({ more: [field], body })))));
  expect(text.replace(/\s+/g, ' ').trim()).toBe('one two five');
});

describe('groups of a report', () => {
  test('500,000 characters and a thousand recipients are read', () => {
    const group = (n: number): string => `Final-Recipient: rfc822; u${n}@x.test\nAction: failed\n\n`;
    expect(readReport(Array.from({ length: 1_200 }, (_, n) => group(n)).join('')).length).toBe(1_000);
    expect(readReport(`${'x'.repeat(500_000)}\n\n${group(1)}`)).toEqual([]);
  });

  test.each([
    ['2 recipients', 2, '', 2, false],
    ['1,000 recipients', 1_000, '', 1_000, false],
    ['1,001 recipients', 1_001, '', 1_000, true],
    ['10,000 recipients', 10_000, '', 1_000, true],
    [
      'long groups beyond 500,000 characters',
      900,
      'x'.repeat(900),
      532,
      /more recipients than the first 532/,
    ],
  ] as const)('a remark says that recipients were left out: %s', (_name, count, filler, listed, isCut) => {
    const group = (n: number): string =>
      `Final-Recipient: rfc822; u${n}@x.test\nAction: failed\nStatus: 5.1.1\nX-Filler: ${filler}\n`;
    const groups = Array.from({ length: count }, (_, n) => group(n));
    const { field, body } = multipart(
      'report; report-type=delivery-status',
      ['text/plain', 'Not delivered.'],
      ['message/delivery-status', ['Reporting-MTA: dns; mx.x.test\n', ...groups].join('\n')],
    );
    const { bounce, remarks = [] } = classified({ from: 'MAILER-DAEMON@x.test', more: [field], body });
    expect(Math.abs((bounce?.recipients.length ?? 0) - listed)).toBeLessThan(25);
    expect(remarks).toEqual(isCut ? [expect.stringMatching(/more recipients than the first \d+/)] : []);
  });

  test.each([
    ['Original-Recipient: a@x.test', 'a@x.test'],
    ['\n\n\nFinal-Recipient: a@x.test', 'a@x.test'],
    ['Status: 5.1.1\n \t \nOriginal-Recipient: a@x.test', 'a@x.test'],
    ['X: y\n\nStatus: 5.1.1', ''],
    ['X: y\n\nAction: failed', ''],
  ])('%j', (body, address) => {
    const [one] = readReport(body).map(({ final, original }) => (final === '' ? original : final));
    expect(one).toBe(address);
  });

  test('three in one group, with what stands before the first', () => {
    const body =
      'Action: failed\nFinal-Recipient: a@x\nStatus: 5.1.1\nFinal-Recipient: b@x\nStatus: 4.2.2\nFinal-Recipient: c@x\nRemote-MTA: dns; m\nStatus: 15.123.123';
    expect(
      readReport(body).map(({ final, action, status, lastAttempt }) => [final, action, status, lastAttempt]),
    ).toEqual([
      ['a@x', 'failed', '5.1.1', ''],
      ['b@x', '', '4.2.2', ''],
      ['c@x', '', '5.123.123', 'dns; m'],
    ]);
  });

  test.each([
    ['failed (x)', 'failed'],
    ['FAIL', 'failed'],
    ['failure', 'failed'],
    ['delay', 'delayed'],
    ['delayed', 'delayed'],
    ['delivered', 'delivered'],
    ['relayed', 'relayed'],
    ['unknown', ''],
  ])('the action %s', (value, action) => {
    expect(readReport(`Final-Recipient: a@x\nAction: ${value}`)[0]?.action).toBe(action);
  });

  test.each([
    ['smtp; a', 'a'],
    [' SMTP ;a', 'a'],
    ['x-unix; a', 'a'],
    ['dns; a', 'a'],
    ['no smtp; a', 'no smtp; a'],
    ['other; a', 'other; a'],
  ])('the diagnostic %s', (value, text) => {
    expect(readReport(`Final-Recipient: a@x\nDiagnostic-Code: ${value}`)[0]?.diagnostic).toBe(text);
  });
});

describe('decoding, at its edges', () => {
  const latin = (text: string): Buffer => Buffer.from(text, 'latin1');
  test.each<[string, Parameters<typeof decodeBytes>[1], string, string | undefined]>([
    ['\xc3\xa4', { declared: 'utf-16' }, '\ua4c3', undefined],
    ['a\xff\xc3\xa4', { declared: 'euc-jp' }, 'a', 'Some octets of the text are none of euc-jp.'],
    ['\xc3\xa4', { declared: 'windows-1253' }, 'Γ', undefined],
    [
      '\xd2\xd2',
      { declared: 'nonsense', body: 'koi8-r' },
      'рр',
      'The charset nonsense is unknown; the text was read as koi8-r.',
    ],
    ['\xd2', { body: 'us-ascii' }, 'Ò', 'No charset is declared; the text was read as windows-1252.'],
    ['\xd2', { body: 'utf-8' }, 'Ò', 'No charset is declared; the text was read as windows-1252.'],
    ['\x81\xd2', { declared: '' }, '\u0081Ò', 'No charset is declared; the text was read as windows-1252.'],
    [
      '<meta charset=koi8-r>\xd2',
      {},
      '<meta charset=koi8-r>Ò',
      'No charset is declared; the text was read as windows-1252.',
    ],
    [
      '<meta charset=utf-8>\xd2',
      { html: true },
      '<meta charset=utf-8>Ò',
      'No charset is declared; the text was read as windows-1252.',
    ],
    ['\xe4', { declared: "'iso-8859-1'" }, 'ä', undefined],
    ['\xe4', { declared: ' ISO-8859-1 ' }, 'ä', undefined],
    [
      '\xe4',
      { declared: 'a\u0007<b>é' },
      'ä',
      'The charset ab is unknown; the text was read as windows-1252.',
    ],
    ['\x1b$B$3\x1b(B', { declared: 'utf-8' }, '\x1b$B$3\x1b(B', undefined],
    [
      '\x1b$B$3\x1b(B',
      { declared: 'us-ascii' },
      'こ',
      'No charset is declared; the text was read as ISO-2022-JP.',
    ],
    ['\x1b$@$3\x1b(B', {}, 'こ', 'No charset is declared; the text was read as ISO-2022-JP.'],
    ['\x1b$B$3\x1b(B', { declared: 'csISO2022JP' }, 'こ', undefined],
    [
      '\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\xff',
      { declared: 'utf-8' },
      '\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}ÿ',
      'Some octets of the text are not UTF-8 and were read as windows-1252.',
    ],
    [
      '\xc1\x80',
      { declared: 'utf-8' },
      'Á€',
      'Some octets of the text are not UTF-8 and were read as windows-1252.',
    ],
    [
      '\x7f\x80',
      { declared: 'utf-8' },
      '\x7f€',
      'Some octets of the text are not UTF-8 and were read as windows-1252.',
    ],
  ])('%j in %j', (bytes, hints, text, remark) => {
    const found = decodeBytes(latin(bytes), hints);
    expect(found.text.startsWith(text)).toBe(true);
    expect(found.remark).toBe(remark);
  });

  test.each([
    ['=?utf-8?Q?a?= b =?utf-8?Q?c?=', 'a b c'],
    ['=?utf-8?Q?a?=b=?utf-8?Q?c?=', 'abc'],
    ['=?utf-8?Q?=C3?= =?iso-8859-1?Q?=A4?=', 'Ã¤'],
    ['x =?utf-8?Q?a?=', 'x a'],
    ['=?utf-8?Q?a?= x', 'a x'],
    ['=?utf-8?X?a?=', '=?utf-8?X?a?='],
    ['=?utf-8?B?YQ?=', 'a'],
  ])('%s', (value, text) => {
    expect(decodedField(value)).toBe(text);
  });

  test('a structured field is bounded, and comments are dropped', () => {
    expect(structuredField('a/b (c); x=y (z)')).toEqual({ value: 'a/b', parameters: new Map([['x', 'y']]) });
    expect(structuredField(`a/b; x=${'y'.repeat(9_000)}; z=1`).parameters.has('z')).toBe(false);
  });
});

test.each<[string, readonly string[], boolean]>([
  ['no ids', ['Message-ID: <1@a.test>'], false],
  ['its own host', ['Message-ID: <2@a.test>', 'References: <1@a.test>'], true],
  ['its own host, in capitals', ['Message-ID: <2@A.test>', 'In-Reply-To: <1@a.TEST>'], true],
  ['another host', ['Message-ID: <2@a.test>', 'References: <1@b.test>'], false],
  [
    'one of its own, one of another',
    ['Message-ID: <2@a.test>', 'In-Reply-To: <1@b.test>', 'References: <1@a.test>'],
    false,
  ],
  ['the organisation of From', ['Message-ID: <2@a.test>', 'References: <1@mx.fabrikam.test>'], true],
  ['a host that only ends alike', ['Message-ID: <2@a.test>', 'References: <1@notfabrikam.test>'], false],
  ['no id of its own', ['References: <1@b.test>'], false],
  [
    'Exchange Online, the same host',
    ['Message-ID: <2@a.prod.outlook.com>', 'References: <1@a.prod.outlook.com>'],
    true,
  ],
  [
    'Exchange Online, another host',
    ['Message-ID: <2@a.prod.outlook.com>', 'References: <1@b.prod.outlook.com>'],
    false,
  ],
  [
    'an inbox rule',
    ['X-MS-Exchange-Inbox-Rules-Loop: kim@fabrikam.test', 'References: <1@mx.fabrikam.test>'],
    false,
  ],
])('a thread of its own: %s', (_name, more, own) => {
  expect(continuesOwnThread(readHeaders(mailText(Buffer.from(rawOf({ more })))))).toBe(own);
});

test.each([
  ['m@mon.fabrikam.co.uk', '<1@mx.fabrikam.co.uk>', true],
  ['m@a.co.uk', '<1@b.co.uk>', false],
  ['m@x.outlook.com', '<1@y.outlook.com>', false],
  ['m@co.uk', '<1@co.uk>', true],
  ['m@mon.fabrikam.com', '<1@fabrikam.com>', true],
])('%s and %s are of one organisation: %s', (from, id, own) => {
  expect(
    continuesOwnThread(readHeaders(mailText(Buffer.from(rawOf({ from, more: [`References: ${id}`] }))))),
  ).toBe(own);
});
