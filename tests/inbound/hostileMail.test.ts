// Messages that stopped a mailbox, or were lost, before: each is retried, announced or given up alone.
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import type { Exchange } from '../../local/emulators/exchange/exchange.ts';
import type { DeliverOptions } from '../../local/emulators/exchange/mailStore.ts';
import type { AfterFetch } from '../../shared/mail/mailbox.ts';
import { parseBridgeId, parseMessageId } from '../../shared/outbound/records/messageIds.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../local/exchange/harness.ts';
import { MemorySentMessages } from './memoryStore.ts';
import { closeParser, DESK, imapAt, mail, mailboxOf, rigOf, TestTokens, type Rig } from './rig.ts';

afterEach(closeAll);
afterAll(closeParser);

const run = { invocationId: 'test' };

async function worldWith(afterFetch: AfterFetch): Promise<{ exchange: Exchange; rig: Rig }> {
  const exchange = await exchangeWith();
  const { ca } = await certificates();
  const imap = imapAt(exchange.imapPort, ca, new TestTokens((user) => tokenFor(user)));
  return { exchange, rig: rigOf({ mailboxes: [mailboxOf(DESK, { afterFetch })], imap }) };
}

const inbox = (exchange: Exchange): readonly number[] =>
  exchange.store
    .mailbox(DESK)
    .folder('INBOX')
    ?.messages.map(({ uid }) => uid) ?? [];

const deliver = (exchange: Exchange, text: string, options: DeliverOptions = {}): void =>
  void exchange.store.mailbox(DESK).deliver(text, options);

/** Its end can be seen: of a plain text that is cut only the size is a sign, which Exchange estimates. */
const multipart = (fields: Readonly<Record<string, string>>, body: string): string =>
  mail(
    { ...fields, 'Content-Type': 'multipart/mixed; boundary=b' },
    ['--b', 'Content-Type: text/plain', '', body, '--b--', ''].join('\r\n'),
  );

/** The retry list is tried in every run at first; later the clock decides, so that tests pass over the wait. */
async function runUntilQuiet(rig: Rig): Promise<void> {
  for (let n = 0; n < 300; n += 1) {
    await rig.inbound.fetchAll(run);
    const [state] = await rig.inbound.states();
    if (state?.cursor?.retryList.length === 0) return;
    // From the ninth try on a UID waits for its minute: pretend that it has failed often enough.
    for (const [key, row] of rig.ledger.cursors) {
      const { cursor } = row;
      if (cursor === undefined) continue;
      const retryList = cursor.retryList.map((one) => (one.tryCount < 8 ? one : { ...one, tryCount: 12 }));
      rig.ledger.cursors.set(key, { ...row, cursor: { ...cursor, retryList } });
    }
  }
  throw new Error('The retry list never became empty.');
}

const actions: readonly AfterFetch[] = [
  { kind: 'none' },
  { kind: 'seen' },
  { kind: 'delete' },
  { kind: 'move', folder: 'Processed' },
];

describe.each(actions)('what the server does not give whole, after-fetch action $kind', (afterFetch) => {
  test.each(['placeholder', 'empty', 'emptyString', 'nil', 'lineEnd', 'truncated', 'refused'] as const)(
    '%s: not announced as a message, no action, and unparsed after its tries; its neighbours are fetched',
    async (unreadable) => {
      const { exchange, rig } = await worldWith(afterFetch);
      deliver(exchange, mail({ 'Message-ID': '<one@x>' }));
      const cut = multipart({ 'Message-ID': '<two@x>' }, 'text '.repeat(2_000));
      deliver(exchange, cut, { unreadable });
      deliver(exchange, mail({ 'Message-ID': '<three@x>' }));
      await rig.inbound.fetchAll(run);
      expect(rig.mails().map(({ messageId }) => messageId)).toEqual(['<one@x>', '<three@x>']);
      await runUntilQuiet(rig);
      expect(rig.mails().map(({ kind }) => kind)).toEqual(['message', 'message', 'unparsed']);
      expect(rig.mails()[2]).toMatchObject({ parts: [], loopGuard: { mayAnswer: false } });
      expect(inbox(exchange)).toContain(2);
      expect(exchange.store.mailbox(DESK).folder('INBOX')?.message(2)?.flags.has('\\Seen')).toBe(false);
    },
  );

  test('placeholder first, the mail later (a scanner held it): the mail is announced', async () => {
    const { exchange, rig } = await worldWith(afterFetch);
    deliver(exchange, mail({ 'Message-ID': '<late@x>' }), { unreadable: 'placeholder' });
    await rig.inbound.fetchAll(run);
    expect(rig.notices()).toEqual([]);
    const folder = exchange.store.mailbox(DESK).folder('INBOX');
    const stored = folder?.message(1);
    if (folder === undefined || stored === undefined) throw new Error('the message is not there');
    Object.assign(stored, { unreadable: undefined });
    await rig.inbound.fetchAll(run);
    expect(rig.mails()).toMatchObject([{ kind: 'message', messageId: '<late@x>' }]);
  });
});

test('an exception about one message ends no run: it is counted, and given up after its tries', async () => {
  const { exchange, rig } = await worldWith({ kind: 'delete' });
  const lookUp = rig.sent.lookUpSent.bind(rig.sent);
  rig.sent.lookUpSent = (by) => {
    if (by.messageIds.includes('<hostile@x>'))
      throw new Error('a key has a character that no table key may have');
    return lookUp(by);
  };
  for (let n = 0; n < 30; n += 1) {
    const answers = n === 7 ? { 'In-Reply-To': '<hostile@x>' } : {};
    deliver(exchange, mail({ 'Message-ID': `<${n}@x>`, ...answers }));
  }
  const [report] = await rig.inbound.fetchAll(run);
  expect(report).toMatchObject({ outcome: 'fetched', announcedCount: 29, retryCount: 1 });
  await runUntilQuiet(rig);
  expect(rig.mails()).toHaveLength(30);
  expect(rig.mails()[29]).toMatchObject({ kind: 'unparsed' });
  expect(rig.mails()[29]).not.toHaveProperty('relatesTo');
  expect(inbox(exchange)).toEqual([8]);
});

test('thousands of messages that cannot be fetched: a run ends while its list has room, and the next goes on', async () => {
  const { exchange, rig } = await worldWith({ kind: 'none' });
  const store = exchange.store.mailbox(DESK);
  for (let n = 0; n < 1_300; n += 1)
    store.deliver(mail({ 'Message-ID': `<${n}@x>` }), { unreadable: 'refused' });
  store.deliver(mail({ 'Message-ID': '<good@x>' }));
  const runs = [];
  for (let turn = 0; turn < 3; turn += 1) runs.push(...(await rig.inbound.fetchAll(run)));
  expect(runs.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 3 }, () => 'fetched'));
  expect(Math.max(...runs.map(({ retryCount }) => retryCount))).toBeLessThanOrEqual(1_200);
  const [state] = await rig.inbound.states();
  expect(state?.cursor?.lastUid).toBeGreaterThan(1_200);
}, 300_000);

test('201 messages that cannot be fetched do not stop a mailbox', async () => {
  const { exchange, rig } = await worldWith({ kind: 'none' });
  for (let n = 0; n < 201; n += 1) {
    deliver(exchange, mail({ 'Message-ID': `<r${n}@x>` }), { unreadable: 'refused' });
  }
  deliver(exchange, mail({ 'Message-ID': '<behind@x>' }));
  const [report] = await rig.inbound.fetchAll(run);
  expect(report).toMatchObject({ outcome: 'fetched', announcedCount: 1, retryCount: 201 });
});

test('60 mails with one Message-ID, Date and first hop are all announced, each under an id of its own', async () => {
  const { exchange, rig } = await worldWith({ kind: 'none' });
  for (let n = 0; n < 60; n += 1) deliver(exchange, mail({ 'Message-ID': '<same@x>' }, `body ${n}`));
  await rig.inbound.fetchAll(run);
  expect(new Set(rig.notices().map(({ id }) => id)).size).toBe(60);
  await rig.inbound.fetchAll(run);
  expect(rig.notices()).toHaveLength(60);
}, 60_000);

test('two mails that differ in HTML alone are two', async () => {
  const { exchange, rig } = await worldWith({ kind: 'delete' });
  for (const server of [1, 2]) {
    const html = `<p>Server ${server} is down</p>`;
    const body = ['--b', 'Content-Type: text/plain', '', 'This message needs an HTML reader.'];
    body.push('--b', 'Content-Type: text/html', '', html, '--b--', '');
    const headers = { 'Message-ID': '<alert@x>', 'Content-Type': 'multipart/alternative; boundary=b' };
    deliver(exchange, mail(headers, body.join('\r\n')));
  }
  await rig.inbound.fetchAll(run);
  expect(rig.notices()).toHaveLength(2);
});

describe('what a report may change', () => {
  const sent = { submissionId: 'INC-1', mailbox: DESK, correlation: null, recipients: ['kim@fabrikam.test'] };
  const signs = MemorySentMessages.signsOf('INC-1');
  const report = (recipient: string, status: string): string =>
    mail(
      {
        From: 'Mail Delivery System <MAILER-DAEMON@fabrikam.test>',
        'Message-ID': '<bounce@x>',
        'Content-Type': 'multipart/report; report-type=delivery-status; boundary=b',
      },
      [
        '--b',
        'Content-Type: message/delivery-status',
        '',
        'Reporting-MTA: dns; mx.fabrikam.test',
        '',
        `Final-Recipient: rfc822; ${recipient}`,
        'Action: failed',
        `Status: ${status}`,
        '--b',
        'Content-Type: text/rfc822-headers',
        '',
        `Message-ID: ${signs.messageId}`,
        `X-Mail-Bridge-Id: ${signs.bridgeId}`,
        `X-Mail-Bridge-Tag: ${signs.tag}`,
        '--b--',
      ].join('\r\n'),
    );

  test.each([
    ['a recipient of the submission', 'kim@fabrikam.test', '5.1.1', true],
    ['a recipient in another case', 'KIM@Fabrikam.test', '5.1.1', true],
    ['somebody else, with our own private header', 'nobody@elsewhere.test', '5.7.501', false],
    ['a block of the sender, reported from outside', 'kim@fabrikam.test', '5.7.501', true],
  ])(
    '%s: verified only for its own recipients, and no hold for a stranger',
    async (_what, recipient, status, verified) => {
      const { exchange, rig } = await worldWith({ kind: 'none' });
      rig.sent.add(sent);
      deliver(exchange, report(recipient, status));
      await rig.inbound.fetchAll(run);
      expect(rig.mails()[0]?.relatesTo).toMatchObject({ by: 'privateHeader', verified });
      expect(rig.sent.bounces).toMatchObject([{ verified }]);
      expect(rig.sent.bounces[0]).not.toHaveProperty('pauses');
    },
  );
});

describe('an id that a stranger wrote', () => {
  const named = (id: string): string =>
    `<${'0'.repeat(32)}.${'A'.repeat(12)}.${Buffer.from(id).toString('base64url')}@x>`;

  test('is ours if it decodes to an id of a submission', () => {
    expect(parseMessageId(named('INC-1'))).toEqual({ account: 'A'.repeat(12), id: 'INC-1' });
  });

  test.each(['a/b', 'a\\b', 'a#b', 'what?', 'a\u0001b', ' ', 'é', '', '-a', 'a'.repeat(129)])(
    'is not ours if it decodes to %j',
    (id) => {
      expect(parseMessageId(named(id))).toBeUndefined();
      expect(parseBridgeId(`${id}.1.${'A'.repeat(12)}`)).toBeUndefined();
    },
  );

  test('is not ours in another spelling of the same bytes', () => {
    // Base64 has unused bits at its end: QQ and QR both decode to A.
    expect(parseMessageId(`<${'0'.repeat(32)}.${'A'.repeat(12)}.QR@x>`)).toBeUndefined();
  });
});
