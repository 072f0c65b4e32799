// What a client sees and what reaches the bridge, over TCP and HTTP.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { client, mail } from './support/smtpDialog.ts';
import { removeFolders, startIntake, until, type StartedIntake } from './support/startedIntake.ts';
import { TestBridge } from './support/testBridge.ts';

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

const only = (): string => [...bridge.messages.values()][0]?.content?.toString('latin1') ?? '';

describe('a mail', () => {
  test('is answered with 250 and reaches the bridge with its envelope', async () => {
    const dialog = await client(intake.port);
    const reply = await dialog.send({ to: ['a@example.org', 'b@example.org'], content: mail() });
    expect(reply).toMatch(/^250 2\.0\.0 Queued as smtp-[0-9a-f]{40}$/);
    await until(() => bridge.messages.size === 1);
    const [message] = bridge.messages.values();
    expect(message).toMatchObject({
      id: reply.split(' ').at(-1),
      mailbox: 'desk@example.com',
      recipients: ['a@example.org', 'b@example.org'],
      remarks: [],
    });
    expect(only()).toContain('Subject: INC-1\r\n');
    await until(() => intake.events.some(({ name }) => name === 'intake.handedOn'));
    await dialog.quit();
  });

  test('one bad recipient among good ones is taken and reported', async () => {
    const dialog = await client(intake.port);
    const reply = await dialog.send({ to: ['a@example.org', 'user@localhost'], content: mail() });
    expect(reply).toMatch(/^250 /);
    await until(() => bridge.failures.length === 1);
    expect([...bridge.messages.values()][0]?.recipients).toEqual(['a@example.org']);
    expect(bridge.failures[0]?.body).toMatchObject({
      kind: 'recipients',
      mailbox: 'desk@example.com',
      recipients: [{ recipient: 'user@localhost', detail: expect.stringContaining('domain without a dot') }],
      header: expect.stringContaining('Subject: INC-1'),
    });
    await dialog.quit();
  });

  test.each([
    [
      'unknown From',
      mail({ From: 'someone@elsewhere.example' }),
      ['a@example.org'],
      /^550 5\.7\.1 From .* is no mailbox/,
    ],
    [
      'two From fields',
      `From: desk@example.com\r\n${mail({ From: 'help@example.com' })}`,
      ['a@example.org'],
      /^550 5\.6\.0 .*more than once/,
    ],
    [
      'two authors',
      mail({ From: 'desk@example.com, help@example.com' }),
      ['a@example.org'],
      /^550 5\.6\.0 .*more than one author/,
    ],
    ['no usable recipient', mail(), ['user@localhost'], /^550 5\.1\.3 .*domain without a dot/],
  ])('%s is refused at the end of DATA, with a reason', async (_, content, to, expected) => {
    const dialog = await client(intake.port);
    expect(await dialog.send({ to, content })).toMatch(expected);
    expect(await dialog.send({ content: mail() })).toMatch(/^250 /);
    await dialog.quit();
  });

  test('of an alias goes out as the alias of its mailbox', async () => {
    const dialog = await client(intake.port);
    expect(await dialog.send({ content: mail({ From: 'Help <help@example.com>' }) })).toMatch(/^250 /);
    await until(() => bridge.messages.size === 1);
    expect([...bridge.messages.values()][0]?.mailbox).toBe('desk@example.com');
    expect(only()).toContain('From: Help <help@example.com>');
    await dialog.quit();
  });

  test('with MAIL FROM:<> is taken if From is a mailbox', async () => {
    const dialog = await client(intake.port);
    expect(await dialog.send({ from: '', content: mail() })).toMatch(/^250 /);
    await dialog.quit();
  });

  test('larger than the limit gets 552 and the connection stays usable', async () => {
    await intake.stop();
    await bridge.stop();
    bridge = new TestBridge({ maxima: { messageBytes: 200_000 } });
    await bridge.start();
    intake = await startIntake(bridge);
    const dialog = await client(intake.port);
    const large = mail({}, 'x'.repeat(70).concat('\r\n').repeat(5_000));
    expect(await dialog.send({ content: large })).toMatch(/^552 5\.3\.4 /);
    expect(await dialog.send({ content: mail() })).toMatch(/^250 /);
    await until(() => bridge.messages.size === 1);
    await dialog.quit();
  });
});
