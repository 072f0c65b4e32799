// Mutated requests to every route of the HTTP side, in every content type. The same seed gives the same requests. Paths
// and methods stay those of a route, and HTTP itself stays intact: what the platform refuses before the app sees it would
// prove nothing.
import type { Random } from '../../shared/clock.ts';
import { routes, type RouteName } from '../../shared/http/routes.ts';

export interface FuzzTarget {
  /** A caller with all rights and no limit. */
  readonly key: string;
  readonly limitedKey: string;
  readonly mailbox: string;
}

export interface FuzzRequest {
  readonly route: RouteName;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
  /** What was changed; empty: a request as documented. */
  readonly mutations: readonly string[];
}

interface Draft {
  path: string;
  query: [string, string][];
  headers: Record<string, string>;
  body: Buffer | undefined;
}

const nasty = [
  '',
  ' ',
  'null',
  '-1',
  '1e999',
  '99999999999999999999',
  '../../etc/passwd',
  '%00',
  '\u0000',
  '\r\nBcc: x@example.org',
  '\ud800',
  '𝒳'.repeat(50),
  '__proto__',
  'constructor',
  '{{7*7}}',
  "' or 1=1 --",
  '<script>alert(1)</script>',
  'a'.repeat(3_000),
  'x@y@z',
  '"a b"@example.org',
  'a@[127.0.0.1]',
  'outbound-content/0',
  'https://example.org/x',
];

class Dice {
  readonly #random: Random;
  constructor(random: Random) {
    this.#random = random;
  }
  below(count: number): number {
    return Math.floor(this.#random.uniform() * count);
  }
  chance(share: number): boolean {
    return this.#random.uniform() < share;
  }
  pick<Item>(items: readonly [Item, ...Item[]] | readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }
  id(): string {
    return this.#random.id();
  }
}

/** One request; about half of the submissions are as documented. */
export function makeRequest(random: Random, target: FuzzTarget): FuzzRequest {
  const dice = new Dice(random);
  const names = Object.keys(routes) as RouteName[];
  const route = dice.chance(0.5) ? 'submitMail' : dice.pick(names);
  const draft = route === 'submitMail' ? submission(dice, target) : other(route, dice, target);
  const mutations: string[] = [];
  if (!dice.chance(0.5)) {
    const count = 1 + dice.below(3);
    for (let number = 0; number < count; number++) mutations.push(mutate(draft, dice, target));
  }
  if (draft.body !== undefined) draft.headers['content-length'] ??= String(draft.body.length);
  const query = new URLSearchParams(
    draft.query.map(([name, value]): [string, string] => [name, value.toWellFormed()]),
  );
  const text = query.toString();
  return {
    route,
    method: routes[route].method,
    path: text === '' ? draft.path : `${draft.path}?${text}`,
    headers: draft.headers,
    body: draft.body,
    mutations,
  };
}

function submission(dice: Dice, { key, mailbox }: FuzzTarget): Draft {
  const id = `fuzz-${dice.id()}`;
  const headers: Record<string, string> = { 'x-bridge-key': key };
  const json: Record<string, unknown> = {
    version: 1,
    id,
    mailbox,
    to: ['a@example.org', { address: 'b@example.org', name: 'Bö Näme' }],
    subject: `Subject ${dice.below(1_000)} åäö`,
    text: 'Some text.\n'.repeat(1 + dice.below(20)),
    ...(dice.chance(0.3) ? { html: '<p>Some <b>HTML</b></p>', priority: 'bulk' } : {}),
    ...(dice.chance(0.3) ? { correlation: { card: 'INC-1', list: [1, null, true] } } : {}),
    ...(dice.chance(0.2) ? { headers: { 'X-Ticket': 'INC-1' }, replyTo: 'c@example.org' } : {}),
  };
  const draft = (type: string, body: Buffer): Draft => ({
    path: '/api/mail',
    query: [],
    headers: { ...headers, 'content-type': type },
    body,
  });
  switch (dice.below(3)) {
    case 0: {
      if (dice.chance(0.3))
        json['attachments'] = [
          { filename: 'a.txt', content: Buffer.from('x'.repeat(dice.below(3_000))).toString('base64') },
        ];
      return draft('application/json', Buffer.from(JSON.stringify(json)));
    }
    case 1: {
      const bytes = 'y'.repeat(dice.below(60_000));
      json['attachments'] = [{ filename: 'Työ.bin', part: 'file', sizeBytes: bytes.length }];
      const parts = [
        `--edge\r\ncontent-disposition: form-data; name="submission"\r\ncontent-type: application/json\r\n\r\n${JSON.stringify(json)}\r\n`,
        `--edge\r\ncontent-disposition: form-data; name="file"; filename="Työ.bin"\r\n\r\n${bytes}\r\n`,
        '--edge--\r\n',
      ];
      return draft('multipart/form-data; boundary=edge', Buffer.from(parts.join('')));
    }
    default: {
      const made = draft(
        'message/rfc822',
        Buffer.from(
          `From: ${mailbox}\r\nTo: a@example.org\r\nSubject: =?utf-8?q?=C3=A4?=\r\nMessage-ID: <${dice.id()}@fuzz>\r\n\r\n${'Line.\r\n'.repeat(1 + dice.below(50))}`,
        ),
      );
      Object.assign(made.headers, {
        'idempotency-key': `"${id}"`,
        'x-mail-mailbox': mailbox,
        'x-mail-recipients': 'a@example.org,b@example.org',
        ...(dice.chance(0.3) ? { 'x-mail-remarks': '["A remark."]' } : {}),
      });
      return made;
    }
  }
}

function other(route: RouteName, dice: Dice, { key, mailbox }: FuzzTarget): Draft {
  const json = (value: object): Draft => ({
    path: routes[route].path,
    query: [],
    headers: { 'x-bridge-key': key, 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(value)),
  });
  const plain = (path: string, query: [string, string][] = []): Draft => ({
    path,
    query,
    headers: { 'x-bridge-key': key },
    body: undefined,
  });
  switch (route) {
    case 'readSubmission':
    case 'cancelSubmission':
      return plain(`/api/mail/${encodeURIComponent(word(dice))}`, [['mailbox', mailbox]]);
    case 'createUpload':
      return json({ id: `fuzz-${dice.id()}`, sizeBytes: 1 + dice.below(36_000_000) });
    case 'reportIntake':
      return {
        ...json({
          version: '0.1.0',
          instance: dice.id(),
          startedAt: '2026-11-23T08:00:00.000Z',
          node: 'v24.21.0',
          spool: { count: dice.below(10), bytes: 0, oldestAgeSeconds: 0, freeBytes: 1e9, damagedCount: 0 },
          rejectedCount: dice.below(3),
          accepting: true,
        }),
        path: `/api/intake/${encodeURIComponent(word(dice))}`,
      };
    case 'reportIntakeFailure':
      return {
        ...json({
          id: `fuzz-${dice.id()}`,
          mailbox,
          receivedAt: '2026-11-23T08:00:00.000Z',
          kind: dice.chance(0.5) ? 'recipients' : 'message',
          recipients: [{ recipient: 'user@localhost', detail: 'The domain has no dot.' }],
          header: 'Subject: [INC-42] Printer\r\nMessage-ID: <1@example.com>\r\n',
        }),
        path: `/api/intake/${encodeURIComponent(word(dice))}/failures`,
      };
    case 'acknowledgeEvents':
    case 'acknowledgeNotices':
      return json({ receipts: [`${dice.id()}.${dice.id()}${dice.id()}`.slice(0, 76)] });
    case 'readEvents':
    case 'readNotices':
      return plain(routes[route].path, [
        ['max', String(1 + dice.below(32))],
        ['hide', '1'],
      ]);
    case 'readContent':
      return plain(`/api/content/inbound-content/${encodeURIComponent(word(dice))}`, [['ticket', dice.id()]]);
    case 'listMailboxes':
    case 'submitMail':
      return plain(routes[route].path);
  }
}

/** A segment of a path: never empty, and never one that a client resolves. */
const word = (dice: Dice): string => {
  const text = dice.chance(0.3) ? dice.pick(nasty).toWellFormed().slice(0, 500) : `fuzz-${dice.id()}`;
  return /^[.\s]*$/.test(text) || /[/\\]/.test(text) ? 'x' : text;
};

/** A header's value as a client can send it. */
const asHeader = (text: string): string => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '?').trim();

const headerNames = [
  'content-type',
  'idempotency-key',
  'x-mail-mailbox',
  'x-mail-recipients',
  'x-mail-remarks',
  'x-bridge-key',
  'content-encoding',
  'x-ms-client-principal',
  'x-ms-client-principal-idp',
  'origin',
  'cookie',
];
const types = [
  'application/json',
  'application/json; charset=utf-16',
  'multipart/form-data',
  'multipart/form-data; boundary=edge',
  'multipart/form-data; boundary=""',
  'message/rfc822',
  'text/plain',
  'application/x-www-form-urlencoded',
  '',
];

function mutate(draft: Draft, dice: Dice, { limitedKey }: FuzzTarget): string {
  const { body, headers } = draft;
  const kind = dice.below(body === undefined ? 4 : 10);
  switch (kind) {
    case 0: {
      const name = dice.pick(headerNames);
      headers[name] = asHeader(dice.pick(nasty)) || 'x';
      return `header ${name}`;
    }
    case 1:
      Reflect.deleteProperty(headers, dice.pick(Object.keys(headers).concat('none')));
      return 'header dropped';
    case 2:
      draft.query.push([
        dice.pick(['mailbox', 'max', 'hide', 'ticket', 'as', 'key', 'other']),
        dice.pick(nasty),
      ]);
      return 'query';
    case 3:
      headers['x-bridge-key'] = dice.pick([limitedKey, 'emb_wrong', 'x'.repeat(300)]);
      return 'key';
    case 4:
      headers['content-type'] = dice.pick(types);
      return 'content type';
    case 5: {
      draft.body = (body ?? Buffer.alloc(0)).subarray(0, dice.below(body?.length ?? 1));
      return 'cut';
    }
    case 6: {
      const changed = Buffer.from(body ?? '');
      for (let number = 0; number <= dice.below(8) && changed.length > 0; number++)
        changed[dice.below(changed.length)] = dice.below(256);
      draft.body = changed;
      return 'bytes';
    }
    case 7: {
      const at = dice.below((body?.length ?? 0) + 1);
      const inserted = Buffer.from(dice.pick(nasty));
      draft.body = Buffer.concat([
        body?.subarray(0, at) ?? inserted,
        inserted,
        body?.subarray(at) ?? inserted,
      ]);
      return 'inserted';
    }
    case 8: {
      draft.body = Buffer.from(changeJson((body ?? Buffer.alloc(0)).toString(), dice));
      return 'member';
    }
    default:
      draft.body = Buffer.from(
        dice.pick([
          '[]',
          '{}',
          '"x"',
          '[[[['.repeat(500),
          '{"a":'.repeat(2_000),
          '\ufeff{}',
          'e30=',
          '{"id":1}',
        ]),
      );
      return 'other body';
  }
}

/** Another value for a member of the JSON that the body holds, at any depth. */
function changeJson(text: string, dice: Dice): string {
  const start = text.indexOf('{');
  const end = text.lastIndexOf('}');
  const members = [...text.slice(start, end).matchAll(/"([A-Za-z]+)":/g)];
  const chosen = members[dice.below(members.length)];
  if (chosen === undefined) return text;
  const at = start + chosen.index;
  const value = JSON.stringify(dice.pick<unknown>([...nasty, 5, null, true, [], {}, [[]], -0.5]));
  const added = dice.chance(0.5) ? `"${chosen[1] ?? ''}":${value},` : `"colour${dice.below(9)}":${value},`;
  return `${text.slice(0, at)}${added}${text.slice(at)}`;
}
