import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startEsm, type EsmEmulator } from '../../local/emulators/esm/esm.ts';
import { sampleTemplates, sampleUser } from '../../local/emulators/esm/sampleDesk.ts';
import { textOf, valuesOf } from '../../shared/esm/client/answers.ts';
import {
  addValue,
  createCard,
  editCard,
  findCards,
  listTemplates,
  readCard,
  readTemplate,
  removeCard,
} from '../../shared/esm/client/cards.ts';
import { EsmConnection } from '../../shared/esm/client/connection.ts';
import type { EsmAnswer } from '../../shared/esm/client/failure.ts';
import { downloadFile, uploadFile } from '../../shared/esm/client/files.ts';
import { anyOf, equals } from '../../shared/esm/client/filter.ts';
import { fetchTransport, textOf as readText } from '../../shared/esm/client/transport.ts';

let now: number;
let esm: EsmEmulator;
let connection: EsmConnection;
let password: string;
let passwordReads: number;

const clock = { now: () => now, monotonic: () => now, sleep: () => Promise.resolve() };
const folder = 'incident_management';

beforeEach(async () => {
  now = Date.UTC(2026, 10, 28, 9);
  ({ password } = sampleUser);
  passwordReads = 0;
  esm = await startEsm({ clock, templates: sampleTemplates, users: [sampleUser], uploadBytes: 100_000 });
  connection = connect(esm.url);
});

afterEach(() => esm.close());

function connect(url: string): EsmConnection {
  return new EsmConnection({
    url,
    login: sampleUser.login,
    password: () => {
      passwordReads += 1;
      return Promise.resolve({ kind: 'ok', value: password });
    },
    transport: fetchTransport,
    clock,
  });
}

function valueOf<Value>(answer: EsmAnswer<Value>): Value {
  if (answer.kind !== 'ok') throw new Error(`${answer.reason}: ${answer.detail}`);
  return answer.value;
}

const logins = (): number => esm.calls.filter((call) => call.endsWith('/users/login')).length;
const create = (subject: string): ReturnType<typeof createCard> =>
  createCard(connection, 'incident', { folder, data: { subject: [{ value: subject }] } });
const find = (subject: string): ReturnType<typeof findCards> =>
  findCards(connection, 'incident', {
    filter: equals('subject', subject) ?? '',
    attributes: ['subject'],
    limit: 10,
  });

describe('token', () => {
  test('one login serves calls that begin together, and the token until shortly before its expiry', async () => {
    await Promise.all([find('a'), find('b'), find('c')]);
    expect(logins()).toBe(1);
    now += 13 * 60_000;
    await find('a');
    expect(logins()).toBe(1);
    now += 61_000;
    await find('a');
    expect(logins()).toBe(2);
  });

  test('a 401 renews it once and repeats the call, a write too', async () => {
    valueOf(await find('a'));
    esm.injectFault({ kind: 'forgetsTokens' }, 1);
    valueOf(await create('Mouse'));
    expect(logins()).toBe(2);
    expect(esm.cards.all('incident')).toHaveLength(1);
  });

  test('a refused password is not tried again, a new one is', async () => {
    password = 'wrong';
    for (let call = 0; call < 5; call++) expect(await find('a')).toMatchObject({ reason: 'denied' });
    expect([logins(), passwordReads]).toEqual([1, 1]);
    now += 60_000;
    expect(await find('a')).toMatchObject({ reason: 'denied' });
    expect([logins(), passwordReads]).toEqual([1, 2]);
    ({ password } = sampleUser);
    now += 60_000;
    valueOf(await find('a'));
  });
});

describe('answers', () => {
  test('404 to a filter is an empty page', async () => {
    expect(valueOf(await find('nothing'))).toEqual({ cards: [], hasMore: false });
    valueOf(await create('Mouse'));
    const { cards } = valueOf(await find('Mouse'));
    expect(cards.map((card) => textOf(card, 'subject'))).toEqual(['Mouse']);
  });

  test('a card that was created without one of its attributes says so', async () => {
    const answer = await createCard(connection, 'incident', {
      folder,
      data: { subject: [{ value: 'Mouse' }], status: [{ code: 'unheard' }] },
    });
    expect(valueOf(answer).refused).toMatchObject([
      { attribute: 'status', detail: expect.stringContaining('unheard') },
    ]);
  });

  test('what is edited and added is read back, and a card that is not there is missing', async () => {
    const { cardId } = valueOf(await create('Mouse'));
    valueOf(await editCard(connection, 'incident', { cardId, data: { status: [{ code: 'solving' }] } }));
    valueOf(
      await addValue(connection, 'incident', { cardId, attribute: 'comments', value: { value: 'hello' } }),
    );
    const card = valueOf(
      await readCard(connection, 'incident', { cardId, attributes: ['status', 'comments'] }),
    );
    expect(textOf(card, 'status')).toBe('02 - Solving');
    expect(valuesOf(card, 'comments')).toMatchObject([{ author: 'Mail Bridge', value: 'hello' }]);
    expect(await readCard(connection, 'incident', { cardId: '1', attributes: [] })).toMatchObject({
      reason: 'missing',
    });
    expect(valueOf(await readTemplate(connection, 'incident')).attributes['files']).toMatchObject({
      file: true,
    });
  });

  test('a card is removed, and templates are listed', async () => {
    const { cardId } = valueOf(await create('Mouse'));
    valueOf(await removeCard(connection, 'incident', cardId));
    expect(valueOf(await readCard(connection, 'incident', { cardId, attributes: [] })).deleted).toBe(true);
    expect(valueOf(await listTemplates(connection)).map(({ templateCode }) => templateCode)).toContain(
      'incident',
    );
  });

  test('files are streamed both ways, and one above the limit is too large', async () => {
    const { cardId } = valueOf(await create('Mouse'));
    const file = { cardId, attribute: 'files' };
    const upload = (name: string, sizeBytes: number): ReturnType<typeof uploadFile> =>
      uploadFile(connection, 'incident', file, {
        name,
        boundary: 'f3a1'.repeat(8),
        open: async function* () {
          yield* [Buffer.alloc(sizeBytes - 1, 'a'), Buffer.from('z')];
          await Promise.resolve();
        },
      });
    valueOf(await upload('"päivä".txt', 90_000));
    expect(await upload('large.bin', 200_000)).toMatchObject({ reason: 'tooLarge' });
    const [stored] = valuesOf(
      valueOf(await readCard(connection, 'incident', { cardId, attributes: ['files'] })),
      'files',
    );
    expect(stored?.name).toBe('"päivä".txt');
    const bytes = valueOf(await downloadFile(connection, 'incident', file, stored?.location ?? ''));
    expect(await readText(bytes, 100_000)).toMatch(/^a{89999}z$/);
  });
});

describe('failures', () => {
  test.each([
    [{ kind: 'lostAnswer' } as const, 'unavailable', 'inDoubt'],
    [{ kind: 'serverError', status: 502 } as const, 'unavailable', 'inDoubt'],
    [{ kind: 'page' } as const, 'unavailable', 'inDoubt'],
    [{ kind: 'throttled' } as const, 'unavailable', 'unavailable'],
    [{ kind: 'switchedOff' } as const, undefined, 'missing'],
  ])('%j', async (fault, reading, writing) => {
    valueOf(await find('a'));
    esm.injectFault(fault, 1);
    const read = await find('a');
    expect(read.kind === 'ok' ? undefined : read.reason).toBe(reading);
    now += 10_000;
    esm.injectFault(fault, 1);
    expect(await create('Mouse')).toMatchObject({ reason: writing });
  });

  test('while ESM fails it is asked with growing delays, and at once again after an answer', async () => {
    valueOf(await find('a'));
    const before = esm.calls.length;
    esm.injectFault({ kind: 'serverError', status: 503 });
    const asked: number[] = [];
    for (const start = now; now - start < 3_600_000; now += 1_000) {
      const count = esm.calls.length;
      expect(await find('a')).toMatchObject({ reason: 'unavailable', retryAt: expect.any(Number) });
      if (esm.calls.length > count) asked.push((now - start) / 1_000);
    }
    expect(asked.slice(0, 6)).toEqual([0, 2, 6, 14, 30, 62]);
    expect(esm.calls.length - before).toBeLessThan(20);
    esm.injectFault({ kind: 'none' }, 0);
    now += 300_000;
    valueOf(await find('a'));
    valueOf(await find('b'));
  });

  test('Retry-After is followed', async () => {
    valueOf(await find('a'));
    esm.injectFault({ kind: 'throttled', retryAfterSeconds: 120 }, 1);
    expect(await find('a')).toMatchObject({ retryAt: now + 120_000 });
    now += 119_000;
    expect(await find('a')).toMatchObject({ reason: 'unavailable' });
    now += 1_000;
    valueOf(await find('a'));
  });

  test('a server that is not there has seen nothing, not even of a write', async () => {
    await esm.close();
    expect(await create('Mouse')).toMatchObject({
      reason: 'unavailable',
      detail: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('the token does not follow a redirection', async () => {
    const seen: string[] = [];
    const server = http.createServer((request, response) => {
      seen.push(`${String(request.url)} ${String(request.headers.authorization)}`);
      if (request.url === '/users/login') response.end(`{"token":"Bearer ${'a'.repeat(20)}"}`);
      else response.writeHead(302, { location: '/elsewhere' }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    connection = connect(`http://127.0.0.1:${port}`);
    expect(await find('a')).toMatchObject({ reason: 'unavailable' });
    expect(seen.map((line) => line.split('?')[0])).not.toContain('/elsewhere');
    expect(seen).toHaveLength(2);
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('filter', () => {
  test.each(['aino@example.com', 'INC-2041', 'a.b+c_d'])('%s may be in it', (text) => {
    expect(equals('email', text)).toBe(`$email$ = '${text}'`);
  });

  test.each([
    `o'neil@example.com`,
    `' OR 1=1`,
    'päivi@example.com',
    '',
    'a b',
    'a'.repeat(257),
    'a\nb',
    '$x$',
  ])('%j may not', (text) => {
    expect(equals('email', text)).toBeUndefined();
  });

  test('several are joined, and those that may not be there are left out', () => {
    expect(anyOf([equals('a', 'x'), equals('b', 'y z'), equals('c', 'z')])).toBe(`$a$ = 'x' OR $c$ = 'z'`);
    expect(anyOf([undefined])).toBeUndefined();
  });
});
