// Fetching from real Dovecot: the same folder of mails gives the same notices as the emulator does, and what happens
// to a folder between two steps happens on an independent server.
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { ImapFlow } from 'imapflow';
import { startDovecot, type Dovecot } from '../../../local/realServers/dovecot.ts';
import { systemClock } from '../../../shared/clock.ts';
import type { AfterFetch } from '../../../shared/mail/mailbox.ts';
import { closeParser, imapAt, mail, mailboxOf, rigOf, TestTokens, type Rig } from '../../inbound/rig.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../../local/exchange/harness.ts';
import { samples } from '../../local/exchange/imapScenario.ts';

let dovecot: Dovecot;
let users = 0;
const run = { invocationId: 'test' };

beforeAll(async () => {
  const { cert, key } = await certificates();
  dovecot = await startDovecot({ cert, key, clock: systemClock });
});

afterEach(closeAll);

afterAll(async () => {
  await closeParser();
  await dovecot.close();
});

interface World {
  readonly user: string;
  readonly rig: Rig;
  again(): Rig;
  /** Another program's connection to the same mailbox. */
  other(): Promise<ImapFlow>;
  append(...mails: readonly string[]): Promise<void>;
}

async function worldWith(afterFetch: AfterFetch = { kind: 'none' }): Promise<World> {
  users += 1;
  const user = `desk${users}@contoso.test`;
  const { ca } = await certificates();
  const imap = imapAt(dovecot.imapPort, ca, new TestTokens((name) => dovecot.token(name)));
  const options = { mailboxes: [mailboxOf(user, { afterFetch })], imap, numbers: { leaseMs: 0 } };
  const rig = rigOf(options);
  const other = async (): Promise<ImapFlow> => {
    const client = new ImapFlow({
      host: 'localhost',
      port: dovecot.imapPort,
      secure: true,
      tls: { ca },
      auth: { user, accessToken: dovecot.token(user) },
      logger: false,
    });
    await client.connect();
    return client;
  };
  return {
    user,
    rig,
    again: () => rigOf({ ...options, after: rig }),
    other,
    append: async (...mails) => {
      const client = await other();
      for (const one of mails) await client.append('INBOX', Buffer.from(one, 'latin1'));
      await client.logout();
    },
  };
}

async function subjectsIn(world: World, folder: string): Promise<readonly string[]> {
  const client = await world.other();
  await client.mailboxOpen(folder);
  const found = [];
  for await (const { envelope } of client.fetch('1:*', { envelope: true }))
    found.push(envelope?.subject ?? '');
  await client.logout();
  return found;
}

/** What a consumer acts on; where the message lies on which server is left out. */
function essence(rig: Rig): readonly object[] {
  return rig.mails().map((one) => ({
    ...one,
    id: '',
    mailbox: '',
    uid: 0,
    uidValidity: 0,
    receivedAt: null,
    raw: { ...one.raw, blob: '' },
    text: one.text?.sha256,
    html: one.html?.sha256,
    parts: one.parts.map((part) => ({ ...part, blob: '' })),
  }));
}

test('the same folder of mails gives the same notices as at the emulator', async () => {
  const long = mail({ 'Message-ID': '<long@x>' }, 'A line of text.\r\n'.repeat(40_000));
  const bounce = mail(
    { From: 'MAILER-DAEMON@x.test', Subject: 'failure notice', 'Message-ID': '<b@x>' },
    'Hi. This is the qmail-send program at x.test.\r\n\r\n<nobody@fabrikam.test>:\r\nRemote host said: 550 5.1.1 no such user\r\n',
  );
  const mails = [...Object.values(samples), long, bounce, mail({ Subject: 'no id' })];
  const real = await worldWith();
  await real.append(...mails);
  await real.rig.inbound.fetchAll(run);

  const exchange = await exchangeWith({ accounts: [real.user] });
  const { ca } = await certificates();
  const imap = imapAt(exchange.imapPort, ca, new TestTokens((user) => tokenFor(user)));
  const standIn = rigOf({ mailboxes: [mailboxOf(real.user)], imap });
  for (const one of mails) exchange.store.mailbox(real.user).deliver(Buffer.from(one, 'latin1'));
  await standIn.inbound.fetchAll(run);

  expect(essence(real.rig)).toHaveLength(mails.length);
  expect(essence(standIn)).toEqual(essence(real.rig));
  expect(standIn.mails().map(({ id }) => id)).toEqual(real.rig.mails().map(({ id }) => id));
});

describe('after the fetch', () => {
  test.each<[string, AfterFetch, readonly string[], readonly string[]]>([
    ['moved', { kind: 'move', folder: 'Fetched/ESM' }, [], ['one', 'two']],
    ['deleted', { kind: 'delete' }, [], []],
  ])('%s', async (_name, afterFetch, left, moved) => {
    const world = await worldWith(afterFetch);
    await world.append(mail({ Subject: 'one' }), mail({ Subject: 'two' }));
    await world.rig.inbound.fetchAll(run);
    expect(await subjectsIn(world, 'INBOX')).toEqual(left);
    if (moved.length > 0) expect(await subjectsIn(world, 'Fetched/ESM')).toEqual(moved);
  });

  test('marked as seen', async () => {
    const world = await worldWith({ kind: 'seen' });
    await world.append(mail({}));
    await world.rig.inbound.fetchAll(run);
    const client = await world.other();
    await client.mailboxOpen('INBOX');
    const one = await client.fetchOne('1', { flags: true });
    expect(one === false ? [] : [...(one.flags ?? [])]).toContain('\\Seen');
    await client.logout();
  });
});

describe('between two steps', () => {
  test('UIDVALIDITY changes: known mail is recognized, new mail is announced', async () => {
    const world = await worldWith({ kind: 'seen' });
    await world.append(mail({ Subject: 'one' }), mail({ Subject: 'two' }));
    await world.rig.inbound.fetchAll(run);
    await dovecot.setUidValidity(world.user, 'INBOX', 4_242);
    await world.append(mail({ Subject: 'three' }));
    expect(await world.rig.inbound.fetchAll(run)).toMatchObject([{ announcedCount: 1, duplicateCount: 2 }]);
    expect(world.rig.mails().map(({ subject, uidValidity }) => [subject, uidValidity === 4_242])).toEqual([
      ['one', false],
      ['two', false],
      ['three', true],
    ]);
  });

  test('UIDVALIDITY changes while an action is owed: it is done on the new UIDs', async () => {
    const world = await worldWith({ kind: 'delete' });
    await world.append(mail({ Subject: 'one' }), mail({ Subject: 'two' }));
    world.rig.ledger.hook = (step, when) => {
      const isOwed = world.rig.ledger.pending.size > 0;
      if (isOwed && step === 'advance' && when === 'after') throw new Error('the end');
    };
    await world.rig.inbound.fetchAll(run);
    world.rig.ledger.hook = () => undefined;
    expect(world.rig.ledger.pending.size).toBe(2);
    await dovecot.setUidValidity(world.user, 'INBOX', 4_243);
    await world.again().inbound.fetchOne(world.user, run);
    expect(await subjectsIn(world, 'INBOX')).toEqual([]);
    expect(world.rig.ledger.pending.size).toBe(0);
    expect(world.rig.notices()).toHaveLength(2);
  });

  test('a person moves a message away before we do', async () => {
    const world = await worldWith({ kind: 'move', folder: 'Fetched' });
    await world.append(mail({ Subject: 'one' }), mail({ Subject: 'two' }));
    world.rig.ledger.hook = (step, when) => {
      const isOwed = world.rig.ledger.pending.size > 0;
      if (isOwed && step === 'advance' && when === 'after') throw new Error('the end');
    };
    await world.rig.inbound.fetchAll(run);
    world.rig.ledger.hook = () => undefined;
    const person = await world.other();
    await person.mailboxCreate('Mine');
    await person.mailboxOpen('INBOX');
    await person.messageMove('1', 'Mine');
    await person.logout();
    expect(await world.again().inbound.fetchOne(world.user, run)).toMatchObject({ outcome: 'fetched' });
    expect(await subjectsIn(world, 'Fetched')).toEqual(['two']);
    expect(await subjectsIn(world, 'Mine')).toEqual(['one']);
    expect(world.rig.ledger.pending.size).toBe(0);
  });

  test('the folder is deleted', async () => {
    users += 1;
    const user = `desk${users}@contoso.test`;
    const { ca } = await certificates();
    const imap = imapAt(dovecot.imapPort, ca, new TestTokens((name) => dovecot.token(name)));
    const rig = rigOf({ mailboxes: [mailboxOf(user, { folder: 'Tickets' })], imap });
    expect(await rig.inbound.fetchAll(run)).toMatchObject([{ outcome: 'failed' }]);
    expect((await rig.inbound.states())[0]?.cursor?.detail).toContain('cannot be opened');
  });
});

test('a sign-in that Dovecot refuses is retried once with a new token, then reported', async () => {
  const { ca } = await certificates();
  const tokens = new TestTokens(() => 'nonsense');
  const rig = rigOf({
    mailboxes: [mailboxOf('desk@contoso.test')],
    imap: imapAt(dovecot.imapPort, ca, tokens),
  });
  const [report] = await rig.inbound.fetchAll(run);
  expect(report?.detail).toContain('refused the login');
  expect(tokens.renewed).toBe(1);
  expect(JSON.stringify([report, rig.events])).not.toContain('nonsense');
});
