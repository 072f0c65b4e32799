// The door against generated input: it never throws, what it refuses it explains, and no recipient that it lets
// through is anything but a plain addr-spec that was written so in the submission.
import { expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from '../../shared/contract/canonicalJson.ts';
import { parseSubmission, recipientsOf } from '../../shared/contract/submission.ts';
import { badSubmissions, context, good } from './submissions.ts';

// Generous: the machine may be busy, and nothing here measures time.
jest.setTimeout(180_000);

/** Written for this test alone, from RFC 5322 3.4.1 and RFC 5321 4.1.2, and not from the parser. */
const plainAddrSpec =
  /^(?=.{1,254}$)(?=[^@]{1,64}@)[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;

const sentence = /^[\x20-\x7e]{10,700}[.?]$/;

/** Plain comparisons, not `expect`: a hundred thousand of those would take minutes. */
function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

function check(payload: unknown): 'ok' | 'rejected' {
  const answer = parseSubmission(payload, context);
  if (answer.kind === 'rejected') {
    must(answer.problems.length <= 20, 'more than twenty problems');
    for (const { detail } of answer.problems) must(sentence.test(detail), `no sentence: ${detail}`);
    return 'rejected';
  }
  const recipients = recipientsOf(answer.submission);
  for (const address of recipients) {
    must(plainAddrSpec.test(address) && !address.includes('=?'), `no plain address: ${address}`);
  }
  must(new Set(recipients).size === recipients.length, 'a recipient twice');
  must(recipients.length <= 500, 'too many recipients');
  return 'ok';
}

const pieces = [
  'a',
  'b',
  '.',
  '..',
  '@',
  '@example.net',
  'example.net',
  ',',
  ';',
  ':',
  '<',
  '>',
  '"',
  '(',
  ')',
  ' ',
  '\r\n',
  '\n',
  '\u0000',
  '\\',
  '[',
  ']',
  '=?utf-8?q?',
  '?=',
  '%',
  '+',
  '-',
  '_',
  '\uff20',
  '\u00e4',
  'xn--',
  '127.0.0.1',
  ' NOTIFY=NEVER',
  'RCPT TO:',
  'x'.repeat(64),
];
const hostileText = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join(''));
const likelyAddress = fc
  .tuple(
    fc.array(fc.constantFrom('a', 'B', '7', '.', '+', '-', "'", '=', '?', '/'), {
      minLength: 1,
      maxLength: 8,
    }),
    fc.constantFrom('example.net', 'EXAMPLE.net', 'a.b', 'x-y.z9', 'x', '-a.b', 'a..b', '1.2.3.4'),
  )
  .map(([local, domain]) => `${local.join('')}@${domain}`);
const address = fc.oneof({ weight: 3, arbitrary: likelyAddress }, hostileText, fc.string());
const person = fc.oneof(
  address,
  fc.record({ address, name: fc.string({ unit: 'binary' }) }, { requiredKeys: ['address'] }),
  fc.jsonValue({ maxDepth: 2 }),
);
const people = fc.oneof(person, fc.array(person, { maxLength: 5 }));
const text = fc.oneof(fc.string({ unit: 'binary' }), hostileText, fc.jsonValue({ maxDepth: 1 }));

const fields = {
  version: fc.constantFrom(1, 1, 1, 2, '1'),
  id: fc.oneof(fc.constant('a-1'), fc.constant('a-1'), text),
  mailbox: fc.oneof(fc.constant('desk@example.com'), fc.constant('DESK@example.com'), address),
  from: fc.oneof(fc.constant('desk@example.com'), person),
  replyTo: people,
  to: people,
  cc: people,
  bcc: people,
  subject: text,
  text,
  html: text,
  inReplyTo: fc.oneof(fc.constant('<a@b>'), text),
  references: fc.oneof(fc.constant(['<a@b>']), text, fc.array(text, { maxLength: 3 })),
  headers: fc.dictionary(
    fc.oneof(fc.constantFrom('X-A', 'List-Id', 'Bcc', 'X-Mail-Bridge-Id', '__proto__'), fc.string()),
    text,
    { maxKeys: 3 },
  ),
  attachments: fc.array(
    fc.record(
      {
        filename: text,
        contentType: text,
        contentId: text,
        content: fc.oneof(fc.base64String(), text),
        blob: text,
        path: text,
      },
      { requiredKeys: [] },
    ),
    { maxLength: 2 },
  ),
  raw: fc.oneof(fc.record({ blob: text }), text),
  priority: fc.oneof(fc.constantFrom('high', 'normal', 'bulk'), text),
  sendAt: fc.oneof(
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    text,
  ),
  expiresAt: text,
  correlation: fc.jsonValue(),
};

/** A good submission with up to three of its fields made of anything: alone, each of them still finds its fault. */
const submission = fc
  .subarray(Object.keys(fields), { maxLength: 3 })
  .chain((names) =>
    fc.record(Object.fromEntries(Object.entries(fields).filter(([name]) => names.includes(name)))),
  )
  .map((change) => ({ ...good, ...change }));

test('a thing of any kind is refused with a sentence, or accepted', () => {
  fc.assert(
    fc.property(
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withNullPrototype: true,
        withSparseArray: true,
        withTypedArray: true,
      }),
      (payload) => void check(payload),
    ),
    { numRuns: 20_000 },
  );
});

test('text and bytes of any kind are refused with a sentence, or accepted', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array(), fc.json(), fc.base64String()),
      (payload) => void check(payload),
    ),
    { numRuns: 20_000 },
  );
});

test('a submission of likely and hostile parts never yields a recipient that was not written as one', () => {
  let accepted = 0;
  fc.assert(
    fc.property(submission, (payload) => {
      if (check(payload) === 'ok') accepted += 1;
    }),
    { numRuns: 20_000 },
  );
  // Guards the generator: if nothing passed, nothing would have been tested.
  expect(accepted).toBeGreaterThan(1_000);
});

test('an address alone is let through exactly where it is a plain addr-spec', () => {
  let accepted = 0;
  fc.assert(
    fc.property(address, (one) => {
      const answer = parseSubmission({ ...good, to: [one] }, context);
      const at = one.lastIndexOf('@');
      if (/[^\u0000-\u007f]/.test(one.slice(at + 1))) {
        // U-labels mean one domain and are converted; what comes out is plain, with the same local part.
        const [recipient = ''] =
          answer.kind === 'ok' ? recipientsOf(answer.submission) : [one.slice(0, at + 1)];
        must(recipient.startsWith(one.slice(0, at + 1)), `${one}: another local part`);
        must(answer.kind === 'rejected' || plainAddrSpec.test(recipient), `${one}: ${recipient}`);
        return;
      }
      const isPlain =
        plainAddrSpec.test(one) && !one.split('@')[0]?.includes('=?') && !/(^|[@.])[0-9]+$/.test(one);
      must(answer.kind === (isPlain ? 'ok' : 'rejected'), `${one}: ${answer.kind}`);
      if (answer.kind === 'ok') {
        accepted += 1;
        const [local = '', domain = ''] = one.split('@');
        must(
          recipientsOf(answer.submission).join() === `${local}@${domain.toLowerCase()}`,
          `${one}: another recipient`,
        );
      }
    }),
    { numRuns: 30_000 },
  );
  expect(accepted).toBeGreaterThan(1_000);
});

test('bad submissions with one bit of their text changed are refused, or hold plain recipients only', () => {
  const texts = badSubmissions
    .map(({ payload }) =>
      typeof payload === 'object' && payload !== null ? JSON.stringify(payload) : payload,
    )
    .filter((payload) => typeof payload === 'string')
    .filter(({ length }) => length > 0 && length < 2_000);
  fc.assert(
    fc.property(fc.constantFrom(...texts), fc.nat(), fc.nat(7), (payload, place, bit) => {
      const bytes = Buffer.from(payload);
      const index = place % bytes.length;
      bytes.writeUInt8(bytes.readUInt8(index) ^ (1 << bit), index);
      check(bytes);
    }),
    { numRuns: 20_000 },
  );
});

test('canonical JSON says the same for every order of names, and can be read back', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      expect(canonicalJson(JSON.parse(text))).toBe(text);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(canonicalJson(turned(value))).toBe(text);
    }),
    { numRuns: 5_000 },
  );
});

test('canonical JSON does not mind depth, and refuses what JSON has no form for', () => {
  let deep: unknown = 1;
  for (let level = 0; level < 100_000; level += 1) deep = [deep];
  expect(canonicalJson(deep)).toHaveLength(200_001);
  expect(() => canonicalJson({ a: Infinity })).toThrow(TypeError);
  expect(() => canonicalJson([() => 1])).toThrow(TypeError);
  expect(canonicalJson({ b: undefined, a: [] })).toBe('{"a":[]}');
});

function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, turned(member)]),
  );
}
