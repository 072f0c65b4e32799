// What earlier versions wrote is read by this one, as the value that it was written from. A recording is made by
// `npm run release -- --record` and never changed after its version was released.
import { expect, test } from '@jest/globals';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { formatsFolder } from '../../local/release/recordFormats.ts';
import { readSettings } from '../../shared/config/readSettings.ts';
import { eventSchema } from '../../shared/contract/statusCloudEvent.ts';
import { parseSubmission } from '../../shared/contract/submission.ts';
import { decodeState } from '../../shared/outbound/records/accountState.ts';
import { decodeMessage, recipientsIn } from '../../shared/outbound/records/messageRow.ts';
import type { Fields } from '../../shared/outbound/ports.ts';
import { readCursorRow, readMessageRow, readPendingRow } from '../../shared/storage/ledgerRows.ts';
import { parseWakeUp } from '../../shared/storage/storageQueues.ts';

interface Recording {
  readonly outbox: {
    readonly state: { readonly key: string; readonly fields: Fields; readonly value: unknown };
    readonly messages: readonly { readonly key: string; readonly fields: Fields; readonly value: unknown }[];
  };
  readonly inbound: Readonly<
    Record<'cursor' | 'message' | 'pending', { readonly row: object; readonly value: unknown }>
  >;
  readonly queues: {
    readonly 'outbound-wake': unknown;
    readonly 'mail-status': unknown;
    readonly 'outbound-mail': readonly unknown[];
  };
  readonly settings: Readonly<Record<string, string>>;
}

const read = (text: string): Recording =>
  JSON.parse(text, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && '$bytes' in value && typeof value.$bytes === 'string'
      ? Uint8Array.from(Buffer.from(value.$bytes, 'base64'))
      : value,
  ) as Recording;

/** Throws if anything of the recording can't be read, or is read as another value. */
function readAll({ outbox, inbound, queues, settings }: Recording): void {
  const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
  expect(plain(decodeState(outbox.state.fields))).toEqual(plain(outbox.state.value));
  for (const { key, fields, value } of outbox.messages) {
    const recipients = recipientsIn(fields);
    const message = decodeMessage({ key, fields }, 'text' in recipients ? recipients.text : '');
    expect(plain(message)).toEqual(plain(value));
  }
  expect(readCursorRow({ etag: 'e', ...entityOf(inbound.cursor.row) }).cursor).toEqual(inbound.cursor.value);
  expect(readMessageRow(entityOf(inbound.message.row))).toEqual(inbound.message.value);
  expect(readPendingRow(entityOf(inbound.pending.row))).toEqual(inbound.pending.value);
  expect(parseWakeUp(queues['outbound-wake'])).toBe('desk@example.com');
  expect(() => eventSchema('mail.accepted').parse(queues['mail-status'])).not.toThrow();
  const answer = readSettings(settings);
  if (answer.kind !== 'ok') throw new Error(JSON.stringify(answer.problems));
  // A setting that is no longer read would be ignored without a word: each must still be able to be wrong.
  for (const name of Object.keys(settings).filter((one) => !one.startsWith('MailStore__'))) {
    if (readSettings({ ...settings, [name]: '\u0001' }).kind === 'ok') throw new Error(`${name} is not read`);
  }
  for (const submission of queues['outbound-mail']) {
    const { mailboxes, submissions, uploadContainer } = answer.settings;
    const parsed = parseSubmission(submission, { mailboxes, maxima: submissions, uploadContainer });
    // Two samples are wrong on purpose: they must be refused as ever, not crash.
    expect(['ok', 'rejected']).toContain(parsed.kind);
  }
}

/** As the table SDK returns a column that was written as `{type: 'Double', value: '5'}`: the number. */
function entityOf(row: object): object {
  const bare = ([name, column]: readonly [string, unknown]): readonly [string, unknown] =>
    typeof column === 'object' && column !== null && 'value' in column
      ? [name, Number(column.value)]
      : [name, column];
  return Object.fromEntries(Object.entries(row).map(bare));
}

const files = readdirSync(formatsFolder).filter((name) => name.endsWith('.json'));

test('there is at least one recording', () => {
  expect(files).not.toEqual([]);
});

test.each(files)('%s is read by this version', (file) => {
  readAll(read(readFileSync(join(formatsFolder, file), 'utf8')));
});

const [first = ''] = files;
const recorded = (): string => readFileSync(join(formatsFolder, first), 'utf8');

test.each([
  ['a column of a row renamed', /"submissionHash"/g, '"contentHash"'],
  ['a state that this version does not know', /"state": "held"/g, '"state": "parked"'],
  ['a row of another version', /"version": 1,/g, '"version": 2,'],
  ['a field of the cursor gone', /\\"lastUid\\":/g, '\\"highestUid\\":'],
  ['the wake-up worded otherwise', /"account": "desk/g, '"box": "desk'],
  ['a setting renamed', /"GIVE_UP_AFTER_HOURS"/g, '"GIVE_UP_HOURS"'],
  ['an event of another form', /"specversion": "1.0"/g, '"specversion": "2.0"'],
])('it bites: %s', (_what, from, to) => {
  const changed = recorded().replace(from, to);
  expect(changed).not.toBe(recorded());
  expect(() => {
    readAll(read(changed));
  }).toThrow();
});
