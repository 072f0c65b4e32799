// What ESM reads: the text of every event, and the notice of a mail.
import { describe, expect, test } from '@jest/globals';
import type { Classification } from '../../shared/contract/classification.ts';
import {
  noticeDataSchema,
  noticeLimitBytes,
  noticeOf,
  noticeSchema,
  verdictFields,
  type WholeNotice,
} from '../../shared/contract/notice.ts';
import { omit } from '../../shared/mail/omit.ts';
import { bridgeIdMostCharacters } from '../../shared/contract/sentMessage.ts';
import {
  cloudEventByReference,
  eventData,
  eventSchema,
  schemaName,
  toCloudEvent,
} from '../../shared/contract/statusCloudEvent.ts';
import type { StatusEvent } from '../../shared/contract/statusEvent.ts';

const at = Date.UTC(2026, 10, 25, 9);
const iso = '2026-11-25T09:00:00.000Z';
const about = { submissionId: 'a', sequence: 3, mailbox: 'desk+1@example.com', at } as const;
const whole = { blob: 'outbound-content/x', sizeBytes: 70_000 };
const read = (event: StatusEvent, reference?: typeof whole): unknown =>
  JSON.parse(toCloudEvent(event, reference));
const dataOf = (event: StatusEvent, reference?: typeof whole): unknown =>
  (read(event, reference) as { readonly data: unknown }).data;

const bounce = {
  noticeId: 'n',
  verified: true,
  recipients: [
    {
      address: 'one@x.example',
      status: '5.1.1',
      replyCode: '550',
      hard: true,
      reason: 'userunknown',
      action: 'failed',
    },
  ],
};
const hold = {
  mailbox: 'desk@example.com',
  at,
  scope: 'account',
  since: at - 1_000,
  reason: 'quota',
  detail: 'Full.',
  remedy: 'Wait.',
  waitingCount: 7,
} as const;
const events: readonly StatusEvent[] = [
  { ...about, type: 'mail.accepted' },
  { ...about, type: 'mail.sent' },
  { ...about, type: 'mail.deferred', retryAt: at + 1_000 },
  { ...about, type: 'mail.held' },
  { ...about, type: 'mail.held', retryAt: at + 1_000 },
  { ...about, type: 'mail.inDoubt' },
  { ...about, type: 'mail.inDoubt', retryAt: at + 1_000 },
  { ...about, type: 'mail.failed' },
  { ...about, type: 'mail.expired' },
  { ...about, type: 'mail.cancelled' },
  { ...about, type: 'mail.bounced', bounce },
  {
    type: 'mail.rejected',
    submissionId: 'a',
    mailbox: 'desk@example.com',
    correlation: 7,
    at,
    rejection: { sha256: 'f00', sizeBytes: 9 },
    problems: [{ field: 'to', detail: 'to is missing.' }],
  },
  { ...hold, type: 'mailbox.held', hasMore: true },
  { ...hold, type: 'mailbox.released' },
];

test.each(events.map((event) => [event.type, event] as const))(
  '%s is as its schema says, and no more',
  (type, event) => {
    const written = read(event);
    expect(eventSchema(type).parse(written)).toEqual(written);
    expect(eventSchema(type).safeParse({ ...(written as object), more: 1 }).success).toBe(false);
    const { data } = written as { readonly data: object };
    expect(eventData[type].safeParse({ ...data, more: 1 }).success).toBe(false);
    expect(eventSchema(type).safeParse({ ...(written as object), type: 'mail.other' }).success).toBe(false);
    const byReference = read(event, whole);
    expect(eventSchema(type).parse(byReference)).toMatchObject({ data: { whole } });
  },
);

test('every type has a schema', () => {
  expect(new Set(events.map(({ type }) => type))).toEqual(new Set(Object.keys(eventData)));
});

test('an event has its id, its source, its time and all that is known of the message', () => {
  const event: StatusEvent = {
    ...about,
    type: 'mail.deferred',
    retryAt: at + 1_000,
    attempt: 2,
    recipients: [
      {
        address: 'one@x.example',
        state: 'deferred',
        attempt: 2,
        code: 451,
        enhanced: '4.7.0',
        detail: 'Later.',
        maybeSent: true,
      },
      { address: 'two@x.example', state: 'pending' },
    ],
    reply: { code: 451, enhanced: '4.7.0', text: 'Läter.' },
    messageId: '<a@x>',
    serverMessageId: '<s@x>',
    correlation: { ticket: 7 },
    reason: 'r',
    detail: 'd',
    remedy: 'm',
  };
  expect(read(event)).toEqual({
    specversion: '1.0',
    id: 'a/3',
    source: '/esm-mail-bridge/mailboxes/desk%2B1%40example.com',
    type: 'mail.deferred',
    subject: 'a',
    time: iso,
    datacontenttype: 'application/json',
    dataschema: 'urn:esm-mail-bridge:schema:mail.deferred:1',
    data: {
      submissionId: 'a',
      sequence: 3,
      mailbox: 'desk+1@example.com',
      attempt: 2,
      recipients: [
        {
          address: 'one@x.example',
          outcome: 'deferred',
          attempt: 2,
          code: 451,
          enhancedStatus: '4.7.0',
          detail: 'Later.',
        },
        { address: 'two@x.example', outcome: 'pending' },
      ],
      reply: { code: 451, enhancedStatus: '4.7.0', text: 'Läter.' },
      messageId: '<a@x>',
      serverMessageId: '<s@x>',
      correlation: { ticket: 7 },
      reason: 'r',
      detail: 'd',
      remedy: 'm',
      retryAt: '2026-11-25T09:00:01.000Z',
    },
  });
  expect(toCloudEvent(event)).toMatch(/^[\x20-\x7e]+$/);
  expect(dataOf(event, whole)).not.toHaveProperty('recipients');
  expect(dataOf(event, whole)).toMatchObject({ correlation: { ticket: 7 }, whole });
  expect(schemaName('x')).toBe('urn:esm-mail-bridge:schema:x:1');
});

test('what is not known is not there', () => {
  expect(dataOf({ ...about, type: 'mail.sent' })).toEqual({
    submissionId: 'a',
    sequence: 3,
    mailbox: 'desk+1@example.com',
  });
  expect(dataOf({ ...about, type: 'mail.held' })).not.toHaveProperty('retryAt');
  expect(dataOf({ ...about, type: 'mail.held', retryAt: at })).toHaveProperty('retryAt', iso);
  expect(dataOf({ ...about, type: 'mail.inDoubt', retryAt: at })).toHaveProperty('retryAt', iso);
});

test('a bounce names its recipients, unless the whole of it is elsewhere', () => {
  expect(dataOf({ ...about, type: 'mail.bounced', bounce })).toHaveProperty('bounce', bounce);
  expect(dataOf({ ...about, type: 'mail.bounced', bounce }, whole)).toHaveProperty('bounce.recipients', []);
});

describe('a rejection', () => {
  const rejected = (change: object = {}): StatusEvent => ({
    type: 'mail.rejected',
    at,
    rejection: { sha256: 'f00', sizeBytes: 9 },
    problems: Array.from({ length: 8 }, (_, n) => ({ field: `f${n}`, detail: 'd' })),
    ...change,
  });

  test('is named by the refused bytes; without a submission’s id or a mailbox too', () => {
    expect(read(rejected())).toMatchObject({
      id: '/rejected/f00',
      source: '/esm-mail-bridge',
      data: { content: { sha256: 'f00', sizeBytes: 9 } },
    });
    expect(read(rejected())).not.toHaveProperty('subject');
    expect(read(rejected({ submissionId: 'a', mailbox: 'm' }))).toMatchObject({
      id: 'a/rejected/f00',
      source: '/esm-mail-bridge/mailboxes/m',
      subject: 'a',
    });
  });

  test('has all its problems, or the first five where the whole is elsewhere', () => {
    expect(dataOf(rejected())).toHaveProperty('problems.length', 8);
    expect(dataOf(rejected(), whole)).toHaveProperty('problems.length', 5);
  });
});

test('the two events of a hold have ids of their own and the same beginning', () => {
  const held = read({ ...hold, type: 'mailbox.held' });
  const released = read({ ...hold, type: 'mailbox.released', scope: 'mailbox' });
  expect(held).toMatchObject({
    id: `account/${at - 1_000}/held`,
    data: { since: '2026-11-25T08:59:59.000Z' },
  });
  expect(released).toMatchObject({ id: `mailbox/${at - 1_000}/released` });
  expect(held).not.toHaveProperty('subject');
  expect(dataOf({ ...hold, type: 'mailbox.held' })).toEqual({
    mailbox: 'desk@example.com',
    scope: 'account',
    since: '2026-11-25T08:59:59.000Z',
    waitingCount: 7,
    reason: 'quota',
    detail: 'Full.',
    remedy: 'Wait.',
  });
});

describe('an event that is too long', () => {
  test.each(events.map((event) => [event.type, event] as const))(
    '%s by reference is what is short of it',
    (_type, event) => {
      const text = cloudEventByReference(toCloudEvent(event), whole);
      const short = JSON.parse(text ?? 'null') as { readonly id: string; readonly data: object };
      const full = read(event) as { readonly id: string; readonly data: Readonly<Record<string, unknown>> };
      expect(short).toMatchObject({ ...full, data: { whole } });
      for (const name of ['submissionId', 'sequence', 'mailbox', 'retryAt', 'reason']) {
        expect(Reflect.get(short.data, name)).toEqual(full.data[name]);
      }
      for (const name of ['recipients', 'correlation', 'detail', 'reply'])
        expect(short.data).not.toHaveProperty(name);
      if ('bounce' in full.data) expect(short.data).toHaveProperty('bounce', { ...bounce, recipients: [] });
      if ('problems' in full.data) expect(short.data).toHaveProperty('problems', []);
    },
  );

  const text = toCloudEvent({ ...about, type: 'mail.sent', reason: 'r' });
  const changed = (change: object, data: object = {}): string => {
    const event = JSON.parse(text) as { readonly data: object };
    return JSON.stringify({ ...event, ...change, data: { ...event.data, ...data } });
  };

  test.each([
    ['no JSON', '{'],
    ['another version', changed({ specversion: '2.0' })],
    ['no id', changed({ id: undefined })],
    ['an id that is too long', changed({ id: 'x'.repeat(301) })],
    ['a source that is too long', changed({ source: 'x'.repeat(1_501) })],
    ['a type that is too long', changed({ type: 'x'.repeat(101) })],
    ['a subject that is too long', changed({ subject: 'x'.repeat(201) })],
    ['a time that is too long', changed({ time: 'x'.repeat(41) })],
    ['another content type', changed({ datacontenttype: 'text/plain' })],
    ['a schema that is too long', changed({ dataschema: 'x'.repeat(201) })],
    ['a submission’s id that is too long', changed({}, { submissionId: 'x'.repeat(201) })],
    ['a mailbox that is too long', changed({}, { mailbox: 'x'.repeat(321) })],
    ['a time of retry that is too long', changed({}, { retryAt: 'x'.repeat(41) })],
    ['a reason that is too long', changed({}, { reason: 'x'.repeat(101) })],
    [
      'a notice’s id that is too long',
      changed({}, { bounce: { noticeId: 'x'.repeat(301), verified: true } }),
    ],
    ['a bounce of another form', changed({}, { bounce: {} })],
    ['problems of another form', changed({}, { problems: 7 })],
  ])('is none with %s', (_what, written) => {
    expect(cloudEventByReference(written, whole)).toBeUndefined();
  });

  test('is one with everything as long as may be', () => {
    const written = changed(
      {
        id: 'x'.repeat(300),
        source: 'x'.repeat(1_500),
        type: 'x'.repeat(100),
        subject: 'x'.repeat(200),
        time: 'x'.repeat(40),
        dataschema: 'x'.repeat(200),
      },
      {
        submissionId: 'x'.repeat(200),
        mailbox: 'x'.repeat(320),
        retryAt: 'x'.repeat(40),
        reason: 'x'.repeat(100),
        bounce: { noticeId: 'x'.repeat(300), verified: false },
      },
    );
    expect(cloudEventByReference(written, whole)).toBeDefined();
  });
});

describe('a notice', () => {
  const hash = 'a'.repeat(64);
  const blob = { blob: 'inbound/x', sizeBytes: 0, sha256: hash };
  const recipient = {
    address: 'a@x',
    original: 'b@x',
    status: '5.1.1',
    replyCode: '550',
    hard: true,
    reason: 'userunknown',
    action: 'failed',
    diagnostic: 'no',
  } as const;
  const person = [{ name: 'n', address: 'a@x' }];
  const notice: WholeNotice = {
    version: 1,
    id: 'id',
    mailbox: 'desk@example.com',
    kind: 'message',
    folder: 'INBOX',
    uid: 1,
    uidValidity: 2,
    messageId: '<a@x>',
    inReplyTo: ['<b@x>'],
    references: ['<c@x>'],
    from: person,
    sender: person,
    replyTo: person,
    to: person,
    cc: person,
    subject: 's',
    date: iso,
    receivedAt: iso,
    flags: ['\\Seen'],
    list: false,
    bounce: { severity: 'hard', recipients: [recipient] },
    receipt: { recipients: [recipient] },
    complaint: { feedbackType: 'abuse', recipients: [recipient] },
    relatesTo: { submissionId: 'a', mailbox: 'm', correlation: 7, by: 'inReplyTo', verified: false },
    loopGuard: { mayAnswer: true, reasons: ['r'] },
    raw: blob,
    text: { content: 't', sizeBytes: 1, sha256: hash },
    html: blob,
    parts: [
      {
        ...blob,
        filename: 'f',
        contentType: 'text/plain',
        disposition: 'inline',
        contentId: 'c',
        role: 'file',
      },
    ],
    remarks: ['r'],
  };

  test('is an event that its schema accepts whole, or by reference', () => {
    const event = noticeOf(notice, at);
    expect(event).toEqual({
      specversion: '1.0',
      id: 'id',
      source: '/esm-mail-bridge/mailboxes/desk%40example.com',
      type: 'mail.received',
      subject: 'id',
      time: iso,
      datacontenttype: 'application/json',
      dataschema: 'urn:esm-mail-bridge:schema:mail.received:1',
      data: notice,
    });
    expect(noticeSchema.parse(event)).toEqual(event);
    const { version, id, mailbox, kind } = notice;
    const reference = noticeOf({ version, id, mailbox, kind, reference: blob }, at);
    expect(noticeSchema.parse(reference)).toEqual(reference);
    expect(noticeLimitBytes).toBe(49_152);
  });

  test.each<[string, object]>([
    ['more than is named', { more: 1 }],
    ['another version', { version: 2 }],
    ['another kind', { kind: 'letter' }],
    ['a negative uid', { uid: -1 }],
    ['a hash that is too short', { raw: { ...blob, sha256: hash.slice(1) } }],
    ['a hash with something before it', { raw: { ...blob, sha256: `x${hash}` } }],
    ['a hash with something after it', { raw: { ...blob, sha256: `${hash}x` } }],
    ['a hash of another alphabet', { raw: { ...blob, sha256: 'g'.repeat(64) } }],
    ['another severity', { bounce: { severity: 'firm', recipients: [] } }],
    ['another reason', { receipt: { recipients: [{ ...recipient, reason: 'because' }] } }],
    ['another action', { receipt: { recipients: [{ ...recipient, action: 'lost' }] } }],
    ['another way of relating', { relatesTo: { ...notice.relatesTo, by: 'subject' } }],
    ['another disposition', { parts: [{ ...notice.parts[0], disposition: 'x' }] }],
    ['another role', { parts: [{ ...notice.parts[0], role: 'x' }] }],
    ['a date that is none', { date: 'yesterday' }],
  ])('is refused with %s', (_what, change) => {
    expect(noticeDataSchema.safeParse({ ...notice, ...change }).success).toBe(false);
  });

  test('may lack its dates and what its kind does not have', () => {
    const rest = omit(notice, 'bounce', 'receipt');
    expect(noticeDataSchema.safeParse({ ...rest, date: null, receivedAt: null }).success).toBe(true);
    for (const kind of ['message', 'receipt', 'bounce', 'autoReply', 'complaint', 'unparsed']) {
      expect(noticeDataSchema.safeParse({ ...notice, kind }).success).toBe(true);
    }
  });

  test('carries of the classification what its kind has', () => {
    const found = (change: Partial<Classification>): Classification => ({
      kind: 'message',
      list: true,
      returned: {},
      loopGuard: { mayAnswer: false, reasons: ['r'] },
      because: 'x',
      recipients: [recipient],
      ...change,
    });
    const always = { list: true, loopGuard: { mayAnswer: false, reasons: ['r'] } };
    expect(verdictFields(found({}))).toEqual(always);
    const bounced = { severity: 'soft', recipients: [recipient] } as const;
    expect(verdictFields(found({ kind: 'bounce', bounce: bounced }))).toEqual({ ...always, bounce: bounced });
    expect(verdictFields(found({ kind: 'receipt' }))).toEqual({
      ...always,
      receipt: { recipients: [recipient] },
    });
    expect(verdictFields(found({ kind: 'complaint', feedbackType: 'abuse' }))).toEqual({
      ...always,
      complaint: { feedbackType: 'abuse', recipients: [recipient] },
    });
    const none = omit(found({ kind: 'complaint' }), 'recipients');
    expect(verdictFields(none)).toEqual({ ...always, complaint: { feedbackType: '', recipients: [] } });
  });
});

test('the longest private header has room for the longest id', () => {
  expect(bridgeIdMostCharacters).toBe(`${'x'.repeat(128)}.${'9'.repeat(9)}.${'a'.repeat(12)}`.length);
});
