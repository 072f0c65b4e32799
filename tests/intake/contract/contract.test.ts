// What docs/intakeContract.md asks of a bridge, against any bridge:
//   INTAKE_CONTRACT_URL=https://… INTAKE_CONTRACT_KEY=… INTAKE_CONTRACT_MAILBOX=… INTAKE_CONTRACT_RECIPIENT=… jest tests/intake/contract
// Without these it runs against the in-memory bridge of the tests. It submits real messages.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../../shared/clock.ts';
import { HttpBridge } from '../../../intake/bridge/httpBridge.ts';
import { idInUseType, mailboxesAnswer, type Heartbeat } from '../../../intake/bridge/contract.ts';
import type { OutgoingMessage } from '../../../intake/message/mendMessage.ts';
import { TestBridge } from '../support/testBridge.ts';

const own = process.env['INTAKE_CONTRACT_URL'] === undefined ? new TestBridge() : undefined;
const mailbox = process.env['INTAKE_CONTRACT_MAILBOX'] ?? 'desk@example.com';
const recipient = process.env['INTAKE_CONTRACT_RECIPIENT'] ?? 'citizen@example.org';
let url: string;
let key: string;
let bridge: HttpBridge;
let requestBytes: number;

beforeAll(async () => {
  await own?.start();
  url = process.env['INTAKE_CONTRACT_URL'] ?? own?.url ?? '';
  key = process.env['INTAKE_CONTRACT_KEY'] ?? own?.key ?? '';
  bridge = new HttpBridge({ url, key, name: 'contract' }, systemClock, new AbortController().signal);
  requestBytes = (await bridge.mailboxes()).maxima.requestBytes;
});

afterAll(async () => {
  bridge.close();
  await own?.stop();
});

const newId = (): string => `smtp-${randomUUID()}`;

const content = (subject: string, body = 'Hello.\r\n'): string =>
  `From: ${mailbox}\r\nTo: ${recipient}\r\nSubject: ${subject}\r\nMessage-ID: <${randomUUID()}@contract>\r\n\r\n${body}`;

interface Reply {
  readonly status: number;
  readonly location: string | null;
  readonly type: string | null;
  readonly body: Readonly<Record<string, unknown>>;
}

async function post(headers: Readonly<Record<string, string>>, body: string): Promise<Reply> {
  const response = await fetch(`${url}/api/mail`, {
    method: 'POST',
    headers: { 'content-type': 'message/rfc822', 'x-bridge-key': key, ...headers },
    body,
  });
  return {
    status: response.status,
    location: response.headers.get('location'),
    type: response.headers.get('content-type'),
    body: (await response.json()) as Readonly<Record<string, unknown>>,
  };
}

const headers = (id: string): Readonly<Record<string, string>> => ({
  'idempotency-key': `"${id}"`,
  'x-mail-mailbox': mailbox,
  'x-mail-recipients': recipient,
});

function outgoing(text: string): OutgoingMessage {
  const bytes = Buffer.from(text);
  return {
    sizeBytes: bytes.length,
    header: text.split('\r\n\r\n')[0] ?? '',
    remarks: ['A remark of the suite.'],
    bytes: async function* () {
      yield bytes;
      await Promise.resolve();
    },
  };
}

describe('GET /api/mailboxes', () => {
  test('names the mailbox and the maxima', async () => {
    const response = await fetch(`${url}/api/mailboxes`, { headers: { 'x-bridge-key': key } });
    expect(response.status).toBe(200);
    const answer = mailboxesAnswer.parse(await response.json());
    expect(answer.mailboxes.some(({ address, send }) => address === mailbox && send)).toBe(true);
  });

  test.each(['', 'wrong-key-0123456789abcdef'])('401 for the key %j', async (wrong) => {
    const response = await fetch(`${url}/api/mailboxes`, { headers: { 'x-bridge-key': wrong } });
    expect(response.status).toBe(401);
  });
});

describe('POST /api/mail', () => {
  test('202 with a location, then 200 with the same for the same again', async () => {
    const id = newId();
    const text = content('first and again');
    const first = await post(headers(id), text);
    expect(first).toMatchObject({ status: 202, location: expect.stringContaining(id) });
    expect(await post(headers(id), text)).toMatchObject({ status: 200, location: first.location });
  });

  test('422 with its own type for the same id with other content, or for other recipients', async () => {
    const id = newId();
    const text = content('one');
    expect((await post(headers(id), text)).status).toBe(202);
    expect(await post(headers(id), content('two'))).toMatchObject({
      status: 422,
      body: { type: idInUseType },
    });
    const others = { ...headers(id), 'x-mail-recipients': `${recipient},other.${recipient}` };
    expect(await post(others, text)).toMatchObject({ status: 422, body: { type: idInUseType } });
  });

  test('two at once: one 202, the other 409 or 200', async () => {
    const id = newId();
    const text = content('at once');
    const replies = await Promise.all([post(headers(id), text), post(headers(id), text)]);
    const statuses = replies.map(({ status }) => status).toSorted();
    expect([
      [200, 202],
      [202, 409],
    ]).toContainEqual(statuses);
  });

  test.each<[string, number, (id: string) => Readonly<Record<string, string>>]>([
    ['no id', 400, (id) => ({ ...headers(id), 'idempotency-key': '' })],
    ['another content type', 415, (id) => ({ ...headers(id), 'content-type': 'text/plain' })],
    [
      'a mailbox that is not served',
      422,
      (id) => ({ ...headers(id), 'x-mail-mailbox': 'nobody@elsewhere.example' }),
    ],
    ['no recipient', 422, (id) => ({ ...headers(id), 'x-mail-recipients': '' })],
    ['a wrong key', 401, (id) => ({ ...headers(id), 'x-bridge-key': 'wrong-key-0123456789abcdef' })],
  ])('%s: %d as a problem', async (_, status, made) => {
    const reply = await post(made(newId()), content('wrong'));
    expect(reply).toMatchObject({ status, body: { detail: expect.stringMatching(/.{5}/) } });
    expect(reply.type).toContain('application/problem+json');
  });

  test('a refusal keeps nothing: the id can be used', async () => {
    const id = newId();
    expect((await post({ ...headers(id), 'x-mail-recipients': '' }, content('x'))).status).toBe(422);
    expect((await post(headers(id), content('x'))).status).toBe(202);
  });
});

describe('as the intake speaks', () => {
  test('a small message, twice', async () => {
    const submission = { id: newId(), mailbox, recipients: [recipient], message: outgoing(content('small')) };
    expect(await bridge.submit(submission)).toEqual({ kind: 'accepted' });
    expect(await bridge.submit(submission)).toEqual({ kind: 'accepted' });
  });

  test('a message larger than a request may be goes by upload, twice', async () => {
    const text = content('large', `${'x'.repeat(76)}\r\n`.repeat(Math.ceil(requestBytes / 78) + 10));
    const submission = { id: newId(), mailbox, recipients: [recipient], message: outgoing(text) };
    expect(await bridge.submit(submission)).toEqual({ kind: 'accepted' });
    expect(await bridge.submit(submission)).toEqual({ kind: 'accepted' });
  });

  test('an envelope that is too long for a header goes by upload', async () => {
    const recipients = Array.from(
      { length: 300 },
      (_, number) => `citizen.with.a.long.name.${number}@example.org`,
    );
    const submission = { id: newId(), mailbox, recipients, message: outgoing(content('many')) };
    expect(await bridge.submit(submission)).toEqual({ kind: 'accepted' });
  });

  test('a failure report, twice', async () => {
    const report = {
      id: newId(),
      mailbox,
      receivedAt: '2026-11-23T10:00:00.000Z',
      kind: 'recipients',
      recipients: [{ recipient: 'user@localhost', detail: 'The address has a domain without a dot.' }],
      header: `Subject: INC-1\r\nMessage-ID: <${randomUUID()}@contract>\r\n`,
    } as const;
    expect(await bridge.reportFailure(report)).toMatchObject({ kind: 'taken' });
    expect(await bridge.reportFailure(report)).toMatchObject({ kind: 'taken' });
  });

  test('a heartbeat', async () => {
    const heartbeat: Heartbeat = {
      version: '0.1.0',
      instance: randomUUID(),
      startedAt: '2026-11-23T10:00:00.000Z',
      node: 'v24.0.0',
      spool: { count: 1, bytes: 2_000, oldestAgeSeconds: 3, freeBytes: 1e10, damagedCount: 0 },
      rejectedCount: 0,
      lastHandedOnAt: '2026-11-23T10:00:00.000Z',
      waitingFor: 'The bridge answered 503',
      certificateDaysLeft: 20,
      accepting: true,
    };
    await expect(bridge.beat(heartbeat)).resolves.toBeUndefined();
  });
});
