// The stack by itself: the settings for a host, two stacks at once, and that nothing is left behind.
import { afterEach, expect, test } from '@jest/globals';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { EsmQueueClient } from '../../local/stack/esmQueueClient.ts';
import { startStack, type MailboxSetting, type Stack, type StackOptions } from '../../local/stack/stack.ts';
import { systemClock } from '../../shared/clock.ts';
import { readSettings } from '../../shared/config/readSettings.ts';
import { grantName } from '../../shared/oauth/grants.ts';
import { queueNames } from '../../shared/storage/names.ts';

const mailboxes: readonly MailboxSetting[] = [
  { address: 'desk@kunta.example', signIn: 'delegated', smtpUser: 'clerk@kunta.example' },
  { address: 'alerts@kunta.example', signIn: 'application' },
];

const stacks: Stack[] = [];
const folders: string[] = [];
afterEach(async () => {
  await Promise.all(stacks.splice(0).map((stack) => stack.close()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function start(options: Partial<StackOptions> = {}): Promise<Stack> {
  const stack = await startStack({ clock: systemClock, mailboxes, ...options });
  stacks.push(stack);
  return stack;
}

/** The ports on which something of it listens. */
const portsOf = ({ azurite: { ports }, exchange, entra }: Stack): readonly number[] => [
  ports.blob,
  ports.queue,
  ports.table,
  exchange.smtpPort,
  exchange.imapPort,
  entra.port,
];

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}

test('its settings are such as the bridge takes, with every mailbox and its own ports', async () => {
  const stack = await start();
  const answer = readSettings(stack.settings);
  if (answer.kind !== 'ok') throw new Error(JSON.stringify(answer));
  expect(answer.settings.mailboxes.map(({ address }) => address)).toEqual(
    mailboxes.map(({ address }) => address),
  );
  expect(answer.settings.accounts.map(({ user }) => user)).toEqual([
    'clerk@kunta.example',
    'alerts@kunta.example',
  ]);
  expect(answer.settings.smtp.port).toBe(stack.exchange.smtpPort);
  expect(answer.settings.imap.port).toBe(stack.exchange.imapPort);
}, 60_000);

test('a delegated mailbox is connected, as the user who logs in; or not, where a consent is to be shown', async () => {
  const [connected, not] = await Promise.all([start(), start({ connected: false })]);
  const name = grantName('desk@kunta.example');
  expect(connected.vault.store.names()).toEqual([name]);
  expect(JSON.parse(connected.vault.store.get(name)?.value ?? '')).toMatchObject({
    account: 'clerk@kunta.example',
  });
  expect(not.vault.store.names()).toEqual([]);
}, 60_000);

test('two at once have nothing in common, and one that ends leaves the other alone', async () => {
  const [one, other] = await Promise.all([start(), start()]);
  expect(portsOf(one).filter((port) => portsOf(other).includes(port))).toEqual([]);
  const authority = one.settings['NODE_EXTRA_CA_CERTS'] ?? '';
  expect(existsSync(authority)).toBe(true);
  await new EsmQueueClient(one.store).submit({ id: 'only here' });
  await one.close();
  expect(await Promise.all(portsOf(one).map(listens))).toEqual(portsOf(one).map(() => false));
  expect(existsSync(dirname(authority))).toBe(false);
  const queue = other.store.queues.getQueueClient(queueNames.outboundMail);
  expect((await queue.getProperties()).approximateMessagesCount).toBe(0);
}, 60_000);

test('what had started is ended when the rest does not start', async () => {
  // Whoever starts a process of the emulator's listens for our end, and no longer when that process is gone.
  const before = process.listenerCount('exit');
  const broken = start({
    exchange: {
      get latency(): never {
        expect(process.listenerCount('exit')).toBeGreaterThan(before);
        throw new Error('does not start');
      },
    },
  });
  await expect(broken).rejects.toThrow('does not start');
  expect(process.listenerCount('exit')).toBe(before);
}, 60_000);

test('with a folder, storage outlives it', async () => {
  const storeFolder = mkdtempSync(join(tmpdir(), 'stack-'));
  folders.push(storeFolder);
  const first = await start({ storeFolder });
  await new EsmQueueClient(first.store).submit({ id: 'kept' });
  await first.close();
  const { store } = await start({ storeFolder });
  const queue = store.queues.getQueueClient(queueNames.outboundMail);
  expect((await queue.peekMessages()).peekedMessageItems.map(({ messageText }) => messageText)).toEqual([
    '{"id":"kept"}',
  ]);
}, 60_000);
