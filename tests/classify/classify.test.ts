// What a message is taken for. The mails here are made: the shapes are those that families of servers write, the
// names and hosts are invented. Collected mails are in corpora.test.ts.
import { describe, expect, test } from '@jest/globals';
import { codesIn } from '../../shared/classify/bounceCodes.ts';
import { judgeRefusal } from '../../shared/classify/bounceReason.ts';
import type { Classification } from '../../shared/contract/classification.ts';
import { classifyMail } from '../../shared/classify/classifyMail.ts';
import { mailText } from '../../shared/mail/headers.ts';
import { answers } from './fixtures/autoReplies.ts';
import { notices } from './fixtures/notices.ts';
import { refusals, verdicts } from './fixtures/refusals.ts';

interface Made {
  readonly from?: string;
  readonly subject: string;
  readonly more?: string;
  readonly body: string;
}

function classified({
  from = 'MAILER-DAEMON@mx.fabrikam.test',
  subject,
  more = '',
  body,
}: Made): Classification {
  const head = `From: ${from}\r\nTo: desk@contoso.test\r\nSubject: ${subject}\r\n${more}`;
  return classifyMail(mailText(Buffer.from(`${head}\r\n${body.replaceAll('\n', '\r\n')}\r\n`)));
}

/** address, status, reply code, reason, dead or not */
type Row = readonly [string, string, string, string, 'dead' | 'alive'];

const texts: readonly (readonly [string, Made, readonly Row[]])[] = [
  [
    'Exim',
    {
      subject: 'Mail delivery failed: returning message to sender',
      body: 'This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  kim@fabrikam.test\n    SMTP error from remote mail server after RCPT TO:<kim@fabrikam.test>:\n    host mx.fabrikam.test [192.0.2.1]: 550 5.1.1 <kim@fabrikam.test>... User Unknown\n  jo@fabrikam.test\n    mailbox is full: retry timeout exceeded\n\n------ This is a copy of the message, including all the headers. ------\n\nReturn-path: <desk@contoso.test>\n',
    },
    [
      ['kim@fabrikam.test', '5.1.1', '550', 'userunknown', 'dead'],
      ['jo@fabrikam.test', '', '', 'mailboxfull', 'alive'],
    ],
  ],
  [
    'qmail',
    {
      subject: 'failure notice',
      body: "Hi. This is the qmail-send program at mx.fabrikam.test.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n<kim@fabrikam.test>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <desk@contoso.test>\n",
    },
    [['kim@fabrikam.test', '5.1.1', '', 'userunknown', 'dead']],
  ],
  [
    'Postfix, client blocked',
    {
      subject: 'Undelivered Mail Returned to Sender',
      body: "This is the mail system at host x.\n\nI'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients.\n\n<kim@fabrikam.test>: host mx[192.0.2.1] said: 550 5.7.1\n    Service unavailable; client [192.0.2.9] blocked using zen.spamhaus.org (in\n    reply to RCPT TO command)\n",
    },
    [['kim@fabrikam.test', '5.7.1', '550', 'blocked', 'alive']],
  ],
  [
    'Postfix, a delay',
    {
      subject: 'Delayed Mail (still being retried)',
      body: 'THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE.\n\nYour message could not be delivered for more than 4 hour(s).\n\n<kim@fabrikam.test>: connect to mx[192.0.2.1]:25: Connection timed out\n',
    },
    [['kim@fabrikam.test', '', '', 'expired', 'alive']],
  ],
  [
    'sendmail, a transcript',
    {
      subject: 'Returned mail: User unknown',
      body: '   ----- Transcript of session follows -----\nWhile talking to mx.fabrikam.test:\n>>> RCPT To:<kim@fabrikam.test>\n<<< 550 <kim@fabrikam.test>... User unknown\n550 <kim@fabrikam.test>... User unknown\nWhile talking to mx.other.test:\n550 other.test (smtp)... 550 Host unknown\n554 <jo@other.test>... 550 Host unknown (Authoritative answer from name server)\n\n   ----- Unsent message follows -----\nReceived: by mx; id 1\n',
    },
    [
      ['kim@fabrikam.test', '', '550', 'userunknown', 'dead'],
      ['jo@other.test', '', '550', 'hostunknown', 'dead'],
    ],
  ],
  [
    'Exchange Online',
    {
      from: 'Microsoft Outlook <MicrosoftExchange329e@contoso.test>',
      subject: 'Undeliverable: Ticket',
      body: "Delivery has failed to these recipients or groups:\n\nkim@fabrikam.test\nThe recipient's mailbox is full and can't accept messages now.\n\nDiagnostic information for administrators:\n\nGenerating server: X.prod.outlook.com\n\nkim@fabrikam.test\nRemote Server returned '554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException'\n\nOriginal message headers:\n",
    },
    [['kim@fabrikam.test', '5.2.2', '554', 'mailboxfull', 'alive']],
  ],
  [
    'Exchange 2003',
    {
      from: 'System Administrator <postmaster@fabrikam.test>',
      subject: 'Undeliverable: Ticket',
      body: 'Your message\n\n  To:      kim@fabrikam.test\n  Subject: Ticket\n\ndid not reach the following recipient(s):\n\nkim@fabrikam.test on Wed, 25 Nov 2026 09:00:00 +0200\n    The recipient name is not recognized\n    MSEXCH:IMS:FABRIKAM:X:Y 0 (000C05A6) Unknown Recipient\n',
    },
    [['kim@fabrikam.test', '', '', 'userunknown', 'dead']],
  ],
  [
    'Gmail',
    {
      from: 'Mail Delivery Subsystem <mailer-daemon@googlemail.com>',
      subject: 'Delivery Status Notification (Failure)',
      body: "** Address not found **\n\nYour message wasn't delivered to kim@fabrikam.test because the address couldn't be found.\n\nThe response from the remote server was:\n550 5.1.1 <kim@fabrikam.test>: Recipient address rejected: User unknown\n",
    },
    [['kim@fabrikam.test', '5.1.1', '550', 'userunknown', 'dead']],
  ],
  [
    'Domino',
    {
      from: 'postmaster@fabrikam.test',
      subject: 'DELIVERY FAILURE: User kim (kim@fabrikam.test) not listed in Domino Directory',
      body: 'Your message\n\n  Subject: Ticket\n\nwas not delivered to:\n\n  kim@fabrikam.test\n\nbecause:\n\n  User kim (kim@fabrikam.test) not listed in Domino Directory\n',
    },
    [['kim@fabrikam.test', '', '', 'userunknown', 'dead']],
  ],
  [
    'Courier',
    {
      from: 'Courier mail server at mx.fabrikam.test <@mx.fabrikam.test>',
      subject: 'NOTICE: mail delivery status.',
      more: 'Return-Path: <>\r\n',
      body: 'This is a delivery status notification from mx.fabrikam.test,\nrunning the Courier mail server.\n\n                           UNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n\n<kim@fabrikam.test>:\n    mx.fabrikam.test [192.0.2.1]:\n>>> RCPT TO:<kim@fabrikam.test>\n<<< 550 5.1.1 <kim@fabrikam.test>... User Unknown\n',
    },
    [['kim@fabrikam.test', '5.1.1', '550', 'userunknown', 'dead']],
  ],
  [
    'hMailServer',
    {
      subject: 'Message undeliverable: Ticket',
      body: 'Your message did not reach some or all of the intended recipients.\n\n   Subject: Ticket\n\nThe following recipient(s) could not be reached:\n\nkim@fabrikam.test\n   Error Type: SMTP\n   Remote server (192.0.2.1) issued an error.\n   hMailServer sent: RCPT TO:<kim@fabrikam.test>\n   Remote server replied: 552 5.3.4 Message too big for system\n',
    },
    [['kim@fabrikam.test', '5.3.4', '552', 'mesgtoobig', 'alive']],
  ],
  [
    'CommuniGate',
    {
      subject: 'Undeliverable mail: Ticket',
      body: "Failed to deliver to 'kim@fabrikam.test'\nSMTP module(domain fabrikam.test) reports:\n host mx.fabrikam.test says:\n 550 5.1.1 unknown user\n",
    },
    [['kim@fabrikam.test', '5.1.1', '550', 'userunknown', 'dead']],
  ],
  [
    'a filter that refuses after the content',
    {
      subject: 'failure notice',
      body: '<kim@fabrikam.test>:\n192.0.2.1 failed after I sent the message.\nRemote host said: 550 User unknown\n',
    },
    [['kim@fabrikam.test', '', '550', 'filtered', 'alive']],
  ],
  [
    'DMARC',
    {
      subject: 'failure notice',
      body: '<kim@fabrikam.test>:\nRemote host said: 550 5.7.509 Access denied, sending domain [CONTOSO.TEST] does not pass DMARC verification\n',
    },
    [['kim@fabrikam.test', '5.7.509', '550', 'authfailure', 'alive']],
  ],
  [
    "Biglobe's full mailbox",
    {
      from: 'postmaster@biglobe.example.test',
      subject: 'Mail delivery failed',
      body: "   ----- The following addresses had delivery problems -----\nkim@fabrikam.test\n\n   ----- Non-delivered information -----\nThe number of messages in recipient's mailbox exceeded the local limit.\n",
    },
    [['kim@fabrikam.test', '', '', 'mailboxfull', 'alive']],
  ],
];

test.each(refusals)(
  '%s says %j after %s: %s, the address is %s',
  (_server, detail, command, reason, address) => {
    const codes = codesIn(detail);
    const found = judgeRefusal({ text: detail, ...codes, command });
    expect([found.reason, found.hard ? 'dead' : 'alive']).toEqual([reason, address]);
  },
);

test.each(verdicts)('%j after %s: the address is %s', (detail, command, address) => {
  const codes = codesIn(detail);
  expect(judgeRefusal({ text: detail, ...codes, command }).hard).toBe(address === 'dead');
});

describe('bounces of further servers', () => {
  test.each(notices)('$server', ({ from, subject, more, body, rows }) => {
    const found = classified({ subject, body, ...(from && { from }), ...(more && { more }) });
    expect(found.kind).toBe('bounce');
    expect(
      found.bounce?.recipients.map(({ address, status, replyCode, hard }) => [
        address,
        status,
        replyCode,
        hard ? 'dead' : 'alive',
      ]),
    ).toEqual(rows);
  });
});

test.each(answers)('$program ($subject) is taken for: $kind', ({ from, subject, more, body, kind }) => {
  const made = { from: from ?? 'Kim <kim@fabrikam.test>', subject, body: body ?? 'I am back soon.' };
  expect(classified({ ...made, ...(more && { more }) }).kind).toBe(kind);
});

const rowsOf = ({ bounce }: Classification): readonly Row[] =>
  (bounce?.recipients ?? []).map(({ address, status, replyCode, reason, hard }) => [
    address,
    status,
    replyCode,
    reason,
    hard ? 'dead' : 'alive',
  ]);

describe('bounces without a status part', () => {
  test.each(texts)('%s', (_name, made, rows) => {
    const found = classified(made);
    expect(found.kind).toBe('bounce');
    expect(rowsOf(found)).toEqual(rows);
    expect(found.loopGuard.mayAnswer).toBe(false);
  });

  test('a delay is a soft bounce that has not failed', () => {
    const delay = texts.find(([name]) => name === 'Postfix, a delay')?.[1];
    if (delay === undefined) throw new Error('no such case');
    expect(classified(delay).bounce).toMatchObject({
      severity: 'delayed',
      recipients: [{ action: 'delayed' }],
    });
  });
});

function report(fields: string, detail = 'Could not deliver.'): Made {
  return {
    subject: 'Delivery Status Notification',
    more: 'Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n',
    body: `--b\nContent-Type: text/plain\n\n${detail}\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n${fields}\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <ours@contoso.test>\nX-Mail-Bridge-Id: ticket-1.2\nX-Mail-Bridge-Tag: ${'a'.repeat(64)}\nSubject: Ticket\n\nHi\n--b--`,
  };
}

describe('bounces with a status part (RFC 3464)', () => {
  test.each<[string, string, readonly Row[]]>([
    [
      'the field tells',
      'Final-Recipient: rfc822; kim@fabrikam.test\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 User unknown',
      [['kim@fabrikam.test', '5.1.1', '550', 'userunknown', 'dead']],
    ],
    [
      'the diagnostic tells more',
      'Final-Recipient: rfc822; kim@fabrikam.test\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 552 5.2.2 Mailbox full',
      [['kim@fabrikam.test', '5.2.2', '552', 'mailboxfull', 'alive']],
    ],
    [
      'several recipients, each by itself',
      'Final-Recipient: rfc822; kim@fabrikam.test\nAction: failed\nStatus: 5.1.1\n\nFinal-Recipient: rfc822; jo@fabrikam.test\nAction: failed\nStatus: 5.7.1\nDiagnostic-Code: smtp; 550 5.7.1 Message rejected as spam',
      [
        ['kim@fabrikam.test', '5.1.1', '', 'userunknown', 'dead'],
        ['jo@fabrikam.test', '5.7.1', '550', 'spamdetected', 'alive'],
      ],
    ],
    [
      'folded, in another case, with a comment',
      'FINAL-RECIPIENT: RFC822;\n <kim@fabrikam.test>\nACTION: Failed (permanently)\nSTATUS: 5.4.4 (no host)\nDiagnostic-Code: x; Host or domain name not found. Name service error\n for name=fabrikam.test: Host not found',
      [['kim@fabrikam.test', '5.4.4', '', 'hostunknown', 'dead']],
    ],
    [
      'a name that may be found later',
      "Final-Recipient: rfc822; kim@fabrikam.test\nAction: failed\nStatus: 4.0.0\nDiagnostic-Code: smtp; DNS Error: DNS type 'mx' lookup of fabrikam.test responded with code NXDOMAIN",
      [['kim@fabrikam.test', '4.0.0', '', 'networkerror', 'alive']],
    ],
  ])('%s', (_name, fields, rows) => {
    const found = classified(report(fields));
    expect([found.kind, found.because]).toEqual(['bounce', 'delivery-status part']);
    expect(rowsOf(found)).toEqual(rows);
    expect(found.returned).toEqual({
      messageId: '<ours@contoso.test>',
      bridgeId: 'ticket-1.2',
      bridgeTag: 'a'.repeat(64),
    });
  });

  test.each([
    ['Successful Mail Delivery Report', 'receipt'],
    ['Delivery Status Notification (Success)', 'receipt'],
    ['Delivery Status Notification (Failure)', 'bounce'],
  ])('%s without its part is a %s', (subject, kind) => {
    expect(classified({ subject, body: 'Your message: see below.\n\nkim@fabrikam.test' }).kind).toBe(kind);
  });

  test.each(['delivered', 'relayed', 'expanded'])('%s is a receipt', (action) => {
    const fields = `Final-Recipient: rfc822; kim@fabrikam.test\nAction: ${action}\nStatus: 2.1.5`;
    expect(classified(report(fields)).kind).toBe('receipt');
  });
});

describe('the other kinds', () => {
  const person = 'Kim <kim@fabrikam.test>';

  test.each<[string, Made, string]>([
    [
      'RFC 3834',
      { from: person, subject: 'Ticket', more: 'Auto-Submitted: auto-replied (vacation)\r\n', body: 'Away' },
      'autoReply',
    ],
    [
      'Exchange, English',
      {
        from: person,
        subject: 'Automatic reply: Ticket',
        more: 'Auto-Submitted: auto-generated\r\n',
        body: 'Away',
      },
      'autoReply',
    ],
    [
      'Exchange, Finnish',
      { from: person, subject: 'Automaattinen vastaus: Tiketti', body: 'Lomalla' },
      'autoReply',
    ],
    [
      'Exchange, Swedish, encoded',
      { from: person, subject: '=?utf-8?Q?Automatiskt_svar:_=C3=84rende?=', body: 'Borta' },
      'autoReply',
    ],
    ['Exchange, German', { from: person, subject: 'Automatische Antwort: Ticket', body: 'Weg' }, 'autoReply'],
    ['old Outlook', { from: person, subject: 'Out of Office AutoReply: Ticket', body: 'Away' }, 'autoReply'],
    [
      'a vendor header',
      { from: person, subject: 'Re: Ticket', more: 'X-Autoreply: yes\r\n', body: 'Away' },
      'autoReply',
    ],
    [
      'Precedence: auto_reply',
      { from: person, subject: 'Re: Ticket', more: 'Precedence: auto_reply\r\n', body: 'Away' },
      'autoReply',
    ],
    [
      'X-Auto-Response-Suppress is no sign',
      { from: person, subject: 'Ticket', more: 'X-Auto-Response-Suppress: All\r\n', body: 'Hi' },
      'message',
    ],
    [
      'a monitor is no reply',
      {
        from: 'nagios@fabrikam.test',
        subject: 'PROBLEM: host down',
        more: 'Auto-Submitted: auto-generated\r\n',
        body: 'Down',
      },
      'message',
    ],
    [
      'a person writes about bounces',
      {
        from: person,
        subject: 'Re: mailbox full?',
        body: 'My mailbox is full, delivery failed to jo@x.test',
      },
      'message',
    ],
    ['a list', { from: person, subject: 'Digest', more: 'List-Id: <l.x.test>\r\n', body: 'Hi' }, 'message'],
    [
      'a complaint (RFC 5965)',
      {
        from: 'feedback@fabrikam.test',
        subject: 'FW: Ticket',
        more: 'Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n',
        body: '--b\n\nSpam\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nOriginal-Rcpt-To: kim@fabrikam.test\n--b--',
      },
      'complaint',
    ],
    [
      'a read receipt (RFC 8098)',
      {
        from: person,
        subject: 'Read: Ticket',
        more: 'Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n',
        body: '--b\n\nRead\n--b\nContent-Type: message/disposition-notification\n\nDisposition: manual-action; displayed\n--b--',
      },
      'receipt',
    ],
    [
      'a forwarded mail is no return of ours',
      {
        from: person,
        subject: 'Fwd',
        more: 'Content-Type: multipart/mixed; boundary=b\r\n',
        body: '--b\n\nSee below\n--b\nContent-Type: message/rfc822\n\nX-Mail-Bridge-Id: ticket-1.1\nMessage-ID: <ours@x>\n\nHi\n--b--',
      },
      'message',
    ],
  ])('%s', (_name, made, kind) => {
    const found = classified(made);
    expect(found.kind).toBe(kind);
    if (kind === 'message') expect(found.returned).toEqual({});
  });
});

describe('may a machine answer', () => {
  test.each<[string, string, boolean]>([
    ['an ordinary mail', '', true],
    ['Auto-Submitted: no', 'Auto-Submitted: no\r\n', true],
    ['Auto-Submitted: auto-generated', 'Auto-Submitted: auto-generated\r\n', false],
    ['a list', 'List-Id: <l.x.test>\r\n', false],
    ['bulk', 'Precedence: bulk\r\n', false],
    ['a null reverse-path', 'Return-Path: <>\r\n', false],
    ['a wish for silence', 'X-Auto-Response-Suppress: OOF, AutoReply\r\n', false],
    ['no such wish', 'X-Auto-Response-Suppress: DR, RN\r\n', true],
    ['a mail of our own', 'X-Mail-Bridge-Id: ticket-1.1\r\n', false],
  ])('%s', (_name, more, mayAnswer) => {
    const { loopGuard } = classified({
      from: 'Kim <kim@fabrikam.test>',
      subject: 'Ticket',
      more,
      body: 'Hi',
    });
    expect(loopGuard.mayAnswer).toBe(mayAnswer);
    expect(loopGuard.reasons.length > 0).toBe(!mayAnswer);
  });
});
