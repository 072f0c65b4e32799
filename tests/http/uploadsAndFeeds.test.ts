// POST /api/uploads, the feeds and their content through the host, with the package as it is deployed.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { acknowledgedAnswer, addressAnswer, feedAnswer, uploadAnswer } from '../../shared/http/routes.ts';
import { queueNames } from '../../shared/storage/names.ts';
import { keys, mailbox, startHttpRig, type HttpRig, type Reply } from './rig.ts';

let rig: HttpRig;
beforeAll(async () => {
  rig = await startHttpRig();
}, 120_000);
afterAll(() => rig.close(), 60_000);

const message = (body: string): string =>
  `From: ${mailbox}\r\nTo: citizen@example.org\r\nSubject: x\r\n\r\n${body}\r\n`;

async function upload(text: string, key: string = keys.sender): Promise<{ url: string; blob: string }> {
  const body = { id: randomUUID(), sizeBytes: text.length };
  const place = uploadAnswer.parse((await rig.ask('POST', '/api/uploads', { body, key })).body);
  const put = await fetch(place.url, {
    method: 'PUT',
    headers: { 'x-ms-blob-type': 'BlockBlob' },
    body: text,
  });
  expect(put.status).toBe(201);
  return place;
}

describe('uploads', () => {
  test('an address takes one blob, once, and gives nothing back', async () => {
    const { url } = await upload(message('first'));
    const headers = { 'x-ms-blob-type': 'BlockBlob' };
    const again = await fetch(url, { method: 'PUT', headers, body: 'other' });
    expect([403, 409]).toContain(again.status);
    expect((await fetch(url)).status).toBe(403);
    const elsewhere = url.replace(/\/[0-9a-f]{32}\?/, `/${'0'.repeat(32)}?`);
    expect((await fetch(elsewhere, { method: 'PUT', headers, body: 'x' })).status).toBe(403);
  });

  test('a message by upload, and again by another upload: the same content', async () => {
    const id = randomUUID();
    const text = message('x'.repeat(70).concat('\r\n').repeat(200_000));
    const submit = async (content: string): Promise<Reply> => {
      const { blob } = await upload(content);
      const body = { id, mailbox, bcc: ['citizen@example.org'], raw: { blob } };
      return rig.ask('POST', '/api/mail', { body });
    };
    expect((await submit(text)).status).toBe(202);
    expect((await submit(text)).status).toBe(200);
    expect((await submit(message('other'))).body).toMatchObject({
      status: 422,
      type: 'urn:esm-mail-bridge:problem:id-in-use',
    });
  });

  test('what another caller uploaded cannot be sent', async () => {
    const { blob } = await upload(message('secret'), keys.both);
    const body = { id: randomUUID(), mailbox, bcc: ['citizen@example.org'], raw: { blob } };
    expect((await rig.ask('POST', '/api/mail', { body })).body).toMatchObject({
      status: 422,
      problems: [{ field: 'raw.blob' }],
    });
    expect((await rig.ask('POST', '/api/mail', { body, key: keys.both })).status).toBe(202);
  });

  test.each([
    [{ id: 'a', sizeBytes: 36_700_161 }, 413],
    [{ id: 'a' }, 422],
    [{ id: '', sizeBytes: 5 }, 422],
    [{ id: 'a', sizeBytes: 5, colour: 'red' }, 422],
  ])('%j: %d', async (body, status) => {
    const reply = await rig.ask('POST', '/api/uploads', { body });
    expect([reply.status, typeof reply.body['remedy']]).toEqual([status, 'string']);
  });
});

const put = async (queue: string, value: unknown): Promise<void> => {
  await rig.stack.store.queues.getQueueClient(queue).sendMessage(JSON.stringify(value), {
    messageTimeToLive: -1,
  });
};
const take = async (path: string, key: string = keys.receiver): Promise<(typeof feedAnswer)['_output']> => {
  const reply = await rig.ask('GET', path, { key });
  expect(reply.headers.get('cache-control')).toBe('no-store');
  return feedAnswer.parse(reply.body);
};
const acknowledge = (
  path: string,
  receipts: readonly string[],
  key: string = keys.receiver,
): Promise<Reply> => rig.ask('POST', path, { key, body: { receipts } });

describe('feeds', () => {
  test('taken, hidden, acknowledged; what is not acknowledged comes again', async () => {
    await put(queueNames.inboundMail, { id: 'one' });
    const [first] = (await take('/api/notices?hide=1')).messages;
    expect(first).toMatchObject({ event: { id: 'one' }, deliveryCount: 1 });
    let again = (await take('/api/notices?hide=60')).messages;
    for (let look = 0; look < 50 && again.length === 0; look++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      again = (await take('/api/notices?hide=60')).messages;
    }
    expect(again).toMatchObject([{ event: { id: 'one' }, deliveryCount: 2 }]);
    const late = acknowledgedAnswer.parse((await acknowledge('/api/notices', [first?.receipt ?? ''])).body);
    expect(late.results).toMatchObject([{ result: 'late' }]);
    const receipts = again.map(({ receipt }) => receipt);
    const done = acknowledgedAnswer.parse((await acknowledge('/api/notices', receipts)).body);
    expect(done.results).toMatchObject([{ result: 'done' }]);
    const gone = acknowledgedAnswer.parse((await acknowledge('/api/notices', receipts)).body);
    expect(gone.results).toMatchObject([{ result: 'gone' }]);
  });

  test('a receipt works for the caller and the feed it was given to alone, and not changed', async () => {
    await put(queueNames.inboundMail, { id: 'two' });
    const receipt = (await take('/api/notices?hide=3600')).messages[0]?.receipt ?? '';
    const unknown = { status: 422, type: 'urn:esm-mail-bridge:problem:receipt-unknown' };
    expect((await acknowledge('/api/notices', [receipt], keys.both)).body).toMatchObject(unknown);
    expect((await acknowledge('/api/events', [receipt])).body).toMatchObject(unknown);
    expect((await acknowledge('/api/notices', [`a${receipt}`])).body).toMatchObject(unknown);
    expect((await acknowledge('/api/notices', [receipt])).body).toMatchObject({
      results: [{ result: 'done' }],
    });
  });

  test('content that a message names, by its ticket; an address for it; nothing else', async () => {
    const container = rig.stack.store.blobs.getContainerClient('inbound-content');
    await container.getBlockBlobClient('a/raw.eml').uploadData(Buffer.from('mail'));
    await container.getBlockBlobClient('a/large').uploadData(Buffer.alloc(4_000_001));
    await put(queueNames.inboundMail, {
      id: 'three',
      data: { raw: { blob: 'inbound-content/a/raw.eml' }, parts: ['inbound-content/a/large', 'elsewhere/x'] },
    });
    const [given] = (await take('/api/notices')).messages;
    const content = given?.content ?? [];
    expect(content.map(({ blob }) => blob).toSorted()).toEqual([
      'inbound-content/a/large',
      'inbound-content/a/raw.eml',
    ]);
    const href = (name: string): string => content.find(({ blob }) => blob.endsWith(name))?.href ?? '';
    const whole = await rig.ask('GET', href('raw.eml'), { key: keys.receiver });
    expect([whole.status, whole.body]).toEqual([200, { text: 'mail' }]);
    expect((await rig.ask('GET', href('large'), { key: keys.receiver })).status).toBe(413);
    const { url } = addressAnswer.parse(
      (await rig.ask('GET', `${href('large')}&as=address`, { key: keys.receiver })).body,
    );
    expect((await (await fetch(url)).arrayBuffer()).byteLength).toBe(4_000_001);
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(403);
    const stolen = href('raw.eml').replace('raw.eml', 'large');
    expect((await rig.ask('GET', stolen, { key: keys.receiver })).status).toBe(404);
    expect((await rig.ask('GET', href('raw.eml'), { key: keys.sender })).status).toBe(403);
    await acknowledge('/api/notices', [given?.receipt ?? '']);
  });

  test.each([
    [keys.sender, '/api/events', 403],
    [keys.limitedReceiver, '/api/events', 403],
    [keys.receiver, '/api/events?max=33', 400],
    [keys.receiver, '/api/events?hide=0', 400],
    [keys.receiver, '/api/events?other=1', 400],
    [keys.receiver, '/api/events', 200],
  ])('%s GET %s: %d', async (key, path, status) => {
    expect((await rig.ask('GET', path, { key })).status).toBe(status);
  });
});
