// Mails that are too large, or whose ids are too many, to be kept as files; and reports about messages that were really
// sent, which only the sender of this run can name.

export interface SentSigns {
  readonly messageId: string;
  /** The private header fields of the message, each with its line end. */
  readonly tagged: string;
  readonly recipient: string;
}

const lines = (...all: readonly string[]): string => all.join('\r\n');

/** Reports of a limit of the sending side, about messages of ours and about others. */
export function reportsAbout({ messageId, tagged, recipient }: SentSigns): readonly string[] {
  const report = (status: string, diagnostic: string, who = recipient, change = {}): string => {
    const from = 'MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com';
    const head = { From: from, 'X-MS-Exchange-Organization-AuthAs': 'Internal', ...change };
    return lines(
      ...Object.entries(head).map(([name, value]) => `${name}: ${value}`),
      'Subject: Undeliverable: About INC-1',
      'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
      '',
      '--b',
      '',
      'Your message could not be delivered.',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; AB1PR01MB1234.eurprd01.prod.outlook.com',
      '',
      `Final-Recipient: rfc822; ${who}`,
      'Action: failed',
      `Status: ${status}`,
      `Diagnostic-Code: smtp; 550 ${status} ${diagnostic}`,
      '',
      '--b',
      'Content-Type: message/rfc822',
      '',
      `${tagged}Message-ID: ${messageId}`,
      'Subject: About INC-1',
      '',
      'Hello',
      '--b--',
    );
  };
  return [
    report('5.1.1', 'user unknown'),
    report('5.1.1', 'user unknown', 'elsewhere@fabrikam.test'),
    report('5.1.90', 'too many recipients'),
    report('5.2.0', 'STOREDRV; SubmissionQuotaExceeded'),
    report('5.7.232', 'over the limit of the tenant'),
    report('5.7.233', 'over the limit of the tenant'),
    report('5.7.501', 'Access denied, spam abuse detected'),
    report('5.1.8', 'Access denied, bad outbound sender'),
    report('5.1.8', 'domain not found'),
    report('5.7.501', 'forged', recipient, { From: 'MicrosoftExchange0@elsewhere.test' }),
    report('5.7.501', 'forged', recipient, {
      From: 'MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@elsewhere.test',
    }),
    report('5.7.501', 'forged', recipient, { 'X-MS-Exchange-Organization-AuthAs': 'Anonymous' }),
    ...['Status: 4.2.2\r\nAction: delayed\r\n', ''].map((more) =>
      report('4.4.7', 'expired', recipient).replace('Action: failed\r\n', more),
    ),
    lines(
      'From: MAILER-DAEMON@mx.test',
      'Subject: Undelivered Mail Returned to Sender',
      '',
      `<${recipient}>: 550 5.1.1 user unknown`,
      '',
      '--- Below this line is a copy of the message.',
      '',
      'Return-Path: <desk@example.com>',
      `${tagged}Message-ID: ${messageId}`,
      'Subject: About INC-1',
      '',
      'Hello',
    ),
  ];
}

const encodedIds = lines(
  `References: =?utf-8?B?${Buffer.from('<a@b>').toString('base64')}?= =?utf-8?Q?=3Cc=40d=3E?= &lt;e@f&gt;`,
  'In-Reply-To: c@monitor.example.co.uk',
  'Message-ID: <a@monitor.example.co.uk>',
  'From: alerts@mx.example.co.uk',
  'Subject: Problem',
  '',
  'x',
);

/** Beyond a limit each: of lines, parts, characters, recipients, what is kept in memory. Not mutated: they are slow. */
export function largeMails(): readonly string[] {
  const base64 = `${'QUJD'.repeat(19)}\r\n`;
  const many = <T>(count: number, one: (index: number) => T): readonly T[] =>
    Array.from({ length: count }, (_, index) => one(index));
  const mixed = (...parts: readonly string[]): string =>
    lines(
      'Content-Type: multipart/mixed; boundary=b',
      '',
      ...parts.map((part) => `--b\r\n${part}`),
      '--b--',
      '',
    );
  const failed = (index: number): string =>
    lines(`Final-Recipient: rfc822; r${String(index)}@x.test`, 'Action: failed', 'Status: 5.1.1', '');
  const report = (body: string): string =>
    lines(
      'From: MAILER-DAEMON@x.test',
      'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
      '',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      body,
      '--b--',
    );
  return [
    // Two files: one that outgrows memory, and one that does not.
    mixed(
      lines('Content-Type: application/pdf', 'Content-Transfer-Encoding: base64', '', base64.repeat(9_000)),
      lines('Content-Type: image/png', 'Content-Transfer-Encoding: base64', '', base64.repeat(20)),
    ),
    // The text comes behind what classification looks at.
    mixed(
      lines('Content-Type: application/pdf', 'Content-Transfer-Encoding: base64', '', base64.repeat(29_000)),
      lines('Content-Type: text/plain', '', 'Only the stream finds this text.'),
    ),
    lines('Content-Type: text/plain', '', 'x\n'.repeat(2_400_000)),
    lines('Content-Type: text/plain', '', `${'word '.repeat(400_000)}\r\n`.repeat(2)),
    `Subject: x\r${'Line\r'.repeat(40_000)}`,
    mixed(...many(1_500, () => '\r\nx')),
    lines(`To: ${many(1_200, (index) => `a${String(index)}@x.test`).join(', ')}`, '', 'x'),
    lines(`References: ${many(150, (index) => `<${String(index)}@x.test>`).join('\r\n ')}`, '', 'x'),
    lines(...many(3_000, (index) => `X-Field-${String(index)}: x`), '', 'x'),
    report(many(1_100, failed).join('\r\n')),
    report(many(1_100, failed).join('').replaceAll('\r\n\r\n', '\r\n')),
    lines(
      'From: MAILER-DAEMON@x.test',
      'Subject: Undelivered Mail Returned to Sender',
      '',
      'I could not deliver your message to these addresses:',
      ...many(400, (index) => `<r${String(index)}@x.test>: 550 5.1.1 user unknown`),
    ),
    JSON.stringify({ event: 'bounce', deep: nested(40), list: many(6_000, (index) => ({ n: index })) }),
    JSON.stringify({ notificationType: 'Bounce', Message: '{"bounce": broken', list: [1, null, 'x'] }),
  ].map((mail) => (mail.startsWith('{') ? `From: x@y.test\r\nSubject: AWS\r\n\r\n${mail}` : mail));
}

function nested(depth: number): unknown {
  return depth === 0 ? {} : { inner: nested(depth - 1) };
}

const html = (meta: string, body: string): string => `<html><head>${meta}</head><body>${body}</body></html>`;
const text = (head: string, body: string): string => `From: a@x.test\r\n${head}\r\n\r\n${body}`;
const daemon = (body: string, head = 'Subject: Undelivered Mail Returned to Sender'): string =>
  lines('From: MAILER-DAEMON@mx.test', head, '', body);

/** One for each branch that real mail seldom takes. */
export const rareMails: readonly string[] = [
  encodedIds,
  text('Message-ID: <a@x.test>\r\nReferences: <b@x.test>\r\nAuto-Submitted: auto-generated', 'x'),
  text(
    'Message-ID: <a@x.test>\r\nReferences: <b@eur.prod.outlook.com>\r\nAuto-Submitted: auto-generated',
    'x',
  ),
  lines(
    'From: alerts',
    'Message-ID: <a>',
    'References: <b@mx.x.fi>',
    'Auto-Submitted: auto-generated',
    '',
    'x',
  ),
  text('Return-Path: <a@x.test>\r\nPrecedence: bulk\r\nSubject: Out of office: x', 'x'),
  text('Return-Path: <a@x.test>\r\nSubject: Out of office: x', 'x'),
  text(
    'From: Microsoft Exchange Server 2010\r\nSubject: Retrieval using the IMAP4 protocol failed for the following message: 20004',
    'x',
  ),
  'From: Microsoft Exchange Server 2010\r\nSubject: Retrieval using the IMAP4 protocol failed for the following message: 20004\r\n\r\nx',
  text('Content-Type: multipart/report; report-type=feedback-report; boundary=b', '--b\r\n\r\nx\r\n--b--'),
  text(
    'Content-Type: multipart/report; report-type=feedback-report; boundary=b',
    '--b\r\nContent-Type: message/feedback-report\r\n\r\nUser-Agent: x\r\n--b--',
  ),
  ...['Complaint about message from 192.0.2.1', 'FW: junk'].map((subject) =>
    lines(
      'From: staff@hotmail.test',
      `Subject: ${subject}`,
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b\r\nContent-Type: message/rfc822\r\n\r\nX-HmXmrOriginalRecipient: kim@x.test\r\nSubject: y\r\n\r\nz\r\n--b--',
    ),
  ),
  lines(
    'From: staff@hotmail.test',
    'Subject: complaint about message from x',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n--b--',
  ),
  text(
    'Content-Type: multipart/mixed; boundary=b',
    '--b\r\nContent-Type: application/pkcs7-mime\r\n\r\nx\r\n--b\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nEND:VCALENDAR\r\n--b\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n--b--',
  ),
  text('Content-Type: application/x-pkcs7-mime; smime-type=enveloped-data', 'QUJD'),
  ...[
    'windows-1252',
    'iso-2022-jp',
    'x-unknown',
    'utf-7',
    'us-ascii',
    'utf-16',
    'utf-8',
    'gb18030',
    'shift_jis',
  ].flatMap((charset) =>
    ['ääkköset', '\u00e4\u00e5', 'plain', '\u001b$B$3$s\u001b(B', '\ufeffmark'].flatMap((words) => [
      text(`Content-Type: text/plain; charset=${charset}`, words),
      text(`Content-Type: text/html; charset=${charset}`, html('<meta charset="windows-1252">', words)),
    ]),
  ),
  text(
    'Content-Type: text/plain; charset=windows-1252\r\nContent-Transfer-Encoding: quoted-printable',
    '=81=8D=8F=90 =C3=A4',
  ),
  text(
    'Content-Type: text/plain; charset=iso-8859-7\r\nContent-Transfer-Encoding: quoted-printable',
    '=AE=D2=FF',
  ),
  text(
    'Content-Type: text/plain; charset=iso-8859-7\r\nContent-Transfer-Encoding: quoted-printable',
    '=C3=92',
  ),
  text('Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable', '=E4=F6 =C3=A4'),
  text(
    'Content-Type: text/plain\r\nContent-Transfer-Encoding: base64',
    'QUJD\r\n-- \r\nA footer in clear text',
  ),
  text('Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64', '77u/w6TDtg=='),
  ...[
    '1 Jan 24 10:00 EST',
    '31 Feb 2024 10:00:00 +0200',
    '1 Jan 99 10:00 Z',
    '1 Foo 2024 10:00 GMT',
    '1 Jan 2024 25:00 GMT',
    '1 Jan 2024 10:00 +9999',
    '1 Jan 124 10:00 (a (b) \\) c) UT',
  ].map((date) => text(`Date: ${date}`, 'x')),
  text('Content-Type: multipart/mixed', '--x\r\nContent-Type: text/plain\r\n\r\na\r\n--x--'),
  text('Content-Type: multipart/mixed; boundary=b', 'nothing'),
  text(
    'Content-Type: multipart/mixed; boundary=b',
    '--b\r\nContent-Disposition: inline; filename=a\r\nContent-Type: image/png\r\n\r\na\r\n--wrong',
  ),
  text(
    'Content-Type: multipart/mixed; boundary=wrong',
    '--b\r\nContent-Type: image/png\r\nContent-Disposition: inline\r\nContent-Location: http://x/y.png?z\r\n\r\nQUJD\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx\r\n--b--',
  ),
  text(
    'Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64',
    Buffer.from('--b\r\nContent-Type: text/plain\r\n\r\na\r\n--b--').toString('base64'),
  ),
  text('To: =?utf-8?Q?Kim_=3Ckim=40x.test=3E?=, Group: a@x.test, b@x.test;, <>, no address', 'x'),
  text(`To: ${'x'.repeat(300)}@x.test`, 'x'),
  text('Subject : old\r\nX-Odd\t: y\r\n: none\r\nno field at all', 'x'),
  daemon('<kim@x.test>: 550 5.0.0 <kim@x.test>... 5.1.1 User unknown'),
  daemon('<kim@x.test>: refused: 450 4.7.1 nothing 5.4.7 then 5.2.2'),
  daemon('Your message to /var/mail/kim could not be delivered: 452 4.2.2 quota'),
  daemon(
    'kim@x.test\r\n(reason: 554 5.4.0 Host not found)\r\nwhile talking to mx.x.test:\r\n>>> MAIL FROM:<desk@example.com>\r\n<<< 550 5.1.8 domain of sender does not resolve',
  ),
  daemon('kim@x.test: 450 4.1.2 host not found: name service error'),
  daemon('kim@x.test: 450 domain not found'),
  daemon('kim@x.test: 552 x'),
  daemon('kim@x.test: 550 x (in reply to RCPT TO command)'),
  daemon('kim@x.test: 550 x (in reply to MAIL FROM command)'),
  daemon('kim@x.test: 521 x'),
  daemon('IMCEASMTP-kim+40x+2Etest@example.com: 550 5.1.1 x'),
  daemon('IMCEAEX-_O=ORG_CN=kim@example.com: 550 5.1.1 x'),
  ...[
    'kim\\x{E9}@x.test',
    'kim\\x{1F}@x.test',
    'IMCEASMTP-kim+40x+2Etest@example.com',
    'IMCEAEX-_O=ORG@example.com',
    '"kim doe"@x.test',
    '',
    'none',
  ].map((address) =>
    daemon(
      lines(
        '--b',
        'Content-Type: message/delivery-status',
        '',
        `Final-Recipient: utf-8; ${address}`,
        'Action: failed',
        'Status: 5.0.0',
        '--b--',
      ),
      'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
    ),
  ),
  ...[
    ['5.1.2', 'host unknown', 'MAIL FROM'],
    ['4.1.2', 'host unknown', 'RCPT TO'],
    ['5.1.2', 'host unknown', 'RCPT TO'],
    ['5.0.0', 'nothing to say', 'MAIL FROM'],
    ['', 'nothing to say', 'MAIL FROM'],
  ].map(([status = '', words = '', command = '']) =>
    daemon(
      lines(
        '--b',
        'Content-Type: message/delivery-status',
        '',
        'Final-Recipient: rfc822; kim@x.test',
        'Action: failed',
        ...(status === '' ? [] : [`Status: ${status}`]),
        `Diagnostic-Code: smtp; 550 ${words} (in reply to ${command} command)`,
        '--b--',
      ),
      'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
    ),
  ),
  ...['Hi. This is the mail server at x.test.', 'Hello,', ''].map((opening) =>
    lines(
      'From: postmaster@x.test',
      'Subject: Delivery failure',
      '',
      `${opening} Your message could not be delivered.`,
      '<kim@x.test>: 550 5.1.1 user unknown',
    ),
  ),
  lines('From: postmaster@x.test', 'Subject: Delivery failure', '', 'Returned.'),
  daemon('Duplicated Message-ID in <x@y>', 'Subject: Loop alert: fml'),
  lines('From: "Mail Delivery System" <>', 'Subject: =?utf-8?q?x?=', '', 'kim@x.test 550 5.1.1'),
  text(
    'Subject: x\r\nContent-Type: text/plain',
    '{"eventType":"bounce","recipient":"kim@x.test",\n "reason":"550 5.1.1 user\n unknown"}\r\n\r\nTo unsubscribe',
  ),
  text(
    'Subject: x',
    '{"Type":"Notification","Message":"{\\"notificationType\\":\\"Bounce\\",\\"bounce\\":{\\"bouncedRecipients\\":[{\\"emailAddress\\":\\"kim@x.test\\"}]}}"}',
  ),
  text('Subject: x', '{"broken": '),
  text('Subject: x', '["text", {"event":"failed","email":"no address"}]'),
];
