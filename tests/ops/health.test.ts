import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { answerHealth } from '../../shared/ops/health.ts';
import { readReadiness } from '../../shared/ops/readiness.ts';
import type { MailboxReadiness, ReadinessDependencies } from '../../shared/ops/readiness.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import { version } from '../../shared/version.ts';

const viewer = 'MailBridge.Viewer';
const ready: MailboxReadiness = {
  address: 'desk@example.test',
  send: { state: 'ready', detail: '' },
  receive: { state: 'unused', detail: '' },
};

function principal(
  claims: readonly { readonly typ: string; readonly val: string }[],
): Record<string, string> {
  return {
    'x-ms-client-principal-idp': 'aad',
    'x-ms-client-principal': Buffer.from(JSON.stringify({ claims })).toString('base64'),
  };
}
/** As a page session hands it over, and as a bearer token of an application does. */
const session = principal([
  { typ: 'http://schemas.microsoft.com/identity/claims/objectidentifier', val: 'a1' },
  { typ: 'preferred_username', val: 'aino@example.test' },
  { typ: 'roles', val: viewer },
]);
const bearer = principal([
  { typ: 'oid', val: 'b2' },
  { typ: 'azp', val: 'c3' },
  { typ: 'ver', val: '2.0' },
  { typ: 'roles', val: viewer },
]);

let asked = 0;
async function ask(
  headers: Readonly<Record<string, string>>,
  options: {
    readonly on?: boolean;
    readonly readiness?: () => Promise<readonly MailboxReadiness[]>;
  } = {},
): Promise<{ readonly status: number; readonly body: unknown }> {
  asked = 0;
  const { on = true, readiness = () => Promise.resolve([ready]) } = options;
  const answer = await answerHealth(
    { header: (name) => headers[name] },
    {
      version: '1.2.3',
      roles: [viewer, 'MailBridge.Administrator'],
      authenticationOn: on,
      readiness: () => {
        asked += 1;
        return readiness();
      },
    },
  );
  return { status: answer.status, body: JSON.parse(answer.body) as unknown };
}

test.each([
  { who: 'nobody', headers: {} },
  { who: 'a user without the role', headers: principal([{ typ: 'oid', val: 'a1' }]) },
  { who: 'a principal while sign-in is off', headers: session, on: false },
  { who: 'a principal that is not readable', headers: { 'x-ms-client-principal': '%%%' } },
])('$who learns that it runs and its version; the store is not asked', async ({ headers, on }) => {
  const answer = await ask(headers, on === undefined ? {} : { on });
  expect(answer).toEqual({ status: 200, body: { status: 'alive', version: '1.2.3' } });
  expect(asked).toBe(0);
});

test.each([
  ['a page session', session],
  ['a bearer token', bearer],
])('a viewer with %s sees each mailbox', async (_how, headers) => {
  expect(await ask(headers)).toEqual({
    status: 200,
    body: { status: 'alive', version: '1.2.3', ready: true, mailboxes: [ready] },
  });
});

test('a mailbox that is not ready does not make the app look dead', async () => {
  const not: MailboxReadiness = { ...ready, send: { state: 'notReady', detail: 'Paused.' } };
  expect(await ask(session, { readiness: () => Promise.resolve([ready, not]) })).toMatchObject({
    status: 200,
    body: { ready: false },
  });
});

test('settings that cannot be used are told to a viewer, and to nobody else', async () => {
  const readiness = (): Promise<never> => Promise.reject(new Error('MAILBOXES is missing.'));
  expect(await ask(session, { readiness })).toEqual({
    status: 200,
    body: { status: 'alive', version: '1.2.3', ready: false, detail: 'MAILBOXES is missing.' },
  });
  expect((await ask({}, { readiness })).body).toEqual({ status: 'alive', version: '1.2.3' });
});

const limits = { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 };
const mailbox = (address: string, change: Partial<Mailbox> = {}): Mailbox => ({
  address,
  signIn: 'application',
  imapUser: address,
  smtpUser: 'robot@example.test',
  send: true,
  receive: true,
  folder: 'INBOX',
  afterFetch: { kind: 'none' },
  fetchFrom: { kind: 'all' },
  limits,
  ...change,
});
const cursor = {
  folder: 'INBOX',
  uidValidity: 1,
  lastUid: 1,
  retryList: [],
  failureCount: 0,
  retryAt: 0,
  lastRunAt: 2_000,
  lastSuccessAt: 1_000,
  hasMore: false,
  detail: '',
  vanishedCount: 0,
  missing: [],
  firstRunAt: 0,
  unannounced: [],
  incomplete: [],
  hasPending: false,
  rescanTop: 0,
  rowsPrunedUntil: 0,
  caughtUpAt: 0,
};
const hold = {
  reason: 'paused' as const,
  detail: 'Paused by aino.',
  remedy: 'Resume it.',
  since: 1,
  probeCount: 0,
  firstProbeMs: 60_000,
};

const readinessOf = (change: Partial<ReadinessDependencies>): Promise<readonly MailboxReadiness[]> =>
  readReadiness({
    mailboxes: [mailbox('desk@example.test')],
    holds: () => Promise.resolve([]),
    cursors: () => Promise.resolve(new Map([['desk@example.test', cursor]])),
    grant: () => Promise.resolve(undefined),
    ...change,
  });

test('ready: no hold, fetched without failure', async () => {
  expect(await readinessOf({})).toEqual([
    {
      address: 'desk@example.test',
      send: { state: 'ready', detail: '' },
      receive: { state: 'ready', detail: '', lastSuccessAt: '1970-01-01T00:00:01.000Z' },
    },
  ]);
});

test("a hold of the account stops all its mailboxes, a mailbox's own hold only that one", async () => {
  const mailboxes = [mailbox('Desk@example.test'), mailbox('sales@example.test')];
  const states = async (holds: readonly object[]): Promise<readonly string[]> =>
    (await readinessOf({ mailboxes, holds: () => Promise.resolve(holds as (typeof hold)[]) })).map(
      ({ send }) => send.state,
    );
  expect(await states([hold])).toEqual(['notReady', 'notReady']);
  expect(await states([{ ...hold, mailbox: 'desk@example.test' }])).toEqual(['notReady', 'ready']);
});

test.each([
  ['never fetched', undefined, 'It has not been fetched yet.'],
  ['failing', { ...cursor, failureCount: 2, detail: 'AUTHENTICATE failed.' }, 'AUTHENTICATE failed.'],
  ['failing from the first', { ...cursor, lastSuccessAt: 0, detail: 'No folder.' }, 'No folder.'],
])('receiving is not ready: %s', async (_why, found, detail) => {
  const [one] = await readinessOf({
    cursors: () => Promise.resolve(new Map([['desk@example.test', found]])),
  });
  expect(one?.receive).toMatchObject({ state: 'notReady', detail });
});

test('a delegated mailbox without a usable grant can do neither, with the remedy', async () => {
  const [one] = await readinessOf({ mailboxes: [mailbox('desk@example.test', { signIn: 'delegated' })] });
  expect([one?.send, one?.receive]).toEqual(
    Array(2).fill({
      state: 'notReady',
      detail: 'Nobody has connected this mailbox yet.',
      remedy: expect.stringContaining('/api/oauth/connect'),
    }),
  );
});

test('a direction that the settings switch off is unused, not broken', async () => {
  const [one] = await readinessOf({
    mailboxes: [mailbox('desk@example.test', { receive: false })],
    cursors: () => Promise.resolve(new Map()),
  });
  expect(one?.receive).toEqual({ state: 'unused', detail: '' });
});

test('the version is that of package.json', () => {
  const file = join(import.meta.dirname, '../../package.json');
  expect(version).toBe((JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version);
});
