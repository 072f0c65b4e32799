// Who wrote it: the same words from a person and from a machine.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nobodyReads, originOf } from '../../shared/classify/origin.ts';
import { subjectForms, withReplyPrefix } from '../../shared/classify/subjectForms.ts';
import { isPlaceholder } from '../../shared/classify/placeholder.ts';
import { mailText, readHeaders } from '../../shared/mail/headers.ts';
import { classified, multipart, rawOf, type Made } from './made.ts';

const fieldsOf = (made: Made): ReturnType<typeof readHeaders> =>
  readHeaders(mailText(Buffer.from(rawOf(made))));

describe('subjects', () => {
  test.each([
    ['[EXTERNAL] RE: x', 'RE: x'],
    ['[Ticket#1] [EXT] Re: x', 'Re: x'],
    ['(External) x', 'x'],
    ['{Spam?} x', 'x'],
    ['【外部】x', 'x'],
    ['<External> x', 'x'],
    ['**SPAM** x', 'x'],
    ['*** SUSPECTED SPAM *** x', 'x'],
    ['##EXTERNAL## x', 'x'],
    ['EXTERNAL: x', 'x'],
    ['External - x', 'x'],
    ['Extern | x', 'x'],
    ['Caution! : x', 'x'],
    ['INC-2041: x', 'x'],
    ['Ticket#2041 - x', 'x'],
    ['#2041 x', 'x'],
    ['Case 2041: x', 'x'],
    ['plain words', 'plain words'],
    ['external hard disk is broken', 'external hard disk is broken'],
    ['[only a tag]', '[only a tag]'],
    ['', ''],
  ])('%s', (subject, barest) => {
    const forms = subjectForms(subject);
    expect([forms[0], forms.at(-1)]).toEqual([subject, barest]);
  });

  test('tags end, whatever the subject', () => {
    expect(subjectForms('[a] '.repeat(100)).length).toBeLessThanOrEqual(9);
    fc.assert(fc.property(fc.string({ maxLength: 600 }), (text) => subjectForms(text).length <= 9));
  });

  test.each([
    ...[
      'Re:',
      'RE :',
      're[2]:',
      'Re(3):',
      'RE^2:',
      'AW:',
      'Antw:',
      'SV:',
      'VS:',
      'Vast:',
      'Vastaus:',
      'Odp:',
      'ODP:',
      'Odg:',
    ],
    ...[
      'R:',
      'RIF:',
      'RES:',
      'Rép:',
      'RÉ:',
      'Ats:',
      'Atb:',
      'YNT:',
      'Vá:',
      'RE：',
      '回复：',
      '答复:',
      '返信:',
      'Отв:',
      'ΑΠ:',
      'Svar:',
    ],
    ...[
      'FW:',
      'Fwd:',
      'WG:',
      'VL:',
      'VB:',
      'TR:',
      'I:',
      'RV:',
      'Doorst:',
      'ENC:',
      'PD:',
      'Tov:',
      'İLT:',
      '转发:',
      'Пересл:',
    ],
  ])('%s begins a reply or a forward', (begin) => {
    expect(withReplyPrefix(`${begin} x`)).toBe(true);
  });

  test.each([
    'Report: x',
    'Undeliverable: x',
    'AUTO: x',
    'Rechnung: x',
    'Re x',
    'Fw',
    'Ticket: x',
    'Ref x',
    ': x',
  ])('%s begins none', (subject) => {
    expect(withReplyPrefix(subject)).toBe(false);
  });
});

describe('marks', () => {
  test.each<[name: string, made: Made, expected: Partial<ReturnType<typeof originOf>>]>([
    ['a person', {}, { daemon: 'none', machine: false, person: false, nullPath: false, submitted: '' }],
    ['his own path', { more: ['Return-Path: <KIM@fabrikam.test>'] }, { person: true, ownPath: true }],
    ['another path', { more: ['Return-Path: <x@fabrikam.test>'] }, { person: false, ownPath: false }],
    ['a null path', { more: ['Return-Path: <>'] }, { nullPath: true, machine: true }],
    ['no address at all', { from: 'MAILER-DAEMON <>' }, { nullPath: true, daemon: 'unattended' }],
    ['a daemon', { from: 'x <MAILER-DAEMON@a.test>' }, { daemon: 'unattended', machine: true }],
    ['a daemon that replies', { from: 'mailer-daemon@a.test', subject: 'Re: x' }, { person: false }],
    [
      'a daemon without a host',
      { from: 'Mail Delivery Subsystem <MAILER-DAEMON>' },
      { daemon: 'unattended' },
    ],
    ['by its path', { more: ['Return-Path: <mailer-daemon@a.test>'] }, { daemon: 'unattended' }],
    [
      "Exchange's reports",
      { from: 'MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@a.test' },
      { daemon: 'unattended' },
    ],
    [
      'the name of a system, without a path',
      { from: 'Mail Delivery System <x@a.test>', more: ['Return-Path: <>'] },
      { daemon: 'unattended' },
    ],
    ['the name alone', { from: 'Mail Delivery System <x@a.test>' }, { daemon: 'none', machine: true }],
    ['postmaster', { from: 'postmaster@a.test' }, { daemon: 'attended', machine: true, person: false }],
    ['postmaster replies', { from: 'postmaster@a.test', subject: '[EXT] Odp: x' }, { person: true }],
    [
      'a team of that name',
      { from: 'Postmaster Team <postmaster-team@a.test>' },
      { daemon: 'none', machine: false },
    ],
    [
      'a gateway',
      { from: 'mail-gateway@a.test', more: ['Return-Path: <mail-gateway@a.test>'] },
      { machine: true, person: false },
    ],
    ['nobody reads it', { from: 'no-reply@a.test' }, { machine: true, unread: true }],
    [
      'failed recipients',
      { more: ['X-Failed-Recipients: a@b.test'] },
      { failedRecipients: true, machine: true },
    ],
    ['none of them', { more: ['X-Failed-Recipients: none'] }, { failedRecipients: false, machine: false }],
    [
      'Auto-Submitted',
      { more: ['Auto-Submitted: Auto-Replied; x=y'] },
      { submitted: 'auto-replied', machine: true },
    ],
    [
      'a comment before it',
      { more: ['Auto-Submitted: (a (b)) auto-generated'] },
      { submitted: 'auto-generated' },
    ],
    ['no', { more: ['Auto-Submitted: No (really)'] }, { submitted: '', machine: false }],
    ['empty', { more: ['Auto-Submitted:'] }, { submitted: '', machine: false }],
  ])('%s', (_name, made, expected) => {
    expect(originOf(fieldsOf(made))).toMatchObject(expected);
  });

  test.each([
    ...[
      'noreply',
      'no-reply',
      'no_reply',
      'no.reply',
      'noreply2',
      'NoReply',
      'donotreply',
      'do-not-reply',
      'do_not_reply',
      'dont-reply',
    ],
    ...[
      'acme-noreply',
      'noreply-billing',
      'no-reply+tag',
      'mailerdaemon',
      'mailer-daemon',
      'postmaster',
      'bounce',
      'bounces',
      'bounces+1',
    ],
    ...[
      'bounce-kim=x.test',
      'eivastausta',
      'ei-vastata',
      'ei_saa_vastata',
      'svara-ej',
      'svarainte',
      'ikke-svar',
      'keine-antwort',
    ],
    ...[
      'bitte-nicht-antworten',
      'nepasrepondre',
      'ne-pas-repondre',
      'no-responder',
      'nie-odpowiadac',
      'noresponse',
      'no-answer',
    ],
  ])('nobody reads %s@', (local) => {
    expect(nobodyReads(`X <${local}@a.test>`)).toBe(true);
  });

  test.each([
    'kim',
    'support',
    'info',
    'replyto',
    'noora',
    'nora.reply-team',
    'bouncer',
    'ei',
    'svante',
    'anne.answers',
    'post',
    'eino.vasta',
  ])('somebody reads %s@', (local) => {
    expect(nobodyReads(`${local}@a.test`)).toBe(false);
  });
});

const failed = 'Final-Recipient: rfc822; jo@x.test\nAction: failed\nStatus: 5.1.1';
const ours = 'From: desk@contoso.test\nTo: jo@x.test\nSubject: Offer\nMessage-ID: <o@contoso.test>\n\nHello';
const report = multipart(
  'report; report-type=delivery-status',
  ['text/plain', 'Failed'],
  ['message/delivery-status', `Reporting-MTA: dns; x\n\n${failed}`],
);
const nested = multipart(
  'mixed',
  ['text/plain', 'Hi, what is this?'],
  [
    'message/rfc822',
    `${report.field.replace('boundary=b', 'boundary=c')}\n\n${report.body.replaceAll('--b', '--c')}`,
  ],
);
const beside = multipart(
  'mixed',
  ['text/plain', 'See the details.'],
  ['message/delivery-status', `Reporting-MTA: dns; x\n\n${failed}`],
);
const returned = multipart(
  'mixed',
  ['text/plain', 'Your message could not be delivered to:\n\njo@x.test\n550 5.1.1 user unknown'],
  ['message/rfc822', ours],
);
const words =
  'Your message could not be delivered to the following recipients:\n\n<jo@x.test>: 550 5.1.1 User unknown';
const plain = (body: string): { field: string; body: string } => ({
  field: 'Content-Type: text/plain',
  body,
});

/** What a mail carries, and whether it counts as a report if a machine sent it. */
const contents: readonly (readonly [name: string, { readonly field: string; readonly body: string }])[] = [
  ['a report below another root', beside],
  ['a report in an attached message', nested],
  ['fields of a report in the text', plain(`${words}\n\n${failed}`)],
  ['words of a server', plain(words)],
  ['words, and the message', returned],
];

describe('the same content', () => {
  const persons: readonly (readonly [string, Made])[] = [
    ['a person', { subject: 'Undeliverable: Offer' }],
    [
      'a person whose path is his address',
      { subject: 'Mail delivery failed', more: ['Return-Path: <kim@fabrikam.test>'] },
    ],
    ['a person who replies', { subject: 'RE: Undeliverable: Offer' }],
    [
      'a person who forwards, behind a tag',
      { subject: '[EXTERNAL] VS: Undelivered Mail', more: ['Auto-Submitted: auto-generated'] },
    ],
    [
      'postmaster, who replies',
      { from: 'postmaster@fabrikam.test', subject: 'Vastaus: Undeliverable: Offer' },
    ],
    [
      'a person of a system name',
      { from: 'System Administrator <kim@fabrikam.test>', subject: 'Sv: Delivery failure' },
    ],
  ];
  test.each(
    persons.flatMap(([who, made]) => contents.map(([what, content]) => [who, what, made, content] as const)),
  )('from %s: %s is a message', (_who, _what, made, { field, body }) => {
    const found = classified({ ...made, more: [...(made.more ?? []), field], body });
    expect(found.kind).toBe('message');
    expect(found.returned).toEqual({});
    expect(found.bounce).toBeUndefined();
  });

  const machines: readonly (readonly [string, Made])[] = [
    ['a daemon', { from: 'MAILER-DAEMON@x.test', subject: 'failure notice' }],
    [
      'postmaster with a null path',
      { from: 'postmaster@x.test', subject: 'Undeliverable: Offer', more: ['Return-Path: <>'] },
    ],
    ['a null path', { from: 'IT <it@x.test>', subject: 'Undeliverable: Offer', more: ['Return-Path: <>'] }],
    [
      'Auto-Submitted',
      { from: 'it@x.test', subject: 'Undeliverable: Offer', more: ['Auto-Submitted: auto-replied'] },
    ],
    ['X-Failed-Recipients', { from: 'it@x.test', subject: 'Mail', more: ['X-Failed-Recipients: jo@x.test'] }],
    [
      'a daemon through a list',
      {
        from: 'MAILER-DAEMON@x.test',
        subject: 'failure notice',
        more: ['List-Id: <l.x.test>', 'Precedence: bulk'],
      },
    ],
  ];
  test.each(
    machines.flatMap(([who, made]) => contents.map(([what, content]) => [who, what, made, content] as const)),
  )('from %s: %s is a bounce', (_who, _what, made, { field, body }) => {
    const found = classified({ ...made, more: [...(made.more ?? []), field], body });
    expect(found.kind).toBe('bounce');
    expect(found.bounce?.recipients.map(({ address }) => address)).toEqual(['jo@x.test']);
  });

  test('a report as the root of the message is one, whoever sent it', () => {
    for (const more of [[], ['Return-Path: <kim@fabrikam.test>']]) {
      expect(classified({ subject: 'x', more: [...more, report.field], body: report.body }).kind).toBe(
        'bounce',
      );
    }
  });
});

describe('no bounces', () => {
  test.each<[string, Made]>([
    [
      'a parcel',
      {
        from: 'no-reply@carrier.test',
        subject: 'Delivery failed: parcel 7',
        body: 'Your parcel could not be delivered to:\n\nkim@fabrikam.test',
      },
    ],
    [
      'a parcel, Finnish',
      {
        from: 'noreply@carrier.test',
        subject: 'Toimitus epäonnistui',
        body: 'Paketti ei tavoittanut. Lähetystunnus 5.\nkim@fabrikam.test',
      },
    ],
    [
      'an alert without a path',
      {
        from: 'monitor@x.test',
        subject: 'CRITICAL: delivery failed',
        more: ['Return-Path: <>'],
        body: '50 messages could not be delivered in the last hour.',
      },
    ],
    [
      'a person at postmaster',
      {
        from: 'postmaster@x.test',
        subject: 'Mail delivery problem',
        body: 'Hello,\nmail to kim@x.test is undeliverable. Please call us.',
      },
    ],
    [
      'postmaster names nobody',
      {
        from: 'postmaster@x.test',
        subject: 'Mail delivery problem',
        body: 'Mail from your gateway is refused with 550 5.7.1.',
      },
    ],
    [
      'a report of deliveries',
      { from: 'System Administrator <adm@x.test>', subject: 'Delivery report for May', body: 'Attached.' },
    ],
    [
      'a list',
      { subject: 'Undeliverable mail', more: ['List-Id: <l.x.test>', 'Return-Path: <>'], body: words },
    ],
    [
      'a newsletter',
      {
        from: 'no-reply@shop.test',
        subject: 'Your message',
        body: 'We have not been able to deliver better news to kim@fabrikam.test!',
      },
    ],
  ])('%s', (_name, made) => {
    expect(classified(made).kind).toBe('message');
  });
});

describe('receipts and complaints', () => {
  const read = 'Final-Recipient: rfc822; jo@x.test\nDisposition: manual-action/MDN-sent-manually; displayed';
  const abuse = 'Feedback-Type: ABUSE\nVersion: 1\nOriginal-Rcpt-To: <jo@x.test>';
  const kindOf = (made: Made): string => classified(made).kind;

  test.each<[string, Made, string]>([
    [
      'a receipt',
      asMade(
        multipart(
          'report; report-type=disposition-notification',
          ['text/plain', 'x'],
          ['message/disposition-notification', read],
        ),
      ),
      'receipt',
    ],
    [
      'a receipt as the message',
      { more: ['Content-Type: message/disposition-notification'], body: read },
      'receipt',
    ],
    [
      'a receipt that a person attaches',
      asMade(multipart('mixed', ['text/plain', 'Hi'], ['message/disposition-notification', read])),
      'message',
    ],
    [
      'a receipt of a machine under another root',
      {
        ...asMade(multipart('mixed', ['text/plain', 'Hi'], ['message/disposition-notification', read])),
        from: 'mailer-daemon@x.test',
      },
      'receipt',
    ],
    [
      'a complaint',
      asMade(
        multipart(
          'report; report-type=feedback-report',
          ['text/plain', 'x'],
          ['message/feedback-report', abuse],
        ),
      ),
      'complaint',
    ],
    [
      'a complaint without its part',
      asMade(multipart('report; report-type=feedback-report', ['text/plain', 'x'])),
      'complaint',
    ],
    [
      'a complaint that a person attaches',
      asMade(multipart('mixed', ['text/plain', 'Hi'], ['message/feedback-report', abuse])),
      'message',
    ],
    [
      'a complaint in a forwarded message',
      asMade(
        multipart(
          'mixed',
          ['text/plain', 'Hi'],
          ['message/rfc822', `Content-Type: message/feedback-report\n\n${abuse}`],
        ),
      ),
      'message',
    ],
    [
      'a complaint of a machine under another root',
      {
        ...asMade(multipart('mixed', ['text/plain', 'Hi'], ['message/feedback-report', abuse])),
        from: 'no-reply@x.test',
      },
      'complaint',
    ],
    [
      'of the older form',
      {
        ...asMade(multipart('mixed', ['text/plain', 'x'], ['message/rfc822', ours])),
        from: 'staff@x.test',
        subject: 'complaint about message from 192.0.2.1',
      },
      'complaint',
    ],
    [
      "Microsoft's",
      {
        ...asMade(
          multipart(
            'mixed',
            ['text/plain', 'x'],
            ['message/rfc822', `X-HmXmrOriginalRecipient: jo@x.test\n${ours}`],
          ),
        ),
        from: 'staff@x.test',
      },
      'complaint',
    ],
    [
      'the same, forwarded',
      {
        ...asMade(
          multipart(
            'mixed',
            ['text/plain', 'x'],
            ['message/rfc822', `X-HmXmrOriginalRecipient: jo@x.test\n${ours}`],
          ),
        ),
        subject: 'Fwd: x',
      },
      'message',
    ],
    [
      'the subject alone',
      { from: 'abuse@x.test', subject: 'complaint about message from 192.0.2.1' },
      'message',
    ],
    [
      'by hand',
      { from: 'abuse@x.test', subject: 'Abuse report: 192.0.2.1', body: 'A machine of yours scans ours.' },
      'message',
    ],
    ['feedback of customers', { from: 'feedback@x.test', subject: '[Feedback report] week 1' }, 'message'],
    ["Apple's", { more: ['X-Apple-Unsubscribe: true'] }, 'complaint'],
  ])('%s', (_name, made, kind) => {
    expect(kindOf(made)).toBe(kind);
  });

  test('what a complaint says', () => {
    const { field, body } = multipart('report; report-type=feedback-report', [
      'message/feedback-report',
      abuse,
    ]);
    expect(classified({ more: [field], body })).toMatchObject({
      feedbackType: 'abuse',
      recipients: [{ address: 'jo@x.test', action: 'delivered', hard: false, reason: 'undefined' }],
      because: 'feedback-report part',
    });
  });

  test('that a script refused a message comes as a receipt, and is a bounce', () => {
    const { field, body } = multipart(
      'report; report-type=disposition-notification',
      ['text/plain', 'Your message to <jo@x.test> was automatically rejected:\nQuota exceeded'],
      ['message/disposition-notification', read],
    );
    expect(
      classified({
        from: 'Postmaster <postmaster@x.test>',
        subject: 'Automatically rejected mail',
        more: [field, 'Return-Path: <>'],
        body,
      }).kind,
    ).toBe('bounce');
  });
});

function asMade({ field, body }: { readonly field: string; readonly body: string }): Made {
  return { more: [field], body };
}

test.each([
  [
    'Retrieval using the IMAP4 protocol failed for the following message: 5',
    'Microsoft Exchange Server 2010',
    true,
  ],
  [
    'Retrieval using the IMAP4 protocol failed for the following\n message: 20004',
    '"Microsoft Exchange Server" <>',
    true,
  ],
  [
    'retrieval using the POP3 protocol failed for the following message: 7',
    'Microsoft Exchange Server 2016',
    true,
  ],
  [
    'Retrieval using the IMAP4 protocol failed for the following message: 5',
    'Kim <kim@fabrikam.test>',
    false,
  ],
  [
    'FW: Retrieval using the IMAP4 protocol failed for the following message: 5',
    'Microsoft Exchange Server',
    false,
  ],
  ['Retrieval using the IMAP4 protocol failed', 'Microsoft Exchange Server', false],
  [
    'Retrieval using the IMAP4 protocol failed for the following message: 5',
    'Microsoft Exchange Server <a@b.test>',
    false,
  ],
])('the text of Exchange in place of a mail: %s from %s', (subject, from, is) => {
  const made = { subject, from };
  expect(isPlaceholder(fieldsOf(made))).toBe(is);
  const { kind, loopGuard } = classified(made);
  expect(kind === 'unparsed').toBe(is);
  if (is) expect(loopGuard.mayAnswer).toBe(false);
});
