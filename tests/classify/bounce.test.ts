// Reports: whom they concern, in which language they come, and whether the address is dead.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { reportedAddress } from '../../shared/classify/bounceAddress.ts';
import { codesIn } from '../../shared/classify/bounceCodes.ts';
import { readReport } from '../../shared/classify/bounceFields.ts';
import { judgeRefusal } from '../../shared/classify/bounceReason.ts';
import { commandIn } from '../../shared/classify/bounceText.ts';
import { concernsRecipient, isReportOfOwnExchange } from '../../shared/classify/ownExchange.ts';
import { mailText, readHeaders } from '../../shared/mail/headers.ts';
import { classified, multipart, rawOf, type Made } from './made.ts';

describe('addresses in reports', () => {
  test.each([
    ['rfc822; kim@x.test', 'kim@x.test'],
    ['RFC822;kim@x.test (expanded)', 'kim@x.test'],
    ['rfc822; <kim@x.test>', 'kim@x.test'],
    ['rfc822; < kim@x.test >', 'kim@x.test'],
    ['smtp;kim@x.test', 'kim@x.test'],
    ['kim@x.test', 'kim@x.test'],
    ["rfc822; 'kim@x.test'", 'kim@x.test'],
    // RFC 6533 3.
    ['utf-8; pel\\x{E9}@m\\x{E4}ki.example', 'pelé@mäki.example'],
    ['utf-8; \\x{1F600}@x.test', '😀@x.test'],
    ['utf-8; a\\x{d}b@x.test', 'a\\x{d}b@x.test'],
    ['utf-8; pelé@mäki.example', 'pelé@mäki.example'],
    ['utf-8; a\\x{110000}@x.test', 'a\\x{110000}@x.test'],
    // Quoted local parts.
    ['rfc822; "kim doe"@x.test', '"kim doe"@x.test'],
    ['rfc822; <"kim, doe"@x.test>', '"kim, doe"@x.test'],
    ['rfc822; "a\\"b"@x.test', '"a\\"b"@x.test'],
    // What Exchange writes for itself.
    ['rfc822; IMCEAEX-_O=FABRIKAM_OU=X_CN=KIM@contoso.test', ''],
    ['rfc822; IMCEASMTP-kim+2Edoe+40x+2Etest@contoso.test', 'kim.doe@x.test'],
    ['rfc822; IMCEAINVALID-kim+40x+2Etest@contoso.test', 'kim@x.test'],
    ['rfc822; IMCEAFAX-Kim+40+2B358@contoso.test', ''],
    // No addresses: as they are.
    ['rfc822; /var/mail/kim', '/var/mail/kim'],
    ['x-local; kim', 'kim'],
    ['"kim"', 'kim'],
    ['smtp=kim@x.test', 'kim@x.test'],
    ['', ''],
    [`rfc822; ${'k'.repeat(250)}@x.test`, ''],
    ['rfc822; kim\u0000\u0007@x.test', '@x.test'],
  ])('%s', (value, address) => {
    if (address === '@x.test') expect(reportedAddress(value)).not.toMatch(/[\u0000-\u001f]/);
    else expect(reportedAddress(value)).toBe(address);
  });

  test('bounded and well-formed, whatever is there', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 400 }),
      fc.string({ maxLength: 80 }).map((one) => `rfc822; ${one}@x`),
    );
    fc.assert(
      fc.property(value, (text) => {
        const address = reportedAddress(text);
        expect(address.length).toBeLessThanOrEqual(254);
        expect(address.isWellFormed()).toBe(true);
        expect(address).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('delivery-status fields', () => {
  test.each<[string, string, readonly (readonly [string, string, string, string])[]]>([
    [
      'one recipient',
      'Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@x.test\nAction: failed\nStatus: 5.1.1',
      [['a@x.test', '', 'failed', '5.1.1']],
    ],
    [
      'another original',
      'Original-Recipient: rfc822; b@x.test\nFinal-Recipient: rfc822; a@x.test\nAction: relayed\nStatus: 2.1.9',
      [['a@x.test', 'b@x.test', 'relayed', '2.1.9']],
    ],
    [
      'two in one group',
      'Final-Recipient: rfc822; a@x.test\nAction: failed\nFinal-Recipient: rfc822; b@x.test\nAction: delayed',
      [
        ['a@x.test', '', 'failed', ''],
        ['b@x.test', '', 'delayed', ''],
      ],
    ],
    [
      'only the actual one',
      'X-Actual-Recipient: rfc822; a@x.test\nAction: failed',
      [['a@x.test', 'a@x.test', 'failed', '']],
    ],
    [
      'an action for nobody beside one for somebody',
      'Action: failed\nStatus: 5.0.0\n\nFinal-Recipient: rfc822; a@x.test\nAction: failed',
      [['a@x.test', '', 'failed', '']],
    ],
    ['an action for nobody alone', 'Action: failed\nStatus: 5.0.0', [['', '', 'failed', '5.0.0']]],
    [
      'words of old servers',
      'Final-Recipient: a@x.test\nAction: Failure\nStatus: permanent 5.2.2 (full)',
      [['a@x.test', '', 'failed', '5.2.2']],
    ],
    ['deferred', 'Final-Recipient: a@x.test\nAction: deferred', [['a@x.test', '', 'delayed', '']]],
    ['deliverable', 'Final-Recipient: a@x.test\nAction: deliverable', [['a@x.test', '', 'delivered', '']]],
    ['expanded', 'Final-Recipient: a@x.test\nAction: expanded', [['a@x.test', '', 'expanded', '']]],
    ['no word', 'Final-Recipient: a@x.test\nAction: 5\nStatus: unknown', [['a@x.test', '', '', '']]],
    ['nothing', 'Reporting-MTA: dns; x', []],
  ])('%s', (_name, body, rows) => {
    expect(
      readReport(body).map(({ final, original, action, status }) => [final, original, action, status]),
    ).toEqual(rows);
  });

  test('the diagnostic without its type, at most 4,000 characters', () => {
    const one = (value: string): string =>
      readReport(`Final-Recipient: a@x\nDiagnostic-Code: ${value}`)[0]?.diagnostic ?? '';
    expect(one('smtp; 550 no')).toBe('550 no');
    expect(one('X-Postfix; 550 no')).toBe('550 no');
    expect(one('550 no; really')).toBe('550 no; really');
    expect(one(`smtp; ${'x'.repeat(9_000)}`).length).toBe(4_000);
  });
});

/** A live address called dead is the costly mistake. */
describe('dead or alive', () => {
  const hard = (text: string, command: Parameters<typeof judgeRefusal>[0]['command'] = 'rcpt'): boolean =>
    judgeRefusal({ text, ...codesIn(text), command }).hard;

  test.each([
    // Plain words, with and without codes.
    ...[
      '550 5.1.1 User unknown',
      '550 no such user here',
      'Recipient not found',
      '550 5.4.1 Recipient address rejected: Access denied',
    ],
    ...[
      '550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found',
      '5.1.1 The email account that you tried to reach does not exist',
    ],
    ...[
      '550 5.1.2 Host unknown',
      '5.4.4 Host or domain name not found',
      '553 5.1.3 invalid recipient',
      '551 5.1.6 recipient has moved',
    ],
    ...['Domain does not exist', '550 5.7.27 null MX'].slice(0, 1),
    // In the languages of the desk.
    ...[
      '550 5.1.1 Vastaanottajaa ei löydy',
      '550 5.1.1 Tuntematon käyttäjä',
      'Sähköpostiosoitetta ei löytynyt kohdetoimialueesta',
    ],
    ...['550 5.1.1 Mottagaren finns inte', '550 Okänd mottagare', 'E-postadressen hittades inte'],
    ...['550 5.1.1 Benutzer unbekannt', '550 5.1.1 Empfänger nicht gefunden', '550 Adresse existiert nicht'],
    ...["550 5.1.1 L'adresse n'existe pas", '550 5.1.1 Utilisateur inconnu', '550 Destinataire introuvable'],
    ...[
      '550 5.1.1 Użytkownik nie istnieje',
      '550 Nieznany odbiorca',
      '550 5.1.1 Modtageren findes ikke',
      '550 Ukendt bruger',
    ],
    ...['550 5.1.1 Mottakeren finnes ikke', '550 Ukjent mottaker', '550 5.1.1 Postkassen eksisterer ikke'],
    // Codes alone.
    ...[
      '550 5.1.1',
      '5.1.1 <kim@x.test>',
      '550 5.1.1 <kim@x.test>... ',
      '550 5.1.10',
      '550 5.1.2',
      '550 5.1.1 https://support.x.test/5.1.1 gsmtp',
    ],
    // A vague word that the code explains.
    ...[
      '550 5.1.1 Address rejected',
      '550 5.1.1 <kim@x.test>: recipient rejected',
      '550 5.1.1 account closed',
    ],
  ])('dead: %s', (text) => {
    expect(hard(text)).toBe(true);
  });

  test.each([
    // A rate limit or a policy behind the code of a dead address.
    ...[
      '550 5.1.1 rate limit exceeded',
      '550 5.1.1 Too many recipients this hour',
      '550 5.1.1 Sending quota exceeded',
      '550 5.1.1 Rejected by policy',
    ],
    ...[
      '550 5.1.1 Your IP has a poor reputation',
      '550 5.1.1 blocked by Spamhaus',
      '550 5.1.1 mailbox is full',
      '550 5.1.1 try again later',
    ],
    ...[
      '550 5.1.1 Mailbox temporarily disabled',
      '550 5.1.1 Message too large',
      '550 5.1.1 message looks like spam',
      '550 5.1.1 relaying denied',
    ],
    // The same in other languages, and in words that are on no list.
    ...[
      '550 5.1.1 Zu viele Nachrichten',
      '550 5.1.1 Richtlinie verletzt',
      '550 5.1.1 För många anslutningar',
      '550 5.1.1 Liian monta viestiä',
    ],
    ...[
      '550 5.1.1 Trop de messages',
      '550 5.1.1 Zbyt wiele wiadomości',
      '550 5.1.1 For mange meldinger',
      '550 5.1.1 送信数の制限',
      '550 5.1.1 发送频率过高',
    ],
    ...[
      '550 5.1.1 Ditt domän saknar anseende',
      '550 5.1.1 Sõnum lükati tagasi',
      '550 5.1.1 Viesti hylättiin',
      '550 5.1.1 Nachricht abgelehnt',
      '550 5.1.1 xyzzy plugh',
    ],
    // Both words: what else it says decides.
    ...[
      '550 5.1.1 DMARC check failed, user unknown',
      '550 5.1.1 Your host name was not found',
      '550 5.1.1 header not valid, address rejected',
      '550 5.1.1 attachment type not allowed for this recipient: invalid',
      '550 5.1.1 User unknown; your rate limit is exceeded',
      '550 5.1.1 no such user: policy violation by sender',
    ],
    // Codes of something else, however dead the words sound.
    ...[
      '452 4.2.2 mailbox full',
      '552 5.2.2 user over quota',
      '550 5.2.1 account disabled',
      '450 unknown user',
      '550 5.7.509 does not pass DMARC',
    ],
    ...[
      '550 5.7.606 Access denied, banned sending IP',
      '550 5.1.8 Sender address rejected: Domain not found',
      '554 5.3.4 message too big',
      '550 5.7.1 blocked',
    ],
    // Words that say nothing.
    ...[
      '550 rejected',
      '550 5.0.0',
      '550',
      '',
      '554 5.4.14 hop count exceeded',
      'unknown error',
      'unbekannter Fehler',
    ],
  ])('alive: %s', (text) => {
    expect(hard(text)).toBe(false);
  });

  test('before RCPT it is not the recipient who is meant', () => {
    expect(hard('550 5.1.1 user unknown', 'mail')).toBe(false);
    expect(hard('550 unknown user', 'data')).toBe(false);
  });

  test('words that are on no list are never a dead address, whatever the code', () => {
    const word = fc.string({
      unit: fc.constantFrom(...Array.from('bcdfghjklmpqrtvwxz')),
      minLength: 4,
      maxLength: 9,
    });
    const code = fc.constantFrom(
      '550 5.1.1',
      '550 5.1.10',
      '553 5.1.3',
      '550 5.1.2',
      '551 5.1.6',
      '550 5.1.0',
    );
    fc.assert(
      fc.property(code, fc.array(word, { minLength: 2, maxLength: 8 }), (codes, words) => {
        expect(hard(`${codes} ${words.join(' ')}`)).toBe(false);
      }),
    );
  });

  test('a field without a diagnostic is believed, unless the notice speaks of something else', () => {
    const text = 'Unfortunately this did not go anywhere. Kind greetings from the machine.';
    const refusal = { text, status: '5.1.1', replyCode: '', command: '' } as const;
    expect(judgeRefusal(refusal).hard).toBe(false);
    expect(judgeRefusal({ ...refusal, fieldOnly: true }).hard).toBe(true);
    expect(judgeRefusal({ ...refusal, text: 'The mailbox is full.', fieldOnly: true }).hard).toBe(false);
  });
});

describe('reports in many languages', () => {
  const exchange = 'Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@x.test>';
  test.each([
    ['en', 'Undeliverable: Offer', 'Delivery has failed to these recipients or groups:'],
    ['fi', 'Ei voida toimittaa: Tarjous', 'Toimitus seuraaville vastaanottajille tai ryhmille epäonnistui:'],
    ['fi, another', 'Toimittamaton: Tarjous', 'Viestiäsi ei voitu toimittaa vastaanottajalle:'],
    ['sv', 'Olevererbart: Offert', 'Leveransen misslyckades till följande mottagare:'],
    ['sv, another', 'Det går inte att leverera: Offert', 'Ditt meddelande kunde inte levereras till:'],
    ['de', 'Unzustellbar: Angebot', 'Fehler bei der Nachrichtenzustellung an folgende Empfänger:'],
    [
      'de, another',
      'Nicht zustellbar: Angebot',
      'Ihre Nachricht konnte nicht an folgende Empfänger zugestellt werden:',
    ],
    ['fr', 'Non remis : Offre', 'Échec de la remise pour ces destinataires :'],
    ['fr, another', 'Non distribuable : Offre', "Votre message n'a pas pu être remis à :"],
    ['pl', 'Niedostarczone: Oferta', 'Dostarczenie wiadomości do następujących adresatów nie powiodło się:'],
    ['pl, another', 'Nie można dostarczyć: Oferta', 'Nie można dostarczyć wiadomości do:'],
    ['da', 'Kan ikke leveres: Tilbud', 'Levering til disse modtagere mislykkedes:'],
    ['da, another', 'Ikke leveret: Tilbud', 'Din meddelelse kunne ikke leveres til:'],
    ['nb', 'Kan ikke leveres: Tilbud', 'Levering til følgende mottakere mislyktes:'],
    ['nb, another', 'Ikke levert: Tilbud', 'Meldingen kunne ikke leveres til:'],
  ])('%s: %s', (_language, subject, opening) => {
    const encoded = `=?utf-8?B?${Buffer.from(subject).toString('base64')}?=`;
    const text = `${opening}\n\njo@x.test`;
    const machines: readonly Made[] = [
      { from: exchange },
      { from: 'IT <it@x.test>', more: ['Return-Path: <>'] },
      { from: 'IT <it@x.test>', more: ['Return-Path: <>', 'Auto-Submitted: auto-replied'] },
      { from: 'it@x.test', more: ['Auto-Submitted: auto-generated'] },
      { from: 'postmaster@x.test' },
    ];
    for (const machine of machines) {
      const found = classified({ ...machine, subject: encoded, body: Buffer.from(text).toString() });
      expect([machine.from, found.kind]).toEqual([machine.from, 'bounce']);
      expect(found.bounce?.recipients.map(({ address }) => address)).toEqual(['jo@x.test']);
      expect(found.loopGuard.mayAnswer).toBe(false);
    }
    expect(classified({ subject: encoded, body: text }).kind).toBe('message');
  });

  test('delays in many languages have not failed', () => {
    for (const subject of [
      'Försenad: x',
      'Viivästynyt: x',
      'Verzögert: x',
      'Retardé : x',
      'Opóźnione: x',
      'Forsinket: x',
      'Delayed: x',
    ]) {
      const encoded = `=?utf-8?B?${Buffer.from(subject).toString('base64')}?=`;
      const found = classified({
        from: exchange,
        subject: encoded,
        body: 'The message could not be delivered yet to:\n\njo@x.test',
      });
      expect([subject, found.bounce?.severity]).toEqual([subject, 'delayed']);
    }
  });
});

describe('whom a report names', () => {
  const from = 'MAILER-DAEMON@x.test';
  test.each<[string, Made, readonly string[]]>([
    [
      'X-Failed-Recipients',
      { more: ['X-Failed-Recipients: a@x.test,\n b@x.test'], body: 'Failed' },
      ['a@x.test', 'b@x.test'],
    ],
    [
      'a label',
      { body: 'Could not deliver.\nFailed Recipient: a@x.test\nReason: no such user' },
      ['a@x.test'],
    ],
    ['no signature', { body: 'Could not be delivered to a@x.test.\n\nE-mail: b@x.test' }, ['a@x.test']],
    ['no contact', { body: 'Could not be delivered to a@x.test.\n\nContact: help@x.test' }, ['a@x.test']],
    [
      'with a date',
      { body: 'did not reach the following recipient(s):\n\na@x.test am 25.11.2026 09:00\n unknown' },
      ['a@x.test'],
    ],
    [
      'behind an alias',
      { body: 'Could not deliver\n\n<a@x.test> (expanded from <b@x.test>): unknown user' },
      ['a@x.test'],
    ],
    [
      'the quoted header, as a last resort',
      { body: "I wasn't able to deliver this.\n\nSubject: x\nTo: a@x.test" },
      ['a@x.test'],
    ],
    [
      'never the one whose mail it is',
      { body: 'They are not accepting mail from desk@contoso.test\n\nfailed' },
      [''],
    ],
    [
      'the returned header',
      {
        body: 'Delivery failed.\n\n----- Original message -----\n\nReceived: from a\nTo: a@x.test\nSubject: x\nDate: y\n',
      },
      ['a@x.test'],
    ],
  ])('%s', (_name, made, addresses) => {
    const found = classified({ from, subject: 'Delivery failed', ...made });
    expect(found.bounce?.recipients.map(({ address }) => address)).toEqual(addresses);
  });

  test('an alias is told as the original address', () => {
    const body = 'Could not deliver\n\n<a@x.test> (expanded from <b@x.test>): unknown user';
    expect(classified({ from, subject: 'Delivery failed', body }).bounce?.recipients[0]?.original).toBe(
      'b@x.test',
    );
  });

  test("Exchange's inner addresses give way to the original one", () => {
    const { field, body } = multipart(
      'report; report-type=delivery-status',
      ['text/plain', 'x'],
      [
        'message/delivery-status',
        'Reporting-MTA: dns; x\n\nOriginal-Recipient: rfc822;jo@x.test\nFinal-Recipient: rfc822;IMCEAEX-_O=A_CN=JO@contoso.test\nAction: failed\nStatus: 5.1.1',
      ],
    );
    expect(classified({ from, more: [field], body }).bounce?.recipients[0]).toMatchObject({
      address: 'jo@x.test',
    });
  });
});

describe('bounds', () => {
  const group = (n: number): string =>
    `Final-Recipient: rfc822; user${n}@x.test\nAction: failed\nStatus: 5.1.1\n`;
  const many = (count: number, notice: string): Made => {
    const groups = Array.from({ length: count }, (_, n) => group(n)).join('\n');
    const { field, body } = multipart(
      'report; report-type=delivery-status',
      ['text/plain', notice],
      ['message/delivery-status', `Reporting-MTA: dns; x\n\n${groups}`],
    );
    return { from: 'MAILER-DAEMON@x.test', subject: 'failure notice', more: [field], body };
  };

  test('at most a thousand recipients, whose texts stay short together', () => {
    const found = classified(many(1_500, 'The host said: no. '.repeat(10_000)));
    expect(found.bounce?.recipients.length).toBe(1_000);
    expect(JSON.stringify(found.bounce).length).toBeLessThan(400_000);
  });

  test('X-Failed-Recipients of a hundred thousand characters', () => {
    const list = Array.from({ length: 3_500 }, (_, n) => `user${n}@x.test`).join(',');
    const found = classified({
      from: 'MAILER-DAEMON@x.test',
      subject: 'failure notice',
      more: [`X-Failed-Recipients: ${list}`],
      body: 'x '.repeat(50_000),
    });
    expect(found.bounce?.recipients.length).toBe(1_000);
    expect(JSON.stringify(found.bounce).length).toBeLessThan(400_000);
  });

  test('codes and statuses have their form, addresses their length, texts no control characters', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '550 5.1.1',
        '5.1.1111',
        '999',
        'user unknown',
        '\n',
        '\n\n',
        '<a@x.test>',
        'b@x.test',
        ': ',
        'Status: 5.1.1',
        'Action: failed',
        '\u0007',
        '\u00e4',
      ),
      fc.string({ maxLength: 30 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const body = pieces.join(' ');
        const status = multipart(
          'report; report-type=delivery-status',
          ['text/plain', body],
          [
            'message/delivery-status',
            `Final-Recipient: rfc822; ${body.replaceAll('\n', ' ')}\nAction: failed\nStatus: ${body.slice(0, 40)}\nDiagnostic-Code: smtp; ${body}`,
          ],
        );
        for (const made of [
          { from: 'MAILER-DAEMON@x.test', subject: 'failure notice', body },
          { from: 'MAILER-DAEMON@x.test', more: [status.field], body: status.body },
        ]) {
          for (const one of classified(made).bounce?.recipients ?? []) {
            expect(one.status).toMatch(/^(?:|[245]\.\d{1,3}\.\d{1,3})$/);
            expect(one.replyCode).toMatch(/^(?:|[45]\d\d)$/);
            expect(one.address.length).toBeLessThanOrEqual(254);
            expect(one.diagnostic.length).toBeLessThanOrEqual(500);
            expect(one.diagnostic).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
            expect(one.diagnostic.isWellFormed()).toBe(true);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('what a report may change', () => {
  const own = [
    'X-MS-Exchange-Organization-AuthAs: Internal',
    'Content-Type: multipart/report; report-type=delivery-status; boundary=b',
  ];
  const from = 'Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@Contoso.test>';
  const is = (made: Made): boolean =>
    isReportOfOwnExchange(readHeaders(mailText(Buffer.from(rawOf(made)))), ['contoso.test']);

  test.each<[string, Made, boolean]>([
    ['our own', { from, more: own }, true],
    ['from outside', { from, more: own.slice(1) }, false],
    ['anonymous', { from, more: ['X-MS-Exchange-Organization-AuthAs: Anonymous', ...own.slice(1)] }, false],
    ['of another domain', { from: from.replace('Contoso', 'fabrikam'), more: own }, false],
    ['of a person', { more: own }, false],
    ['no report', { from, more: own.slice(0, 1) }, false],
    [
      'a receipt',
      {
        from,
        more: [
          own[0] ?? '',
          'Content-Type: multipart/report; report-type=disposition-notification; boundary=b',
        ],
      },
      false,
    ],
    [
      'a report further inside',
      {
        from,
        more: [own[0] ?? '', 'Content-Type: multipart/mixed; boundary=b; report-type=delivery-status'],
      },
      false,
    ],
    ['two senders', { from, more: [...own, 'From: x@fabrikam.test'] }, false],
  ])('%s', (_name, made, expected) => {
    expect(is(made)).toBe(expected);
  });

  test('only about a recipient that the submission had', () => {
    const recipient = {
      status: '',
      replyCode: '',
      hard: false,
      reason: 'undefined',
      action: 'failed',
      diagnostic: '',
    } as const;
    const about = (address: string, original?: string): boolean =>
      concernsRecipient(
        {
          severity: 'soft',
          recipients: [{ ...recipient, address, ...(original === undefined ? {} : { original }) }],
        },
        ['Jo@x.test'],
      );
    expect([about('jo@X.test'), about('a@x.test'), about('a@x.test', 'JO@x.test'), about('')]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });
});

describe('where the dialog stood', () => {
  test.each([
    ['(in reply to RCPT TO command)', 'rcpt'],
    ['(in reply to end of DATA command)', 'data'],
    ['(in reply to MAIL FROM command)', 'mail'],
    ['>>> DATA\n<<< 550 no', 'data'],
    ['>>> RCPT To:<a@x>\n>>> DATA', 'data'],
    ['after RCPT TO:<a@x>:', 'rcpt'],
    ['after pipelined MAIL FROM:<a@x>', 'mail'],
    ['does not like recipient', 'rcpt'],
    ['failed after I sent the message', 'data'],
    ['my name was rejected', 'helo'],
    ['refused to talk to me: 554', 'connect'],
    ['(but sender was rejected)', 'mail'],
    ['(state 14)', 'rcpt'],
    ['RCPT TO generated following response', 'rcpt'],
    ['body of message generated the following response', 'data'],
    ['in reply to EHLO', 'helo'],
    ['nothing of it', ''],
  ])('%s', (text, moment) => {
    expect(commandIn(text)).toBe(moment);
  });
});
