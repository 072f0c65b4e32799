// The lookup in Sent Items: the same cases over IMAP against the Exchange Online emulator and, where it is installed, against
// Dovecot; and against the model that scenarios believe in.
import { afterAll, afterEach, beforeAll, describe } from '@jest/globals';
import { ImapFlow } from 'imapflow';
import { findDovecot, startDovecot, type Dovecot } from '../../local/realServers/dovecot.ts';
import { systemClock } from '../../shared/clock.ts';
import { createImapLogin } from '../../shared/exchange/imapMailbox.ts';
import { createImapSentItems } from '../../shared/exchange/imapSentItems.ts';
import { groupAccounts } from '../../shared/mail/accounts.ts';
import type { Account, Mailbox } from '../../shared/mail/mailbox.ts';
import type { SentItems } from '../../shared/outbound/ports.ts';
import { DESK, mail, mailboxOf, TestTokens } from '../inbound/rig.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../local/exchange/harness.ts';
import { attemptOf, ModelServer } from '../models/modelRelay.ts';
import { ModelSentItems } from '../models/modelSentItems.ts';
import { VirtualClock } from '../models/virtualClock.ts';
import { sentItemsContract, soughtAt, type SentItemsUnderTest } from './sentItemsContract.ts';

const copyOf = (bridgeId: string): string =>
  mail({ 'Message-ID': `<${bridgeId}@ours>`, 'X-Mail-Bridge-Id': bridgeId });

function accountOf(mailbox: Mailbox): Account {
  const [account] = groupAccounts([mailbox]);
  if (account === undefined) throw new Error('no account');
  return account;
}

const searchIn =
  (sentItems: SentItems, mailbox: Mailbox, now: () => number): SentItemsUnderTest['search'] =>
  (ids) =>
    sentItems.search(accountOf(mailbox), mailbox, ids.map(soughtAt(now())), { remainingMs: () => 20_000 });

afterEach(closeAll);

async function overImap(port: number, token: (user: string) => string): Promise<SentItems> {
  const { ca } = await certificates();
  const tokens = new TestTokens(token);
  const login = { host: 'localhost', port, tokens, clock: systemClock, trustedCertificates: [ca] };
  return createImapSentItems(createImapLogin(login));
}

describe('over IMAP, the emulator', () => {
  sentItemsContract(async () => {
    const exchange = await exchangeWith();
    const store = exchange.store.mailbox(DESK);
    const { name: folder } = store.role('sent');
    return {
      file: (bridgeId, agoMs = 0) => {
        store.deliver(copyOf(bridgeId), { folder, internalDate: Date.now() - agoMs });
        return Promise.resolve();
      },
      search: searchIn(await overImap(exchange.imapPort, () => tokenFor(DESK)), mailboxOf(DESK), () =>
        Date.now(),
      ),
    };
  });
});

(findDovecot() === undefined ? describe.skip : describe)('over IMAP, Dovecot', () => {
  let dovecot: Dovecot;
  let users = 0;
  beforeAll(async () => {
    const { cert, key } = await certificates();
    dovecot = await startDovecot({ cert, key, clock: systemClock });
  });
  afterAll(() => dovecot.close());

  sentItemsContract(async () => {
    users += 1;
    const user = `sender${String(users)}@contoso.test`;
    const { ca } = await certificates();
    const auth = { user, accessToken: dovecot.token(user) };
    const to = {
      host: 'localhost',
      port: dovecot.imapPort,
      secure: true,
      tls: { ca },
      logger: false,
    } as const;
    return {
      file: async (bridgeId, agoMs = 0) => {
        const client = new ImapFlow({ ...to, auth });
        await client.connect();
        await client.append('Sent Items', copyOf(bridgeId), ['\\Seen'], new Date(Date.now() - agoMs));
        await client.logout();
      },
      search: searchIn(await overImap(dovecot.imapPort, (name) => dovecot.token(name)), mailboxOf(user), () =>
        Date.now(),
      ),
    };
  });
});

describe('the model of scenarios', () => {
  sentItemsContract(() => {
    const world = new VirtualClock();
    const server = new ModelServer();
    const search = searchIn(new ModelSentItems(server, world), mailboxOf(DESK), () => world.now);
    return Promise.resolve({
      file: (bridgeId, agoMs = 0) => {
        server.copies.push({
          account: accountOf(mailboxOf(DESK)).key,
          bridgeId: attemptOf(bridgeId),
          visibleAt: world.now - agoMs,
          messageId: `<${bridgeId}@ours>`,
        });
        return Promise.resolve();
      },
      search: (ids) => world.run(search(ids)),
    });
  });
});
