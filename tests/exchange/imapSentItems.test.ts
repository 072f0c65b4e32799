// Looking up our own copy in Sent Items, over real IMAP connections to the emulator.
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ImapFault } from '../../local/emulators/exchange/faults.ts';
import type { Exchange } from '../../local/emulators/exchange/exchange.ts';
import { systemClock } from '../../shared/clock.ts';
import { createImapLogin } from '../../shared/exchange/imapMailbox.ts';
import type { ImapFolder } from '../../shared/exchange/imapMailbox.ts';
import { createImapSentItems, sentFolders } from '../../shared/exchange/imapSentItems.ts';
import { groupAccounts } from '../../shared/mail/accounts.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import type { Account } from '../../shared/mail/mailbox.ts';
import type { SentItemsAnswer } from '../../shared/outbound/ports.ts';
import { DESK, mail, mailboxOf, TestTokens } from '../inbound/rig.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../local/exchange/harness.ts';

afterEach(closeAll);

const budget = { remainingMs: () => 20_000 };
const desk = mailboxOf(DESK);

async function lookUp(
  exchange: Exchange,
  bridgeIds: readonly string[],
  options: { readonly mailbox?: Mailbox; readonly remainingMs?: number } = {},
): Promise<SentItemsAnswer> {
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
  return createImapSentItems(login).search(account, mailbox, wanted, {
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
    expect(await lookUp(exchange, ['ticket-1.1'])).toEqual({
      kind: 'searched',
      found: new Map([['ticket-1.1', { messageId: '<ticket-1.1@ours>' }]]),
    });
  });

  // imapflow marks folders by their names if the server does not, one for each use: the wrong one of two.
  test.each([
    ['en', 'Sent'],
    ['en', 'Sent Messages'],
    ['fi', 'Sent'],
    ['fi', 'Sent Messages'],
    ['sv', 'Sent'],
  ] as const)('is found in a mailbox that speaks %s and has a folder %s besides', async (language, other) => {
    const exchange = await exchangeWith({ accounts: [{ address: DESK, language }] });
    exchange.store.mailbox(DESK).create(other);
    file(exchange, 'ticket-1.1');
    expect(await lookUp(exchange, ['ticket-1.1'])).toMatchObject({ found: new Map([['ticket-1.1', {}]]) });
  });

  test('is found in the folder of another client', async () => {
    const exchange = await exchangeWith();
    const store = exchange.store.mailbox(DESK);
    store.create('Sent');
    store.deliver(mail({ 'Message-ID': '<t@ours>', 'X-Mail-Bridge-Id': 'ticket-1.1' }), { folder: 'Sent' });
    expect(await lookUp(exchange, ['ticket-1.1'])).toMatchObject({ found: new Map([['ticket-1.1', {}]]) });
  });

  test('of another attempt proves nothing', async () => {
    const exchange = await exchangeWith();
    for (const other of ['ticket-1.1', 'ticket-1.22', 'xticket-1.2', 'TICKET-1.2']) file(exchange, other);
    expect(await lookUp(exchange, ['ticket-1.2'])).toEqual({ kind: 'searched', found: new Map() });
  });

  test('is found although header search finds nothing', async () => {
    const exchange = await exchangeWith();
    exchange.imap.headerSearchFindsNothing = true;
    file(exchange, 'ticket-1.1');
    expect((await lookUp(exchange, ['ticket-1.1'])).kind).toBe('searched');
    expect(await lookUp(exchange, ['ticket-1.1'])).toMatchObject({ found: new Map([['ticket-1.1', {}]]) });
  });

  test('is found among more messages than one FETCH asks for', async () => {
    const exchange = await exchangeWith();
    for (let n = 0; n < 450; n += 1) file(exchange, `ticket-${n}.1`);
    const answer = await lookUp(exchange, ['ticket-0.1', 'ticket-449.1', 'ticket-450.1']);
    expect(answer).toMatchObject({ kind: 'searched' });
    expect(answer.kind === 'searched' ? [...answer.found.keys()].sort() : []).toEqual([
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
    expect(await lookUp(exchange, ['ticket-1.1'], { mailbox })).toMatchObject({
      kind: 'searched',
      found: new Map([['ticket-1.1', {}]]),
    });
  });
});

test('a mark of the server’s own is trusted; without one every folder that is marked or named counts', () => {
  const folder = (name: string, specialUse = '', specialUseFromServer = false): ImapFolder => ({
    path: name,
    name,
    specialUse,
    specialUseFromServer,
  });
  const names = (...folders: ImapFolder[]): readonly string[] => sentFolders(folders).map(({ name }) => name);
  expect(names(folder('INBOX'), folder('Lähetetyt'), folder('Sentimental'))).toEqual(['Lähetetyt']);
  expect(names(folder('Sent Items'), folder('Out', '\\Sent', true))).toEqual(['Out']);
  expect(names(folder('Sent Items'), folder('Out', '\\Sent'))).toEqual(['Sent Items', 'Out']);
  expect(names(folder('INBOX'), folder('Drafts', '\\Drafts', true))).toEqual([]);
});

describe('a lookup that failed counts as none', () => {
  test.each<[string, string, ImapFault]>([
    ['throttled at the search', 'UID SEARCH', { kind: 'throttle', backoffMs: 280_000 }],
    ['throttled at the fetch', 'UID FETCH', { kind: 'throttle', backoffMs: 280_000 }],
    ['refused at the search', 'UID SEARCH', { kind: 'answer', status: 'NO', text: 'not now' }],
    ['cut', 'UID FETCH', { kind: 'cut' }],
    ['expired', 'UID FETCH', { kind: 'expire' }],
  ])('%s', async (_name, at, does) => {
    const exchange = await exchangeWith();
    file(exchange, 'ticket-2.1');
    exchange.injectFault({ protocol: 'imap', at, does });
    expect((await lookUp(exchange, ['ticket-1.1'])).kind).toBe('notMade');
  });

  test('the server hangs: the lookup ends with its time', async () => {
    const exchange = await exchangeWith();
    exchange.injectFault({ protocol: 'imap', at: 'UID SEARCH', does: { kind: 'hang' } });
    expect(await lookUp(exchange, ['ticket-1.1'], { remainingMs: 1_500 })).toEqual({
      kind: 'notMade',
      detail: 'The time budget was used up.',
    });
  });

  test('more folders have such a name than can be searched', async () => {
    const exchange = await exchangeWith();
    for (let n = 0; n < 17; n += 1) exchange.store.mailbox(DESK).create(`Archive/${n}/Sent`);
    expect(await lookUp(exchange, ['ticket-1.1'])).toMatchObject({ kind: 'notMade' });
  });

  test('no folder has a known name', async () => {
    const exchange = await exchangeWith();
    const store = exchange.store.mailbox(DESK);
    store.rename(store.role('sent').name, 'Correspondence');
    const answer = await lookUp(exchange, ['ticket-1.1']);
    expect(answer).toMatchObject({ kind: 'notMade' });
  });

  test('the other mailbox cannot be read', async () => {
    const shared = 'shared@contoso.test';
    const exchange = await exchangeWith({ accounts: [DESK, { address: shared, shared: true }] });
    const mailbox = mailboxOf(shared, { smtpUser: DESK });
    expect((await lookUp(exchange, ['ticket-1.1'], { mailbox })).kind).toBe('notMade');
    file(exchange, 'ticket-1.1');
    expect((await lookUp(exchange, ['ticket-1.1'], { mailbox })).kind).toBe('searched');
  });
});
