// The HTTP routes as they are deployed: the package in the local host, Azurite behind it, and keys in the vault.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPackage } from '../../local/build/buildPackage.ts';
import type { HostProcess, HostProcessLine } from '../../local/functionsHost/hostProcess.ts';
import { startStack, type Stack, type StackOptions } from '../../local/stack/stack.ts';
import { systemClock } from '../../shared/clock.ts';
import { hashOf, writeCallers, type StoredCaller } from '../../shared/http/callers.ts';
import { callerSecretName } from '../../shared/oauth/callerSecret.ts';

export const mailbox = 'desk@kunta.example';
export const otherMailbox = 'other@kunta.example';

export const keys = {
  sender: `emb_${'1'.repeat(64)}`,
  /** The second of the same caller, while its key is rotated. */
  senderNext: `emb_${'2'.repeat(64)}`,
  limited: `emb_${'3'.repeat(64)}`,
  receiver: `emb_${'4'.repeat(64)}`,
  both: `emb_${'5'.repeat(64)}`,
  limitedReceiver: `emb_${'6'.repeat(64)}`,
} as const;

const stored = (key: string): StoredCaller['keys'][number] => ({ sha256: hashOf(key), createdAt: 0 });

export const callers: readonly StoredCaller[] = [
  { name: 'sender', rights: ['send'], keys: [stored(keys.sender), stored(keys.senderNext)] },
  { name: 'limited', rights: ['send'], mailboxes: [otherMailbox], keys: [stored(keys.limited)] },
  { name: 'receiver', rights: ['receive'], keys: [stored(keys.receiver)] },
  { name: 'both', rights: ['send', 'receive'], keys: [stored(keys.both)] },
  {
    name: 'limitedReceiver',
    rights: ['receive'],
    mailboxes: [otherMailbox],
    keys: [stored(keys.limitedReceiver)],
  },
];

export interface Reply {
  readonly status: number;
  readonly type: string;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface HttpRig {
  readonly stack: Stack;
  readonly host: HostProcess;
  readonly lines: readonly HostProcessLine[];
  ask(method: string, path: string, options?: AskOptions): Promise<Reply>;
  close(): Promise<void>;
}

export interface AskOptions {
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Starts stack and host; mail is accepted and not sent unless `sends`. */
export async function startHttpRig({
  settings,
  sends = false,
  storeOf,
  ...options
}: Partial<StackOptions> & {
  readonly sends?: boolean;
  /** The connection string that the host gets, for a store behind a proxy. */
  readonly storeOf?: (stack: Stack) => Promise<string>;
} = {}): Promise<HttpRig> {
  const appFolder = mkdtempSync(join(tmpdir(), 'http-package-'));
  await buildPackage(appFolder);
  const stack = await startStack({
    clock: systemClock,
    mailboxes: [
      { address: mailbox, signIn: 'application', aliases: ['help@kunta.example'] },
      { address: otherMailbox, signIn: 'application' },
    ],
    ...options,
    settings: {
      EVENTS_TO: 'http',
      ...(sends ? {} : { 'AzureWebJobs.sendMail.Disabled': 'true' }),
      ...settings,
    },
  });
  stack.vault.seed(callerSecretName, writeCallers(callers));
  const lines: HostProcessLine[] = [];
  const host = await stack.startHost({
    appFolder,
    timersOff: !sends,
    ...(storeOf === undefined ? {} : { settings: { MailStore: await storeOf(stack) } }),
    onLine: (line) => lines.push(line),
  });
  return {
    stack,
    host,
    lines,
    ask: (method, path, asked) => ask(host.url, method, path, asked),
    close: async () => {
      await host.stop();
      await stack.close();
      rmSync(appFolder, { recursive: true, force: true });
    },
  };
}

/** One request; a body that is an object is sent as JSON. */
export async function ask(
  url: string,
  method: string,
  path: string,
  { key = keys.sender, headers = {}, body }: AskOptions = {},
): Promise<Reply> {
  const isJson = typeof body === 'object' && !(body instanceof Uint8Array) && !(body instanceof FormData);
  const response = await fetch(new URL(path, url), {
    method,
    headers: {
      ...(key === '' ? {} : { 'x-bridge-key': key }),
      ...(isJson ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    ...(body === undefined
      ? {}
      : { body: isJson ? JSON.stringify(body) : (body as string | Uint8Array<ArrayBuffer> | FormData) }),
  });
  const text = await response.text();
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    read = { text };
  }
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    headers: response.headers,
    body: read as Reply['body'],
  };
}
