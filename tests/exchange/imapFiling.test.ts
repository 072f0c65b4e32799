// Filing a message by APPEND, over real IMAP connections to the emulator.
import { afterEach, expect, test } from '@jest/globals';
import type { Exchange } from '../../local/emulators/exchange/exchange.ts';
import { systemClock } from '../../shared/clock.ts';
import { createImapFiling } from '../../shared/exchange/imapFiling.ts';
import { createImapLogin } from '../../shared/exchange/imapMailbox.ts';
import type { Filing } from '../../shared/outbound/ports.ts';
import { DESK, mailboxOf, TestTokens } from '../inbound/rig.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../local/exchange/harness.ts';

afterEach(closeAll);

const messageId = '<report.1@bridge.invalid>';
const bytes = Buffer.from(`Message-ID: ${messageId}\r\nSubject: [INC-42] Printer\r\n\r\nNot sent.\r\n`);

async function file(
  exchange: Exchange,
  change: Partial<Parameters<Filing['file']>[1]> = {},
  remainingMs = 20_000,
): ReturnType<Filing['file']> {
  const { ca } = await certificates();
  const login = createImapLogin({
    host: 'localhost',
    port: exchange.imapPort,
    tokens: new TestTokens(() => tokenFor(DESK)),
    clock: systemClock,
    trustedCertificates: [ca],
  });
  return createImapFiling(login, systemClock).file(
    mailboxOf(DESK),
    { folder: 'INBOX', bytes, messageId, mayBeThere: false, ...change },
    { remainingMs: () => remainingMs },
  );
}

const inbox = (exchange: Exchange): readonly { readonly flags: ReadonlySet<string> }[] =>
  exchange.store.mailbox(DESK).role('inbox').messages;

test('it is in the folder, unread; looked for, it is found and not filed again', async () => {
  const exchange = await exchangeWith();
  expect(await file(exchange)).toEqual({ kind: 'filed' });
  expect(inbox(exchange)).toHaveLength(1);
  expect([...(inbox(exchange)[0]?.flags ?? [])]).not.toContain('\\Seen');
  expect(await file(exchange, { mayBeThere: true })).toEqual({ kind: 'there' });
  expect(inbox(exchange)).toHaveLength(1);
  expect(await file(exchange, { mayBeThere: true, messageId: '<report.2@bridge.invalid>' })).toEqual({
    kind: 'filed',
  });
  expect(inbox(exchange)).toHaveLength(2);
});

test('a folder that is not there: failed, with the server’s words', async () => {
  const exchange = await exchangeWith();
  expect(await file(exchange, { folder: 'No such folder' })).toMatchObject({ kind: 'failed' });
});

test('the time is up: failed', async () => {
  const exchange = await exchangeWith();
  expect(await file(exchange, {}, 0)).toMatchObject({ kind: 'failed' });
});
