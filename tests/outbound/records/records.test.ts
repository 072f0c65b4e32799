// How messages and accounts are written into rows: everything comes back, and whatever is damaged is said to be.
import { describe, expect, test } from '@jest/globals';
import { asLatest } from '../../../shared/limits/storageTime.ts';
import { emptyState, decodeState, encodeState } from '../../../shared/outbound/records/accountState.ts';
import type { AccountState } from '../../../shared/outbound/records/accountState.ts';
import { chunkColumns, getText, putText } from '../../../shared/outbound/records/chunks.ts';
import * as keys from '../../../shared/outbound/records/keys.ts';
import { addHistory, isFinished, remaining, type Message } from '../../../shared/outbound/records/message.ts';
import * as ids from '../../../shared/outbound/records/messageIds.ts';
import * as rows from '../../../shared/outbound/records/messageRow.ts';
import {
  decodeRow,
  noneIfUnreadable,
  UnreadableRow,
} from '../../../shared/outbound/records/unreadableRow.ts';
import type { Field, Fields } from '../../../shared/outbound/ports.ts';
import { aMessage } from '../aMessage.ts';

const unreadable = expect.objectContaining({ name: 'UnreadableRow' });
const thrownBy = (act: () => unknown): unknown => {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
};

const fullMessage = aMessage({
  content: new Uint8Array([1, 2, 3]),
  correlation: { ticket: 7 },
  expiresAt: 9_000,
  serverMessageId: '<server@x>',
  reason: 'quota',
  detail: 'Full.',
  remedy: 'Wait.',
  recipients: [
    {
      address: 'one@x.example',
      state: 'failed',
      attempt: 2,
      code: 550,
      enhanced: '5.1.1',
      detail: 'No such user.',
      maybeSent: true,
    },
    ...(['pending', 'sent', 'deferred', 'inDoubt'] as const).map((state) => ({
      address: `${state}@x`,
      state,
    })),
  ],
  movableCharge: { bucket: 300, count: 2 },
  suspicion: {
    accountAccepted: 1,
    mailboxAccepted: 2,
    forGood: { mailboxAccepted: 3, releasedCount: 4, lastAt: 5, elapsedMs: 6 },
  },
  history: [
    { at: 1, type: 'mail.accepted' },
    { at: 2, type: 'mail.deferred', detail: 'Later.' },
  ],
  bounces: ['notice'],
  charged: 5,
  chargedAt: 6_000,
  deferrals: 3,
  deferredMs: 4_000,
});

const write = (message: Message): Fields => rows.encodeMessage(message, '');
const read = (fields: Fields, recipients?: string): Message => {
  const where = rows.recipientsIn(fields);
  return rows.decodeMessage(
    { key: keys.messageKey('a'), fields },
    recipients ?? ('text' in where ? where.text : '[]'),
  );
};

describe('a message', () => {
  const entries: readonly Message['indexEntry'][] = [
    { kind: 'due', at: 5 },
    { kind: 'inDoubt', lookupAt: 5, lookup: 1, claimedAt: 4 },
    { kind: 'inDoubt', lookupAt: 5, lookup: 2, claimedAt: 4 },
    { kind: 'suspended', group: 'failed', at: 5 },
    { kind: 'suspended', group: 'inDoubt', at: 5 },
    { kind: 'suspended', group: { mailbox: 'desk@example.com' }, at: 5 },
    { kind: 'none' },
  ];

  test.each(entries.map((indexEntry) => [indexEntry]))('comes back as it was, listed as %j', (indexEntry) => {
    expect(read(write({ ...fullMessage, indexEntry }))).toEqual({ ...fullMessage, indexEntry });
  });

  test.each(['waiting', 'sent', 'failed', 'inDoubt', 'held', 'expired', 'cancelled'] as const)(
    'comes back in the state %s, in every lane',
    (state) => {
      for (const lane of [0, 1, 2] as const) {
        expect(read(write(aMessage({ state, lane })))).toEqual(aMessage({ state, lane }));
      }
    },
  );

  test('what is absent stays absent, and content may be the name of a blob', () => {
    const plain = aMessage();
    const back = read(write(plain));
    expect(back).toEqual(plain);
    for (const name of [
      'expiresAt',
      'correlation',
      'movableCharge',
      'suspicion',
      'serverMessageId',
      'reason',
    ]) {
      expect(back).not.toHaveProperty(name);
    }
    const suspicion = { accountAccepted: 1, mailboxAccepted: 2 };
    expect(read(write(aMessage({ suspicion }))).suspicion).toEqual(suspicion);
  });

  test('its recipients may be in a blob, which the row names', () => {
    const fields = rows.encodeMessage(fullMessage, 'recipients/a');
    expect(rows.recipientsIn(fields)).toEqual({ blob: 'recipients/a' });
    expect(fields['recipients']).toBe('');
    expect(read(fields, rows.encodeRecipients(fullMessage.recipients))).toEqual(fullMessage);
    expect(rows.recipientsIn(write(fullMessage))).toEqual({
      text: rows.encodeRecipients(fullMessage.recipients),
    });
    expect(rows.recipientsIn({})).toEqual({ text: '' });
    expect(rows.recipientsIn({ recipientsBlob: 7 })).toEqual({ text: '' });
    const damaged = { recipientsBlob: '', recipientsChunks: 2, recipients: '[' };
    expect(thrownBy(() => rows.recipientsIn(damaged))).toEqual(unreadable);
  });

  test('a merge of its progress leaves nothing of what was there before', () => {
    const merged = { ...write(fullMessage), ...rows.encodeProgress(aMessage(), '') };
    const { hash, submissionHash, content, blobs, correlation, messageId } = fullMessage;
    expect(read(merged)).toEqual({
      ...aMessage(),
      hash,
      submissionHash,
      content,
      blobs,
      correlation,
      messageId,
    });
  });

  test('without its content it has no bytes, no blobs, and is still read', () => {
    const fields = { ...write(aMessage({ content: 'content/a' })), ...rows.withoutContent };
    expect(read(fields)).toMatchObject({ content: new Uint8Array(0), blobs: [] });
    const neither: Record<string, Field> = { ...fields };
    delete neither['content'];
    delete neither['contentBlob'];
    expect(read(neither).content).toBe('');
  });

  test('a row written before these columns existed is read as one without them', () => {
    const later = ['movableCharge', 'suspicion'];
    const older = Object.fromEntries(
      Object.entries(write(fullMessage)).filter(([name]) => !later.includes(name)),
    );
    for (const name of later) expect(read(older)).not.toHaveProperty(name);
  });

  // Its recipients are handed over as text, and a row without correlation is one of a submission that had none.
  const recipientsColumns = new Set([...chunkColumns('recipients'), 'correlationChunks']);
  const columns = Object.entries(write(fullMessage)).filter(([name]) => !recipientsColumns.has(name));

  test.each(columns.map(([name, field]) => [name, field] as const))(
    'with a damaged column %s it is unreadable, and says nothing of its content',
    (name, field) => {
      const wrong = typeof field === 'number' ? 'text' : 99;
      const error = thrownBy(() => read({ ...write(fullMessage), [name]: wrong }, '[]'));
      expect(error).toEqual(unreadable);
      expect(String(error)).not.toContain('text');
    },
  );

  test.each([
    ['recipients', '[{"address":"a","state":"unknown"}]'],
    ['recipients', '[{"address":"a","state":"sent","maybeSent":false}]'],
    ['recipients', '{'],
    ['indexEntry', '{"kind":"suspended","group":"unreadable","at":5}'],
    ['indexEntry', '{"kind":"inDoubt","lookupAt":5,"lookup":3,"claimedAt":4}'],
    ['indexEntry', '{"kind":"other"}'],
    ['indexEntry', '{"kind":"due"}'],
    ['movableCharge', '{"bucket":1}'],
    ['suspicion', '{"accountAccepted":1}'],
    ['suspicion', '{"accountAccepted":1,"mailboxAccepted":1,"forGood":{}}'],
    ['history', '[{"at":1}]'],
    ['bounces', '[1]'],
    ['blobs', '[1]'],
    ['correlation', 'x'],
    ['state', 'asleep'],
  ])('with a damaged %s (%s) it is unreadable', (name, text) => {
    const act = (): unknown =>
      name === 'recipients' ? read(write(fullMessage), text) : read({ ...write(fullMessage), [name]: text });
    expect(thrownBy(act)).toEqual(unreadable);
  });
});

describe('the row that lists a message', () => {
  test.each<[Message['indexEntry'], string, Fields]>([
    [
      { kind: 'due', at: 5 },
      'due|1|000000000000005|a',
      { mailbox: 'Desk@example.com', attempt: 1, recipients: 2 },
    ],
    [
      { kind: 'inDoubt', lookupAt: 6, lookup: 2, claimedAt: 1 },
      'indoubt|000000000000006|a',
      { attempt: 1, lookup: 2 },
    ],
    [
      { kind: 'suspended', group: 'inDoubt', at: 7 },
      'suspended|indoubt|000000000000007|a',
      { mailbox: 'Desk@example.com' },
    ],
  ])('%j', (indexEntry, key, fields) => {
    expect(rows.indexRow(aMessage({ indexEntry }))).toEqual({ key, fields });
  });

  test('none for a message that nothing lists', () => {
    expect(rows.indexRow(aMessage({ indexEntry: { kind: 'none' } }))).toBeUndefined();
  });

  test('a due row says whose it is and how many recipients it is for', () => {
    const row = rows.indexRow(aMessage({ lane: 2 }));
    expect(row && rows.decodeDueRow(row)).toEqual({
      key: 'due|2|000000000005000|a',
      lane: 2,
      at: 5_000,
      id: 'a',
      mailbox: 'Desk@example.com',
      recipientCount: 2,
    });
  });

  test.each<[string, string, Fields]>([
    ['of another name', 'msg|a', { mailbox: 'm', recipients: 1 }],
    ['without its columns', 'due|1|000000000000005|a', {}],
    ['with a damaged mailbox', 'due|1|000000000000005|a', { mailbox: 1, recipients: 1 }],
    ['with a damaged count', 'due|1|000000000000005|a', { mailbox: 'm', recipients: 'x' }],
  ])('a row %s lists no due message', (_what, key, fields) => {
    expect(rows.decodeDueRow({ key, fields })).toBeUndefined();
  });
});

describe('what is read of many rows at once', () => {
  const key = keys.messageKey('a');
  const only = (names: readonly string[], fields: Fields): Fields =>
    Object.fromEntries(Object.entries(fields).filter(([name]) => names.includes(name)));

  test('a list shows a message by these columns alone, without what is empty', () => {
    const fields = only(rows.summaryColumns, write(fullMessage));
    expect(rows.decodeSummary({ key, fields })).toEqual({
      id: 'a',
      mailbox: 'Desk@example.com',
      state: 'waiting',
      attempt: 1,
      acceptedAt: 1_000,
      changedAt: 3_000,
      reason: 'quota',
      detail: 'Full.',
      remedy: 'Wait.',
    });
    const plain = only(rows.summaryColumns, write(aMessage()));
    expect(rows.decodeSummary({ key, fields: plain })).not.toHaveProperty('reason');
    expect(rows.summaryColumns).toHaveLength(8);
    expect(rows.decodeSummary({ key, fields: { ...fields, state: 'asleep' } })).toBeUndefined();
  });

  test('what it has used of the limits, or nothing', () => {
    const fields = only(rows.chargeColumns, write(fullMessage));
    expect(rows.decodeCharge(fields)).toEqual({ attempt: 1, charged: 5, chargedAt: 6_000 });
    expect(rows.decodeCharge({})).toEqual({ attempt: 0, charged: 0, chargedAt: 0 });
  });

  test.each<[Message['state'], boolean]>([
    ['waiting', false],
    ['failed', false],
    ['inDoubt', false],
    ['held', false],
    ['sent', true],
    ['expired', true],
    ['cancelled', true],
  ])('retention of a message that is %s', (state, finished) => {
    const message = aMessage({ state, content: 'content/a', blobs: ['blob/a', 'blob/b'] });
    const fields = only(rows.retentionColumns, rows.encodeMessage(message, 'recipients/a'));
    expect(rows.decodeRetention(fields)).toEqual({
      isFinished: finished,
      changedAt: 3_000,
      blobs: ['content/a', 'recipients/a', 'blob/a', 'blob/b'],
    });
  });

  test('blobs without a name are none; a row that can’t be read needs who knows what', () => {
    const fields = write(aMessage({ content: new Uint8Array(1), blobs: [] }));
    expect(rows.decodeRetention(fields)?.blobs).toEqual([]);
    for (const damaged of [
      { version: 2 },
      { state: 'asleep' },
      { blobs: '[' },
      { blobs: '[1]' },
      { blobsChunks: 'x' },
      { blobsChunks: 2 },
      { changedAt: 'x' },
    ]) {
      expect(rows.decodeRetention({ ...fields, ...damaged })).toBeUndefined();
    }
  });
});

test.each<[string, Field, number]>([
  ['text, two bytes a character', 'abcde', 10],
  ['text that JSON writes longer', '\u0001\u0001', 14],
  ['bytes, in base64', new Uint8Array(7), 12],
  ['bytes that fill it', new Uint8Array(6), 8],
  ['a number', 5, 24],
  ['a truth value', true, 24],
])('the weight of a field: %s', (_what, field, bytes) => {
  expect(rows.fieldBytes(field)).toBe(bytes);
});

describe('an account', () => {
  const at = asLatest(1_000);
  const full: AccountState = {
    lease: { owner: 'invocation', tag: 'tag', until: at, connections: 2 },
    orphanedConnections: [{ connections: 1, goneBy: at }],
    activeAttempts: [{ id: 'a', attempt: 2, key: 'k', tag: 't', owner: 'o', deadline: at, slot: 7 }],
    slots: [[1, 2]],
    day: [[3, 4]],
    backoffUntil: { 0: 5, 1: 6, 2: 7 },
    holds: [
      { reason: 'quota', detail: 'd', remedy: 'r', since: 1, probeAt: 2, probeCount: 3, firstProbeMs: 4 },
      { mailbox: 'm', reason: 'paused', detail: 'd', remedy: 'r', since: 1, probeCount: 3, firstProbeMs: 4 },
    ],
    suspendedMailboxes: ['m'],
    claimToReplyMs: 1_500,
    refusals: [
      { id: 'b', mailbox: 'm', alike: 'x', recipient: 'r', isOfMailbox: false },
      { id: 'c', mailbox: 'm', alike: 'x', isOfMailbox: true },
    ],
    tallies: [
      { acceptedCount: 5, releasedCount: 1 },
      { mailbox: 'm', acceptedCount: 4, releasedCount: 0 },
    ],
    hourly: [{ hour: 490_000, of: 'desk@example.com esm', counts: { sent: 3, recipients: 4 } }],
    lastSent: [{ mailbox: 'desk@example.com', at: 1_764_061_200_000 }],
    bounced: [{ id: 'INC-3', at: 1_764_061_200_000 }],
    reportedHolds: [
      { mailbox: 'm', scope: 'account', since: 7, reason: 'quota' },
      { mailbox: 'm', scope: 'mailbox', since: 8, reason: 'sendAs' },
    ],
    writtenBy: 'somebody',
  };

  test('comes back as it was; an empty one has no more than it says', () => {
    expect(decodeState(encodeState(full))).toEqual(full);
    const empty = decodeState(encodeState(emptyState));
    expect(empty).toEqual(emptyState);
    expect(empty).toEqual({
      orphanedConnections: [],
      activeAttempts: [],
      slots: [],
      day: [],
      backoffUntil: { 0: 0, 1: 0, 2: 0 },
      holds: [],
      suspendedMailboxes: [],
      refusals: [],
      tallies: [],
      reportedHolds: [],
      hourly: [],
      lastSent: [],
      bounced: [],
      writtenBy: '',
    });
    expect(empty).not.toHaveProperty('lease');
    expect(empty).not.toHaveProperty('claimToReplyMs');
  });

  test('a person can read every part of its row', () => {
    const fields = encodeState(full);
    expect(JSON.parse(String(fields['holds']))).toEqual(full.holds);
    expect(JSON.parse(String(fields['backoffUntil']))).toEqual([5, 6, 7]);
  });

  test('a row written before these parts existed has none of them', () => {
    const later = ['refusals', 'tallies', 'reportedHolds', 'writtenBy'];
    const older = Object.fromEntries(
      Object.entries(encodeState(full)).filter(([name]) => !later.includes(name.replace('Chunks', ''))),
    );
    expect(decodeState(older)).toEqual({
      ...full,
      refusals: [],
      tallies: [],
      reportedHolds: [],
      writtenBy: '',
    });
  });

  const damagedParts: readonly (readonly [string, string])[] = [
    ['lease', '{"owner":"o","tag":"t","until":"soon","connections":1}'],
    ['lease', '{}'],
    ['orphanedConnections', '[{"connections":1}]'],
    ['orphanedConnections', '[{"connections":1,"goneBy":"soon"}]'],
    ['activeAttempts', '[{}]'],
    ['slots', '[[1]]'],
    ['day', '[["a",1]]'],
    ['backoffUntil', '[1,2]'],
    ['holds', '[{"reason":"quota"}]'],
    ['holds', '[{"reason":1,"detail":"","remedy":"","since":1,"probeCount":1,"firstProbeMs":1}]'],
    ['suspendedMailboxes', '[1]'],
    ['claimToReplyMs', '"x"'],
    ['refusals', '[{"id":"a"}]'],
    ['tallies', '[{}]'],
    ['reportedHolds', '[{"mailbox":"m","scope":"all","since":1,"reason":"quota"}]'],
    ['reportedHolds', '[{"mailbox":"m","scope":"account","since":1,"reason":1}]'],
    ['holds', 'null'],
    ['slots', '{'],
  ];
  test.each(damagedParts)('with a damaged %s (%s) it is unreadable', (name, text) => {
    expect(thrownBy(() => decodeState({ ...encodeState(full), [name]: text }))).toEqual(unreadable);
  });
});

describe('an unreadable row', () => {
  test('says its version, or that it is damaged, and keeps the cause', () => {
    const messageOf = (version: unknown): string =>
      (thrownBy(() => decodeRow(version, 1, () => 5)) as Error).message;
    expect(messageOf(2)).toBe('The row is of version 2; this program reads version 1.');
    expect(messageOf(undefined)).toBe('The row is without a version; this program reads version 1.');
    expect(messageOf('1')).toBe('The row is without a version; this program reads version 1.');
    expect(decodeRow(1, 1, () => 5)).toBe(5);
    const cause = new TypeError('secret');
    const damaged = thrownBy(() =>
      decodeRow(1, 1, () => {
        throw cause;
      }),
    );
    expect(damaged).toMatchObject({ message: 'The row is of version 1 and damaged.', cause });
  });
});

test('a reader that passes over damaged rows passes over nothing else', () => {
  const passOver = (error: Error) => (): void => {
    noneIfUnreadable(error);
  };
  expect(passOver(new UnreadableRow('x'))).not.toThrow();
  expect(passOver(new TypeError('other'))).toThrow('other');
});

describe('long text', () => {
  test.each([
    [0, 1],
    [1, 1],
    [32_000, 1],
    [32_001, 2],
    [512_000, 16],
  ])('of %i characters is in %i columns, all of them named in advance', (length, count) => {
    const text = 'x'.repeat(length);
    const fields = putText('text', text);
    expect(fields['textChunks']).toBe(count);
    expect(Object.keys(fields)).toHaveLength(count + 1);
    expect(Object.keys(fields).every((name) => chunkColumns('text').includes(name))).toBe(true);
    expect(
      Object.values(fields).every((field) => typeof field === 'number' || String(field).length <= 32_000),
    ).toBe(true);
    expect(getText(fields, 'text')).toBe(text);
  });

  test('has a limit, and the limit has a name', () => {
    expect(() => putText('history', 'x'.repeat(512_001))).toThrow(
      new RangeError('history has 512001 characters, too many for a row'),
    );
    expect(chunkColumns('text')).toHaveLength(17);
  });

  test('with a part that is missing is named; more parts than there can be are not read', () => {
    expect(() => getText({ textChunks: 2, text: 'a' }, 'text')).toThrow('text lacks its part 1');
    expect(() => getText({ textChunks: 1, text: 5 }, 'text')).toThrow(TypeError);
    const many = Object.fromEntries(
      Array.from({ length: 20 }, (_, n) => [n === 0 ? 'text' : `text${n}`, 'x']),
    );
    expect(getText({ ...many, textChunks: 20 }, 'text')).toBe('x'.repeat(16));
    expect(getText({ text: 'a', textChunks: '1' }, 'text')).toBeUndefined();
  });
});

describe('the names of rows', () => {
  const isIn = ({ from, to }: keys.Range, key: string): boolean => key >= from && key < to;

  test('are what the store holds: they never change', () => {
    expect(keys.messageKey('a')).toBe('msg|a');
    expect(keys.dueKey(1, 5.2, 'a')).toBe('due|1|000000000000006|a');
    expect(keys.dueKey(1, -5, 'a')).toBe('due|1|000000000000000|a');
    expect(keys.inDoubtKey(5, 'a')).toBe('indoubt|000000000000005|a');
    expect(keys.eventKey('a', 12)).toBe('event|a|000012');
    expect(keys.unpublishableKey('event|a|000012')).toBe('unpublished|a|000012');
    expect(keys.suspendedKey('failed', 5, 'a')).toBe('suspended|failed|000000000000005|a');
    expect(keys.suspendedKey('inDoubt', 5, 'a')).toBe('suspended|indoubt|000000000000005|a');
    expect(keys.suspendedKey({ mailbox: 'A+b%@x.example' }, 5, 'a')).toBe(
      'suspended|mailbox=a=2Bb=25=40x.example|000000000000005|a',
    );
    expect(keys.serverIdKey('<s@x>', 'a')).toMatch(/^serverid\|[0-9a-f]{32}\|a$/);
    expect([keys.stateKey, keys.accountsPartition, keys.rejectedPartition, keys.returnedPartition]).toEqual([
      'account',
      'accounts',
      'rejected',
      'returned',
    ]);
    expect(keys.laneOf).toEqual({ high: 0, normal: 1, bulk: 2 });
    expect(keys.lanes).toEqual([0, 1, 2]);
  });

  test('ids of servers are found by their hash, each alone', () => {
    const key = keys.serverIdKey('<s@x>', 'a');
    expect(isIn(keys.serverIdRange('<s@x>'), key)).toBe(true);
    expect(isIn(keys.serverIdRange('<t@x>'), key)).toBe(false);
    expect(isIn(keys.allServerIdsRange, key)).toBe(true);
    expect(isIn(keys.allServerIdsRange, 'suspended|x')).toBe(false);
  });

  test('every row is in the whole; the head of an account is its state, what is due, told and looked up', () => {
    const all = [keys.stateKey, keys.dueKey(0, 1, 'a'), keys.eventKey('a', 1), keys.inDoubtKey(1, 'a')];
    const rest = [
      keys.messageKey('a'),
      keys.suspendedKey('failed', 1, 'a'),
      keys.unpublishableKey('event|a|1'),
    ];
    for (const key of [...all, ...rest]) expect(isIn(keys.everyRow, key)).toBe(true);
    expect([...all, ...rest].filter((key) => isIn(keys.headRange, key))).toEqual(all);
    expect(isIn(keys.unpublishableRange, keys.unpublishableKey('event|a|1'))).toBe(true);
    expect(isIn(keys.unpublishableRange, keys.messageKey('a'))).toBe(false);
  });

  test('what is due at an instant is in the range to it, and nothing later', () => {
    const key = keys.dueKey(1, 1_000, 'a');
    expect([999, 1_000].map((at) => isIn(keys.dueRange(1, at), key))).toEqual([false, true]);
    expect(isIn(keys.dueRange(0, 1_000), key)).toBe(false);
  });

  test('lookups are in their range by their time, or all of them', () => {
    const key = keys.inDoubtKey(1_000, 'a');
    expect(isIn(keys.inDoubtRange(999), key)).toBe(false);
    expect(isIn(keys.inDoubtRange(1_000), key)).toBe(true);
    expect(isIn(keys.inDoubtRange(), key)).toBe(true);
  });

  test.each([
    'msg|a',
    'xdue|1|000000000000005|a',
    'due|3|000000000000005|a',
    'due|12|000000000000005|a',
    'due|1|00000000000005|a',
    'due|1|0000000000000055|a',
    'due|1|00000000000000x|a',
    'due|1|000000000000005|',
    'due|1|000000000000005',
  ])('%s is not the name of a due row', (key) => {
    expect(keys.parseDueKey(key)).toBeUndefined();
  });

  test('lanes come back from the names of due rows', () => {
    expect(keys.lanes.map((lane) => keys.parseDueKey(keys.dueKey(lane, 5, 'a|b')))).toEqual([
      { lane: 0, at: 5, id: 'a|b' },
      { lane: 1, at: 5, id: 'a|b' },
      { lane: 2, at: 5, id: 'a|b' },
    ]);
  });

  test('an event’s name leads to its submission', () => {
    expect(keys.submissionOfEvent('event|a|000012')).toBe('event|a');
    expect(keys.idAtEnd('suspended|failed|000000000000005|a')).toBe('a');
  });
});

describe('messages', () => {
  test.each<[Message['state'], boolean]>([
    ['waiting', false],
    ['inDoubt', false],
    ['held', false],
    ['sent', true],
    ['failed', true],
    ['expired', true],
    ['cancelled', true],
  ])('%s: nothing more happens unless a person acts: %s', (state, expected) => {
    expect(isFinished(state)).toBe(expected);
  });

  test('an attempt is for those not yet tried and those refused for now', () => {
    const recipients = (['pending', 'sent', 'deferred', 'failed', 'inDoubt'] as const).map((state) => ({
      address: state,
      state,
    }));
    expect(remaining(aMessage({ recipients }))).toEqual(['pending', 'deferred']);
  });

  test('the history keeps its last thirty lines', () => {
    const lines = Array.from({ length: 30 }, (_, at) => ({ at, type: 'x' }));
    const after = addHistory(lines, { at: 30, type: 'y' });
    expect([after.length, after[0]?.at, after[29]]).toEqual([30, 1, { at: 30, type: 'y' }]);
  });
});

describe('the ids that we give', () => {
  const random = { id: () => 'a'.repeat(32) } as Parameters<typeof ids.makeMessageId>[3];
  const account = ids.accountDigest('smtp|desk@example.com');
  const ours = (id: string): string => ids.makeMessageId('smtp|desk@example.com', id, 'example.com', random);

  test('an account’s digest is twelve characters, and another for another account', () => {
    expect(account).toMatch(/^[\w-]{12}$/);
    expect(ids.accountDigest('smtp|sales@example.com')).not.toBe(account);
  });

  test.each(['a', 'Order-7:2026.11@x_y+z', 'x'.repeat(128)])(
    'lead back to the account and the id %s',
    (id) => {
      expect(ids.parseMessageId(ours(id))).toEqual({ account, id });
      const bridgeId = ids.bridgeIdOf('smtp|desk@example.com', id, 12);
      expect(bridgeId).toBe(`${id}.12.${account}`);
      expect(ids.parseBridgeId(bridgeId)).toEqual({ account, id });
    },
  );

  const name = (id: string): string => Buffer.from(id).toString('base64url');
  const hex = 'a'.repeat(32);
  test.each([
    ['another form', '<abc@example.com>'],
    ['something before it', `x<${hex}.${account}.${name('a')}@example.com>`],
    ['something after it', `<${hex}.${account}.${name('a')}@example.com>x`],
    ['a first part that is no hex', `<${'g'.repeat(32)}.${account}.${name('a')}@example.com>`],
    ['a first part that is too short', `<${'a'.repeat(31)}.${account}.${name('a')}@example.com>`],
    ['an account that is too short', `<${hex}.${account.slice(1)}.${name('a')}@example.com>`],
    ['no name', `<${hex}.${account}.@example.com>`],
    ['no domain', `<${hex}.${account}.${name('a')}@>`],
    ['two domains', `<${hex}.${account}.${name('a')}@a@b>`],
    ['a name that is no id', `<${hex}.${account}.${name('a/b')}@example.com>`],
    ['a name that does not encode back', `<${hex}.${account}.YR@example.com>`],
    ['a name that is too long', `<${hex}.${account}.${name('x'.repeat(130))}@example.com>`],
  ])('a Message-ID with %s is not ours', (_what, messageId) => {
    expect(ids.parseMessageId(messageId)).toBeUndefined();
  });

  test.each([
    ['no attempt', `a.${account}`],
    ['an attempt of letters', `a.b.${account}`],
    ['an attempt of ten digits', `a.1234567890.${account}`],
    ['an account that is too short', `a.1.${account.slice(1)}`],
    ['an account that is too long', `a.1.${account}x`],
    ['an id that is none', `a/b.1.${account}`],
    ['an id that is too long', `${'x'.repeat(129)}.1.${account}`],
    ['no id', `.1.${account}`],
  ])('a bridge id with %s is not ours', (_what, bridgeId) => {
    expect(ids.parseBridgeId(bridgeId)).toBeUndefined();
  });

  test('a tag belongs to one bridge id under one key', () => {
    const key = Buffer.from('key');
    const tag = ids.bridgeTagOf('a.1.x', key);
    expect(tag).toMatch(/^[0-9a-f]{64}$/);
    expect(ids.isBridgeTag('a.1.x', tag, key)).toBe(true);
    expect(ids.isBridgeTag('a.2.x', tag, key)).toBe(false);
    expect(ids.isBridgeTag('a.1.x', tag, Buffer.from('other'))).toBe(false);
    expect(ids.isBridgeTag('a.1.x', tag.slice(1), key)).toBe(false);
    expect(ids.isBridgeTag('a.1.x', '', key)).toBe(false);
  });

  test.each([
    ['<a@AM0PR04.eurprd04.prod.outlook.com>', true],
    ['<a@X.PROD.OUTLOOK.COM>', true],
    ['<a@x.partner.outlook.cn>', true],
    ['<a@x.office365.us>', true],
    ['<a@outlook.com.example>', false],
    ['<a@x.outlook.com>x', false],
    ['<a@xoutlook.com>', false],
    ['<a@xoutlookycom>', false],
    ['<a@x.outlook.com.example>', false],
    ['<a@x.office365ius>', false],
  ])('an id that Exchange Online gave: %s %s', (messageId, expected) => {
    expect(ids.isExchangeId(messageId)).toBe(expected);
  });
});
