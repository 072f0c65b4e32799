// Looking for our own copy in Sent Items, over real IMAP connections to the stand-in.
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ImapFault } from '../../local/emulators/exchange/faults.ts';
import type { Exchange } from '../../local/emulators/exchange/exchange.ts';
import { systemClock } from '../../shared/clock.ts';
import { createImapLogin } from '../../shared/exchange/imapMailbox.ts';
import { createImapSentItems } from '../../shared/exchange/imapSentItems.ts';
import { groupAccounts } from '../../shared/mail/accounts.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import type { Account } from '../../shared/mail/mailbox.ts';
import type { LookResult } from '../../shared/outbound/ports.ts';
import { DESK, mail, mailboxOf, TestTokens } from '../inbound/rig.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../local/exchange/harness.ts';

afterEach(closeAll);

const budget = { remainingMs: () => 20_000 };
const desk = mailboxOf(DESK);

async function look(
  exchange: Exchange,
  bridgeIds: readonly string[],
  options: { readonly mailbox?: Mailbox; readonly remainingMs?: number } = {},
): Promise<LookResult> {
  const { ca } = await certificates();
  const mailbox = options.mailbox ?? desk;
  const login = createImapLogin({
    host: 'localhost',
    port: exchange.imapPort,
    tokens: new TestTokens(() => tokenFor(DESK)),
    clock: systemClock,
    trustedCertificates: [ca],
  });
  const account: Account | undefined = groupAccounts([desk, mailbox])[0];
  if (account === undefined) throw new Error('no account');
  const wanted = bridgeIds.map((bridgeId) => ({ bridgeId, notBefore: Date.now() }));
  return createImapSentItems(login).look(account, mailbox, wanted, {
    remainingMs: () => options.remainingMs ?? budget.remainingMs(),
  });
}

function file(exchange: Exchange, bridgeId: string, address = DESK): void {
  const { name } = exchange.store.mailbox(address).role('sent');
  exchange.store
    .mailbox(address)
    .deliver(mail({ 'Message-ID': `<${bridgeId}@ours>`, 'X-Mail-Bridge-Id': bridgeId }), { folder: name });
}

describe('the copy', () => {
  test.each(['en', 'fi', 'sv'] as const)('is found in a mailbox that speaks %s', async (language) => {
    const exchange = await exchangeWith({ accounts: [{ address: DESK, language }] });
    file(exchange, 'ticket-1.1');
    expect(await look(exchange, ['ticket-1.1'])).toEqual({
      kind: 'looked',
      found: new Map([['ticket-1.1', { messageId: '<ticket-1.1@ours>' }]]),
    });
  });

  test('of another attempt proves nothing', async () => {
    const exchange = await exchangeWith();
    for (const other of ['ticket-1.1', 'ticket-1.22', 'xticket-1.2', 'TICKET-1.2']) file(exchange, other);
    expect(await look(exchange, ['ticket-1.2'])).toEqual({ kind: 'looked', found: new Map() });
  });

  test('is found although header search finds nothing', async () => {
    const exchange = await exchangeWith();
    exchange.imap.headerSearchFindsNothing = true;
    file(exchange, 'ticket-1.1');
    expect((await look(exchange, ['ticket-1.1'])).kind).toBe('looked');
    expect(await look(exchange, ['ticket-1.1'])).toMatchObject({ found: new Map([['ticket-1.1', {}]]) });
  });

  test('is found among more messages than one FETCH asks for', async () => {
    const exchange = await exchangeWith();
    for (let n = 0; n < 450; n += 1) file(exchange, `ticket-${n}.1`);
    const answer = await look(exchange, ['ticket-0.1', 'ticket-449.1', 'ticket-450.1']);
    expect(answer).toMatchObject({ kind: 'looked' });
    expect(answer.kind === 'looked' ? [...answer.found.keys()].sort() : []).toEqual([
      'ticket-0.1',
      'ticket-449.1',
    ]);
  });

  test('is looked for in the mailbox that is sent as, too', async () => {
    const shared = 'shared@contoso.test';
    const exchange = await exchangeWith({
      accounts: [DESK, { address: shared, shared: true, delegates: [DESK] }],
    });
    file(exchange, 'ticket-1.1', shared);
    const mailbox = mailboxOf(shared, { smtpUser: DESK });
    expect(await look(exchange, ['ticket-1.1'], { mailbox })).toMatchObject({
      kind: 'looked',
      found: new Map([['ticket-1.1', {}]]),
    });
  });
});

describe('a look that was not made counts as none', () => {
  test.each<[string, string, ImapFault]>([
    ['throttled at the search', 'UID SEARCH', { kind: 'throttle', backoffMs: 280_000 }],
    ['throttled at the fetch', 'UID FETCH', { kind: 'throttle', backoffMs: 280_000 }],
    ['refused at the search', 'UID SEARCH', { kind: 'answer', status: 'NO', text: 'not now' }],
    ['cut', 'UID FETCH', { kind: 'cut' }],
    ['expired', 'UID FETCH', { kind: 'expire' }],
  ])('%s', async (_name, at, does) => {
    const exchange = await exchangeWith();
    file(exchange, 'ticket-2.1');
    exchange.misbehave({ protocol: 'imap', at, does });
    expect((await look(exchange, ['ticket-1.1'])).kind).toBe('notMade');
  });

  test('the server hangs: the look ends with its time', async () => {
    const exchange = await exchangeWith();
    exchange.misbehave({ protocol: 'imap', at: 'UID SEARCH', does: { kind: 'hang' } });
    expect(await look(exchange, ['ticket-1.1'], { remainingMs: 1_500 })).toEqual({
      kind: 'notMade',
      detail: 'The time for this pass was over.',
    });
  });

  test('nobody knows the folder', async () => {
    const exchange = await exchangeWith();
    const store = exchange.store.mailbox(DESK);
    store.rename(store.role('sent').name, 'Correspondence');
    const answer = await look(exchange, ['ticket-1.1']);
    expect(answer).toMatchObject({ kind: 'notMade' });
  });

  test('the other mailbox cannot be read', async () => {
    const shared = 'shared@contoso.test';
    const exchange = await exchangeWith({ accounts: [DESK, { address: shared, shared: true }] });
    const mailbox = mailboxOf(shared, { smtpUser: DESK });
    expect((await look(exchange, ['ticket-1.1'], { mailbox })).kind).toBe('notMade');
    file(exchange, 'ticket-1.1');
    expect((await look(exchange, ['ticket-1.1'], { mailbox })).kind).toBe('looked');
  });
});
