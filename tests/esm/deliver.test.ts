import { beforeEach, describe, expect, test } from '@jest/globals';
import type { EsmOptions } from '../../local/emulators/esm/esm.ts';
import { newest, type EsmCard, type EsmValue } from '../../local/emulators/esm/model.ts';
import { sampleUser } from '../../local/emulators/esm/sampleDesk.ts';
import { omit } from '../../shared/mail/omit.ts';
import { sampleMapping } from '../../local/esmSimulation/sampleConnector.ts';
import { openDesk, type Desk } from './desk.ts';
import { filePart, queued, sampleNotice } from './noticeSample.ts';

let desk: Desk;

beforeEach(() => {
  desk = openDesk();
});

const [rule] = sampleMapping.incoming;
const withRule = (change: object, options: Partial<EsmOptions> = {}): Desk =>
  openDesk(options, { ...sampleMapping, incoming: [{ ...rule, ...change }] });

function addCard(
  data: Readonly<Record<string, EsmValue>>,
  template = 'incident',
  folderCode = 'incident_management',
): EsmCard {
  const values = Object.fromEntries(Object.entries(data).map(([code, value]) => [code, [value]]));
  return desk.esm.cards.create(template, { folderCode, data: values }, desk.esm.agent).card;
}

const addPerson = (email: string): EsmCard =>
  addCard({ email: { value: email }, full_name: { value: email } }, 'person', 'persons');
const addIncident = (id: string, data: Readonly<Record<string, EsmValue>> = {}): EsmCard =>
  addCard({ incident_id: { value: id }, subject: { value: id }, ...data });
const textsOf = (card: EsmCard, attribute: string): readonly string[] =>
  (newest(card).data[attribute] ?? []).map(({ value }) => String(value));
const deliver = (change: Parameters<typeof sampleNotice>[0] = {}): Promise<void> =>
  desk.settle('notices', queued(sampleNotice(change)));
/** Calls besides the login. */
const calls = (): readonly string[] => desk.esm.calls.filter((call) => !call.endsWith('/users/login'));
const incidents = (): readonly EsmCard[] => desk.esm.cards.all('incident');
const relatedTo = (card: EsmCard): Parameters<typeof sampleNotice>[0] => ({
  relatesTo: {
    submissionId: 's-1',
    mailbox: 'servicedesk@example.com',
    correlation: { esm: { template: 'incident', dataCardId: card.dataCardId } },
    by: 'inReplyTo',
    verified: false,
  },
});

describe('a new card', () => {
  test('has everything of the mail, in three calls', async () => {
    const person = addPerson('aino@example.com');
    await deliver({ cc: [{ name: '', address: 'boss@example.com' }] });
    expect(newest(desk.card()).data).toMatchObject({
      subject: [{ value: 'Printer' }],
      description: [{ value: 'The printer on floor 2 is out of paper.' }],
      sender_email: [{ value: 'Aino Aalto <Aino@Example.com>' }],
      customer: [{ dataCardId: person.dataCardId }],
      cc: [{ value: 'boss@example.com' }],
      received: [{ value: '2026-11-28T09:00:00Z' }],
      status: [{ code: 'new' }],
      may_answer: [{ code: 'yes' }],
    });
    expect(calls()).toHaveLength(3);
    expect(desk.values('internal')).toEqual([]);
  });

  test('is made once, however often the notice comes', async () => {
    await deliver();
    const count = calls().length;
    await deliver();
    expect([incidents().length, calls().length]).toEqual([1, count]);
  });

  test('says before it is saved that no machine may answer the mail', async () => {
    await deliver({ loopGuard: { mayAnswer: false, reasons: ['autoSubmitted'] } });
    expect(desk.card().versions[0]?.data).toMatchObject({ may_answer: [{ code: 'no' }] });
  });

  test.each([
    ['nobody', [], /no person in ESM has the address Aino@Example\.com/],
    [
      'two',
      ['aino@example.com', 'aino@example.com'],
      /2 persons in ESM have the address .*: none was chosen/,
    ],
  ])('%s with the address: text and a remark, no pick', async (_, persons, remark) => {
    persons.forEach(addPerson);
    await deliver();
    expect(desk.values('customer')).toEqual([]);
    expect(desk.values('internal')[0]?.value).toMatch(remark);
  });

  test('an address that can’t be put into a filter is not looked up', async () => {
    await deliver({ from: [{ name: '', address: "o'neil@example.com" }] });
    expect(calls().filter((call) => call.includes('/dc/person/'))).toEqual([]);
    expect(desk.values('internal')[0]?.value).toMatch(/has characters that ESM can’t be asked for/);
  });

  test('files, blocked files, signatures and mail that only its recipient can open', async () => {
    for (const name of ['report.pdf', 'list', 'logo.png'])
      desk.contents.put(`inbound-content/m/${name}`, 'bytes');
    await deliver({
      parts: [
        filePart('report.pdf'),
        filePart('list'),
        filePart('setup.EXE'),
        filePart('message.rpmsg'),
        filePart('smime.p7m', { contentType: 'application/pkcs7-mime' }),
        filePart('logo.png', { disposition: 'inline', contentId: 'logo@1', sizeBytes: 900 }),
      ],
    });
    expect(desk.values('files').map(({ name }) => name)).toEqual(['report.pdf', 'list.bin']);
    const remarks = String(desk.values('internal')[0]?.value);
    for (const part of [
      'setup.EXE is not uploaded',
      'message.rpmsg is a protected',
      'smime.p7m is encrypted',
    ])
      expect(remarks).toContain(part);
  });

  test('a file above the instance’s limit is a remark, and the others are there', async () => {
    desk = openDesk({ uploadBytes: 100 });
    desk.contents.put('inbound-content/m/large.zip', 'x'.repeat(200));
    desk.contents.put('inbound-content/m/small.txt', 'x');
    await deliver({ parts: [filePart('large.zip'), filePart('small.txt')] });
    expect(desk.values('files').map(({ name }) => name)).toEqual(['small.txt']);
    expect(desk.values('internal')[0]?.value).toContain('large.zip (5 bytes) is larger than ESM takes');
  });

  test('text made from HTML, and the .eml beside it if it has a table', async () => {
    const html = '<table><tr><td>Room 12</td></tr></table>';
    const notice = omit(
      sampleNotice({ html: { content: html, sizeBytes: html.length, sha256: '0'.repeat(64) } }),
      'text',
    );
    await desk.settle('notices', queued(notice));
    expect(desk.values('description')[0]?.value).toContain('Room 12');
    expect(desk.values('mails')).toMatchObject([{ name: `mail-${notice.id}.eml` }]);
  });

  test('an attribute that ESM refuses is reported, and undoes nothing', async () => {
    desk = openDesk({ users: [{ ...sampleUser, readOnly: ['incident.cc'] }] });
    await deliver({ cc: [{ name: '', address: 'boss@example.com' }] });
    expect(desk.values('subject')).toMatchObject([{ value: 'Printer' }]);
    expect(desk.values('internal')[0]?.value).toContain('ESM did not set cc: No permission to modify');
    expect(desk.events.map(({ name }) => name)).toContain('esm.attributeRefused');
  });

  test('from one sender at most so many in a minute; the rest waits', async () => {
    desk = withRule({ newCardsPerMinute: 2 });
    const start = desk.clock.now();
    for (const subject of ['1', '2', '3']) await deliver({ subject });
    expect(incidents().map(({ createdAt }) => Math.floor((createdAt - start) / 60_000))).toEqual([0, 0, 1]);
  });

  test.each(['autoReply', 'bounce', 'receipt', 'complaint'] as const)('is not made by: %s', async (kind) => {
    await deliver({ kind });
    expect(incidents()).toHaveLength(0);
  });
});

describe('a card that exists', () => {
  test('named by the subject: a comment with sender and time, and the status, in four calls', async () => {
    const card = addIncident('INC-2041', { parties: { value: 'aino@example.com' } });
    await deliver({ subject: 'Re: [INC-2041] Printer' });
    const [comment] = textsOf(card, 'comments');
    expect(comment).toMatch(
      /^From Aino Aalto <Aino@Example.com>, 2026-11-28T09:00:00Z · \[mail [0-9a-f]{32}\]\n\nThe printer/,
    );
    expect(newest(card).data['status']).toMatchObject([{ code: 'reply' }]);
    expect(incidents()).toHaveLength(1);
    expect(calls()).toHaveLength(4);
  });

  test('named by the submission that the mail answers, whatever its subject says', async () => {
    const card = addIncident('INC-1');
    addIncident('INC-2', { parties: { value: 'aino@example.com' } });
    await deliver({ subject: 'Re: [INC-2]', ...relatedTo(card) });
    expect(textsOf(card, 'comments')).toHaveLength(1);
    expect(incidents()).toHaveLength(2);
  });

  test('a stranger who writes its id gets a new card, or a marked internal comment', async () => {
    const card = addIncident('INC-2041');
    await deliver({ subject: '[INC-2041]' });
    expect([incidents().length, textsOf(card, 'comments').length]).toEqual([2, 0]);
    desk = withRule({ stranger: 'comment' });
    const other = addIncident('INC-2041');
    await deliver({ subject: '[INC-2041]' });
    expect(textsOf(other, 'internal')[0]).toContain('The sender is no party of this card');
    expect([incidents().length, textsOf(other, 'comments').length]).toEqual([1, 0]);
    expect(newest(other).data['status']).toBeUndefined();
  });

  test('the sender is a party as the person of the card, too', async () => {
    const person = addPerson('aino@example.com');
    const card = addIncident('INC-2041', { customer: { dataCardId: person.dataCardId } });
    await deliver({ subject: '[INC-2041]' });
    expect(textsOf(card, 'comments')).toHaveLength(1);
  });

  test.each(['deleted', 'hidden'] as const)('%s: a new card', async (flag) => {
    const card = addIncident('INC-1');
    desk.esm.cards.edit(card, { [flag]: true }, desk.esm.agent);
    await deliver(relatedTo(card));
    expect([incidents().length, textsOf(card, 'comments').length]).toEqual([2, 0]);
  });

  test('merged: the mail goes to the card that it was merged into', async () => {
    const last = addIncident('INC-3');
    const middle = addIncident('INC-2', { merged_into: { dataCardId: last.dataCardId } });
    const first = addIncident('INC-1', { merged_into: { dataCardId: middle.dataCardId } });
    desk.esm.cards.edit(first, { hidden: true }, desk.esm.agent);
    await deliver(relatedTo(first));
    expect(textsOf(last, 'comments')).toHaveLength(1);
  });

  test('merged in a circle: a new card', async () => {
    const one = addIncident('INC-1');
    const other = addIncident('INC-2', { merged_into: { dataCardId: one.dataCardId } });
    const data = { merged_into: [{ dataCardId: other.dataCardId }] };
    desk.esm.cards.edit(one, { data }, desk.esm.agent);
    await deliver(relatedTo(one));
    expect(incidents()).toHaveLength(3);
  });

  test.each([
    [13, 1, 1],
    [15, 0, 2],
  ])('closed for %i days: %i comments, %i cards', async (days, commentCount, cardCount) => {
    const closed = new Date(desk.clock.now() - days * 86_400_000).toISOString();
    const card = addIncident('INC-1', { status: { code: 'closed' }, closed: { value: closed } });
    await deliver(relatedTo(card));
    expect([textsOf(card, 'comments').length, incidents().length]).toEqual([commentCount, cardCount]);
    if (cardCount === 2) expect(desk.values('refers_to', 1)).toEqual([{ dataCardId: card.dataCardId }]);
  });

  test.each([
    ['autoReply', 1],
    ['receipt', 1],
    ['bounce', 0],
  ] as const)('%s: %i internal comments, no status; a bounce comes as an event', async (kind, count) => {
    const card = addIncident('INC-1', { status: { code: 'closed' } });
    await deliver({ kind, ...relatedTo(card) });
    expect(textsOf(card, 'internal')).toHaveLength(count);
    expect(textsOf(card, 'comments')).toHaveLength(0);
    expect(newest(card).data['status']).toMatchObject([{ code: 'closed' }]);
  });

  test('one that takes no comment: a new card that refers to it', async () => {
    const card = addIncident('INC-1');
    desk.esm.injectFault({ kind: 'serverError', status: 400 }, 1, ({ path }) => path.endsWith('/comments'));
    await deliver(relatedTo(card));
    expect(desk.values('refers_to', 1)).toEqual([{ dataCardId: card.dataCardId }]);
  });

  test('deliverInto mail: the .eml on the card, no comment', async () => {
    desk = withRule({ deliverInto: 'mail' });
    const card = addIncident('INC-1');
    desk.esm.injectFault({ kind: 'lostAnswer' }, 1, ({ path }) => path.endsWith('/file'));
    await deliver(relatedTo(card));
    expect(newest(card).data['mails']).toHaveLength(1);
    expect(textsOf(card, 'comments')).toHaveLength(0);
  });
});

describe('lost answers and faults', () => {
  const lagMs = (): number => 30_000;

  test.each(['lostAnswer', 'lostRequest'] as const)(
    '%s of each write in turn: everything is there once',
    async (kind) => {
      for (let skip = 0; skip < 8; skip++) {
        desk = openDesk({ lagMs });
        desk.contents.put('inbound-content/m/a.txt', 'a');
        const card = addIncident('INC-1');
        await desk.clock.run(desk.clock.sleep(60_000));
        let count = 0;
        desk.esm.injectFault(
          { kind },
          1,
          ({ method, path }) => method !== 'GET' && path !== '/users/login' && count++ === skip,
        );
        await deliver({ subject: 'new', parts: [filePart('a.txt')] });
        await deliver({ subject: 'reply', parts: [filePart('a.txt')], remarks: ['odd'], ...relatedTo(card) });
        expect(incidents()).toHaveLength(2);
        expect(textsOf(card, 'comments')).toHaveLength(1);
        expect(textsOf(card, 'internal')).toHaveLength(1);
        for (const one of incidents()) expect(newest(one).data['files']).toHaveLength(1);
      }
    },
  );

  test('a POST that goes on after the client gave up makes no second card', async () => {
    desk = openDesk({ lagMs });
    desk.esm.injectFault(
      { kind: 'slow', ms: 100_000 },
      1,
      ({ method, path }) => method === 'POST' && path.endsWith('/data'),
    );
    await deliver();
    await desk.clock.run(desk.clock.sleep(200_000));
    expect(incidents()).toHaveLength(1);
  });

  test('ESM away for a day: nothing is lost, and it is asked rarely', async () => {
    desk.esm.injectFault({ kind: 'serverError', status: 503 });
    const back = Date.UTC(2026, 10, 29, 9);
    const waiting = deliverUntil(back);
    await waiting;
    expect(desk.esm.calls.length).toBeLessThan(100);
    expect(incidents()).toHaveLength(1);
  });

  async function deliverUntil(back: number): Promise<void> {
    const stop = desk.clock.sleep(back - desk.clock.now()).then(() => {
      desk.esm.injectFault({ kind: 'none' }, 0);
    });
    await desk.settle('notices', queued(sampleNotice()), 200);
    await stop;
  }

  test('a right that is missing is waited for, and said', async () => {
    desk = openDesk({ users: [{ ...sampleUser, mayWrite: [] }] });
    await desk.settle('notices', queued(sampleNotice()), 3);
    expect(incidents()).toHaveLength(0);
    expect(desk.events.find(({ name }) => name === 'esm.deliveryDeferred')?.fields).toMatchObject({
      reason: 'denied',
      detail: expect.stringContaining('give the user’s role'),
    });
  });

  test('what is no notice is thrown, so that it is kept', async () => {
    await expect(desk.connector.deliverToEsm('{"a":1}')).rejects.toThrow('inbound-mail');
    await expect(desk.connector.reportToEsm('nothing')).rejects.toThrow('mail-status');
  });
});
