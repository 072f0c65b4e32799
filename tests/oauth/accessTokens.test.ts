import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { TokenAnswer } from '../../shared/mail/accessToken.ts';
import { grantName } from '../../shared/oauth/grants.ts';
import type { SignIn } from '../../shared/oauth/signIn.ts';
import {
  DAY_MS,
  MINUTE_MS,
  SCOPES,
  eventNames,
  mailbox,
  refreshes,
  robot,
  startWorld,
  support,
} from './world.ts';
import type { World } from './world.ts';

let world: World;
beforeEach(async () => {
  world = await startWorld();
});
afterEach(async () => {
  await world.close();
});

const kinds = (answers: readonly TokenAnswer[]): readonly string[] => answers.map(({ kind }) => kind);
const tokenOf = (answer: TokenAnswer): string => {
  if (answer.kind !== 'token') throw new Error(`${answer.kind}: ${answer.detail}`);
  return answer.token;
};

describe('delegated', () => {
  test('the token is one that the mail servers accept, and the app proved itself with the managed identity', async () => {
    await world.connect(support);
    const answer = await world.worker().tokens.get(support, 'imap');
    expect(await world.entra.checkToken(tokenOf(answer))).toMatchObject({
      kind: 'ok',
      way: 'delegated',
      user: 'support@example.test',
      appId: world.clientId,
      scopes: ['IMAP.AccessAsUser.All', 'SMTP.Send'],
    });
    expect(world.entra.calls.map(({ proof, outcome }) => [proof, outcome])).toEqual([['assertion', 'ok']]);
    expect(world.identity.calls).toContain('api://AzureADTokenExchange');
  });

  test('both protocols share one token, until ten minutes before its end', async () => {
    await world.connect(support);
    const { tokens } = world.worker();
    const first = tokenOf(await tokens.get(support, 'smtp'));
    world.clock.pass(64 * MINUTE_MS);
    expect(tokenOf(await tokens.get(support, 'imap'))).toBe(first);
    expect(refreshes(world)).toBe(1);
    world.clock.pass(2 * MINUTE_MS);
    expect(tokenOf(await tokens.get(support, 'imap'))).not.toBe(first);
    expect(refreshes(world)).toBe(2);
  });

  test('renew asks anew for a token that a server refused, once for all sessions that were refused together', async () => {
    await world.connect(support);
    const { tokens } = world.worker();
    const first = tokenOf(await tokens.get(support, 'smtp'));
    world.clock.pass(5 * MINUTE_MS);
    const renewed = await Promise.all(
      Array.from({ length: 20 }, () => tokens.get(support, 'smtp', { renew: true })),
    );
    expect(new Set(renewed.map(tokenOf)).size).toBe(1);
    expect(tokenOf(await tokens.get(support, 'smtp', { renew: true }))).toBe(
      tokenOf(await tokens.get(support, 'imap')),
    );
    expect(refreshes(world)).toBe(2);
    expect(renewed.map(tokenOf)).not.toContain(first);
  });

  test('a mailbox that nobody has connected says so and asks the authority nothing', async () => {
    const answer = await world.worker().tokens.get(support, 'smtp');
    expect(answer).toMatchObject({
      kind: 'needsConsent',
      detail: expect.stringContaining('Nobody has connected'),
    });
    expect(refreshes(world)).toBe(0);
  });

  test('a grant put into the vault without a row is used, and gets a row', async () => {
    const refreshToken = world.entra.grant(support.address, world.clientId, SCOPES.join(' '));
    world.vault.seed(
      grantName(support.address),
      JSON.stringify({
        version: 1,
        refreshToken,
        generation: 'g1',
        account: support.address,
        consentedAt: 1,
        storedAt: 1,
      }),
    );
    expect(await world.worker().tokens.get(support, 'smtp')).toMatchObject({ kind: 'token' });
    expect((await world.rows.read(grantName(support.address)))?.fields).toMatchObject({ generation: 'g1' });
  });
});

describe('application', () => {
  test('the token holds the roles, by the managed identity, with no secret anywhere', async () => {
    const answer = await world.worker().tokens.get(robot, 'smtp');
    expect(await world.entra.checkToken(tokenOf(answer))).toMatchObject({
      kind: 'ok',
      way: 'application',
      roles: ['IMAP.AccessAsApp', 'SMTP.SendAsApp'],
    });
    expect(world.entra.calls).toMatchObject([{ grantType: 'client_credentials', proof: 'assertion' }]);
  });

  test('it is shared by all application mailboxes, refreshed ten minutes early, and renewed when refused', async () => {
    const { tokens } = world.worker();
    const first = tokenOf(await tokens.get(robot, 'smtp'));
    expect(tokenOf(await tokens.get(mailbox('other@example.test', 'application'), 'imap'))).toBe(first);
    world.clock.pass(2 * MINUTE_MS);
    const second = tokenOf(await tokens.get(robot, 'smtp', { renew: true }));
    expect(second).not.toBe(first);
    world.clock.pass(66 * MINUTE_MS);
    expect(tokenOf(await tokens.get(robot, 'smtp'))).not.toBe(second);
    expect(world.entra.calls).toHaveLength(3);
  });

  test.each([
    { named: 'a wrong secret', secret: 'wrong', code: 'AADSTS7000215', says: 'secret’s ID was pasted' },
    { named: 'the right secret', secret: 'right-secret', code: undefined, says: undefined },
  ])('by secret: $named', async ({ secret, code, says }) => {
    const answer = await world.worker({ credential: { kind: 'secret', secret } }).tokens.get(robot, 'smtp');
    if (code === undefined) expect(answer.kind).toBe('token');
    else expect(answer).toMatchObject({ kind: 'configuration', code, detail: expect.stringContaining(says) });
  });

  test('429 is not bad credentials: Retry-After is handed on, and nobody is asked before it is over', async () => {
    const { tokens } = world.worker();
    world.entra.injectFault({ kind: 'throttled', retryAfterSeconds: 90, times: 1 });
    expect(await tokens.get(robot, 'smtp')).toMatchObject({ kind: 'unavailable', retryAfterMs: 90_000 });
    world.clock.pass(89_000);
    expect(kinds([await tokens.get(robot, 'smtp')])).toEqual(['unavailable']);
    expect(world.entra.calls).toHaveLength(1);
    world.clock.pass(2_000);
    expect(kinds([await tokens.get(robot, 'smtp')])).toEqual(['token']);
  });
});

describe('refusals', () => {
  test('a revoked grant: one alert over all workers, no further question, until it is connected again', async () => {
    await world.connect(support);
    const workers = [world.worker(), world.worker(), world.worker()];
    for (const { tokens } of workers) await tokens.get(support, 'smtp');
    world.clock.pass(70 * MINUTE_MS);
    world.entra.revokeSessions(support.address);
    const before = refreshes(world);
    for (let minute = 0; minute < 60; minute++) {
      for (const { tokens } of workers) {
        const answer = await tokens.get(support, 'smtp');
        expect(answer).toMatchObject({ kind: 'needsConsent', code: 'AADSTS50173' });
      }
      world.clock.pass(MINUTE_MS);
    }
    // The first worker asks with the token in its memory and with the stored one, which differs; the others not at all.
    expect(refreshes(world) - before).toBe(2);
    expect(eventNames(world).filter((name) => name === 'oauth.consentNeeded')).toHaveLength(1);
    // A worker that starts now does not ask either.
    const fresh = world.worker();
    const asked = refreshes(world);
    expect(await fresh.tokens.get(support, 'imap')).toMatchObject({
      kind: 'needsConsent',
      code: 'AADSTS50173',
    });
    expect(refreshes(world)).toBe(asked);

    await world.connect(support);
    world.clock.pass(MINUTE_MS);
    for (const { tokens } of [...workers, fresh]) {
      expect(kinds([await tokens.get(support, 'smtp')])).toEqual(['token']);
    }
  });

  test('five refusals by number end in the right state with the right sentence', async () => {
    const table = [
      [700082, 'needsConsent', 'not used for 90 days'],
      [53003, 'needsConsent', 'Conditional Access blocked'],
      [7000222, 'configuration', 'has expired'],
      [700016, 'configuration', 'No app with this client id'],
      [50196, 'unavailable', 'too often'],
    ] as const;
    for (const [code, kind, says] of table) {
      await world.connect(support);
      world.entra.injectFault({ kind: 'refusal', code, times: 1 });
      const answer = await world.worker().tokens.get(support, 'smtp');
      expect(answer).toMatchObject({ kind, code: `AADSTS${code}`, detail: expect.stringContaining(says) });
      expect(answer).toMatchObject({ detail: expect.stringMatching(/correlation id [0-9a-f-]{36}/) });
    }
  });

  test('a fault of the authority or a proxy’s page is waited out, and the old token serves meanwhile', async () => {
    await world.connect(support);
    const { tokens } = world.worker();
    const first = tokenOf(await tokens.get(support, 'smtp'));
    world.entra.injectFault({ kind: 'httpError', status: 503 });
    world.clock.pass(66 * MINUTE_MS);
    expect(tokenOf(await tokens.get(support, 'smtp'))).toBe(first);
    world.entra.clearFaults();
    world.entra.injectFault({ kind: 'httpError', status: 502, html: '<html>Bad gateway</html>' });
    world.clock.pass(5 * MINUTE_MS);
    expect(tokenOf(await tokens.get(support, 'smtp'))).toBe(first);
    world.clock.pass(5 * MINUTE_MS);
    expect(await tokens.get(support, 'smtp')).toMatchObject({ kind: 'unavailable' });
    world.entra.clearFaults();
    world.clock.pass(MINUTE_MS);
    expect(kinds([await tokens.get(support, 'smtp')])).toEqual(['token']);
    expect(eventNames(world)).not.toContain('oauth.consentNeeded');
  });

  test('a setting that was spoilt stops nothing while the old token lives, and is told at once', async () => {
    await world.connect(support);
    const { tokens } = world.worker();
    const first = tokenOf(await tokens.get(support, 'smtp'));
    world.entra.injectFault({ kind: 'refusal', code: 7000222 });
    world.clock.pass(66 * MINUTE_MS);
    expect(tokenOf(await tokens.get(support, 'smtp'))).toBe(first);
    expect(eventNames(world)).toContain('oauth.tokenRefused');
    world.clock.pass(9 * MINUTE_MS);
    expect(await tokens.get(support, 'smtp')).toMatchObject({ kind: 'configuration', code: 'AADSTS7000222' });
  });

  test('no token from the managed identity is said as that, and mends itself', async () => {
    await world.connect(support);
    // The vault's token is in the library's cache by now; the assertion is not.
    world.identity.setUp(false);
    const { tokens } = world.worker();
    expect(await tokens.get(support, 'smtp')).toMatchObject({
      kind: 'unavailable',
      detail: expect.stringContaining('managed identity gave no token'),
    });
    world.identity.setUp(true);
    world.clock.pass(MINUTE_MS);
    expect(kinds([await tokens.get(support, 'smtp')])).toEqual(['token']);
  });
});

describe('rotation', () => {
  test('120 virtual days of work by two workers: the stored grant is never older than 8 days, versions stay few', async () => {
    await world.connect(support);
    const workers = [world.worker(), world.worker()];
    const name = grantName(support.address);
    let oldestMs = 0;
    for (let day = 0; day < 120; day++) {
      for (let turn = 0; turn < 5; turn++) {
        world.clock.pass(4 * 60 * MINUTE_MS);
        for (const { tokens } of workers) tokenOf(await tokens.get(support, 'smtp'));
      }
      world.clock.pass(DAY_MS - 20 * 60 * MINUTE_MS);
      oldestMs = Math.max(
        oldestMs,
        world.clock.now() - ((await workers[0]?.grants.state(name))?.storedAt ?? 0),
      );
    }
    // Each worker refreshes for itself.
    expect(refreshes(world)).toBe(120 * 5 * 2);
    expect(oldestMs).toBeLessThan(8 * DAY_MS);
    // One a week, whichever worker is first, and the consent's own.
    const versionsCount = world.vault.store.versions(name).length;
    console.log(
      `120 days, two workers: ${refreshes(world)} refreshes, ${versionsCount} versions in the vault`,
    );
    expect(versionsCount).toBeLessThanOrEqual(1 + Math.ceil(120 / 7));
    expect(versionsCount).toBeGreaterThanOrEqual(Math.floor(120 / 8));
    // What is stored is good: a worker that starts now signs in with it.
    tokenOf(await world.worker().tokens.get(support, 'smtp'));
  }, 120_000);

  describe('several workers refresh at the same moment', () => {
    const started = (count: number, atOnce: boolean): readonly SignIn[] =>
      Array.from({ length: count }, () => world.worker({ atOnce }));
    const all = (workers: readonly SignIn[]): Promise<readonly TokenAnswer[]> =>
      Promise.all(workers.map(({ tokens }) => tokens.get(support, 'smtp')));

    test('20 workers: one refresh per worker and hour, every answer is a token, no grant is lost', async () => {
      await world.connect(support);
      const workers = started(20, false);
      for (let hour = 1; hour <= 3; hour++) {
        (await all(workers)).forEach(tokenOf);
        expect(refreshes(world)).toBe(20 * hour);
        world.clock.pass(66 * MINUTE_MS);
      }
      expect(world.entra.calls.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
      expect(world.vault.store.versions(grantName(support.address))).toHaveLength(1);
    });

    test('20 sessions of one worker: one refresh', async () => {
      await world.connect(support);
      const { tokens } = world.worker();
      const answers = await Promise.all(Array.from({ length: 20 }, () => tokens.get(support, 'imap')));
      expect(new Set(answers.map(tokenOf)).size).toBe(1);
      expect(refreshes(world)).toBe(1);
    });

    test('two workers store their rotated tokens at once: the one stored last counts, and is valid', async () => {
      await world.connect(support);
      const workers = started(2, false);
      (await all(workers)).forEach(tokenOf);
      world.clock.pass(7 * DAY_MS);
      (await all(workers)).forEach(tokenOf);
      const name = grantName(support.address);
      const versions = world.vault.store.versions(name);
      expect(versions).toHaveLength(3);
      const row = (await world.rows.read(name))?.fields;
      expect(versions.slice(1).map(({ version }) => version)).toContain(row?.['version']);
      // A worker that starts now knows only what is stored.
      tokenOf(await world.worker().tokens.get(support, 'smtp'));
      (await all(workers)).forEach(tokenOf);
      expect(world.entra.calls.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
    });

    test('an authority that revokes used refresh tokens: the worker that was refused reads the newer one', async () => {
      world.entra.revokeUsed(true);
      await world.connect(support);
      const workers = started(3, true);
      for (let hour = 0; hour < 24; hour++) {
        (await all(workers)).forEach(tokenOf);
        world.clock.pass(66 * MINUTE_MS);
      }
      // The grant is whole: a worker that starts much later signs in with it.
      world.clock.pass(DAY_MS);
      tokenOf(await world.worker({ atOnce: true }).tokens.get(support, 'smtp'));
      expect(eventNames(world)).not.toContain('oauth.consentNeeded');
    });
  });

  test('a new consent counts at once for a new worker', async () => {
    await world.connect(support);
    const before = tokenOf(await world.worker().tokens.get(support, 'smtp'));
    world.clock.pass(MINUTE_MS);
    await world.connect(support);
    expect(tokenOf(await world.worker().tokens.get(support, 'smtp'))).not.toBe(before);
  });

  test('a consent given while an older worker stores its rotated token: the consent counts, and the worker uses it', async () => {
    await world.connect(support);
    const { tokens, grants } = world.worker();
    tokenOf(await tokens.get(support, 'smtp'));
    world.clock.pass(7 * DAY_MS);
    const name = grantName(support.address);
    // The worker has added its version; the consent arrives before the pointer moves.
    world.rows.beforeWrite = () => world.connect(support);
    tokenOf(await tokens.get(support, 'smtp'));
    expect(eventNames(world)).toContain('oauth.grantSuperseded');
    const loaded = await grants.load(name);
    const consented = world.vault.store.versions(name).at(-1);
    expect(loaded.kind === 'grant' && JSON.parse(consented?.value ?? '{}')).toMatchObject({
      generation: loaded.kind === 'grant' ? loaded.grant.generation : '',
    });
    const newest = world.entra.grant(support.address, world.clientId, SCOPES.join(' '));
    expect(newest).not.toBe('');
    world.clock.pass(70 * MINUTE_MS);
    tokenOf(await tokens.get(support, 'smtp'));
  });

  test('a refusal of an older sign-in that arrives after a new consent: no alert, and the new one counts', async () => {
    await world.connect(support);
    const { grants } = world.worker();
    const name = grantName(support.address);
    const before = await grants.load(name);
    if (before.kind !== 'grant') throw new Error(before.kind);
    await world.connect(support);
    const refusal = { kind: 'needsConsent', detail: 'revoked', code: 'AADSTS50173' } as const;
    expect(await grants.refuse(name, before.grant.generation, refusal)).toBe(false);
    expect((await grants.load(name)).kind).toBe('grant');
    expect((await grants.state(name))?.refused).toBeUndefined();
    tokenOf(await world.worker().tokens.get(support, 'smtp'));
    expect(eventNames(world)).not.toContain('oauth.consentNeeded');
  });
});

describe('the vault', () => {
  test('two hours of outage: sending goes on while a token lives, pauses, and resumes by itself', async () => {
    await world.connect(support);
    const { tokens } = world.worker();
    tokenOf(await tokens.get(support, 'smtp'));
    const fresh = world.worker();
    world.vault.injectFault({ kind: 'outage' });
    const story: string[] = [];
    for (let minute = 0; minute < 120; minute += 5) {
      world.clock.pass(5 * MINUTE_MS);
      story.push((await tokens.get(support, 'smtp')).kind, (await fresh.tokens.get(support, 'smtp')).kind);
    }
    // The worker with a grant in memory never noticed; the one that started in the outage waits, and blames nobody.
    expect(new Set(story.filter((_, index) => index % 2 === 0))).toEqual(new Set(['token']));
    expect(new Set(story.filter((_, index) => index % 2 === 1))).toEqual(new Set(['unavailable']));
    world.vault.injectFault({ kind: 'none' });
    world.clock.pass(MINUTE_MS);
    tokenOf(await fresh.tokens.get(support, 'smtp'));
    expect(eventNames(world)).not.toContain('oauth.consentNeeded');
  });

  test('an outage of vault and authority: the token serves to its end, then a pause, then all goes on', async () => {
    await world.connect(support);
    const { tokens } = world.worker();
    tokenOf(await tokens.get(support, 'smtp'));
    world.vault.injectFault({ kind: 'outage' });
    world.entra.injectFault({ kind: 'httpError', status: 503 });
    const story: string[] = [];
    for (let minute = 5; minute <= 120; minute += 5) {
      world.clock.pass(5 * MINUTE_MS);
      story.push((await tokens.get(support, 'smtp')).kind);
    }
    const sends = story.filter((kind) => kind === 'token').length * 5;
    console.log(
      `120 minutes of outage: sends for ${sends}, pauses for ${120 - sends}, then goes on by itself`,
    );
    expect(story.slice(0, 14)).toEqual(Array.from({ length: 14 }, () => 'token'));
    expect(new Set(story.slice(14))).toEqual(new Set(['unavailable']));
    world.vault.injectFault({ kind: 'none' });
    world.entra.clearFaults();
    world.clock.pass(MINUTE_MS);
    tokenOf(await tokens.get(support, 'smtp'));
  });

  test('a new refresh token that cannot be stored is used from memory, and stored when the vault is back', async () => {
    await world.connect(support);
    const { tokens } = world.worker();
    tokenOf(await tokens.get(support, 'smtp'));
    world.clock.pass(8 * DAY_MS);
    world.vault.injectFault({ kind: 'readOnly' });
    tokenOf(await tokens.get(support, 'smtp'));
    expect(eventNames(world)).toContain('oauth.grantNotStored');
    world.clock.pass(70 * MINUTE_MS);
    world.vault.injectFault({ kind: 'none' });
    tokenOf(await tokens.get(support, 'smtp'));
    expect(world.vault.store.versions(grantName(support.address))).toHaveLength(2);
  });

  test('throttled: Retry-After is kept to', async () => {
    await world.connect(support);
    world.vault.injectFault({ kind: 'throttled', retryAfterSeconds: 40 }, 1);
    const { tokens } = world.worker();
    expect(await tokens.get(support, 'smtp')).toMatchObject({ kind: 'unavailable', retryAfterMs: 40_000 });
    world.clock.pass(41_000);
    tokenOf(await tokens.get(support, 'smtp'));
  });

  test('a secret deleted under a running worker is recovered at its next store; a new worker says what to do', async () => {
    await world.connect(support);
    const { tokens } = world.worker();
    tokenOf(await tokens.get(support, 'smtp'));
    world.vault.store.remove(grantName(support.address), world.clock.now());
    world.clock.pass(66 * MINUTE_MS);
    expect(await world.worker().tokens.get(support, 'smtp')).toMatchObject({
      kind: 'needsConsent',
      detail: expect.stringContaining('Recover the secret mail-grant-support-example-test-'),
    });
    world.clock.pass(8 * DAY_MS);
    tokenOf(await tokens.get(support, 'smtp'));
    expect(world.vault.store.versions(grantName(support.address))).toHaveLength(2);
    tokenOf(await world.worker().tokens.get(support, 'smtp'));
  });

  test.each([
    { fault: { kind: 'forbidden' } as const, says: 'Key Vault Secrets Officer' },
    { fault: { kind: 'forbidden', inner: 'ForbiddenByFirewall' } as const, says: 'Networking' },
  ])('403 is for a person: $says', async ({ fault, says }) => {
    await world.connect(support);
    world.vault.injectFault(fault);
    expect(await world.worker().tokens.get(support, 'smtp')).toMatchObject({
      kind: 'configuration',
      detail: expect.stringContaining(says),
    });
  });

  test('the rows do not answer: what the vault holds is used, and nothing is stored blindly', async () => {
    await world.connect(support);
    world.rows.down = true;
    world.clock.pass(8 * DAY_MS);
    tokenOf(await world.worker().tokens.get(support, 'smtp'));
    expect(eventNames(world)).toContain('oauth.grantNotStored');
    expect(world.vault.store.versions(grantName(support.address))).toHaveLength(1);
  });
});

test('the tag key is made once, however many workers ask for it together', async () => {
  const keys = await Promise.all(Array.from({ length: 8 }, () => world.worker().tagKey()));
  expect(new Set(keys.map((key) => Buffer.from(key).toString('hex'))).size).toBe(1);
  expect(keys[0]).toHaveLength(32);
  world.vault.injectFault({ kind: 'outage' });
  await expect(world.worker().tagKey()).rejects.toThrow('key vault');
});
