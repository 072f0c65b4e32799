import { beforeEach, describe, expect, test } from '@jest/globals';
import { newest, type EsmCard } from '../../local/emulators/esm/model.ts';
import { sampleMapping } from '../../local/esmSimulation/sampleConnector.ts';
import { toCloudEvent } from '../../shared/contract/statusCloudEvent.ts';
import type { MessageEvent } from '../../shared/contract/statusEvent.ts';
import { openDesk, type Desk } from './desk.ts';

let desk: Desk;
let card: EsmCard;

beforeEach(() => {
  open();
});

function open(...options: Parameters<typeof openDesk>): void {
  desk = openDesk(...options);
  const data = { subject: [{ value: 'Printer' }] };
  ({ card } = desk.esm.cards.create('incident', { folderCode: 'incident_management', data }, desk.esm.agent));
}

const event = (type: MessageEvent['type'], sequence: number, change: object = {}): string =>
  toCloudEvent({
    type,
    submissionId: 's-1',
    sequence,
    mailbox: 'servicedesk@example.com',
    at: 0,
    correlation: { esm: { template: 'incident', dataCardId: card.dataCardId } },
    ...change,
  } as MessageEvent);
const bounce = (sequence: number, verified = true): string =>
  event('mail.bounced', sequence, {
    bounce: {
      noticeId: 'n-1',
      verified,
      recipients: [
        {
          address: 'gone@example.com',
          status: '5.1.1',
          replyCode: '550',
          hard: true,
          reason: 'noMailbox',
          action: 'failed',
        },
      ],
    },
  });
const report = (text: string): Promise<void> => desk.settle('events', text);
const status = (): unknown => newest(card).data['mail_status']?.[0]?.code;
const comments = (): readonly string[] =>
  (newest(card).data['internal'] ?? []).map(({ value }) => String(value));

test('a status and, for what a person must know, a comment', async () => {
  await report(event('mail.sent', 2));
  expect([status(), comments()]).toEqual(['sent', []]);
  await report(bounce(3));
  expect(status()).toBe('bounced');
  expect(comments()).toEqual(['The mail came back. [s-1/3]\ngone@example.com: failed 5.1.1 noMailbox']);
});

test('failed, replayed, sent is forward; what comes late changes nothing', async () => {
  await report(event('mail.failed', 4, { detail: 'No such mailbox', remedy: 'Correct the address' }));
  await report(event('mail.sent', 7));
  await report(bounce(3));
  expect(status()).toBe('sent');
  expect(comments()).toEqual(['The mail was not sent. [s-1/4]\nNo such mailbox\nCorrect the address']);
});

test('a repeat makes no call', async () => {
  await report(bounce(3));
  const count = desk.esm.calls.length;
  await report(bounce(3));
  expect(desk.esm.calls).toHaveLength(count);
});

test.each([
  ['no card', 'mail.failed', { correlation: { ticket: 1 } }],
  [
    'a card of another template',
    'mail.failed',
    { correlation: { esm: { template: 'change', dataCardId: '1' } } },
  ],
  ['nothing that is mapped', 'mail.accepted', {}],
  ['no end', 'mail.deferred', { retryAt: 1 }],
] as const)('an event of %s is done without a call', async (_, type, change) => {
  await report(event(type, 2, change));
  expect(desk.esm.calls).toEqual([]);
});

test('a bounce that anybody may have written says so', async () => {
  await report(bounce(3, false));
  expect(comments()[0]).toContain('Anybody may have written the bounce.');
});

test('a submission that was rejected is named on its card', async () => {
  await report(
    toCloudEvent({
      type: 'mail.rejected',
      at: 0,
      correlation: { esm: { dataCardId: card.dataCardId } },
      rejection: { sha256: 'a'.repeat(64), sizeBytes: 3 },
      problems: [{ field: 'to', detail: 'is missing; write an address' }],
    }),
  );
  expect(comments()[0]).toMatch(/could not be accepted.*\nto is missing; write an address/);
});

test('a card that is gone ends it', async () => {
  await report(event('mail.failed', 2, { correlation: { esm: { template: 'incident', dataCardId: '99' } } }));
  expect(desk.events.map(({ name }) => name)).toContain('esm.reported');
});

describe('faults', () => {
  test.each(['lostAnswer', 'lostRequest', 'forgetsTokens'] as const)(
    '%s of each write: one comment',
    async (kind) => {
      for (let skip = 0; skip < 3; skip++) {
        open();
        let count = 0;
        desk.esm.injectFault(
          { kind },
          1,
          ({ method, path }) => method !== 'GET' && path !== '/users/login' && count++ === skip,
        );
        await report(bounce(3));
        expect([status(), comments().length]).toEqual(['bounced', 1]);
      }
    },
  );

  test('an attribute that ESM refuses does not stop the comment', async () => {
    const [rule] = sampleMapping.report;
    const status = { ...rule.status, values: { 'mail.bounced': { code: 'unheard' } } };
    open({}, { ...sampleMapping, report: [{ ...rule, status }] });
    await report(bounce(3));
    expect(comments()).toHaveLength(1);
    expect(desk.events.map(({ name }) => name)).toContain('esm.attributeRefused');
  });
});
