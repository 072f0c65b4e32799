import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startEsm, type EsmEmulator } from '../../../local/emulators/esm/esm.ts';
import { sampleTemplates, sampleUser } from '../../../local/emulators/esm/sampleDesk.ts';
import { differences, type OpenApi } from './openApiCheck.ts';

let now: number;
let lagMs: number;
let esm: EsmEmulator;
let token: string;

beforeEach(async () => {
  now = Date.UTC(2026, 10, 28, 9);
  lagMs = 0;
  esm = await startEsm({
    clock: { now: () => now, monotonic: () => now, sleep: () => Promise.resolve() },
    templates: sampleTemplates,
    users: [sampleUser, { ...sampleUser, login: 'limited', mayWrite: [], unseen: ['incident.subject'] }],
    lagMs: () => lagMs,
    uploadBytes: 1_000,
  });
  token = await login('bridge.in');
});

afterEach(() => esm.close());

async function login(user: string): Promise<string> {
  const answer = await fetch(`${esm.url}/users/login`, {
    method: 'POST',
    body: new URLSearchParams({ login: user, password: sampleUser.password }),
  });
  return answer.headers.get('authorization') ?? '';
}

async function call(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(esm.url + path, {
    method,
    headers: { authorization: token, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
}

const incident = (data: Readonly<Record<string, unknown>>): unknown => ({
  folderCode: 'incident_management',
  data: Object.fromEntries(Object.entries(data).map(([code, value]) => [code, { values: [value] }])),
});

async function makeIncident(data: Readonly<Record<string, unknown>>): Promise<string> {
  const { body } = await call('POST', '/dc/incident/data', incident(data));
  return (body as { dataCard: { dataCardId: string } }).dataCard.dataCardId;
}

const idsOf = ({ body }: { body: unknown }): readonly string[] =>
  (body as { data: readonly { dataCardId: string }[] }).data.map(({ dataCardId }) => dataCardId);

const find = (filter: string, more = ''): Promise<{ status: number; body: unknown }> =>
  call('GET', `/dc/incident/data?limit=200&filter=${encodeURIComponent(filter)}${more}`);

test('a token is valid for 15 minutes, and wrong credentials get none', async () => {
  expect((await call('GET', '/echo/jwt')).status).toBe(200);
  now += 15 * 60_000;
  expect((await call('GET', '/echo/jwt')).status).toBe(401);
  expect(await login('nobody')).toBe('');
});

test('a card that could not be written completely is created all the same, and says what is missing', async () => {
  const answer = await call(
    'POST',
    '/dc/incident/data',
    incident({
      subject: { value: 'Mouse' },
      status: { value: 'unheard of' },
      received: { value: 'yesterday' },
    }),
  );
  expect(answer).toMatchObject({
    status: 201,
    body: { meta: { errors: [{ attributeCode: 'status' }, { attributeCode: 'received' }] } },
  });
});

describe('filters', () => {
  test.each([
    [`$subject$ = 'Mouse'`, 1],
    [`$subject$ <> 'Mouse'`, 1],
    [`$status$ = '02 - Solving' AND NOT $subject$ = 'Keyboard'`, 1],
    [`($subject$ = 'Mouse' OR $subject$ = 'Keyboard') AND $created$ > 'now - 1h'`, 2],
    [`$created$ < 'now - 2w'`, 0],
  ])('%s finds %i', async (filter, count) => {
    await makeIncident({ subject: { value: 'Mouse' }, status: { value: '02 - Solving' } });
    await makeIncident({ subject: { value: 'Keyboard' }, status: { code: 'solving' } });
    now += 60_000;
    const answer = await find(filter);
    expect(answer.status).toBe(count === 0 ? 404 : 200);
    if (count > 0) expect(idsOf(answer)).toHaveLength(count);
  });

  test.each([`$unheard$ = '1'`, `$subject$ = 'it''s'`, `$subject$ = `, 'subject = 1'])(
    '%s is refused',
    async (filter) => {
      expect((await find(filter)).status).toBe(400);
    },
  );

  test('pages come newest first, with a link while more follow', async () => {
    const ids = [];
    for (const value of ['1', '2', '3']) ids.push(await makeIncident({ subject: { value } }));
    const first = await call('GET', '/dc/incident/data?limit=2');
    expect(idsOf(first)).toEqual([ids[2], ids[1]]);
    expect(first.body).toMatchObject({
      meta: { count: 2, links: { next: expect.stringContaining('filterId=') } },
    });
    const second = await call('GET', `/dc/incident/data?limit=2&filterId=${String(ids[1])}`);
    expect(idsOf(second)).toEqual([ids[0]]);
    expect(second.body).toMatchObject({ meta: { links: {} } });
  });

  test('a change is found after the lag, and deleted and hidden cards never', async () => {
    lagMs = 30_000;
    const id = await makeIncident({ mail_id: { value: 'm-1' } });
    expect((await find(`$mail_id$ = 'm-1'`)).status).toBe(404);
    now += 30_000;
    expect(idsOf(await find(`$mail_id$ = 'm-1'`))).toEqual([id]);
    expect((await call('DELETE', `/dc/incident/data/${id}`)).status).toBe(200);
    expect((await call('DELETE', `/dc/incident/data/${id}`)).status).toBe(409);
    now += 30_000;
    expect((await find(`$mail_id$ = 'm-1'`)).status).toBe(404);
    expect((await call('GET', `/dc/incident/data/${id}`)).body).toMatchObject({ deleted: true });
  });
});

test('comments are added with author and date, newest first', async () => {
  const id = await makeIncident({ subject: { value: 'Mouse' } });
  for (const value of ['first', 'second'])
    await call('POST', `/dc/incident/data/${id}/comments`, { values: [{ value }] });
  expect((await call('GET', `/dc/incident/data/${id}/comments`)).body).toEqual({
    name: 'Comments',
    type: 'worklog',
    values: ['second', 'first'].map((value) => ({
      author: 'Mail Bridge',
      value,
      date: '2026-11-28T09:00:00Z',
    })),
  });
});

test('files are uploaded up to the limit and read back', async () => {
  const id = await makeIncident({ subject: { value: 'Mouse' } });
  const upload = (bytes: Uint8Array<ArrayBuffer>, name: string, attribute = 'files'): Promise<Response> => {
    const body = new FormData();
    body.set('fileUpload', new Blob([bytes]), name);
    body.set('fileName', name);
    return fetch(`${esm.url}/dc/incident/data/${id}/${attribute}/file`, {
      method: 'POST',
      headers: { authorization: token },
      body,
    });
  };
  const bytes = Uint8Array.from([0, 13, 10, 255, 45, 45]);
  expect((await upload(bytes, 'päivä.bin')).status).toBe(200);
  expect((await upload(new Uint8Array(1_001), 'large.bin')).status).toBe(413);
  expect((await upload(bytes, 'noExtension')).status).toBe(400);
  expect((await upload(bytes, 'a.bin', 'subject')).status).toBe(400);
  const card = (await call('GET', `/dc/incident/data/${id}?selectedAttributes=files`)).body as {
    data: { files: { values: readonly { name: string; location: string }[] } };
  };
  const [file] = card.data.files.values;
  expect(file?.name).toBe('päivä.bin');
  const answer = await fetch(`${esm.url}/dc/incident/data/${id}/files/file/${String(file?.location)}`, {
    headers: { authorization: token },
  });
  expect(new Uint8Array(await answer.arrayBuffer())).toEqual(bytes);
});

describe('faults', () => {
  test('an answer is lost after the write, and a request before it', async () => {
    esm.injectFault({ kind: 'lostAnswer' }, 1);
    await expect(makeIncident({ subject: { value: 'done' } })).rejects.toThrow('fetch failed');
    esm.injectFault({ kind: 'lostRequest' }, 1);
    await expect(makeIncident({ subject: { value: 'not done' } })).rejects.toThrow('fetch failed');
    expect(esm.cards.all('incident').map((card) => esm.cards.nameOf(card))).toEqual(['done']);
  });

  test.each([
    [{ kind: 'forgetsTokens' } as const, 401],
    [{ kind: 'serverError', status: 502 } as const, 502],
    [{ kind: 'throttled', retryAfterSeconds: 7 } as const, 429],
    [{ kind: 'switchedOff' } as const, 404],
  ])('%j answers %i', async (fault, status) => {
    esm.injectFault(fault, 1);
    expect((await call('GET', '/dc')).status).toBe(status);
  });

  test('a user sees and writes only what the role permits', async () => {
    const id = await makeIncident({ subject: { value: 'Mouse' } });
    token = await login('limited');
    expect((await call('GET', `/dc/incident/data/${id}`)).body).toMatchObject({
      data: { subject: { values: [] } },
    });
    expect((await call('PATCH', `/dc/incident/data/${id}`, { dataCardId: id, data: {} })).status).toBe(403);
  });
});

// The vendor's own description is not part of the project.
const descriptionFile = new URL('../../../../../shared/reference/esm-openapi.json', import.meta.url);
const describeIfPresent = existsSync(descriptionFile) ? describe : describe.skip;

describeIfPresent('against the vendor’s OpenAPI description', () => {
  const api = existsSync(descriptionFile)
    ? (JSON.parse(readFileSync(descriptionFile, 'utf8')) as OpenApi)
    : undefined;

  test('every answer has the described shape and status', async () => {
    if (api === undefined) throw new Error('no description');
    const id = await makeIncident({
      subject: { value: 'Mouse' },
      status: { code: 'new' },
      comments: { value: 'hi' },
    });
    const at = `/dc/incident/data/${id}`;
    const one = '/dc/{templateCode}/data/{dataCardId}';
    const all = '/dc/{templateCode}/data';
    const bodies: readonly (readonly [string, string, string, unknown?])[] = [
      ['GET', '/echo', '/echo?message=1'],
      ['GET', '/echo/jwt', '/echo/jwt'],
      ['GET', '/dc', '/dc'],
      ['GET', '/dc/{templateCode}', '/dc/incident'],
      ['GET', '/dc/{templateCode}', '/dc/nothing'],
      ['GET', all, '/dc/incident/data?limit=10'],
      ['GET', all, '/dc/person/data?limit=10'],
      ['POST', all, '/dc/incident/data', incident({ status: { value: 'none' } })],
      ['POST', all, '/dc/incident/data', { folderCode: 'none', data: {} }],
      ['PUT', all, '/dc/incident/data', [incident({ subject: { value: 'Bulk' } })]],
      ['GET', one, at],
      ['GET', one, '/dc/incident/data/1'],
      ['PATCH', one, at, { dataCardId: id, data: { status: { values: [{ code: 'closed' }] } } }],
      ['GET', `${one}/{attributeCode}`, `${at}/comments`],
      ['POST', `${one}/{attributeCode}`, `${at}/comments`, { values: [{ value: 'more' }] }],
      ['PUT', `${one}/{attributeCode}`, `${at}/status`, { values: [{ value: 'none' }] }],
      ['DELETE', `${one}/{attributeCode}`, `${at}/status`],
      ['DELETE', one, at],
    ];
    const found: string[] = [];
    for (const [method, path, url, body] of bodies) {
      const answer = await call(method, url, body);
      const described = api.paths[path]?.[method.toLowerCase()]?.responses[String(answer.status)];
      const schema = described?.content?.['application/json']?.schema;
      const where = `${method} ${url} ${answer.status}`;
      if (described === undefined) found.push(`${where}: status not described`);
      else if (schema !== undefined && answer.body !== undefined)
        found.push(...differences(api, schema, answer.body, where));
    }
    // The description's card of a page knows the id alone, although its example has more; a whole card likewise.
    const known = /(?:data\[\d+\]|dataCard)\.(?:name|url): not described$/;
    expect(found.filter((one) => !known.test(one))).toEqual([]);
  });
});
