// JSON notices of cloud mail services: the shapes that their documentation gives, with invented values.
import { describe, expect, test } from '@jest/globals';
import { classifyMail } from '../../shared/classify/classifyMail.ts';
import { mailText } from '../../shared/mail/headers.ts';
import type { Classification } from '../../shared/contract/classification.ts';

function mailed(body: string, head = ''): Classification {
  const header = `From: Notices <notices@cloud.test>\r\nTo: desk@contoso.test\r\nSubject: Notification\r\n${head}`;
  return classifyMail(mailText(Buffer.from(`${header}\r\n${body}\r\n`)));
}

const kim = 'kim@fabrikam.test';
const ses = {
  notificationType: 'Bounce',
  bounce: {
    bounceType: 'Permanent',
    bounceSubType: 'General',
    bouncedRecipients: [
      {
        emailAddress: kim,
        action: 'failed',
        status: '5.1.1',
        diagnosticCode: 'smtp; 550 5.1.1 user unknown',
      },
      { emailAddress: 'jo@fabrikam.test', status: '5.2.2', diagnosticCode: 'smtp; 552 5.2.2 mailbox full' },
    ],
  },
  mail: { source: 'desk@contoso.test', destination: [kim] },
};

describe('bounces', () => {
  test.each<
    [service: string, document: unknown, rows: readonly (readonly [string, string, string, boolean])[]]
  >([
    [
      'SES',
      ses,
      [
        [kim, '5.1.1', '550', true],
        ['jo@fabrikam.test', '5.2.2', '552', false],
      ],
    ],
    [
      'SES through SNS',
      { Type: 'Notification', Message: JSON.stringify(ses) },
      [
        [kim, '5.1.1', '550', true],
        ['jo@fabrikam.test', '5.2.2', '552', false],
      ],
    ],
    [
      'SES, transient',
      {
        eventType: 'Bounce',
        bounce: {
          bounceType: 'Transient',
          bouncedRecipients: [{ emailAddress: kim, diagnosticCode: '450 no such user' }],
        },
      },
      [[kim, '', '450', false]],
    ],
    [
      'SES, suppressed',
      {
        notificationType: 'Bounce',
        bounce: {
          bounceType: 'Permanent',
          bounceSubType: 'Suppressed',
          bouncedRecipients: [
            {
              emailAddress: kim,
              status: '5.1.1',
              diagnosticCode:
                'Amazon SES has suppressed sending to this address because it has a recent history of bouncing as an invalid address.',
            },
          ],
        },
      },
      [[kim, '5.1.1', '', false]],
    ],
    [
      'SparkPost',
      [
        {
          msys: {
            message_event: {
              type: 'bounce',
              bounce_class: '10',
              rcpt_to: kim,
              error_code: '550',
              raw_reason: '550 5.1.1 <kim@fabrikam.test> User unknown',
              reason: '550 5.1.1 ... User unknown',
            },
          },
        },
      ],
      [[kim, '5.1.1', '550', true]],
    ],
    [
      'Mailgun',
      {
        'event-data': {
          event: 'failed',
          severity: 'permanent',
          recipient: kim,
          'delivery-status': { code: 550, message: '5.1.1 No such user here', description: '' },
        },
      },
      [[kim, '5.1.1', '550', true]],
    ],
    [
      'Mailgun, temporary',
      {
        'event-data': {
          event: 'failed',
          severity: 'temporary',
          recipient: kim,
          'delivery-status': { code: 550, message: 'No such user here' },
        },
      },
      [[kim, '', '550', false]],
    ],
    [
      'SendGrid',
      [
        {
          event: 'bounce',
          email: kim,
          status: '5.0.0',
          type: 'blocked',
          reason: '550 5.7.1 Message rejected as spam',
        },
        { event: 'delivered', email: 'jo@fabrikam.test' },
      ],
      [[kim, '5.0.0', '550', false]],
    ],
    [
      'Postmark',
      {
        RecordType: 'Bounce',
        Type: 'HardBounce',
        Email: kim,
        Description: 'The server was unable to deliver your message (ex: unknown user, mailbox not found).',
        Details: 'smtp;550 5.1.1 The email account that you tried to reach does not exist.',
      },
      [[kim, '5.1.1', '550', true]],
    ],
    [
      'Mandrill',
      [
        {
          event: 'soft_bounce',
          msg: {
            email: kim,
            state: 'soft-bounced',
            diag: '452 4.2.2 mailbox full',
            bounce_description: 'mailbox_full',
          },
        },
      ],
      [[kim, '4.2.2', '452', false]],
    ],
    [
      'Brevo',
      { event: 'hard_bounce', email: kim, reason: '550 unknown recipient' },
      [[kim, '', '550', true]],
    ],
    [
      'Azure Communication Services',
      [
        {
          eventType: 'Microsoft.Communication.EmailDeliveryReportReceived',
          data: {
            sender: 'desk@contoso.test',
            recipient: kim,
            status: 'Bounced',
            deliveryStatusDetails: { statusMessage: '550 5.1.1 User unknown' },
          },
        },
      ],
      [[kim, '5.1.1', '550', true]],
    ],
  ])('%s', (_service, document, rows) => {
    for (const text of [JSON.stringify(document), JSON.stringify(document, null, 2)]) {
      const found = mailed(text);
      expect([found.kind, found.because]).toEqual(['bounce', 'notification service']);
      expect(
        found.bounce?.recipients.map((one) => [one.address, one.status, one.replyCode, one.hard]),
      ).toEqual(rows);
      expect(found.loopGuard.mayAnswer).toBe(false);
    }
  });

  test('with what SNS appends, and lines that were folded inside a string', () => {
    const text = `${JSON.stringify(ses).replace('user unknown', 'user\n unknown')}\n\n--\nIf you wish to stop receiving notifications, visit https://sns.test/`;
    expect(mailed(text).bounce?.recipients[0]).toMatchObject({
      address: kim,
      hard: true,
      diagnostic: '550 5.1.1 user unknown',
    });
  });
});

describe('no bounces', () => {
  test.each<[string, string]>([
    ['a delivery', JSON.stringify({ notificationType: 'Delivery', delivery: { recipients: [kim] } })],
    ['an opening', JSON.stringify([{ event: 'open', email: kim }])],
    ['another document', JSON.stringify({ alert: 'disk failed', contact: kim })],
    ['no address', JSON.stringify({ event: 'bounce', email: 'kim' })],
    ['not JSON', '{ "event": "bounce", "email": "kim@fabrikam.test"'],
    ['a person who quotes it', `Hi, what is this?\n\n${JSON.stringify(ses)}`],
    ['nothing', ''],
    ['a number', '5'],
  ])('%s', (_name, body) => {
    expect(mailed(body).kind).toBe('message');
  });

  test('a person forwards it', () => {
    expect(mailed(JSON.stringify(ses), 'Return-Path: <notices@cloud.test>\r\n').kind).toBe('message');
  });
});

test('many recipients and deep documents end', () => {
  const many = {
    ...ses,
    bounce: {
      bounceType: 'Permanent',
      bouncedRecipients: Array.from({ length: 900 }, (_, n) => ({
        emailAddress: `u${n}@x.test`,
        status: '5.1.1',
      })),
    },
  };
  expect(mailed(JSON.stringify(many)).bounce?.recipients.length).toBe(200);
  const deep = `${'{"event":"bounce","a":'.repeat(500)}{"email":"${kim}"}${'}'.repeat(500)}`;
  expect(mailed(deep).kind).toBe('message');
});
