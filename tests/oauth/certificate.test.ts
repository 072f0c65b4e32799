import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { makeAppCertificate } from '../../local/stack/certificates.ts';
import { grantName } from '../../shared/oauth/grants.ts';
import { DAY_MS, SCOPES, TENANT, robot, startWorld, support } from './world.ts';
import type { World } from './world.ts';

// Outside Azure a certificate proves the app to Entra: for both ways of signing in, and to the vault.
let world: World;
let pem: string;
beforeEach(async () => {
  world = await startWorld();
  const made = await makeAppCertificate(new Date(world.clock.now() + 365 * DAY_MS));
  pem = made.pem;
  world.entra.setApp({
    clientId: world.clientId,
    redirectUris: [],
    certificates: [made.certificate],
    roles: ['SMTP.SendAsApp'],
  });
});
afterEach(async () => {
  await world.close();
});

test('application and delegated tokens by certificate; the vault opens to the app itself', async () => {
  const signIn = world.worker({ credential: { kind: 'certificate', pem } });
  expect(await signIn.tokens.get(robot, 'smtp')).toMatchObject({ kind: 'token' });
  const refreshToken = world.entra.grant(support.address, world.clientId, SCOPES.join(' '));
  const name = grantName(support.address);
  expect(await signIn.grants.connect(name, { refreshToken, account: support.address })).toEqual({
    kind: 'connected',
  });
  expect(await signIn.tokens.get(support, 'imap')).toMatchObject({ kind: 'token' });
  expect(new Set(world.entra.calls.map(({ proof, outcome }) => `${proof} ${outcome}`))).toEqual(
    new Set(['assertion ok']),
  );
});

test('a certificate that the registration does not know', async () => {
  const other = await makeAppCertificate(new Date(world.clock.now() + DAY_MS));
  const { tokens } = world.worker({ credential: { kind: 'certificate', pem: other.pem } });
  expect(await tokens.get(robot, 'smtp')).toMatchObject({ kind: 'configuration', code: 'AADSTS700027' });
});

test('the emulator believes no assertion that was made for another tenant', async () => {
  world.entra.setApp({
    clientId: world.clientId,
    redirectUris: [],
    federated: [{ issuer: `https://login.example/${TENANT}/v2.0`, subject: 'x' }],
  });
  expect(await world.worker().tokens.get(robot, 'smtp')).toMatchObject({
    kind: 'configuration',
    code: 'AADSTS700211',
    detail: expect.stringContaining('Compare issuer, subject'),
  });
});
