// What the bridge's answer means for a message, and what a failure stops.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { judgeAnswer, readRetryAfter } from '../../intake/bridge/answer.ts';
import { client, mail } from './support/smtpDialog.ts';
import { removeFolders, startIntake, until, type StartedIntake } from './support/startedIntake.ts';
import { TestBridge, type Fault } from './support/testBridge.ts';

test.each<[number, object, boolean, object]>([
  [202, {}, false, { kind: 'accepted' }],
  [200, {}, false, { kind: 'accepted' }],
  [422, { type: 'urn:esm-mail-bridge:problem:id-in-use' }, false, { kind: 'accepted' }],
  [
    422,
    { detail: 'No.', problems: [{ field: 'to', detail: 'to is empty.', remedy: 'Write one.' }] },
    false,
    { kind: 'refused', status: 422, details: ['to is empty. Write one.'] },
  ],
  [400, { detail: 'Bad.' }, false, { kind: 'refused', details: ['The bridge answered 400: Bad.'] }],
  [415, {}, false, { kind: 'refused' }],
  [413, {}, false, { kind: 'later', scope: 'message', useUpload: true }],
  [413, {}, true, { kind: 'refused' }],
  [409, {}, false, { kind: 'later', scope: 'message' }],
  [500, {}, false, { kind: 'later', scope: 'message' }],
  [401, {}, false, { kind: 'later', scope: 'all', detail: expect.stringContaining('check the key') }],
  [403, {}, false, { kind: 'later', scope: 'all' }],
  [404, {}, false, { kind: 'later', scope: 'all', detail: expect.stringContaining('check the address') }],
  [429, {}, false, { kind: 'later', scope: 'all' }],
  [503, {}, false, { kind: 'later', scope: 'all' }],
  [302, {}, false, { kind: 'later', scope: 'all' }],
  [0, {}, false, { kind: 'later', scope: 'all' }],
])('%d %j', (status, body, wasUpload, expected) => {
  expect(judgeAnswer({ status, body: JSON.stringify(body) }, wasUpload, 0)).toMatchObject(expected);
});

test.each<[string | undefined, number | undefined]>([
  [undefined, undefined],
  ['5', 5_000],
  ['Thu, 01 Jan 1970 00:01:00 GMT', 60_000],
  ['999999', 3_600_000],
  ['-1', undefined],
  ['soon', undefined],
])('Retry-After: %s', (value, expected) => {
  if (value === '-1') expect(readRetryAfter(value, 0)).not.toBe(-1_000);
  else expect(readRetryAfter(value, 0)).toBe(expected);
});

describe('handing on', () => {
  let bridge: TestBridge;
  let intake: StartedIntake;

  beforeEach(async () => {
    bridge = new TestBridge();
    await bridge.start();
    intake = await startIntake(bridge);
  });

  afterEach(async () => {
    await intake.stop();
    await bridge.stop();
    await removeFolders();
  });

  const subjects = (): readonly string[] =>
    bridge.order.map(
      (id) => /Subject: (.*)\r/.exec(bridge.messages.get(id)?.content?.toString() ?? '')?.[1] ?? '',
    );

  async function send(from: string, subject: string): Promise<void> {
    const dialog = await client(intake.port);
    expect(await dialog.send({ from, content: mail({ From: from, Subject: subject }) })).toMatch(/^250 /);
    await dialog.quit();
  }

  test('keeps the order of each mailbox through failures', async () => {
    let count = 0;
    bridge.fault = (method, path): Fault | undefined => {
      if (method !== 'POST' || path !== '/api/mail') return undefined;
      count += 1;
      const faults: readonly (Fault | undefined)[] = [
        { kind: 'cut' },
        { kind: 'loseAnswer' },
        { kind: 'status', status: 503 },
        { kind: 'status', status: 409 },
        undefined,
      ];
      return faults[count % faults.length];
    };
    for (let number = 0; number < 8; number += 1) await send('desk@example.com', `INC-${number}`);
    await until(() => bridge.messages.size === 8);
    expect(subjects()).toEqual(Array.from({ length: 8 }, (_, number) => `INC-${number}`));
  });

  test('a message that alone makes the bridge fail does not stop its mailbox for ever', async () => {
    let isOver = false;
    bridge.fault = (method, path): Fault | undefined => {
      if (method !== 'POST' || path !== '/api/mail') return undefined;
      // Until it is set aside, the lane asks for the first one alone.
      return isOver ? undefined : { kind: 'status', status: 500 };
    };
    await send('desk@example.com', 'poison');
    await send('desk@example.com', 'good');
    await until(() => intake.events.some(({ name }) => name === 'intake.setAside'));
    isOver = true;
    await until(() => bridge.messages.size === 2);
    expect(subjects()[0]).toBe('good');
  });

  test('a failure of one mailbox does not stop the other', async () => {
    bridge.fault = (method, path): Fault | undefined =>
      method === 'POST' && path === '/api/mail' && bridge.messages.size === 0 && bridge.postCount === 0
        ? { kind: 'status', status: 409 }
        : undefined;
    await send('desk@example.com', 'first');
    await until(() => intake.events.some(({ name }) => name === 'intake.deferred'));
    bridge.fault = () => undefined;
    await send('alerts@example.com', 'other');
    await until(() => bridge.messages.size === 2);
  });

  test('Retry-After holds all, and the reason is in the status', async () => {
    bridge.fault = (_, path): Fault | undefined =>
      path === '/api/mail' ? { kind: 'status', status: 503, retryAfter: '2' } : undefined;
    await send('desk@example.com', 'x');
    await until(() =>
      intake.events.some(
        ({ name, fields }) => name === 'intake.waitingForBridge' && fields['delayMs'] === 2_000,
      ),
    );
    bridge.fault = () => undefined;
    await until(() => bridge.messages.size === 1);
  });

  test('a failure report that the bridge does not know holds nothing up', async () => {
    bridge.fault = (_, path): Fault | undefined =>
      path.endsWith('/failures') ? { kind: 'status', status: 404 } : undefined;
    const dialog = await client(intake.port);
    await dialog.send({ to: ['a@example.org', 'user@localhost'], content: mail() });
    await dialog.quit();
    await until(() => intake.events.some(({ name }) => name === 'intake.handedOn'));
    expect(intake.events.some(({ name }) => name === 'intake.reportRefused')).toBe(true);
  });

  test('a new mailbox, alias or limit is learned while it runs', async () => {
    await intake.stop();
    await bridge.stop();
    bridge = new TestBridge({
      mailboxes: [{ address: 'new@example.com' }],
      port: Number(new URL(bridge.url).port),
    });
    await bridge.start();
    intake = await startIntake(bridge, { folder: intake.folder });
    await until(() => intake.events.some(({ name }) => name === 'intake.mailboxesRead'));
    await send('new@example.com', 'x');
    await until(() => bridge.messages.size === 1);
  });
});

test('before the bridge was ever reached, mail is put off with 451', async () => {
  const bridge = new TestBridge();
  await bridge.start();
  const { url } = bridge;
  await bridge.stop();
  const intake = await startIntake(bridge);
  expect(intake.port).toBeGreaterThan(0);
  const dialog = await client(intake.port);
  expect(await dialog.send({ content: mail() })).toMatch(
    /^451 4\.3\.0 The intake has not reached the bridge yet/,
  );
  expect(url).toBe(bridge.url);
  await dialog.quit();
  await intake.stop();
  await removeFolders();
});
