// A mail client's whole life, on real Dovecot and on the stand-in for Exchange Online: what it sees is the same.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startDovecot } from '../../../local/realServers/dovecot.ts';
import type { Dovecot } from '../../../local/realServers/dovecot.ts';
import { systemClock } from '../../../shared/clock.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../../local/exchange/harness.ts';
import { imapClient, playImap } from '../../local/exchange/imapScenario.ts';

const USER = 'desk@contoso.test';
let dovecot: Dovecot;

beforeAll(async () => {
  const { cert, key } = await certificates();
  dovecot = await startDovecot({ cert, key, clock: systemClock });
});

afterAll(async () => {
  await closeAll();
  await dovecot.close();
});

test('the stand-in shows what Dovecot shows', async () => {
  const { ca } = await certificates();
  const exchange = await exchangeWith({ accounts: [USER] });
  const real = await playImap({ port: dovecot.imapPort, ca, user: USER, token: dovecot.token(USER) });
  const standIn = await playImap({ port: exchange.imapPort, ca, user: USER, token: tokenFor(USER) });
  expect(real.length).toBeGreaterThan(60);
  expect(standIn).toEqual(real);
});

test.each([
  ['a token of another user', () => dovecot.token('other@contoso.test')],
  ['an expired token', () => dovecot.token(USER, -1_000)],
  ['no token at all', () => 'nonsense'],
])('Dovecot refuses %s', async (_name, token) => {
  const { ca } = await certificates();
  const client = imapClient({ port: dovecot.imapPort, ca, user: USER, token: token() });
  await expect(client.connect()).rejects.toMatchObject({ authenticationFailed: true });
});

test('UIDVALIDITY can be changed from outside', async () => {
  const { ca } = await certificates();
  const validity = async (): Promise<bigint> => {
    const client = imapClient({ port: dovecot.imapPort, ca, user: USER, token: dovecot.token(USER) });
    await client.connect();
    const { uidValidity } = await client.mailboxOpen('INBOX');
    await client.logout();
    return uidValidity;
  };
  const before = await validity();
  await dovecot.setUidValidity(USER, 'INBOX', 4_242);
  expect(before).not.toBe(4_242n);
  expect(await validity()).toBe(4_242n);
});
