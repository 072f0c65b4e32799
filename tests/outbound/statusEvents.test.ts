import type { Json } from '../../shared/contract/submission.ts';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { eventData, eventSchema, schemaName, toCloudEvent } from '../../shared/contract/statusCloudEvent.ts';
import type { RecipientOutcome, StatusEvent, StatusEventType } from '../../shared/contract/statusEvent.ts';

const at = Date.UTC(2026, 10, 25, 9, 30, 0, 7);
const types = Object.keys(eventData).filter((type): type is StatusEventType =>
  Object.hasOwn(eventData, type),
);

const recipients: readonly RecipientOutcome[] = [
  {
    address: 'a@example.net',
    state: 'sent',
    attempt: 1,
    code: 250,
    enhanced: '2.1.5',
    detail: 'Recipient OK',
  },
  { address: 'b@example.net', state: 'deferred', attempt: 1, code: 450, detail: 'busy' },
  { address: 'c@example.net', state: 'pending' },
];

/** One of each type, with everything that the outbound side may say in it. */
const all = {
  'mail.accepted': {
    type: 'mail.accepted',
    submissionId: 'INC-1',
    sequence: 1,
    mailbox: 'desk@example.com',
    at,
    messageId: '<m@bridge>',
  },
  'mail.sent': {
    type: 'mail.sent',
    submissionId: 'INC-1',
    sequence: 2,
    mailbox: 'desk@example.com',
    at,
    attempt: 1,
    recipients,
    reply: { code: 250, enhanced: '2.0.0', text: 'OK <x@prod.outlook.com>' },
    messageId: '<m@bridge>',
    serverMessageId: '<x@prod.outlook.com>',
    correlation: { card: 7 },
  },
  'mail.deferred': {
    type: 'mail.deferred',
    submissionId: 'INC-1',
    sequence: 2,
    mailbox: 'desk@example.com',
    at,
    retryAt: at + 60_000,
    reason: 'consecutiveRefusals',
    detail: 'Refused for now.',
  },
  'mail.held': {
    type: 'mail.held',
    submissionId: 'INC-1',
    sequence: 2,
    mailbox: 'desk@example.com',
    at,
    reason: 'quota',
    detail: 'Because.',
    remedy: 'Wait.',
  },
  'mail.inDoubt': {
    type: 'mail.inDoubt',
    submissionId: 'INC-1',
    sequence: 2,
    mailbox: 'desk@example.com',
    at,
    attempt: 1,
    reason: 'inDoubt',
    detail: 'Cut.',
  },
  'mail.failed': {
    type: 'mail.failed',
    submissionId: 'INC-1',
    sequence: 2,
    mailbox: 'desk@example.com',
    at,
    reply: { code: 550, text: 'no' },
    reason: 'refused',
  },
  'mail.expired': {
    type: 'mail.expired',
    submissionId: 'INC-1',
    sequence: 2,
    mailbox: 'desk@example.com',
    at,
    reason: 'expired',
  },
  'mail.cancelled': {
    type: 'mail.cancelled',
    submissionId: 'INC-1',
    sequence: 2,
    mailbox: 'desk@example.com',
    at,
    detail: 'By desk.',
  },
  'mail.bounced': {
    type: 'mail.bounced',
    submissionId: 'INC-1',
    sequence: 3,
    mailbox: 'desk@example.com',
    at,
    bounce: {
      noticeId: 'n-1',
      verified: true,
      recipients: [
        {
          address: 'a@example.net',
          status: '5.1.1',
          replyCode: '550',
          hard: true,
          reason: 'userUnknown',
          action: 'failed',
        },
      ],
    },
  },
  'mail.rejected': {
    type: 'mail.rejected',
    submissionId: 'INC-2',
    mailbox: 'desk@example.com',
    at,
    rejection: { sha256: 'ab'.repeat(32), sizeBytes: 12 },
    problems: [{ field: 'to', detail: 'to is missing.' }],
  },
  'mailbox.held': {
    type: 'mailbox.held',
    mailbox: 'desk@example.com',
    at,
    scope: 'account',
    since: at - 1_000,
    reason: 'quota',
    detail: 'By the server’s count.',
    remedy: 'Wait.',
    waitingCount: 5_000,
    hasMore: true,
  },
  'mailbox.released': {
    type: 'mailbox.released',
    mailbox: 'desk@example.com',
    at,
    scope: 'mailbox',
    since: at - 1_000,
    reason: 'quota',
    waitingCount: 0,
  },
} satisfies Readonly<Record<StatusEventType, StatusEvent>>;

function parsed(event: StatusEvent): Record<string, unknown> {
  return JSON.parse(toCloudEvent(event)) as Record<string, unknown>;
}

describe('an event', () => {
  test('of each type is what its published schema says', () => {
    expect(Object.keys(all).sort()).toEqual([...types].sort());
    for (const type of types) {
      const answer = eventSchema(type).safeParse(parsed(all[type]));
      expect([type, answer.error?.issues]).toEqual([type, undefined]);
    }
  });

  test('of one type is no event of another', () => {
    for (const type of types) {
      for (const other of types.filter((one) => one !== type)) {
        expect(eventSchema(other).safeParse(parsed(all[type])).success).toBe(false);
      }
    }
  });

  test('has the attributes of CloudEvents 1.0', () => {
    expect(parsed(all['mail.sent'])).toEqual({
      specversion: '1.0',
      id: 'INC-1/2',
      source: '/esm-mail-bridge/mailboxes/desk%40example.com',
      type: 'mail.sent',
      subject: 'INC-1',
      time: '2026-11-25T09:30:00.007Z',
      datacontenttype: 'application/json',
      dataschema: 'urn:esm-mail-bridge:schema:mail.sent:1',
      data: {
        submissionId: 'INC-1',
        sequence: 2,
        mailbox: 'desk@example.com',
        attempt: 1,
        recipients: [
          {
            address: 'a@example.net',
            outcome: 'sent',
            attempt: 1,
            code: 250,
            enhancedStatus: '2.1.5',
            detail: 'Recipient OK',
          },
          { address: 'b@example.net', outcome: 'deferred', attempt: 1, code: 450, detail: 'busy' },
          { address: 'c@example.net', outcome: 'pending' },
        ],
        reply: { code: 250, enhancedStatus: '2.0.0', text: 'OK <x@prod.outlook.com>' },
        messageId: '<m@bridge>',
        serverMessageId: '<x@prod.outlook.com>',
        correlation: { card: 7 },
      },
    });
    expect(parsed(all['mail.deferred'])['data']).toMatchObject({ retryAt: '2026-11-25T09:31:00.007Z' });
  });

  test('published again is the same text, and every event has a name of its own', () => {
    expect(toCloudEvent(all['mail.sent'])).toBe(toCloudEvent({ ...all['mail.sent'] }));
    const rejected = all['mail.rejected'];
    const nameless: StatusEvent = {
      type: 'mail.rejected',
      at,
      rejection: { sha256: 'ab'.repeat(32), sizeBytes: 12 },
      problems: [{ field: '', detail: 'The submission is null.' }],
    };
    const names = [
      all['mail.sent'],
      { ...all['mail.sent'], sequence: 3 },
      { ...all['mail.sent'], submissionId: 'INC-12', sequence: 2 },
      rejected,
      { ...rejected, rejection: { sha256: 'cd'.repeat(32), sizeBytes: 12 } },
      nameless,
    ].map((event) => {
      const { id, source } = parsed(event);
      return `${String(source)} ${String(id)}`;
    });
    expect(new Set(names).size).toBe(names.length);
    expect(parsed(nameless)).toMatchObject({
      id: `/rejected/${'ab'.repeat(32)}`,
      source: '/esm-mail-bridge',
    });
    expect(parsed(nameless)).not.toHaveProperty('subject');
    expect(eventSchema('mail.rejected').safeParse(parsed(nameless)).success).toBe(true);
  });

  test('is one line of printable ASCII that reads back as it was, whatever is in it', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.jsonValue({ stringUnit: 'binary' }),
        (detail, correlation) => {
          const text = toCloudEvent({ ...all['mail.held'], detail, correlation: correlation as Json });
          if (!/^[\x20-\x7e]+$/.test(text)) throw new Error(`not printable: ${text}`);
          const data = parsed({ ...all['mail.held'], detail, correlation: correlation as Json })['data'];
          expect(data).toMatchObject(JSON.parse(JSON.stringify({ detail, correlation })) as object);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('that is too long for a queue message names where the whole is', () => {
    const whole = { blob: `outbound-content/${'ab'.repeat(32)}`, sizeBytes: 60_000 };
    const event = JSON.parse(toCloudEvent(all['mail.sent'], whole)) as Record<string, unknown>;
    expect(event['data']).toMatchObject({ whole });
    expect(event['data']).not.toHaveProperty('recipients');
    expect(eventSchema('mail.sent').safeParse(event).success).toBe(true);
  });

  test.each<StatusEvent>([
    {
      ...all['mail.rejected'],
      submissionId: 'x'.repeat(128),
      problems: Array.from({ length: 20 }, () => ({ field: 'x'.repeat(200), detail: 'x'.repeat(600) })),
    },
    {
      ...all['mail.held'],
      submissionId: 'x'.repeat(128),
      correlation: '\u00e4'.repeat(4_094),
      reason: 'x'.repeat(100),
      detail: 'x'.repeat(1_000),
      remedy: 'x'.repeat(1_000),
    },
  ])('without its recipients fits in a queue message at the largest of everything else: $type', (event) => {
    expect(toCloudEvent(event).length).toBeLessThan(49_152);
  });
});

test('schemas are strict: a field that nobody named is refused', () => {
  for (const type of types) {
    const event = parsed(all[type]);
    const data = event['data'] as object;
    expect(eventSchema(type).safeParse({ ...event, data: { ...data, extra: 1 } }).success).toBe(false);
    expect(eventSchema(type).safeParse({ ...event, extra: 1 }).success).toBe(false);
    expect(schemaName(type)).toBe(`urn:esm-mail-bridge:schema:${type}:1`);
  }
});
