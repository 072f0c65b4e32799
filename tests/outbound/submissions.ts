// A good submission and the ways in which it can be bad: each row names the field that must be named in the
// rejection and a part of the words.
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import type { SubmissionContext } from '../../shared/contract/submission.ts';

export const desk: Mailbox = {
  address: 'desk@example.com',
  signIn: 'delegated',
  imapUser: 'desk@example.com',
  smtpUser: 'desk@example.com',
  send: true,
  receive: true,
  folder: 'INBOX',
  afterFetch: { kind: 'none' },
  fetchFrom: { kind: 'all' },
  limits: { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 },
};

export const context: SubmissionContext = {
  mailboxes: [desk, { ...desk, address: 'archive@example.com', send: false }],
  maxima: { recipientsCount: 500, contentBytes: 35 * 1_048_576 },
  uploadContainer: 'outbound-uploads',
};

export const good = {
  version: 1,
  id: 'INC-1.reply-1',
  mailbox: 'desk@example.com',
  to: ['aino@example.net'],
  subject: 'Your ticket',
  text: 'It is solved.',
};

export interface Bad {
  readonly name: string;
  readonly payload: unknown;
  readonly field: string;
  readonly detail: string | RegExp;
}

const bad = (name: string, change: object, field: string, detail: string | RegExp): Bad => ({
  name,
  payload: { ...good, ...change },
  field,
  detail,
});

const without = (field: keyof typeof good): object =>
  Object.fromEntries(Object.entries(good).filter(([name]) => name !== field));

const attachment = (change: object): object => ({
  attachments: [{ filename: 'a.txt', contentType: 'text/plain', content: 'YQ==', ...change }],
});

const attachmentWithout = (field: string, change: object): object => ({
  attachments: [
    Object.fromEntries(
      Object.entries({ filename: 'a.txt', content: 'YQ==', ...change }).filter(([name]) => name !== field),
    ),
  ],
});

// ---- every field of a header, with everything that could end it, start another one or hide there

const headerTricks: readonly (readonly [string, string])[] = [
  ['CRLF and a header', 'x\r\nBcc: e@evil.test'],
  ['LF and a header', 'x\nBcc: e@evil.test'],
  ['CR and a header', 'x\rBcc: e@evil.test'],
  ['NEL', 'x\u0085Bcc: e@evil.test'],
  ['U+2028', 'x\u2028Bcc: e@evil.test'],
  ['U+2029', 'x\u2029Bcc: e@evil.test'],
  ['a folded tab', 'x\r\n\tBcc: e@evil.test'],
  ['a tab', 'x\ty'],
  ['NUL', 'x\u0000y'],
  ['DEL', 'x\u007fy'],
  ['ESC and a colour', 'x\u001b[2Jy'],
  ['C1', 'x\u009by'],
  ['end of data', 'x\r\n.\r\nMAIL FROM:<e@evil.test>'],
  ['an encoded word of CRLF (B)', '=?utf-8?B?eA0KQmNjOiBlQGV2aWwudGVzdA==?='],
  ['an encoded word of CRLF (Q)', '=?utf-8?Q?x=0D=0ABcc:_e@evil.test?='],
  ['an encoded word of LF (q)', '=?iso-8859-1?q?x=0aBcc?='],
  ['an encoded word in UTF-7', '=?utf-7?Q?x+AA0ACg-Bcc?='],
  ['half a character', 'x\ud83d'],
  ['the other half', '\ude00x'],
];

const headerFields: readonly (readonly [string, (text: string) => object])[] = [
  ['subject', (text) => ({ subject: text })],
  ['from.name', (text) => ({ from: { address: 'desk@example.com', name: text } })],
  ['replyTo.name', (text) => ({ replyTo: { address: 'a@example.net', name: text } })],
  ['to[0].name', (text) => ({ to: [{ address: 'a@example.net', name: text }] })],
  ['cc[1].name', (text) => ({ cc: ['b@example.net', { address: 'a@example.net', name: text }] })],
  ['bcc.name', (text) => ({ bcc: { address: 'a@example.net', name: text } })],
  ['headers.X-Ticket', (text) => ({ headers: { 'X-Ticket': text } })],
  ['attachments[0].filename', (text) => attachment({ filename: text.replaceAll('/', '_') })],
];

const injected = headerFields.flatMap(([field, change]) =>
  headerTricks.map(([name, text]) =>
    bad(`${field} with ${name}`, change(text), field, /remove it|write the text itself|correct the encoding/),
  ),
);

// ---- every address, with everything that some reader takes for another address, or for two

const addressTricks: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['no at-sign', 'desk'],
  ['two at-signs', 'a@b@example.net'],
  ['a list', 'c@x.test, d@y.test'],
  ['a list with semicolons', 'c@x.test;d@y.test'],
  ['a group', 'g: c@x.test, d@y.test;'],
  ['an empty group', 'undisclosed-recipients:;'],
  ['DSN parameters', 'b@example.net NOTIFY=SUCCESS ORCPT=rfc822;x@y'],
  ['a parameter', 'b@example.net SIZE=1'],
  ['CRLF and RCPT', 'b@example.net\r\nRCPT TO:<e@evil.test>'],
  ['CRLF, bracket and RCPT', 'b@example.net>\r\nRCPT TO:<e@evil.test'],
  ['LF', 'b@example.net\n'],
  ['NUL', 'b\u0000@example.net'],
  ['a space in front', ' b@example.net'],
  ['a space behind', 'b@example.net '],
  ['a space in the local part', 'a b@example.net'],
  ['a full-width at-sign', 'b\uff20example.net'],
  ['a zero-width space', 'b\u200b@example.net'],
  ['a bidi override', 'b\u202e@example.net'],
  ['angle brackets', '<b@example.net>'],
  ['a display name', 'B <b@example.net>'],
  ['another in a comment', 'b@example.net(<e@evil.test>)'],
  ['a comment', 'b(c)@example.net'],
  ['a route', '<@evil.test:b@example.net>'],
  ['a bare route', '@evil.test:b@example.net'],
  ['a quoted at-sign', '"a@evil.test x"@internal.test'],
  ['a quoted local part', '"b"@example.net'],
  ['an encoded word', '=?utf-8?q?a=40evil.test?=@example.net'],
  ['a backslash', 'b\\@example.net'],
  ['mailto', 'mailto:b@example.net'],
  ['a host in brackets', 'b@[192.0.2.1]'],
  ['an IPv6 host', 'b@[IPv6:2001:db8::1]'],
  ['a number for a host', 'b@192.0.2.1'],
  ['no dot in the domain', 'b@localhost'],
  ['a dot at the end', 'b@example.net.'],
  ['two dots in the domain', 'b@example..net'],
  ['a dot in front of the domain', 'b@.example.net'],
  ['a hyphen in front of a label', 'b@-example.net'],
  ['a hyphen behind a label', 'b@example-.net'],
  ['an underscore in the domain', 'b@exa_mple.net'],
  ['an unseen zero-width space', 'b@\u200bexample.net'],
  ['an unseen no-break space', 'b\u00a0@example.net'],
  ['a soft hyphen in a domain in Unicode', 'b@esimerkki\u00e4\u00ad.fi'],
  ['a byte order mark', '\ufeffb@example.net'],
  ['a typographic quotation mark', 'o\u2019neill@example.net'],
  ['a local part in Unicode', 'p\u00e4ivi@example.net'],
  ['a dot in front', '.b@example.net'],
  ['a dot before the at-sign', 'b.@example.net'],
  ['two dots', 'b..c@example.net'],
  ['nothing before the at-sign', '@example.net'],
  ['nothing behind the at-sign', 'b@'],
  ['a local part of 65', `${'b'.repeat(65)}@example.net`],
  ['a label of 64', `b@${'x'.repeat(64)}.net`],
  ['255 characters', `${'b'.repeat(64)}@${'x'.repeat(60)}.${'x'.repeat(60)}.${'x'.repeat(60)}.aaaa.net`],
  ['a megabyte', `${'b'.repeat(1_000_000)}@example.net`],
];

const addressFields: readonly (readonly [string, (text: string) => object])[] = [
  ['mailbox', (text) => ({ mailbox: text })],
  ['from', (text) => ({ from: text })],
  ['replyTo[0]', (text) => ({ replyTo: [text] })],
  ['to', (text) => ({ to: text })],
  ['to[1]', (text) => ({ to: ['a@example.net', text] })],
  ['to[0].address', (text) => ({ to: [{ address: text, name: 'A' }] })],
  ['cc[0]', (text) => ({ cc: [text] })],
  ['bcc[0].address', (text) => ({ bcc: [{ address: text }] })],
];

const misaddressed = addressFields.flatMap(([field, change]) =>
  addressTricks.map(([name, text]) => bad(`${field} with ${name}`, change(text), field, /; /)),
);

// ---- fields that nobody may set

const forbidden = [
  ...['envelope', 'dsn', 'sender', 'messageId', 'date', 'path', 'href', 'icalEvent', 'amp', 'encoding'],
  ...['name', 'size', 'list', 'dkim', 'auth', 'transporter', 'disableFileAccess', 'disableUrlAccess'],
  ...['alternatives', 'watchHtml', 'attachDataUrls', 'body', 'Subject', 'TO', 'attachment', 'header', 'Id'],
].map((field) =>
  bad(`a field ${field}`, { [field]: 'http://169.254.169.254/' }, field, 'is not a field that can be set'),
);

const nested = [
  bad('html as a path', { html: { path: '/etc/passwd' } }, 'html', "can't be an object"),
  bad('text as a link', { text: { href: 'http://169.254.169.254/' } }, 'text', "can't be an object"),
  bad('raw as a path', { raw: { path: '/etc/passwd' } }, 'raw.path', 'is not a field that can be set'),
  bad('raw as a link', { raw: { href: 'file:///etc/passwd' } }, 'raw.href', 'is not a field that can be set'),
  bad('raw as text', { raw: 'From: e@evil.test\r\n\r\nx' }, 'raw', "can't be text"),
  ...[
    'path',
    'href',
    'raw',
    'encoding',
    'headers',
    'cid',
    'contentTransferEncoding',
    'contentDisposition',
  ].map((field) =>
    bad(
      `an attachment's ${field}`,
      attachment({ [field]: '/etc/passwd' }),
      `attachments[0].${field}`,
      'is not a field that can be set',
    ),
  ),
  bad(
    'an address with a route',
    { to: [{ address: 'a@example.net', route: 'x' }] },
    'to[0].route',
    'is not a field',
  ),
  bad('a group as an object', { to: [{ name: 'g', group: [] }] }, 'to[0].group', 'is not a field'),
];

// ---- names that reach for a prototype (JSON text: an object literal would set it)

const polluted = [
  ['__proto__ at the top', '"__proto__":{"attachments":[{"path":"/etc/passwd"}]}', '__proto__'],
  ['constructor', '"constructor":{"prototype":{"x":1}}', 'constructor'],
  ['prototype', '"prototype":{}', 'prototype'],
  ['__proto__ in headers', '"headers":{"__proto__":"x"}', 'headers.__proto__'],
  [
    '__proto__ in an attachment',
    '"attachments":[{"filename":"a","content":"","__proto__":{}}]',
    'attachments[0].__proto__',
  ],
  [
    '__proto__ in an address',
    '"cc":[{"address":"a@example.net","__proto__":{"name":"x"}}]',
    'cc[0].__proto__',
  ],
  [
    '__proto__ deep in correlation',
    '"correlation":{"a":[{"__proto__":{"x":1}}]}',
    'correlation.a[0].__proto__',
  ],
  ['constructor in correlation', '"correlation":{"constructor":1}', 'correlation.constructor'],
].map(([name = '', member = '', field = '']) => ({
  name,
  payload: `${JSON.stringify(good).slice(0, -1)},${member}}`,
  field,
  detail: 'is a name that no field may have',
}));

// ---- payloads that are no submission at all

const shapelessRows: readonly (readonly [string, unknown, string])[] = [
  ['null', null, 'is null'],
  ['undefined', undefined, 'is nothing'],
  ['a number', 42, 'is a number'],
  ['true', true, 'is a boolean'],
  ['a list', [good], 'is a list'],
  ['a function', () => good, 'is a function'],
  ['nothing', '', 'is empty'],
  ['white space', ' \r\n\t ', 'is empty'],
  ['the text null', 'null', 'is null'],
  ['the text 42', '42', 'is a number'],
  ['the text true', 'true', 'is a boolean'],
  ['JSON text', '"hello"', 'is text'],
  ['a JSON list', JSON.stringify([good]), 'is a list'],
  ['detail', 'hello there', 'is neither JSON nor base64'],
  ['XML', '<mail><to>a@example.net</to></mail>', 'is neither JSON nor base64'],
  ['cut JSON', JSON.stringify(good).slice(0, -5), 'is not valid JSON'],
  ['JSON with a comment', `{"id":"a"}//x`, 'is not valid JSON'],
  ['JSON twice', `${JSON.stringify(good)}${JSON.stringify(good)}`, 'is not valid JSON'],
  ['single quotes', `{'id':'a'}`, 'is not valid JSON'],
  ['NaN', '{"id":NaN}', 'is not valid JSON'],
  [
    'base64 of words',
    Buffer.from('hello there').toString('base64'),
    'is base64 of something that is not JSON',
  ],
  [
    'base64 of base64',
    Buffer.from(Buffer.from(JSON.stringify(good)).toString('base64')).toString('base64'),
    'is base64 of something that is not JSON',
  ],
  [
    'base64 of Latin-1',
    Buffer.from(JSON.stringify({ ...good, text: '\u00e4' }), 'latin1').toString('base64'),
    'is base64 of something that is not UTF-8',
  ],
  ['URL-safe base64', '-_-_', 'is neither JSON nor base64'],
  ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe, 0x7b, 0x7d]), 'is not UTF-8'],
  ['UTF-16', Buffer.from(JSON.stringify(good), 'utf16le'), 'is not valid JSON'],
  ['Latin-1 bytes', Buffer.from(JSON.stringify({ ...good, text: '\u00e4' }), 'latin1'), 'is not UTF-8'],
  ['overlong UTF-8', Buffer.from([0x7b, 0xc0, 0xaf, 0x7d]), 'is not UTF-8'],
  ['no bytes', new Uint8Array(), 'is empty'],
  ['lists 5,000 deep', '['.repeat(5_000), 'too deep within each other; at most 16'],
  ['objects 5,000 deep', '{"a":'.repeat(5_000), 'too deep within each other; at most 16'],
  [
    'a closed list 5,000 deep',
    `{"to":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
    'too deep within each other; at most 16',
  ],
  ['9 MB of text', `{"text":"${'x'.repeat(9_000_000)}"}`, 'bytes; at most'],
  ['9 MB of bytes', Buffer.alloc(9_000_000, 0x20), 'bytes; at most'],
  ['9 MB in an object', { ...good, text: 'x'.repeat(9_000_000) }, 'bytes; at most'],
  [
    '20,001 values',
    { ...good, correlation: Array.from({ length: 20_001 }, () => 0) },
    'more than 20000 values',
  ],
];

const shapeless: readonly Bad[] = shapelessRows.map(([name, payload, detail]) => ({
  name,
  payload,
  field: '',
  detail,
}));

function nest(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = { a: value };
  return value;
}

// ---- everything else, one by one

const addresses = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `u${index}@example.net`);

const single: readonly Bad[] = [
  { name: 'no id', payload: without('id'), field: 'id', detail: 'is missing' },
  { name: 'no mailbox', payload: without('mailbox'), field: 'mailbox', detail: 'is missing' },
  { name: 'no recipients', payload: without('to'), field: 'to', detail: 'has no recipients' },
  bad('a correlation 16 deep', { correlation: nest(16) }, 'correlation', 'at most 15 are allowed in it'),
  bad('empty lists', { to: [], cc: [], bcc: [] }, 'to', 'has no recipients'),
  bad('version 2', { version: 2 }, 'version', 'the number 1'),
  bad('version as text', { version: '1' }, 'version', 'the number 1'),
  bad('an id of nothing', { id: '' }, 'id', 'a letter or digit'),
  bad('an id of 129', { id: 'a'.repeat(129) }, 'id', 'a letter or digit'),
  bad('an id as a number', { id: 7 }, 'id', "can't be a number"),
  bad('an id of null', { id: null }, 'id', "can't be null"),
  ...[
    'a/b',
    'a\\b',
    'a#b',
    'a?b',
    'a b',
    '.a',
    '-a',
    'a|b',
    'a\u0000',
    'a\n',
    '\u00e4',
    '../x',
    '%2e%2e',
    'a,b',
    'a=b',
    'a~b',
    'a*',
  ].map((id) => bad(`an id ${JSON.stringify(id)}`, { id }, 'id', 'a letter or digit')),
  bad('an unknown mailbox', { mailbox: 'nobody@example.com' }, 'mailbox', 'does not serve'),
  bad('a mailbox that only receives', { mailbox: 'archive@example.com' }, 'mailbox', 'reading only'),
  bad('a mailbox as a number', { mailbox: 1 }, 'mailbox', "can't be a number"),
  bad('another sender', { from: 'boss@example.com' }, 'from', 'is not the address of the mailbox'),
  bad(
    'another sender with a name',
    { from: { address: 'boss@example.com', name: 'Boss' } },
    'from',
    'is not the address of the mailbox',
  ),
  bad('two senders', { from: ['desk@example.com', 'desk@example.com'] }, 'from', "can't be a list"),
  bad('a sender without address', { from: { name: 'x' } }, 'from.address', 'is missing'),
  bad('501 recipients', { to: addresses(501) }, 'to', '501 recipients; at most 500'),
  bad(
    '501 recipients in three lists',
    { to: addresses(200), cc: addresses(400).slice(200), bcc: addresses(501).slice(400) },
    'to',
    '501 recipients',
  ),
  bad('1,001 in one list', { to: addresses(1_001) }, 'to', '1001 entries; at most 1000'),
  bad('recipients as a number', { to: 5 }, 'to', "can't be a number"),
  bad('recipients as true', { to: true }, 'to', "can't be a boolean"),
  bad('a recipient as null', { to: [null] }, 'to[0]', "can't be null"),
  bad('a recipient as a list', { to: [['a@example.net']] }, 'to[0]', "can't be a list"),
  bad('recipients in lists in lists', { to: [[[['a@example.net']]]] }, 'to[0]', "can't be a list"),
  bad(
    'a name as a number',
    { to: [{ address: 'a@example.net', name: 5 }] },
    'to[0].name',
    "can't be a number",
  ),
  bad(
    'a name of 601',
    { to: [{ address: 'a@example.net', name: 'x'.repeat(601) }] },
    'to[0].name',
    '601 characters',
  ),
  bad(
    'a name of a million',
    { to: [{ address: 'a@example.net', name: 'x'.repeat(1_000_000) }] },
    'to[0].name',
    '1000000 characters',
  ),
  bad('a subject of 2,501', { subject: 'x'.repeat(2_501) }, 'subject', '2501 characters; at most 2500'),
  bad('a subject of 5 MB', { subject: 'x'.repeat(5_000_000) }, 'subject', '5000000 characters'),
  bad('a subject as a list', { subject: ['x'] }, 'subject', "can't be a list"),
  bad('a text with NUL', { text: 'x\u0000y' }, 'text', 'NUL'),
  bad('a text with half a character', { text: 'x\ud800' }, 'text', 'lone surrogate'),
  bad('an HTML with NUL', { html: '<p>\u0000' }, 'html', 'NUL'),
  bad('a text of 4 MB and one', { text: 'x'.repeat(4_000_001) }, 'text', '4000001 characters'),
  bad('a text as a number', { text: 5 }, 'text', "can't be a number"),
  ...[
    'abc@example.com',
    'abc',
    '<>',
    '<a b@example.com>',
    '<a@b>\r\nBcc: e@evil.test',
    '<a@b><c@d>',
    '<\u00e4@b>',
    '<a@b',
    ' <a@b>',
    `<${'x'.repeat(900)}@b>`,
  ].map((inReplyTo) =>
    bad(
      `inReplyTo ${JSON.stringify(inReplyTo.slice(0, 40))}`,
      { inReplyTo },
      'inReplyTo',
      'is not a Message-ID',
    ),
  ),
  bad('references that are none', { references: ['<a@b>', 'x'] }, 'references[1]', 'is not a Message-ID'),
  bad('references with a line break', { references: '<a@b>\r\n <c@d>' }, 'references', 'no Message-ID'),
  bad(
    '1,001 references',
    { references: Array.from({ length: 1_001 }, (_, index) => `<${index}@b>`) },
    'references',
    '1001 entries',
  ),
  bad('references as an object', { references: {} }, 'references', "can't be an object"),
  ...[
    'Bcc',
    'bcc',
    'From',
    'Sender',
    'Return-Path',
    'Resent-To',
    'Content-Type',
    'MIME-Version',
    'DKIM-Signature',
    'Message-ID',
    'To',
    'X',
    'X-',
    'X Y',
    'X-A:',
    'X-A\r\nBcc',
    'X-\u00e4',
    'List',
    'Auto-Submitted-By',
    'Received',
    '',
  ].map((name) =>
    bad(
      `a header ${JSON.stringify(name)}`,
      { headers: { [name]: 'x' } },
      /^[\w-]+$/.test(name) ? `headers.${name}` : `headers.${quoted(name)}`,
      'X- or List-',
    ),
  ),
  bad('our own header', { headers: { 'X-Mail-Bridge-Id': 'x' } }, 'headers.X-Mail-Bridge-Id', "bridge's own"),
  bad(
    'our own header in capitals',
    { headers: { 'X-MAIL-BRIDGE-TAG': 'x' } },
    'headers.X-MAIL-BRIDGE-TAG',
    "bridge's own",
  ),
  bad('a header twice', { headers: { 'X-A': 'x', 'x-a': 'y' } }, 'headers.x-a', 'twice'),
  bad('a header as a number', { headers: { 'X-A': 5 } }, 'headers.X-A', "can't be a number"),
  bad('a header as a list', { headers: { 'X-A': ['x', 'y'] } }, 'headers.X-A', "can't be a list"),
  bad('headers as a list', { headers: [{ name: 'X-A', value: 'x' }] }, 'headers', "can't be a list"),
  bad('a header of 901', { headers: { 'X-A': 'x'.repeat(901) } }, 'headers.X-A', '901 characters'),
  bad(
    '51 headers',
    { headers: Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`X-${index}`, 'x'])) },
    'headers',
    '51 fields',
  ),
  bad(
    '10,000 headers',
    { headers: Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`X-${index}`, 'x'])) },
    'headers',
    '10000 fields',
  ),
  bad('attachments as an object', { attachments: {} }, 'attachments', "can't be an object"),
  bad('an attachment as text', { attachments: ['x'] }, 'attachments[0]', "can't be text"),
  bad(
    '251 attachments',
    { attachments: Array.from({ length: 251 }, () => ({ filename: 'a', content: '' })) },
    'attachments',
    '251 entries',
  ),
  bad('no file name', attachmentWithout('filename', {}), 'attachments[0].filename', 'is missing'),
  bad('an empty file name', attachment({ filename: '' }), 'attachments[0].filename', 'is empty'),
  bad(
    'a path for a file name',
    attachment({ filename: '../../etc/passwd' }),
    'attachments[0].filename',
    'slash',
  ),
  bad('a Windows path', attachment({ filename: 'C:\\x.txt' }), 'attachments[0].filename', 'slash'),
  bad(
    'a file name of 256',
    attachment({ filename: 'x'.repeat(256) }),
    'attachments[0].filename',
    '256 characters',
  ),
  ...[
    '',
    'text',
    'text/',
    '/plain',
    'text/plain\r\nX: y',
    'text/plain; name',
    'text/plain; name="x\r\nBcc: y"',
    'te xt/plain',
    'text/plain/x',
    'text/pl\u00e4in',
  ].map((contentType) =>
    bad(
      `a content type ${JSON.stringify(contentType)}`,
      attachment({ contentType }),
      'attachments[0].contentType',
      'a media type',
    ),
  ),
  bad(
    'a multipart type',
    attachment({ contentType: 'multipart/mixed' }),
    'attachments[0].contentType',
    'multipart',
  ),
  ...['', '<a@b>', 'a b', 'a\r\nb', 'a"b', 'x'.repeat(251), '\u00e4'].map((contentId) =>
    bad(
      `a content id ${JSON.stringify(contentId.slice(0, 20))}`,
      attachment({ contentId }),
      'attachments[0].contentId',
      'cid:',
    ),
  ),
  bad(
    'one content id twice',
    { attachments: [1, 2].map(() => ({ filename: 'a', content: '', contentId: 'c' })) },
    'attachments[1].contentId',
    'another attachment',
  ),
  ...['x', '====', 'YQ=', 'Y Q==', 'YQ==\r\n', 'YQ-_', 'YQ==YQ==', 'data:text/plain,x'].map((content) =>
    bad(
      `content ${JSON.stringify(content)}`,
      attachment({ content }),
      'attachments[0].content',
      'is not base64',
    ),
  ),
  bad(
    'content as bytes',
    attachment({ content: { type: 'Buffer', data: [1] } }),
    'attachments[0].content',
    "can't be an object",
  ),
  bad('neither content nor blob', attachmentWithout('content', {}), 'attachments[0]', 'either "content"'),
  bad('both content and blob', attachment({ blob: 'outbound-uploads/x' }), 'attachments[0]', 'not both'),
  ...[
    ['another container', 'inbound-content/x', 'another container'],
    ['the secrets container', 'azure-webjobs-secrets/x', 'another container'],
    ['a container that begins alike', 'outbound-uploads2/x', 'another container'],
    ['another case', 'Outbound-Uploads/x', 'another container'],
    ['two dots', 'outbound-uploads/../inbound-content/x', 'not a container and a name'],
    ['one dot', 'outbound-uploads/./x', 'not a container and a name'],
    ['an empty segment', 'outbound-uploads//x', 'not a container and a name'],
    ['a slash in front', '/outbound-uploads/x', 'another container'],
    ['no name', 'outbound-uploads/', 'not a container and a name'],
    ['no container', 'outbound-uploads', 'not a container and a name'],
    ['a link', 'https://other.blob.core.windows.net/outbound-uploads/x', 'is a link'],
    ['a file', 'file:///etc/passwd', 'is a link'],
    ['a metadata service', 'http://169.254.169.254/metadata', 'is a link'],
    ['a data link', 'data:text/plain,x', 'is a link'],
    ['a SAS token', 'outbound-uploads/x?sig=abc', 'has a character'],
    ['a fragment', 'outbound-uploads/x#y', 'has a character'],
    ['an escape', 'outbound-uploads/%2e%2e/x', 'has a character'],
    ['a backslash', 'outbound-uploads\\x', 'has a character'],
    ['NUL', 'outbound-uploads/x\u0000', 'has a character'],
    ['a line break', 'outbound-uploads/x\n', 'has a character'],
    ['half a character', 'outbound-uploads/\ud800', 'has a character'],
    ['1,089 characters', `outbound-uploads/${'x'.repeat(1_072)}`, '1089 characters'],
  ].flatMap(([name = '', blob = '', detail = '']) => [
    bad(
      `an attachment's blob: ${name}`,
      { attachments: [{ filename: 'a', blob }] },
      'attachments[0].blob',
      detail,
    ),
    {
      name: `a raw blob: ${name}`,
      payload: { id: 'a', mailbox: 'desk@example.com', raw: { blob } },
      field: 'raw.blob',
      detail,
    },
  ]),
  ...['from', 'replyTo', 'subject', 'text', 'html', 'inReplyTo', 'references', 'headers', 'attachments'].map(
    (field) => ({
      name: `raw beside ${field}`,
      payload: {
        id: 'a',
        mailbox: 'desk@example.com',
        raw: { blob: 'outbound-uploads/x.eml' },
        [field]: {
          from: 'desk@example.com',
          replyTo: 'a@example.net',
          subject: 'x',
          text: 'x',
          html: 'x',
          inReplyTo: '<a@b>',
          references: ['<a@b>'],
          headers: {},
          attachments: [],
        }[field],
      },
      field,
      detail: 'cannot be combined with "raw"',
    }),
  ),
  ...['urgent', 'HIGH', '', 1, null, 'low'].map((priority) =>
    bad(`priority ${JSON.stringify(priority)}`, { priority }, 'priority', '"high", "normal" or "bulk"'),
  ),
  ...[
    '',
    'tomorrow',
    '2026-11-25',
    '2026-11-25 09:00:00Z',
    '2026-11-25T09:00:00',
    '2026-02-30T09:00:00Z',
    '2026-11-25T25:00:00Z',
    '25.11.2026',
    '1764061200000',
  ].flatMap((at) => [
    bad(`sendAt ${JSON.stringify(at)}`, { sendAt: at }, 'sendAt', 'with its offset'),
    bad(`expiresAt ${JSON.stringify(at)}`, { expiresAt: at }, 'expiresAt', 'with its offset'),
  ]),
  bad('sendAt as a number', { sendAt: 1_764_061_200_000 }, 'sendAt', "can't be a number"),
  bad('sendAt in 1970', { sendAt: '1970-01-01T00:00:00Z' }, 'sendAt', 'between the years'),
  bad('expiresAt in 9999', { expiresAt: '9999-12-31T23:59:59Z' }, 'expiresAt', 'between the years'),
  bad(
    'sendAt after expiresAt',
    { sendAt: '2026-11-25T09:00:00Z', expiresAt: '2026-11-25T08:59:59Z' },
    'sendAt',
    'not before "expiresAt"',
  ),
  bad(
    'sendAt at expiresAt',
    { sendAt: '2026-11-25T09:00:00Z', expiresAt: '2026-11-25T11:00:00+02:00' },
    'sendAt',
    'not before "expiresAt"',
  ),
  bad(
    '4,097 characters of correlation',
    { correlation: 'x'.repeat(4_095) },
    'correlation',
    '4097 characters',
  ),
  bad(
    'a number that would come back another',
    { correlation: { id: 12_345_678_901_234_567_890 } },
    'correlation',
    '2^53',
  ),
];

export const badSubmissions: readonly Bad[] = [
  ...injected,
  ...misaddressed,
  ...forbidden,
  ...nested,
  ...polluted,
  ...shapeless,
  ...single,
];

function quoted(name: string): string {
  return JSON.stringify(name).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
