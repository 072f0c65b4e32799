// A mail client's whole life, on real Dovecot and on the Exchange Online emulator: what it sees is the same.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTransport } from 'nodemailer';
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

test('the emulator shows what Dovecot shows', async () => {
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

test('mail is put into a mailbox over LMTP, byte for byte after the trace', async () => {
  const { ca } = await certificates();
  const raw = 'Subject: Over LMTP\r\n\r\n.dot\r\n8 bit: \u00e4\r\n';
  const transport = createTransport({
    lmtp: true,
    host: '127.0.0.1',
    port: dovecot.lmtpPort,
    ignoreTLS: true,
  });
  await transport.sendMail({ envelope: { from: 'kim@fabrikam.test', to: 'info@contoso.test' }, raw });
  transport.close();
  const client = imapClient({
    port: dovecot.imapPort,
    ca,
    user: 'info@contoso.test',
    token: dovecot.token('info@contoso.test'),
  });
  await client.connect();
  await client.mailboxOpen('INBOX');
  const [message] = await client.fetchAll('1:*', { source: true });
  await client.logout();
  expect(message?.source?.toString('utf8').endsWith(`\r\n${raw}`)).toBe(true);
});
