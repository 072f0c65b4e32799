// Access tokens that end in the middle of the work: they run out, their grant is revoked, the authority refuses or
// asks for time. Each ends in the right state with a message for the administrator, and never retries in a loop: the
// authority's calls and the servers' logins are counted. And no token is anywhere that it should not be.
//
// Tokens live eight seconds here (real: 60 to 90 minutes); they are refreshed half-way.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { StepInfo } from '../../local/emulators/exchange/faults.ts';
import type { HostProcess } from '../../local/functionsHost/hostProcess.ts';
import { systemClock, systemRandom } from '../../shared/clock.ts';
import { accountKey } from '../../shared/mail/accountKey.ts';
import { Grants, grantName } from '../../shared/oauth/grants.ts';
import { tableSignInRows } from '../../shared/oauth/tableSignInRows.ts';
import type { Hold } from '../../shared/outbound/records/accountState.ts';
import { containerNames, tableNames } from '../../shared/storage/names.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';
import { everythingIn, findIn, formsOf } from './canaries.ts';
import { applicationMailbox, inboundNumbers, startRig, submission, until, type Rig } from './rig.ts';

const tokenMs = 8_000;
/** A sentence of our own, then the number to search for. */
const sentence = /^[A-Z][a-z ].*\. \(AADSTS\d+, correlation id [0-9a-f-]{36}\)$/;
const addressOf = (name: string): string => `${name}@kunta.example`;
const delegated = (name: string): ReturnType<typeof applicationMailbox> =>
  applicationMailbox(name, { signIn: 'delegated', receive: true, fetchFrom: 'all' });

let rig: Rig;
let host: HostProcess;
let beforeStep: (step: string, info: StepInfo) => Promise<undefined> | undefined = () => undefined;
/** Every token that was given out or shown, as far as the emulators saw it. */
const secrets = new Set<string>();

beforeAll(async () => {
  rig = await startRig({
    mailboxes: [
      delegated('reads'),
      delegated('gone'),
      applicationMailbox('long'),
      applicationMailbox('app'),
      applicationMailbox('slow'),
    ],
    accessTokenMs: tokenMs,
    // Every rotated refresh token goes to the vault, where it can be learnt what to look for.
    settings: { INBOUND_NUMBERS: inboundNumbers, STORE_GRANTS_AT_ONCE: 'true' },
    exchange: { beforeStep: (step, info) => beforeStep(step, info) },
  });
  listen(rig);
  host = await rig.startHost();
}, 120_000);
afterAll(() => rig.close(), 60_000);

/** Notes the tokens that mail servers are shown, and the assertions that the managed identity gives. */
function listen({ stack: { entra } }: Rig): void {
  const checkToken = entra.checkToken.bind(entra);
  const sign = entra.sign.bind(entra);
  Object.assign(entra, {
    checkToken: (token: string) => {
      secrets.add(token);
      return checkToken(token);
    },
    sign: async (...claims: Parameters<typeof sign>) => {
      const token = await sign(...claims);
      secrets.add(token);
      return token;
    },
  });
}

const refreshTokens = (): readonly string[] => {
  const { store } = rig.stack.vault;
  return store
    .names()
    .flatMap((name) => store.versions(name))
    .flatMap(({ value }) => /"refreshToken":"([^"]+)"/.exec(value)?.[1] ?? []);
};

const put = (id: string, mailbox: string): Promise<void> =>
  rig.esm.submit(submission(id, addressOf(mailbox)));
const sent = (id: string): Promise<void> =>
  until(
    `${id} is sent`,
    () => rig.eventTypes(id).includes('sent'),
    () => rig.eventTypes(id),
  );
const holdOf = async (name: string): Promise<Hold | undefined> =>
  (await rig.outbound.watch(addressOf(name))).state.holds[0];
const tried = (name: string, times: number): Promise<void> =>
  until(
    `${name} was tried ${String(times)} times`,
    async () => ((await holdOf(name))?.probeCount ?? 0) >= times,
  );
const outcomes = (outcome: 'ok' | number): number =>
  rig.stack.entra.calls.filter((call) => call.outcome === outcome).length;
const logins = (name: string, protocol: 'smtp' | 'imap'): number =>
  rig.stack.exchange.log.connections.filter(
    (one) => one.protocol === protocol && one.account?.toLowerCase() === addressOf(name),
  ).length;

function deliver(name: string, count: number): void {
  for (let number = 1; number <= count; number += 1) {
    rig.stack.exchange.store
      .mailbox(addressOf(name))
      .deliver(
        `From: aino@muualla.example\r\nTo: ${addressOf(name)}\r\nSubject: ${String(number)}\r\n` +
          `Message-ID: <${name}.${String(number)}@muualla.example>\r\n\r\nHei.\r\n`,
      );
  }
}

const noticesOf = (name: string): number =>
  rig.esm.notices.filter(({ data }) => data['mailbox'] === addressOf(name)).length;

async function cursorOf(name: string): Promise<{ readonly detail: string; readonly failureCount: number }> {
  const row = await rig.stack.store
    .table(tableNames.inbound)
    .getEntity(accountKey(addressOf(name)), 'cursor');
  return JSON.parse(String(row['cursor'])) as { detail: string; failureCount: number };
}

test('runs out in the middle of a fetch: one more session with a new token, in the same pass', async () => {
  deliver('reads', 6);
  let waited = false;
  beforeStep = async (step, info) => {
    if (waited || step !== 'message' || info.uid !== 4) return undefined;
    waited = true;
    const from = performance.now();
    await until('the token has run out', () => performance.now() - from > tokenMs);
    return undefined;
  };
  expect(await host.run('fetchMail')).toBe(true);
  beforeStep = () => undefined;
  await until('all are announced', () => noticesOf('reads') === 6);
  expect(waited).toBe(true);
  expect(logins('reads', 'imap')).toBe(2);
  const calls = rig.stack.entra.calls.filter(({ account }) => account === addressOf('reads'));
  expect(calls.map(({ outcome }) => outcome)).toEqual(['ok', 'ok']);
  expect(await cursorOf('reads')).toMatchObject({ failureCount: 0 });
}, 120_000);

test('rejected in the middle of an SMTP session: the account is held, a probe ends it, no message is charged', async () => {
  const reply = { kind: 'reply', code: 530, enhanced: '5.7.57' } as const;
  rig.stack.exchange.injectFault({
    protocol: 'smtp',
    at: 'mail',
    account: addressOf('long'),
    skip: 2,
    times: 2,
    does: { ...reply, text: 'Client not authenticated to send mail.' },
  });
  const ids = Array.from({ length: 6 }, (_, index) => `long-${String(index)}`);
  for (const id of ids) await put(id, 'long');
  for (const id of ids) await sent(id);
  expect(ids.map((id) => rig.eventTypes(id))).toEqual(ids.map(() => ['accepted', 'sent']));
  expect(ids.map((id) => rig.stack.exchange.log.messagesOf(id).length)).toEqual(ids.map(() => 1));
  const held = rig.events('outbound.holdPlaced').filter(({ account }) => account === addressOf('long'));
  expect(held.length).toBeGreaterThanOrEqual(1);
  expect(held[0]).toMatchObject({ reason: 'signIn' });
  expect(String(held[0]?.['detail'])).toContain('never signed in');
  // Two at first, one for each try; a refused session is not used again.
  expect(logins('long', 'smtp')).toBeLessThanOrEqual(6);
}, 120_000);

test('revoked: the mailbox needs consent in both directions, one alert, the authority asked once; connected again, all goes on', async () => {
  const name = 'gone';
  await put('gone-1', name);
  await sent('gone-1');
  rig.stack.entra.revokeSessions(addressOf(name));
  const from = outcomes(50173);
  const loginsBefore = [logins(name, 'smtp'), logins(name, 'imap')];
  // The token in hand serves to its end.
  const end = performance.now() + tokenMs;
  await until('the token in hand has run out', () => performance.now() > end);
  for (const id of ['gone-2', 'gone-3']) await put(id, name);
  await until('it is held', async () => (await holdOf(name))?.reason === 'consent');
  expect((await holdOf(name))?.detail).toMatch(sentence);
  expect((await holdOf(name))?.remedy).toContain('Connect the mailbox again');
  await tried(name, 3);
  deliver(name, 2);
  for (let pass = 0; pass < 3; pass += 1) expect(await host.run('fetchMail')).toBe(true);
  const cursor = await cursorOf(name);
  expect(cursor.failureCount).toBeGreaterThan(0);
  expect(cursor.detail).toMatch(sentence);
  expect(noticesOf(name)).toBe(0);
  expect(outcomes(50173) - from).toBe(1);
  expect([logins(name, 'smtp'), logins(name, 'imap')]).toEqual(loginsBefore);
  const alerts = rig
    .events('oauth.consentNeeded')
    .filter(({ grant }) => grant === grantName(addressOf(name)));
  expect(alerts).toHaveLength(1);
  for (const id of ['gone-2', 'gone-3']) expect(rig.eventTypes(id)).toEqual(['accepted']);

  await reconnect(name);
  for (const id of ['gone-2', 'gone-3']) await sent(id);
  expect(rig.eventTypes('gone-2')).toEqual(['accepted', 'sent']);
  await until('the mails are fetched', async () => {
    await host.run('fetchMail');
    return noticesOf(name) === 2;
  });
  expect(await cursorOf(name)).toMatchObject({ failureCount: 0 });
  expect(alerts).toHaveLength(1);
}, 240_000);

/** What the page does at the end of a consent. */
async function reconnect(name: string): Promise<void> {
  const { vault, entra, store, settings } = rig.stack;
  const rows = tableSignInRows(new TableRows(store.table(tableNames.ops)));
  const grants = new Grants(
    {
      read: () => Promise.resolve({ kind: 'absent' }),
      write: (secret, value, tags) =>
        Promise.resolve({
          kind: 'written',
          version: vault.store.set(secret, systemClock.now(), { value, tags }).version,
        }),
    },
    rows,
    { clock: systemClock, random: systemRandom },
  );
  // The revocation was to the millisecond; a grant of the same one would be revoked as well.
  const revokedAt = Date.now();
  await until('a later millisecond', () => Date.now() > revokedAt);
  const scope = `${String(settings['OAUTH_SCOPES']).replaceAll(',', ' ')} offline_access`;
  const refreshToken = entra.grant(addressOf(name), String(settings['OAUTH_CLIENT_ID']), scope);
  expect(
    await grants.connect(grantName(addressOf(name)), { refreshToken, account: addressOf(name) }),
  ).toEqual({
    kind: 'connected',
  });
}

test('refused by the authority: the account is held with its sentence, and goes on when that is mended', async () => {
  await put('app-1', 'app');
  await sent('app-1');
  // The credential of the app is no longer valid.
  rig.stack.entra.injectFault({ kind: 'refusal', code: 700213 });
  const from = rig.stack.entra.calls.length;
  const end = performance.now() + tokenMs;
  await until('the token in hand has run out', () => performance.now() > end);
  for (const id of ['app-2', 'app-3']) await put(id, 'app');
  await until('it is held', async () => (await holdOf('app')) !== undefined);
  expect(await holdOf('app')).toMatchObject({ reason: 'signIn' });
  expect((await holdOf('app'))?.detail).toMatch(sentence);
  expect((await holdOf('app'))?.detail).not.toContain('refused by the emulator');
  await tried('app', 4);
  // One request; the answer is cached for half a minute, for all callers.
  expect(rig.stack.entra.calls.length - from).toBeLessThanOrEqual(2);
  expect(logins('app', 'smtp')).toBe(1);
  rig.stack.entra.clearFaults();
  for (const id of ['app-2', 'app-3']) await sent(id);
  expect(rig.eventTypes('app-3')).toEqual(['accepted', 'sent']);
}, 240_000);

test('429 from the authority is no bad credential: the Retry-After is respected', async () => {
  rig.stack.entra.injectFault({ kind: 'throttled', retryAfterSeconds: 3, times: 2 });
  const from = outcomes(429);
  const end = performance.now() + tokenMs;
  await until('the token in hand has run out', () => performance.now() > end);
  const startedAt = performance.now();
  await put('slow-1', 'slow');
  await until('it is held', async () => (await holdOf('slow')) !== undefined);
  expect(await holdOf('slow')).toMatchObject({ reason: 'noToken' });
  await sent('slow-1');
  expect(rig.eventTypes('slow-1')).toEqual(['accepted', 'sent']);
  expect(outcomes(429) - from).toBe(2);
  expect(performance.now() - startedAt).toBeGreaterThan(6_000);
  expect(rig.events('oauth.consentNeeded').filter(({ grant }) => grant === 'application')).toEqual([]);
}, 120_000);

test('no token is in a line of the log, a row, a blob, a queue message or an error, in whatever form', async () => {
  for (const token of refreshTokens()) secrets.add(token);
  // Both kinds of access token, the identity's assertions and several generations of refresh tokens.
  expect(secrets.size).toBeGreaterThan(8);
  expect(refreshTokens().length).toBeGreaterThan(4);
  expect([...secrets].every((secret) => secret.length > 60)).toBe(true);

  const logged = rig.lines.map((line, index) => ({
    name: `line ${String(index)}`,
    content: Buffer.from(JSON.stringify(line)),
  }));
  expect(logged.length).toBeGreaterThan(100);
  const eventTypes = JSON.stringify([
    rig.esm.notices,
    rig.esm.rejections,
    ['gone-1', 'app-2'].map((id) => rig.esm.eventsOf(id)),
  ]);
  const places = [
    ...logged,
    { name: 'published to ESM', content: Buffer.from(eventTypes) },
    ...(await everythingIn(rig.stack.store)),
  ];
  expect(findIn(places, secrets)).toEqual([]);

  // And the search finds what is there: every form of one of them, planted in a blob of its own.
  const [canary = ''] = secrets;
  const container = rig.stack.store.blobs.getContainerClient(containerNames.outboundUploads);
  const planted = formsOf(canary);
  for (const [index, form] of planted.entries()) {
    const content = Buffer.concat([Buffer.from('before '), form, Buffer.from(' after')]);
    await container.getBlockBlobClient(`canary-${String(index)}`).uploadData(content);
  }
  expect(new Set(findIn(await everythingIn(rig.stack.store), [canary]))).toEqual(
    new Set(planted.map((_form, index) => `${containerNames.outboundUploads}/canary-${String(index)}`)),
  );
}, 120_000);
