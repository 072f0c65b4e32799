// From what a queue delivers to a JSON object: sizes, depth and names at their edges, and text of every form.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { answerable, type Answerable } from '../../shared/contract/answerable.ts';
import { canonicalJson } from '../../shared/contract/canonicalJson.ts';
import { contentIdsIn, isShown } from '../../shared/contract/contentIds.ts';
import {
  correlationDepth,
  payloadBytes,
  payloadDepth,
  payloadValues,
  readPayload,
} from '../../shared/contract/payload.ts';

const refusal = (payload: unknown): string | undefined => {
  const answer = readPayload(payload);
  return answer.kind === 'refused' ? `${answer.problem.field}|${answer.problem.detail}` : undefined;
};
const write = 'write one JSON object as docs/schemas/submission.json describes it';

describe('the forms of a payload', () => {
  const text = '{"a":"ä"}';
  test.each<[string, unknown]>([
    ['text', text],
    ['text with blanks around', ` \n${text}\n `],
    ['bytes', Buffer.from(text)],
    ['bytes within a larger buffer', Buffer.from(`xx${text}yy`).subarray(2, -2)],
    ['base64', Buffer.from(text).toString('base64')],
    [
      'base64 in lines',
      Buffer.from(text)
        .toString('base64')
        .replace(/(.{4})/g, '$1\r\n'),
    ],
    ['base64 of text with blanks around', Buffer.from(` ${text} `).toString('base64')],
    ['bytes of base64', Buffer.from(Buffer.from(text).toString('base64'))],
    ['an object', { a: 'ä' }],
  ])('%s', (_what, payload) => {
    expect(readPayload(payload)).toEqual({ kind: 'ok', value: { a: 'ä' } });
  });

  test.each<[string, unknown, string]>([
    ['nothing', '', `|The submission is empty; ${write}.`],
    ['blanks', ' \n', `|The submission is empty; ${write}.`],
    [
      'bytes that are no UTF-8',
      Buffer.from([0xff]),
      `|The submission is not UTF-8; ${write}, encoded as UTF-8.`,
    ],
    ['words', 'hello!', `|The submission is neither JSON nor base64 of JSON; ${write}.`],
    ['base64 that is cut', 'eyJhIjoxf', `|The submission is neither JSON nor base64 of JSON; ${write}.`],
    [
      'the URL-safe alphabet',
      'eyJhIjoiX19-In0_',
      `|The submission is neither JSON nor base64 of JSON; ${write}.`,
    ],
    ['base64 of no UTF-8', '/////w==', `|The submission is base64 of something that is not UTF-8; ${write}.`],
    [
      'base64 of words',
      Buffer.from('words').toString('base64'),
      `|The submission is base64 of something that is not JSON; ${write}.`,
    ],
    [
      'base64 of base64',
      Buffer.from('e30=').toString('base64'),
      `|The submission is base64 of something that is not JSON; ${write}.`,
    ],
    ['three equals signs', 'eyJ====', `|The submission is neither JSON nor base64 of JSON; ${write}.`],
    ['a list', '[]', `|The submission is a list, not an object; ${write}.`],
    ['a text', '"x"', `|The submission is a text, not an object; ${write}.`],
    ['a number', '17', `|The submission is a number, not an object; ${write}.`],
    ['a negative fraction', '-1.5', `|The submission is a number, not an object; ${write}.`],
    ['null', 'null', `|The submission is null, not an object; ${write}.`],
    ['an object that is cut', '{"a":1', `|The submission is not valid JSON at character 6; ${write}.`],
    ['undefined', undefined, `|The submission is undefined, not an object; ${write}.`],
  ])('%s is refused', (_what, payload, detail) => {
    expect(
      refusal(payload)?.replace(
        /is (?:a list|a text|text|a string|an array|undefined|nothing|missing), not/,
        'is *, not',
      ),
    ).toBe(detail.replace(/is (?:a list|a text|undefined), not/, 'is *, not'));
  });

  test('true, false and exponents are JSON, whose fault is named as what it is', () => {
    for (const text of ['true', 'false', '1e5', '1E5']) expect(refusal(text)).toMatch(/not an object/);
    for (const text of ['truex', 'nullx', '1x', 'xnull']) expect(refusal(text)).not.toMatch(/not an object/);
  });
});

describe('sizes', () => {
  const padded = (bytes: number): string => `{"a":"${'x'.repeat(bytes - 8)}"}`;
  test('eight mebibytes and no more, as text, bytes or what a host has parsed', () => {
    expect(payloadBytes).toBe(8_388_608);
    expect(refusal(padded(payloadBytes))).toBeUndefined();
    expect(refusal(Buffer.from(padded(payloadBytes)))).toBeUndefined();
    expect(refusal(padded(payloadBytes + 1))).toBe(
      '|The submission has 8388609 bytes; at most 8388608 are read: put attachments into a blob and refer to it.',
    );
    expect(refusal(Buffer.from(padded(payloadBytes + 1)))).toContain('has 8388609 bytes');
    expect(refusal(`{"a":"${'ä'.repeat(payloadBytes / 2)}"}`)).toContain('at most 8388608 are read');
    expect(refusal({ a: 'x'.repeat(payloadBytes - 1) })).toBeUndefined();
    expect(refusal({ a: 'x'.repeat(payloadBytes) })).toContain('has 8388609 bytes');
    expect(refusal({ ['n'.repeat(payloadBytes)]: 'x' })).toContain('has 8388609 bytes');
  });

  test('twenty thousand values and no more', () => {
    const list = (count: number): unknown => ({ a: new Array<number>(count).fill(1) });
    expect(payloadValues).toBe(20_000);
    expect(refusal(list(payloadValues - 2))).toBeUndefined();
    expect(refusal(list(payloadValues - 1))).toBe(
      '|The submission has more than 20000 values; send fewer recipients, headers or details.',
    );
    const pairs = (count: number): unknown =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, [1]]));
    expect(refusal(pairs(9_999))).toBeUndefined();
    expect(refusal(pairs(10_000))).toContain('more than 20000 values');
  });
});

describe('depth', () => {
  const nested = (depth: number, name = 'a'): string =>
    `{"${name}":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;

  test('sixteen levels, fifteen of them in correlation, and the field is named', () => {
    expect([payloadDepth, correlationDepth]).toEqual([16, 15]);
    expect(refusal(nested(16))).toBeUndefined();
    expect(refusal(nested(17))).toBe(
      'a|a has objects or lists too deep within each other; at most 16 are allowed: flatten it.',
    );
    expect(refusal(nested(17, 'correlation'))).toBe(
      'correlation|correlation has objects or lists too deep within each other; at most 15 are allowed in it: flatten it.',
    );
    expect(refusal(`{"a":{"b":${nested(16).replaceAll('a', 'c')}}}`)).toMatch(/^a\|/);
    expect(refusal({ a: JSON.parse(`${'['.repeat(16)}${']'.repeat(16)}`) as unknown })).toMatch(
      /^a\|a has objects/,
    );
  });

  test('what is far too deep is not parsed at all', () => {
    expect(refusal(nested(1_000))).toMatch(/^a\|/);
    expect(refusal(nested(1_001))).toMatch(/^\|The submission has objects or lists too deep/);
    expect(refusal(`${'{"a":'.repeat(1_001)}1${'}'.repeat(1_001)}`)).toMatch(/^\|The submission has/);
  });

  test('brackets within text are no depth, whatever is escaped there; closed ones neither', () => {
    const brackets = '['.repeat(2_000);
    expect(refusal(`{"a":"${brackets}"}`)).toBeUndefined();
    expect(refusal(`{"a":"\\"${brackets}"}`)).toBeUndefined();
    expect(refusal(`{"a":"\\\\","b":"${brackets}"}`)).toBeUndefined();
    expect(refusal(`{"a":[${'[],{},'.repeat(1_100)}1]}`)).toBeUndefined();
    expect(refusal(`{"a":"x\\\\","b":${brackets}}`)).toMatch(/^\|The submission has objects/);
  });
});

describe('names', () => {
  test.each([
    ['{"__proto__":1}', '__proto__|__proto__ is a name that no field may have; remove it.'],
    ['{"a":{"constructor":1}}', 'a.constructor|a.constructor is a name that no field may have; remove it.'],
    ['{"a":[{"prototype":1}]}', 'a[0].prototype|a[0].prototype is a name that no field may have; remove it.'],
  ])('%s reaches for a prototype', (text, detail) => {
    expect(refusal(text)).toBe(detail);
  });

  const twice = 'a|a is there twice in one object, and readers disagree about which counts; keep one.';
  test.each<[string, string | undefined]>([
    ['{"a":1,"a":2}', twice],
    ['{"a" : 1,"a"\n:2}', twice],
    ['{"b":{"a":1,"c":[{}],"a":2}}', twice],
    ['{"a":1,"\\u0061":2}', twice],
    ['{"b":[],"a":1,"c":{"d":1},"a":2}', twice],
    ['{"a":1,"b":{"a":2}}', undefined],
    ['{"a":[{"a":1},{"a":2}]}', undefined],
    ['{"a":"a","b":"a"}', undefined],
    ['{"a":["a","a"]}', undefined],
    ['{"b":"\\"a\\":","a":1}', undefined],
    ['{"b":"{","a":1,"c":"}"}', undefined],
    ['{"b":"x\\\\","a":1}', undefined],
  ])('%s names a field twice or not', (text, expected) => {
    expect(refusal(text)).toBe(expected);
  });
});

test('canonical JSON: names in order, no white space, the same content the same text', () => {
  expect(canonicalJson({ b: [1, { d: null, c: 'x' }], a: true, u: undefined })).toBe(
    '{"a":true,"b":[1,{"c":"x","d":null}]}',
  );
  expect(canonicalJson([])).toBe('[]');
  expect(canonicalJson({})).toBe('{}');
  expect(canonicalJson({ u: undefined })).toBe('{}');
  expect(canonicalJson({ b: 1, B: 2, a: 3 })).toBe('{"B":2,"a":3,"b":1}');
  expect(() => canonicalJson({ a: 1n })).toThrow(new TypeError('a bigint, which JSON has no form for'));
  expect(() => canonicalJson([Number.NaN])).toThrow(TypeError);
  expect(() => canonicalJson([Number.POSITIVE_INFINITY])).toThrow(TypeError);
  expect(() => canonicalJson([undefined])).toThrow(TypeError);
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    { numRuns: 100 },
  );
});

describe('images that HTML refers to', () => {
  test.each<[string, readonly string[]]>([
    ['<img src="cid:logo@x">', ['logo@x']],
    ["<img src='CID:logo@x'>", ['logo@x']],
    ['url(cid:a) cid:b cid:c>', ['a', 'b', 'c']],
    ['<img src="cid:a"><img src="cid:a">', ['a']],
    ['"cid:a&#64;x" "cid:b&#x40;x" "cid:c&commat;x" "cid:d%40x"', ['a@x', 'b@x', 'c@x', 'd@x']],
    ['"cid:a&COMMAT;x" "cid:b&#X40;x"', ['a@x', 'b@x']],
    ['"cid:a&amp;b" "cid:c&num;d"', ['a&b', 'c#d']],
    ['"cid:50%"', ['50%']],
    ['"cid:a&#1114112;b" "cid:c&#x110000;d"', ['ab', 'cd']],
    ['"cid:a&#1114111;"', ['a\u{10ffff}']],
    ['xcid:a', []],
    ['"cid:"', []],
  ])('%s', (html, ids) => {
    expect([...contentIdsIn(html)]).toEqual(ids);
  });

  test('as many as are looked at, as far as is looked', () => {
    const many = Array.from({ length: 1_001 }, (_, n) => `"cid:${n}"`).join('');
    expect(contentIdsIn(many).size).toBe(1_000);
    expect(contentIdsIn(`${' '.repeat(4_000_000)}"cid:a"`).size).toBe(0);
    expect(isShown('a@x', '<img src="cid:a@x">')).toBe(true);
    expect(isShown('b@x', '<img src="cid:a@x">')).toBe(false);
  });
});

describe('what a notice names can be answered', () => {
  const part = (change: Partial<Answerable> = {}): Answerable => ({
    messageId: '<a@x.example>',
    inReplyTo: ['<b@x.example>'],
    references: ['<c@x.example>'],
    from: [{ name: 'A', address: 'a@x.example' }],
    sender: [],
    replyTo: [],
    to: [],
    cc: [],
    subject: 'Help',
    ...change,
  });

  test('what fits stays as it is', () => {
    expect(answerable(part())).toEqual({ part: part(), remarks: [] });
    expect(answerable(part({ messageId: '' }))).toEqual({ part: part({ messageId: '' }), remarks: [] });
  });

  test.each(['from', 'sender', 'replyTo', 'to', 'cc'] as const)(
    'an address of %s that cannot be written to is left out',
    (field) => {
      const good = { name: 'A', address: 'a@x.example' };
      const { part: usable, remarks } = answerable(
        part({ [field]: [{ name: 'B', address: 'no address' }, good] }),
      );
      expect(usable[field]).toEqual([good]);
      expect(remarks).toEqual([`${field}: the address "no address" was left out: no mail can be sent to it`]);
    },
  );

  test.each(['inReplyTo', 'references'] as const)(
    'an id of %s that no header can carry is left out',
    (field) => {
      const { part: usable, remarks } = answerable(part({ [field]: ['bare', '<a@x.example>'] }));
      expect(usable[field]).toEqual(['<a@x.example>']);
      expect(remarks).toEqual([`${field}: the id "bare" was left out: no header can carry it`]);
    },
  );

  test('a Message-ID that is none is empty', () => {
    const { part: usable, remarks } = answerable(part({ messageId: 'bare' }));
    expect(usable.messageId).toBe('');
    expect(remarks).toEqual(['messageId: the id "bare" was left out: no header can carry it']);
  });

  test.each([
    [' a@x.example ', 'a@x.example'],
    ['mailto:a@x.example', 'a@x.example'],
    ['MailTo:a@x.example?subject=x', 'a@x.example'],
    ['"a.b"@x.example', 'a.b@x.example'],
  ])('an address is used without what readers put around it: %s', (address, bare) => {
    expect(answerable(part({ from: [{ name: '', address }] })).part.from).toEqual([
      { name: '', address: bare },
    ]);
  });

  test.each([
    ['a\r\nb', 'a  b'],
    ['a\ud83db', 'a\ufffdb'],
    ['=?utf-8?Q?x=0D=0ABcc:?=', '= ?utf-8?Q?x=0D=0ABcc:?='],
    ['=?utf-8?Q?x?=', '=?utf-8?Q?x?='],
  ])('text is one line that no reader decodes into two: %j', (text, line) => {
    const { part: usable } = answerable(
      part({ subject: text, from: [{ name: text, address: 'a@x.example' }] }),
    );
    expect([usable.subject, usable.from[0]?.name]).toEqual([line, line]);
  });

  test('ten remarks are made, more are counted', () => {
    const many = (count: number): readonly string[] =>
      answerable(part({ references: new Array<string>(count).fill('bare') })).remarks;
    expect(many(10)).toHaveLength(10);
    expect(many(12)).toHaveLength(11);
    expect(many(12)[10]).toBe('2 more values were left out');
  });
});
