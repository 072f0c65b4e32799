// While one batch is handed off the next is fetched, over the same connection and never two commands at a time.
import { afterAll, afterEach, expect, test } from '@jest/globals';
import type { Exchange } from '../../local/emulators/exchange/exchange.ts';
import type { AfterFetch } from '../../shared/mail/mailbox.ts';
import type { Mailboxes, MailboxSession } from '../../shared/inbound/ports.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../local/exchange/harness.ts';
import { closeParser, DESK, imapAt, mail, mailboxOf, queueOf, rigOf, TestTokens, type Rig } from './rig.ts';

afterEach(closeAll);
afterAll(closeParser);

const run = { invocationId: 'test' };

/** A session's commands as they begin and end. */
class Commands {
  readonly log: string[] = [];
  underWay = 0;
  mostAtOnce = 0;
  /** The next action finds that the token ran out. */
  expiresAtAct = false;

  begin(name: string): void {
    this.log.push(name);
    this.underWay += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.underWay);
  }

  async during<T>(name: string, command: () => Promise<T>): Promise<T> {
    this.begin(name);
    try {
      return await command();
    } finally {
      this.underWay -= 1;
    }
  }

  seenBy(session: MailboxSession): MailboxSession {
    const during = this.during.bind(this);
    const begin = this.begin.bind(this);
    const end = (): void => void (this.underWay -= 1);
    return {
      uidValidity: session.uidValidity,
      uidNext: session.uidNext,
      listAbove: (uid) => during('list', () => session.listAbove(uid)),
      stillThere: (uids) => during('there', () => session.stillThere(uids)),
      readHeads: (uids) => during(`heads ${uids.join(',')}`, () => session.readHeads(uids)),
      readHeaders: (uids) => during('headers', () => session.readHeaders(uids)),
      async *stream(head) {
        begin('stream');
        try {
          yield* session.stream(head);
        } finally {
          end();
        }
      },
      act: async (uids, action) => {
        if (!this.expiresAtAct) return during(`act ${uids.join(',')}`, () => session.act(uids, action));
        this.expiresAtAct = false;
        return { kind: 'failed', trouble: { kind: 'tokenExpired', detail: 'It ran out.' } };
      },
      close: () => session.close(),
    };
  }
}

async function worldWith(
  afterFetch: AfterFetch,
): Promise<{ exchange: Exchange; rig: Rig; commands: Commands }> {
  const exchange = await exchangeWith();
  const { ca } = await certificates();
  const imap = imapAt(exchange.imapPort, ca, new TestTokens((user) => tokenFor(user)));
  const commands = new Commands();
  const mailboxes: Mailboxes = {
    async open(mailbox, time) {
      const answer = await imap.open(mailbox, time);
      return answer.kind === 'failed' ? answer : { kind: 'ok', session: commands.seenBy(answer.session) };
    },
  };
  const rig = rigOf({
    mailboxes: [mailboxOf(DESK, { afterFetch })],
    imap: mailboxes,
    numbers: { batchCount: 2, messagesAtOnce: 2 },
  });
  return { exchange, rig, commands };
}

function deliver(exchange: Exchange, ...mails: readonly string[]): void {
  for (const one of mails) exchange.store.mailbox(DESK).deliver(one);
}

const numbered = (count: number): readonly string[] =>
  Array.from({ length: count }, (_one, at) => mail({ 'Message-ID': `<${at + 1}@x>` }));

test('the next batch is asked for before the first mail of this one is announced', async () => {
  const { exchange, rig, commands } = await worldWith({ kind: 'none' });
  deliver(exchange, ...numbered(5));
  const whenTold: string[][] = [];
  queueOf(rig).hook = (step, when) => {
    if (step === 'publish' && when === 'before')
      whenTold.push(commands.log.filter((name) => name.startsWith('heads')));
  };
  expect(await rig.inbound.fetchAll(run)).toMatchObject([{ announcedCount: 5, hasMore: false }]);
  expect(whenTold[0]).toContain('heads 3,4');
  expect(whenTold.at(-1)).toEqual(['heads 1,2', 'heads 3,4', 'heads 5']);
});

test('commands never overlap, whatever is streamed or moved in between', async () => {
  const { exchange, rig, commands } = await worldWith({ kind: 'move', folder: 'Fetched' });
  const long = mail({ 'Message-ID': '<long@x>' }, 'A line of text.\r\n'.repeat(40_000));
  const [first = '', ...others] = numbered(4);
  deliver(exchange, first, long, ...others);
  expect(await rig.inbound.fetchAll(run)).toMatchObject([{ announcedCount: 5, actedCount: 5 }]);
  expect(commands.mostAtOnce).toBe(1);
  expect(commands.log).toContain('stream');
  const named = (kind: string): readonly string[] => commands.log.filter((name) => name.startsWith(kind));
  expect(named('heads')).toEqual(['heads 1,2', 'heads 3,4', 'heads 5']);
  expect(named('act')).toEqual(['act 1,2', 'act 3,4', 'act 5']);
});

test('a connection that is lost while reading ahead: what was read is announced and committed, its actions stay pending', async () => {
  const { exchange, rig } = await worldWith({ kind: 'delete' });
  deliver(exchange, ...numbered(4));
  exchange.injectFault({
    protocol: 'imap',
    at: 'UID FETCH',
    skip: 1,
    times: 1,
    does: { kind: 'throttle', backoffMs: 60_000 },
  });
  const report = await rig.inbound.fetchOne(DESK, run);
  expect(report).toMatchObject({ outcome: 'failed', announcedCount: 2, actedCount: 0 });
  expect(report?.detail).toContain('Exchange asks for a pause');
  expect(rig.ledger.pending.size).toBe(2);
  expect(await rig.inbound.fetchOne(DESK, run)).toMatchObject({ announcedCount: 2, actedCount: 4 });
  expect(rig.notices()).toHaveLength(4);
  expect(exchange.store.mailbox(DESK).folder('INBOX')?.size).toBe(0);
});

test('a session that ends between two batches: what was announced and not committed is marked by the next one', async () => {
  const { exchange, rig, commands } = await worldWith({ kind: 'seen' });
  deliver(exchange, ...numbered(4));
  commands.expiresAtAct = true;
  expect(await rig.inbound.fetchAll(run)).toMatchObject([{ outcome: 'fetched', actedCount: 4 }]);
  expect([...rig.ledger.entries.values()].map(({ state }) => state)).toEqual([
    'announced',
    'announced',
    'announced',
    'announced',
  ]);
  expect(rig.notices()).toHaveLength(4);
  expect(rig.ledger.pending.size).toBe(0);
});

test('a batch that is not written keeps those after it from being written', async () => {
  const { exchange, rig } = await worldWith({ kind: 'none' });
  deliver(exchange, ...numbered(6));
  let tries = 0;
  rig.ledger.hook = (step, when) => {
    if (step !== 'advance' || when !== 'before') return;
    tries += 1;
    throw new Error('refused');
  };
  expect(await rig.inbound.fetchOne(DESK, run)).toMatchObject({ outcome: 'failed' });
  expect(tries).toBe(1);
  expect((await rig.inbound.states())[0]?.cursor?.lastUid).toBe(0);
  rig.ledger.hook = () => undefined;
  await rig.inbound.fetchOne(DESK, run);
  expect((await rig.inbound.states())[0]?.cursor?.lastUid).toBe(6);
  expect(new Set(rig.notices().map(({ id }) => id)).size).toBe(6);
});

test('a server without UIDs: two mails of one run that agree in their headers are both announced', async () => {
  const { exchange, rig } = await worldWith({ kind: 'none' });
  const folder = exchange.store.mailbox(DESK).folder('INBOX');
  folder?.renumber(0);
  deliver(exchange, mail({ 'Message-ID': '<known@x>' }));
  await rig.inbound.fetchAll(run);
  // In different batches of the next pass, which recognises known mail by its headers.
  const twin = (text: string): string => mail({ 'Message-ID': '<twin@x>' }, text);
  deliver(exchange, twin('One.'), mail({ 'Message-ID': '<between@x>' }), mail({ 'Message-ID': '<more@x>' }));
  deliver(exchange, mail({ 'Message-ID': '<most@x>' }), twin('Another.'));
  folder?.renumber(0);
  expect(await rig.inbound.fetchAll(run)).toMatchObject([{ announcedCount: 5, duplicateCount: 1 }]);
  expect(new Set(rig.notices().map(({ id }) => id)).size).toBe(6);
});
