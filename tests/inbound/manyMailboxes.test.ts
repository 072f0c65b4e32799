// A hundred mailboxes in one pass, over real IMAP connections: a bounded number at once, a dead one and a throttled
// one cost the others nothing, and what one pass had no time for comes first in the next.
import { afterAll, afterEach, expect, test } from '@jest/globals';
import type { Exchange } from '../../local/emulators/exchange/exchange.ts';
import type { Mailboxes } from '../../shared/inbound/ports.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../local/exchange/harness.ts';
import { closeParser, imapAt, mail, mailboxOf, rigOf, TestTokens, type Rig } from './rig.ts';

afterEach(closeAll);
afterAll(closeParser);

const run = { invocationId: 'test' };
const addresses = Array.from(
  { length: 100 },
  (_one, at) => `desk${String(at).padStart(2, '0')}@contoso.test`,
);
const dead = 'desk03@contoso.test';
const throttled = 'desk07@contoso.test';
const mailboxesAtOnce = 6;

/** Notes who is fetched in which order and how many at once; each sign-in takes so much virtual time. */
class Watched implements Mailboxes {
  order: string[] = [];
  openCount = 0;
  mostAtOnce = 0;
  nowMs = 0;
  readonly #inner: Mailboxes;
  readonly #signInMs: number;

  constructor(inner: Mailboxes, signInMs: number) {
    this.#inner = inner;
    this.#signInMs = signInMs;
  }

  async open(...[mailbox, time]: Parameters<Mailboxes['open']>): ReturnType<Mailboxes['open']> {
    this.order.push(mailbox.address);
    this.nowMs += this.#signInMs;
    this.openCount += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.openCount);
    const opened = await this.#inner.open(mailbox, time);
    if (opened.kind === 'failed') {
      this.openCount -= 1;
      return opened;
    }
    const { session } = opened;
    const close = session.close.bind(session);
    session.close = async () => {
      await close();
      this.openCount -= 1;
    };
    return opened;
  }
}

async function worldOf(
  signInMs: number,
): Promise<{ readonly exchange: Exchange; readonly imap: Watched; readonly rig: Rig }> {
  const exchange = await exchangeWith({ accounts: addresses });
  const { ca } = await certificates();
  const imap = new Watched(imapAt(exchange.imapPort, ca, new TestTokens((user) => tokenFor(user))), signInMs);
  const startsAt = Date.UTC(2026, 10, 25);
  const rig = rigOf({
    mailboxes: addresses.map((address) => mailboxOf(address)),
    imap,
    numbers: { mailboxesAtOnce },
    clock: {
      now: () => startsAt + imap.nowMs,
      monotonic: () => imap.nowMs,
      sleep: () => new Promise(() => undefined),
    },
  });
  for (const address of addresses) {
    const store = exchange.store.mailbox(address);
    for (const part of ['a', 'b']) store.deliver(mail({ 'Message-ID': `<${part}.${address}>` }));
  }
  return { exchange, imap, rig };
}

const announcedFor = (rig: Rig): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const { mailbox } of rig.mails()) counts.set(mailbox, (counts.get(mailbox) ?? 0) + 1);
  return counts;
};

test('all hundred in one pass: at most six at once, and two that fail stop nobody', async () => {
  const { exchange, imap, rig } = await worldOf(100);
  exchange.account({ address: dead, imap: 'off' });
  exchange.injectFault({
    protocol: 'imap',
    at: 'UID SEARCH',
    account: throttled,
    does: { kind: 'throttle', backoffMs: 250_000 },
  });
  const reports = await rig.inbound.fetchAll(run);
  expect(reports).toHaveLength(addresses.length);
  expect(
    reports.filter(({ outcome }) => outcome !== 'fetched').map(({ mailbox, outcome }) => [mailbox, outcome]),
  ).toHaveLength(2);
  const counts = announcedFor(rig);
  expect(addresses.filter((address) => counts.get(address) !== 2)).toEqual([dead, throttled]);
  expect(imap.mostAtOnce).toBe(mailboxesAtOnce);
  expect(imap.openCount).toBe(0);
  expect(exchange.figures().violations).toEqual([]);
});

test('a pass too short for all: those left out come first in the next, before any that had their turn', async () => {
  const { imap, rig } = await worldOf(5_000);
  const first = await rig.inbound.fetchAll(run);
  const leftOut = first.filter(({ hasMore }) => hasMore).map(({ mailbox }) => mailbox);
  const served = addresses.filter((address) => !leftOut.includes(address));
  expect(leftOut.length).toBeGreaterThan(mailboxesAtOnce);
  expect(served.length).toBeGreaterThan(mailboxesAtOnce);
  imap.order = [];
  await rig.inbound.fetchAll(run);
  const sooner = imap.order.slice(0, Math.min(leftOut.length, imap.order.length));
  expect(sooner.filter((address) => served.includes(address))).toEqual([]);
  for (let pass = 3; pass <= 4; pass += 1) await rig.inbound.fetchAll(run);
  const counts = announcedFor(rig);
  expect(addresses.filter((address) => counts.get(address) !== 2)).toEqual([]);
  expect(rig.mails()).toHaveLength(2 * addresses.length);
});
