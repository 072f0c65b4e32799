import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { makeAppCertificate } from '../../local/certificates.ts';
import { endingSoon } from '../../shared/oauth/keepAlive.ts';
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

test('a bridge without mail for 200 days keeps its grants by the daily refresh, with a new worker each day', async () => {
  for (let day = 0; day < 200; day += 5) {
    world.clock.pass(5 * DAY_MS);
    expect(await world.worker().keepAlive([support, sales, robot])).toEqual([]);
  }
  expect(refreshes(world)).toBe(80);
  expect((await world.worker().tokens.get(support, 'smtp')).kind).toBe('token');
});

test('one mailbox that fails stops no other', async () => {
  world.entra.revokeSessions(sales.address);
  world.clock.pass(DAY_MS);
  await world.worker().keepAlive([sales, support]);
  expect(world.entra.calls.filter(({ outcome }) => outcome === 'ok')).toHaveLength(1);
  expect(world.log.find(({ name }) => name === 'oauth.grantsKeptAlive')?.fields).toEqual({
    refreshedCount: 1,
    failedCount: 1,
  });
});

test('a grant that nothing refreshes is warned of 14 days before its end, each day, and not before', async () => {
  world.clock.pass(75 * DAY_MS);
  world.entra.trouble({ kind: 'fault', status: 503 });
  expect(await world.worker().keepAlive([support])).toEqual([]);
  world.clock.pass(2 * DAY_MS);
  const endings = await world.worker().keepAlive([support]);
  expect(endings).toMatchObject([{ what: 'grant', mailbox: support.address }]);
  expect(endings[0]?.endsAt).toBe(world.clock.now() + 13 * DAY_MS);
  expect(world.log.find(({ name }) => name === 'oauth.endsSoon')?.fields).toMatchObject({
    what: 'grant',
    endsInDays: 13,
  });
  expect(JSON.stringify(world.log)).not.toContain(support.address);
});

test.each([
  { days: 20, warned: [] },
  { days: 13, warned: ['certificate'] },
])('a certificate that ends in $days days', async ({ days, warned }) => {
  const { pem } = await makeAppCertificate(new Date(world.clock.now() + days * DAY_MS));
  const { grants } = world.worker();
  const endings = await endingSoon([], {
    grants,
    clock: world.clock,
    credential: { kind: 'certificate', pem },
  });
  expect(endings.map(({ what }) => what)).toEqual(warned);
});

test('a secret whose end an administrator noted', async () => {
  const { grants } = world.worker();
  const credential = { kind: 'secret', secret: 'x', expiresAt: world.clock.now() + 3 * DAY_MS } as const;
  expect(await endingSoon([], { grants, clock: world.clock, credential })).toMatchObject([
    { what: 'secret' },
  ]);
  expect(eventNames(world)).not.toContain('oauth.endsSoon');
});
