import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { makeAppCertificate } from '../../local/stack/certificates.ts';
import { expiringSoon } from '../../shared/oauth/refreshTokens.ts';
import { DAY_MS, eventNames, mailbox, refreshes, robot, startWorld, support } from './world.ts';
import type { World } from './world.ts';

const sales = mailbox('sales@example.test');
let world: World;
beforeEach(async () => {
  world = await startWorld({ accounts: [{ upn: support.address }, { upn: sales.address }] });
  await world.connect(support);
  await world.connect(sales);
});
afterEach(async () => {
  await world.close();
});

test('a bridge without mail for 200 days keeps its grants by the daily refresh, with a new worker each time', async () => {
  for (let day = 0; day < 200; day += 5) {
    world.clock.pass(5 * DAY_MS);
    expect(await world.worker().refreshTokens([support, sales, robot])).toEqual([]);
  }
  expect(refreshes(world)).toBe(80);
  expect((await world.worker().tokens.get(support, 'smtp')).kind).toBe('token');
});

test('a failure of one mailbox does not stop the others', async () => {
  world.entra.revokeSessions(sales.address);
  world.clock.pass(DAY_MS);
  await world.worker().refreshTokens([sales, support]);
  expect(world.entra.calls.filter(({ outcome }) => outcome === 'ok')).toHaveLength(1);
  expect(world.log.find(({ name }) => name === 'oauth.grantsRefreshed')?.fields).toEqual({
    refreshedCount: 1,
    failedCount: 1,
  });
});

test('a grant that is not refreshed is reported daily from 14 days before its expiry, and not before', async () => {
  world.clock.pass(75 * DAY_MS);
  world.entra.injectFault({ kind: 'httpError', status: 503 });
  expect(await world.worker().refreshTokens([support])).toEqual([]);
  world.clock.pass(2 * DAY_MS);
  const expirations = await world.worker().refreshTokens([support]);
  expect(expirations).toMatchObject([{ kind: 'grant', mailbox: support.address }]);
  expect(expirations[0]?.expiresAt).toBe(world.clock.now() + 13 * DAY_MS);
  expect(world.log.find(({ name }) => name === 'oauth.expiresSoon')?.fields).toMatchObject({
    kind: 'grant',
    expiresInDays: 13,
  });
  expect(JSON.stringify(world.log)).not.toContain(support.address);
});

test.each([
  { days: 20, warned: [] },
  { days: 13, warned: ['certificate'] },
])('a certificate that expires in $days days', async ({ days, warned }) => {
  const { pem } = await makeAppCertificate(new Date(world.clock.now() + days * DAY_MS));
  const { grants } = world.worker();
  const expirations = await expiringSoon([], {
    grants,
    clock: world.clock,
    credential: { kind: 'certificate', pem },
  });
  expect(expirations.map(({ kind }) => kind)).toEqual(warned);
});

test('a secret whose expiry an administrator noted', async () => {
  const { grants } = world.worker();
  const credential = { kind: 'secret', secret: 'x', expiresAt: world.clock.now() + 3 * DAY_MS } as const;
  expect(await expiringSoon([], { grants, clock: world.clock, credential })).toMatchObject([
    { kind: 'secret' },
  ]);
  expect(eventNames(world)).not.toContain('oauth.expiresSoon');
});
