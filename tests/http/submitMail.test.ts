// POST /api/mail, GET and DELETE /api/mail/{id}, GET /api/mailboxes through the host, with the package as it is deployed.
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { idInUseType } from '../../intake/bridge/contract.ts';
import { acceptedAnswer, mailboxesAnswer, stateAnswer } from '../../shared/http/routes.ts';
import { problemSchema } from '../../shared/web/problemSchema.ts';
import { keys, mailbox, otherMailbox, startHttpRig, type HttpRig, type Reply } from './rig.ts';

let rig: HttpRig;
beforeAll(async () => {
  rig = await startHttpRig();
}, 120_000);
afterAll(() => rig.close(), 60_000);

const newId = (): string => `http-${randomUUID()}`;
const good = (id: string, more: object = {}): object => ({
  id,
  mailbox,
  to: ['citizen@example.org'],
  subject: 'Printer',
  text: 'It works again.',
  ...more,
});
const stateOf = (id: string, options: object = {}): Promise<Reply> =>
  rig.ask('GET', `/api/mail/${encodeURIComponent(id)}?mailbox=${encodeURIComponent(mailbox)}`, options);

function mustBeProblem({ status, type, body }: Reply, expected: number, name: string): void {
  expect({ status, type: body['type'] }).toEqual({
    status: expected,
    type: `urn:esm-mail-bridge:problem:${name}`,
  });
  expect(type).toContain('application/problem+json');
  const { remedy } = problemSchema.parse(body);
  expect(remedy).toMatch(/\w.{5}/);
}

describe('JSON', () => {
  test('202 with id and Location, and its state there; 200 with the same body for the same again', async () => {
    const id = newId();
    const first = await rig.ask('POST', '/api/mail', { body: good(id) });
    expect(first.status).toBe(202);
    const accepted = acceptedAnswer.parse(first.body);
    expect(accepted).toMatchObject({ id, mailbox });
    expect(first.headers.get('location')).toBe(accepted.href);
    const again = await rig.ask('POST', '/api/mail', { body: good(id), key: keys.senderNext });
    expect([again.status, again.body]).toEqual([200, first.body]);
    const state = await rig.ask('GET', accepted.href);
    expect(stateAnswer.parse(state.body)).toMatchObject({
      id,
      state: 'waiting',
      caller: 'sender',
      recipients: [{ address: 'citizen@example.org', outcome: 'pending' }],
      forecast: { hasMore: false },
    });
  });

  test('422 id-in-use for the same id with other content', async () => {
    const id = newId();
    expect((await rig.ask('POST', '/api/mail', { body: good(id) })).status).toBe(202);
    const other = await rig.ask('POST', '/api/mail', { body: good(id, { subject: 'Another' }) });
    mustBeProblem(other, 422, 'id-in-use');
    expect(other.body['type']).toBe(idInUseType);
  });

  test('the id may come in Idempotency-Key', async () => {
    const id = newId();
    const headers = { 'idempotency-key': `"${id}"` };
    const body = { mailbox, to: ['citizen@example.org'], text: 'It works again.' };
    expect((await rig.ask('POST', '/api/mail', { body, headers })).body).toMatchObject({ id });
    mustBeProblem(await rig.ask('POST', '/api/mail', { body: good('y'), headers }), 400, 'invalid-request');
    mustBeProblem(await rig.ask('POST', '/api/mail', { body }), 400, 'no-id');
  });

  test('all faults at once, nothing kept: the id can be used', async () => {
    const id = newId();
    const faulty = good(id, { to: [], subject: 5, colour: 'red' });
    const refused = await rig.ask('POST', '/api/mail', { body: faulty });
    mustBeProblem(refused, 422, 'invalid-submission');
    expect((refused.body['problems'] as { field: string }[]).map(({ field }) => field).toSorted()).toEqual([
      'colour',
      'subject',
    ]);
    expect((await rig.ask('POST', '/api/mail', { body: good(id) })).status).toBe(202);
  });

  test.each<[string, string | Uint8Array, number]>([
    ['cut', '{"id": "a", ', 400],
    ['a list', '[]', 400],
    ['empty', '', 400],
    ['not UTF-8', new Uint8Array([0x7b, 0xff, 0x7d]), 400],
  ])('a body that is %s: %#', async (_, body, status) => {
    const headers = { 'content-type': 'application/json' };
    mustBeProblem(await rig.ask('POST', '/api/mail', { body, headers }), status, 'invalid-request');
  });

  test('two at once: one 202, the other 409 or 200', async () => {
    const body = good(newId());
    const replies = await Promise.all([1, 2, 3].map(() => rig.ask('POST', '/api/mail', { body })));
    const statuses = replies.map(({ status }) => status).toSorted();
    expect(statuses.filter((status) => status === 202)).toHaveLength(1);
    expect(statuses.every((status) => [200, 202, 409].includes(status))).toBe(true);
  });
});

describe('multipart', () => {
  const form = (
    id: string,
    attachments: readonly object[],
    files: Readonly<Record<string, string>>,
  ): FormData => {
    const data = new FormData();
    data.append(
      'submission',
      new Blob([JSON.stringify(good(id, { attachments }))], { type: 'application/json' }),
    );
    for (const [name, text] of Object.entries(files)) data.append(name, new Blob([text]), 'Tärkeä liite.txt');
    return data;
  };

  test('files that the attachments name', async () => {
    const id = newId();
    const attachments = [{ filename: 'Tärkeä liite.txt', part: 'one', sizeBytes: 5 }];
    const body = form(id, attachments, { one: 'first' });
    expect((await rig.ask('POST', '/api/mail', { body })).status).toBe(202);
    const again = form(id, attachments, { one: 'first' });
    expect((await rig.ask('POST', '/api/mail', { body: again })).status).toBe(200);
    const other = form(id, attachments, { one: 'other' });
    mustBeProblem(await rig.ask('POST', '/api/mail', { body: other }), 422, 'id-in-use');
  });

  test.each<[string, readonly object[], Readonly<Record<string, string>>]>([
    ['an attachment without its part', [{ filename: 'a.txt', part: 'missing' }], {}],
    ['a part that no attachment names', [], { one: 'x' }],
    ['a part that was cut', [{ filename: 'a.txt', part: 'one', sizeBytes: 9 }], { one: 'x' }],
  ])('%s', async (_, attachments, files) => {
    const body = form(newId(), attachments, files);
    mustBeProblem(await rig.ask('POST', '/api/mail', { body }), 400, 'invalid-request');
  });

  test('a body that ends in the middle of a part', async () => {
    const body = '--b\r\ncontent-disposition: form-data; name="submission"\r\n\r\n{"id":';
    const headers = { 'content-type': 'multipart/form-data; boundary=b' };
    mustBeProblem(await rig.ask('POST', '/api/mail', { body, headers }), 400, 'invalid-request');
  });
});

describe('message/rfc822', () => {
  const message = `From: ${mailbox}\r\nTo: citizen@example.org\r\nSubject: x\r\n\r\nHello.\r\n`;
  const headersOf = (id: string): Readonly<Record<string, string>> => ({
    'content-type': 'message/rfc822',
    'idempotency-key': `"${id}"`,
    'x-mail-mailbox': mailbox,
    'x-mail-recipients': 'citizen@example.org',
    'x-mail-remarks': '["A group was resolved: \\u00e4."]',
  });

  test('202, and the remarks are in its event', async () => {
    const id = newId();
    expect((await rig.ask('POST', '/api/mail', { body: message, headers: headersOf(id) })).status).toBe(202);
    const { body } = await stateOf(id);
    expect(body).toMatchObject({ recipients: [{ address: 'citizen@example.org' }] });
  });

  test('a message with a Message-ID of its own: 202, then 200, not 202 again', async () => {
    const headers = headersOf(newId());
    const body = `Message-ID: <${randomUUID()}@contract>\r\n${message}`;
    expect((await rig.ask('POST', '/api/mail', { body, headers })).status).toBe(202);
    expect((await rig.ask('POST', '/api/mail', { body, headers })).status).toBe(200);
  });

  test('remarks that are not JSON', async () => {
    const headers = { ...headersOf(newId()), 'x-mail-remarks': 'oops' };
    mustBeProblem(await rig.ask('POST', '/api/mail', { body: message, headers }), 400, 'invalid-request');
  });
});

describe('before the body is read', () => {
  test('413 above the limit, with where to go', async () => {
    const headers = { 'content-type': 'message/rfc822' };
    const reply = await rig.ask('POST', '/api/mail', { body: new Uint8Array(8_000_001), headers });
    mustBeProblem(reply, 413, 'too-large');
    expect(reply.body['remedy']).toContain('/api/uploads');
  });

  test('411 for a chunked body', async () => {
    const status = await new Promise<number>((resolve, reject) => {
      const request = httpRequest(
        new URL('/api/mail', rig.host.url),
        { method: 'POST', headers: { 'x-bridge-key': keys.sender, 'content-type': 'application/json' } },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      );
      request.on('error', reject);
      request.write('{');
      request.end('}');
    });
    expect(status).toBe(411);
  });

  test.each([
    { 'content-type': 'text/plain' },
    { 'content-type': 'application/json', 'content-encoding': 'gzip' },
  ])('415 for %j', async (headers) => {
    mustBeProblem(await rig.ask('POST', '/api/mail', { body: 'x', headers }), 415, 'unsupported-type');
  });
});

describe('who asks', () => {
  test.each(['', 'emb_wrong', 'x'.repeat(10_000)])('401 for the key %#', async (key) => {
    const reply = await rig.ask('POST', '/api/mail', { key, body: good(newId()) });
    mustBeProblem(reply, 401, key === '' ? 'key-missing' : 'key-unknown');
  });

  test('400 for a key in the address', async () => {
    const path = `/api/mailboxes?x-bridge-key=${keys.sender}`;
    mustBeProblem(await rig.ask('GET', path, { key: '' }), 400, 'key-in-address');
  });

  test('403 without the right', async () => {
    const reply = await rig.ask('POST', '/api/mail', { key: keys.receiver, body: good(newId()) });
    mustBeProblem(reply, 403, 'not-allowed');
  });

  test('a caller limited to mailboxes', async () => {
    const key = keys.limited;
    mustBeProblem(await rig.ask('POST', '/api/mail', { key, body: good(newId()) }), 422, 'not-allowed');
    const own = good(newId(), { mailbox: otherMailbox });
    expect((await rig.ask('POST', '/api/mail', { key, body: own })).status).toBe(202);
    mustBeProblem(await stateOf('any', { key }), 403, 'not-allowed');
    const { body } = await rig.ask('GET', '/api/mailboxes', { key });
    expect(mailboxesAnswer.parse(body).mailboxes.map(({ address }) => address)).toEqual([otherMailbox]);
  });

  test('a principal header counts for nobody while the platform’s authentication is off', async () => {
    const principal = {
      claims: [
        { typ: 'oid', val: 'a' },
        { typ: 'roles', val: 'MailBridge.Sender' },
      ],
    };
    const headers = {
      'x-ms-client-principal-idp': 'aad',
      'x-ms-client-principal': Buffer.from(JSON.stringify(principal)).toString('base64'),
    };
    mustBeProblem(await rig.ask('GET', '/api/mailboxes', { key: '', headers }), 401, 'key-missing');
  });
});

describe('state, cancelling, mailboxes', () => {
  test('DELETE cancels what waits; again it is the same; then its id stays taken', async () => {
    const id = newId();
    await rig.ask('POST', '/api/mail', { body: good(id) });
    const path = `/api/mail/${id}?mailbox=${mailbox}`;
    expect(stateAnswer.parse((await rig.ask('DELETE', path)).body).state).toBe('cancelled');
    expect((await rig.ask('DELETE', path)).status).toBe(200);
    expect((await rig.ask('POST', '/api/mail', { body: good(id) })).status).toBe(200);
  });

  test.each([
    ['/api/mail/unknown?mailbox=desk@kunta.example', 404, 'not-found'],
    ['/api/mail/%2e%2e?mailbox=desk@kunta.example', 404, 'not-found'],
    ['/api/mail/unknown?mailbox=nobody@kunta.example', 404, 'not-found'],
    ['/api/mail/unknown', 400, 'invalid-request'],
    ['/api/mail/unknown?mailbox=desk@kunta.example&colour=red', 400, 'invalid-request'],
  ])('GET %s: %d', async (path, status, name) => {
    const reply = await rig.ask('GET', path);
    if (path.includes('%2e')) expect(reply.status).toBe(404);
    else mustBeProblem(reply, status, name);
  });

  test('a submission of one mailbox is not found through another with the same account', async () => {
    const id = newId();
    await rig.ask('POST', '/api/mail', { body: good(id) });
    mustBeProblem(await rig.ask('GET', `/api/mail/${id}?mailbox=${otherMailbox}`), 404, 'not-found');
  });

  test('GET /api/mailboxes: aliases, quota, what waits', async () => {
    const { body } = await rig.ask('GET', '/api/mailboxes');
    const [first] = mailboxesAnswer.parse(body).mailboxes;
    expect(first).toMatchObject({
      address: mailbox,
      aliases: ['help@kunta.example'],
      send: true,
      quota: { messagesPerMinute: 30, recipientsPerDay: 10_000 },
    });
    expect(first?.waitingCount).toBeGreaterThan(0);
  });
});
