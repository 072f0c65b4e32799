// Every state of a message and the ways between them, through the real functions: the package in the local host,
// against the emulators over real connections. Each test has an account of its own, so they run side by side on one
// stack; the tests check the status events, the server's log and the rows.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import type { SmtpRule } from '../../local/emulators/exchange/faults.ts';
import type { Hold } from '../../shared/outbound/records/accountState.ts';
import { containerNames } from '../../shared/storage/names.ts';
import { applicationMailbox, scenarioNumbers, startRig, submission, until, type Rig } from './rig.ts';

const addressOf = (name: string): string => `${name}@kunta.example`;
const limitOfTwo = 5;

/** A reply that an account gets at one step until it is mended; what the account's hold is then called. */
const holds: readonly (readonly [name: string, at: SmtpRule['at'], reply: string, reason: string])[] = [
  [
    'quota',
    'dot',
    "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a permanent exception with message The message cannot be submitted because the sender's submission quota was exceeded.",
    'quota',
  ],
  [
    'full',
    'dot',
    '554 5.2.2 STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; Cannot submit message.',
    'mailboxFull',
  ],
  ['slowed', 'dot', '550 5.2.255 Mailbox throttled after continuous invalid recipients errors', 'throttled'],
  ['blocked', 'mail', '550 5.1.8 Access denied, bad outbound sender AS(42004)', 'blocked'],
];

let rig: Rig;

beforeAll(async () => {
  rig = await startRig({
    mailboxes: [
      ...['later', 'parts', 'dead', 'found', 'lost', 'expires', 'cancels', 'refuses', 'storm', 'paused'],
      ...['hangs', 'lively', 'unsigned', 'authoff', ...holds.map(([name]) => name)],
    ]
      .map((name) => applicationMailbox(name))
      .concat(
        applicationMailbox('one', { limits: { messagesPerMinute: limitOfTwo } }),
        applicationMailbox('two', { smtpUser: addressOf('one'), limits: { messagesPerMinute: limitOfTwo } }),
        applicationMailbox('owner'),
        applicationMailbox('guest', { smtpUser: addressOf('owner') }),
      ),
  });
  rig.stack.exchange.account({ address: addressOf('two'), sendAs: [addressOf('one')] });
  await rig.startHost();
}, 120_000);
afterAll(() => rig.close(), 60_000);

const put = (id: string, mailbox: string, more: Readonly<Record<string, unknown>> = {}): Promise<void> =>
  rig.esm.submit(submission(id, addressOf(mailbox), more));
const arrivals = (id: string): number => rig.stack.exchange.log.messagesOf(id).length;
const stateOf = async (mailbox: string, id: string): Promise<string | undefined> =>
  (await rig.outbound.message(addressOf(mailbox), id))?.message.state;
const holdsOf = async (mailbox: string): Promise<readonly Hold[]> =>
  (await rig.outbound.watch(addressOf(mailbox))).state.holds;
/** Waits for a status event. */
const eventTypes = (id: string, type: string): Promise<void> =>
  until(
    `${id} is reported as ${type}`,
    () => rig.eventTypes(id).includes(type),
    () => rig.eventTypes(id),
  );

test.concurrent(
  'waiting, for its sendAt; then sent, once, with the ids of both sides',
  async () => {
    const sendAt = Date.now() + 4_000;
    await put('later-1', 'later', { sendAt: new Date(sendAt).toISOString(), correlation: { card: 'REQ-1' } });
    await eventTypes('later-1', 'accepted');
    expect(await stateOf('later', 'later-1')).toBe('waiting');
    await eventTypes('later-1', 'sent');
    expect(rig.eventTypes('later-1')).toEqual(['accepted', 'sent']);
    const [message, ...others] = rig.stack.exchange.log.messagesOf('later-1');
    expect(others).toEqual([]);
    // The emulator's time is this machine's, known to a second.
    expect(message?.acceptedAt).toBeGreaterThan(sendAt - 1_000);
    expect(rig.last('later-1')?.data).toMatchObject({
      messageId: message?.messageId,
      serverMessageId: `<${message?.serverId ?? ''}>`,
      correlation: { card: 'REQ-1' },
      recipients: [{ address: 'asukas@muualla.example', outcome: 'sent' }],
    });
    expect(await stateOf('later', 'later-1')).toBe('sent');
  },
  120_000,
);

test.concurrent(
  'deferred: only the recipient refused for now is tried again, and the one refused for good never',
  async () => {
    rig.stack.exchange.recipient('busy@parts.example', { kind: 'defer', times: 2 });
    rig.stack.exchange.recipient('gone@parts.example', { kind: 'refuse' });
    await put('parts-1', 'parts', {
      to: ['ready@parts.example'],
      cc: ['busy@parts.example'],
      bcc: ['gone@parts.example'],
    });
    await eventTypes('parts-1', 'sent');
    expect(rig.eventTypes('parts-1')).toEqual(['accepted', 'deferred', 'deferred', 'sent']);
    expect(rig.stack.exchange.log.messagesOf('parts-1').map(({ to }) => to)).toEqual([
      ['ready@parts.example'],
      ['busy@parts.example'],
    ]);
    const refused = rig.stack.exchange.log.refusals.filter(({ reply }) =>
      reply.includes('gone@parts.example'),
    );
    expect(refused).toHaveLength(1);
    expect(rig.last('parts-1')?.data['recipients']).toEqual([
      expect.objectContaining({ address: 'ready@parts.example', outcome: 'sent' }),
      expect.objectContaining({ address: 'busy@parts.example', outcome: 'sent' }),
      expect.objectContaining({ address: 'gone@parts.example', outcome: 'failed', code: 550 }),
    ]);
  },
  120_000,
);

test.concurrent(
  'failed: a dead letter with its content and reason; replayed by a person, sent',
  async () => {
    rig.stack.exchange.recipient('wrong@dead.example', { kind: 'refuse' });
    await put('dead-1', 'dead', { to: ['wrong@dead.example'], text: 'The content stays.' });
    await eventTypes('dead-1', 'failed');
    expect(rig.last('dead-1')?.data).toMatchObject({ reason: 'refused' });
    expect(JSON.stringify(rig.last('dead-1')?.data)).toContain('There is no such recipient.');
    const kept = await rig.outbound.message(addressOf('dead'), 'dead-1');
    expect(kept?.message).toMatchObject({ state: 'failed', reason: 'refused' });
    expect(Buffer.from(kept?.message.content ?? '').toString()).toContain('The content stays.');
    expect((await rig.outbound.forPerson(addressOf('dead'), 'failed', 10)).map(({ id }) => id)).toEqual([
      'dead-1',
    ]);

    rig.stack.exchange.recipient('wrong@dead.example', undefined);
    expect(await rig.outbound.replay({ account: addressOf('dead'), id: 'dead-1', by: 'Aino' })).toEqual({
      kind: 'done',
    });
    await eventTypes('dead-1', 'sent');
    expect(rig.eventTypes('dead-1')).toEqual(['accepted', 'failed', 'deferred', 'sent']);
    expect(arrivals('dead-1')).toBe(1);
  },
  120_000,
);

test.concurrent(
  'in doubt: taken by the server, the reply lost; found in Sent Items, so sent and not sent again',
  async () => {
    rig.stack.exchange.injectFault({
      protocol: 'smtp',
      at: 'reply',
      account: addressOf('found'),
      times: 1,
      does: { kind: 'cut' },
    });
    await put('found-1', 'found');
    await eventTypes('found-1', 'sent');
    expect(rig.eventTypes('found-1')).toEqual(['accepted', 'inDoubt', 'sent']);
    expect(arrivals('found-1')).toBe(1);
  },
  120_000,
);

test.concurrent(
  'in doubt: cut after the final dot, in Sent Items at neither look; held for a person, who replays or marks as sent',
  async () => {
    const cut = { protocol: 'smtp', at: 'dot', times: 2, does: { kind: 'cut' } } as const;
    rig.stack.exchange.injectFault({ ...cut, account: addressOf('lost') });
    for (const id of ['lost-1', 'lost-2']) await put(id, 'lost');
    for (const id of ['lost-1', 'lost-2']) {
      await eventTypes(id, 'held');
      expect(rig.eventTypes(id)).toEqual(['accepted', 'inDoubt', 'held']);
      expect(rig.last(id)?.data).toMatchObject({ reason: 'notFound' });
      expect(String(rig.last(id)?.data['remedy'])).toContain('Ask a recipient');
      expect(arrivals(id)).toBe(0);
    }
    // Two looks for each.
    const looks = rig
      .events('outbound.sentItemsSearched')
      .filter(({ account }) => account === addressOf('lost'));
    expect(looks.reduce((sum, { wantedCount }) => sum + Number(wantedCount), 0)).toBe(4);
    const unresolved = await rig.outbound.forPerson(addressOf('lost'), 'unresolved', 10);
    expect(new Set(unresolved.map(({ id }) => id))).toEqual(new Set(['lost-1', 'lost-2']));

    const by = { account: addressOf('lost'), by: 'Aino' };
    expect(await rig.outbound.replay({ ...by, id: 'lost-1' })).toEqual({ kind: 'done' });
    expect(await rig.outbound.markSent({ ...by, id: 'lost-2' })).toEqual({ kind: 'done' });
    for (const id of ['lost-1', 'lost-2']) await eventTypes(id, 'sent');
    // The replay is another attempt; what was marked is not sent.
    expect(rig.stack.exchange.log.messagesOf('lost-1').map(({ bridgeId }) => bridgeId)).toEqual([
      expect.stringMatching(/^lost-1\.2\./),
    ]);
    expect(rig.last('lost-2')?.data).toMatchObject({ reason: 'markedSent' });
    expect(arrivals('lost-2')).toBe(0);
  },
  120_000,
);

test.concurrent(
  'paused by a person: nothing is tried, however often the sweep comes by; resumed, sent',
  async () => {
    const pausedBy = { account: addressOf('paused'), by: 'Aino' };
    await rig.outbound.pause(pausedBy);
    await put('paused-1', 'paused');
    await eventTypes('paused-1', 'accepted');
    const sweeps = (): number =>
      rig.lines.filter((line) => line['function'] === 'sweepOutbound' && line['event'] === 'succeeded')
        .length;
    const from = sweeps();
    await until('the sweep came by three times', () => sweeps() >= from + 3);
    expect(await stateOf('paused', 'paused-1')).toBe('waiting');
    expect(arrivals('paused-1')).toBe(0);
    const connections = rig.stack.exchange.log.connections.filter(
      ({ account }) => account === addressOf('paused'),
    );
    expect(connections).toEqual([]);
    await rig.outbound.resume(pausedBy);
    await eventTypes('paused-1', 'sent');
    expect(rig.eventTypes('paused-1')).toEqual(['accepted', 'sent']);
  },
  120_000,
);

test.concurrent(
  'expired: deferred until its expiresAt, then no more',
  async () => {
    rig.stack.exchange.recipient('never@expires.example', { kind: 'defer' });
    const expiresAt = new Date(Date.now() + 10_000).toISOString();
    await put('expires-1', 'expires', { to: ['never@expires.example'], expiresAt });
    await eventTypes('expires-1', 'expired');
    expect(rig.eventTypes('expires-1').slice(0, 2)).toEqual(['accepted', 'deferred']);
    expect(rig.eventTypes('expires-1').at(-1)).toBe('expired');
    expect(await stateOf('expires', 'expires-1')).toBe('expired');
    expect(arrivals('expires-1')).toBe(0);
  },
  120_000,
);

test.concurrent(
  'cancelled while it waits; one that was sent can not be',
  async () => {
    await put('cancels-1', 'cancels', { sendAt: new Date(Date.now() + 3_600_000).toISOString() });
    await put('cancels-2', 'cancels');
    await eventTypes('cancels-1', 'accepted');
    await eventTypes('cancels-2', 'sent');
    const cancel = (id: string): ReturnType<Rig['outbound']['cancel']> =>
      rig.outbound.cancel({ account: addressOf('cancels'), id, by: 'ESM' });
    expect(await cancel('cancels-1')).toEqual({ kind: 'done' });
    expect(await cancel('cancels-2')).toMatchObject({ kind: 'refused' });
    expect(await cancel('cancels-3')).toEqual({ kind: 'unknown' });
    await eventTypes('cancels-1', 'cancelled');
    expect(arrivals('cancels-1')).toBe(0);
    expect(await stateOf('cancels', 'cancels-1')).toBe('cancelled');
  },
  120_000,
);

test.concurrent(
  'rejected: what can not be accepted is stored, byte for byte, and reported with the reason; nothing of it is sent',
  async () => {
    const notUtf8 = Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]).toString('base64');
    const good = submission('refuses-good', addressOf('refuses'));
    await rig.esm.submit(Buffer.from(JSON.stringify(good)).toString('base64'));
    await eventTypes('refuses-good', 'sent');
    await rig.esm.submit(good);
    const cases: readonly (readonly [text: string, detail: string])[] = [
      ['{"version":1,"id":"refuses-1"', 'is not valid JSON'],
      [JSON.stringify({ version: 1, id: 'refuses-2', mailbox: addressOf('refuses') }), 'to'],
      [JSON.stringify(submission('refuses-3', 'nobody@kunta.example')), 'mailbox'],
      [JSON.stringify(submission('refuses/4', addressOf('refuses'))), 'id'],
      [JSON.stringify(submission('refuses-5', addressOf('refuses'), { colour: 'blue' })), 'colour'],
      [JSON.stringify({ ...good, text: 'Other.' }), 'id was used before for another content'],
      ['null', 'null'],
      ['42', 'number'],
      [notUtf8, 'not UTF-8'],
    ];
    for (const [text] of cases) await rig.esm.submit(text);
    await until(
      'all are rejected',
      () => rig.esm.rejections.length >= cases.length,
      () => rig.esm.rejections.map(({ data }) => data['problems']),
    );
    expect(rig.esm.rejections).toHaveLength(cases.length);
    const container = rig.stack.store.blobs.getContainerClient(containerNames.outboundContent);
    const kept = await Promise.all(
      rig.esm.rejections.map(async ({ data }) => {
        const { sha256 } = data['content'] as { readonly sha256: string };
        const bytes = await container.getBlobClient(sha256).downloadToBuffer();
        expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
        return { text: bytes.toString(), problems: JSON.stringify(data['problems']) };
      }),
    );
    for (const [text, detail] of cases) {
      // The host hands over parsed JSON; what it parsed is written again with sorted names.
      const found = kept.filter(({ text: one }) => sameJson(one, text));
      expect(found).toHaveLength(1);
      expect(found[0]?.problems).toContain(detail);
    }
    expect(rig.eventTypes('refuses-good')).toEqual(['accepted', 'sent']);
    expect(
      rig.stack.exchange.log.messages.filter(({ account }) => account === addressOf('refuses')),
    ).toHaveLength(1);
  },
  120_000,
);

function sameJson(one: string, other: string): boolean {
  try {
    return sorted(JSON.parse(one)) === sorted(JSON.parse(other));
  } catch {
    return one === other;
  }
}
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

// ---- holds: the account is suspended, no message is charged ------------------------------------------------------

/** Three messages meet the trouble; two tries fail; mended, all leave, none of them ever deferred. */
async function comeThrough(name: string, reason: string, mend: () => void): Promise<void> {
  const ids = [1, 2, 3].map((number) => `${name}-${String(number)}`);
  for (const id of ids) await put(id, name);
  await until(`${name} is on hold`, async () => (await holdsOf(name)).length > 0);
  const [hold] = await holdsOf(name);
  expect(hold).toMatchObject({ reason });
  expect(hold?.remedy).not.toBe('');
  await until(`${name} was tried twice`, async () => ((await holdsOf(name))[0]?.probeCount ?? 0) >= 2);
  for (const id of ids) {
    expect(await stateOf(name, id)).toBe('waiting');
    expect(rig.eventTypes(id)).toEqual(['accepted']);
  }
  mend();
  for (const id of ids) await eventTypes(id, 'sent');
  for (const id of ids) expect([rig.eventTypes(id), arrivals(id)]).toEqual([['accepted', 'sent'], 1]);
  expect(await holdsOf(name)).toEqual([]);
}

test.concurrent.each(holds)(
  'on hold, account %s: a probe ends it and no message is charged',
  async (name, at, reply, reason) => {
    const [code = '', enhanced = '', ...detail] = reply.split(' ');
    const does = { kind: 'reply', code: Number(code), enhanced, text: detail.join(' ') } as const;
    const rule = rig.stack.exchange.injectFault({ protocol: 'smtp', at, account: addressOf(name), does });
    await comeThrough(name, reason, () => {
      rule.end();
    });
  },
  120_000,
);

test.concurrent(
  'on hold, SMTP AUTH switched off for the mailbox (535 5.7.139): goes on when it is switched on',
  async () => {
    rig.stack.exchange.account({ address: addressOf('authoff'), smtpAuth: 'offMailbox' });
    await comeThrough('authoff', 'signIn', () => {
      rig.stack.exchange.account({ address: addressOf('authoff') });
    });
    const tries = rig
      .events('outbound.connectFailed')
      .filter(({ account }) => account === addressOf('authoff'));
    expect(tries.every(({ code }) => code === 535)).toBe(true);
  },
  120_000,
);

test.concurrent(
  'on hold, the token refused for the mailbox (535 5.7.3): goes on when the access is granted',
  async () => {
    rig.stack.exchange.account({ address: addressOf('unsigned'), apps: [] });
    await comeThrough('unsigned', 'signIn', () => {
      rig.stack.exchange.account({ address: addressOf('unsigned') });
    });
  },
  120_000,
);

test.concurrent(
  'held: a mailbox that its account may not send as is suspended, with one event; the account’s own mail goes on',
  async () => {
    await put('guest-1', 'guest');
    await put('guest-2', 'guest');
    await until('the mailbox is on hold', async () => (await holdsOf('owner')).length > 0);
    expect(await holdsOf('owner')).toMatchObject([{ mailbox: addressOf('guest'), reason: 'sendAs' }]);
    await put('owner-1', 'owner');
    await eventTypes('owner-1', 'sent');
    rig.stack.exchange.account({ address: addressOf('guest'), sendAs: [addressOf('owner')] });
    for (const id of ['guest-1', 'guest-2']) {
      await eventTypes(id, 'sent');
      expect(rig.eventTypes(id)).not.toContain('held');
      expect(rig.eventTypes(id)).not.toContain('deferred');
      expect(arrivals(id)).toBe(1);
    }
  },
  120_000,
);

test.concurrent(
  'a storm of 4xx: at most one message is tried per time of a try, and only those before it was known are deferred',
  async () => {
    const { exchange } = rig.stack;
    const busy = {
      kind: 'reply',
      code: 451,
      enhanced: '4.7.0',
      text: 'Temporary server error. PRX4',
    } as const;
    const rule = exchange.injectFault({
      protocol: 'smtp',
      at: 'mail',
      account: addressOf('storm'),
      does: busy,
    });
    const ids = Array.from({ length: 12 }, (_, index) => `storm-${String(index)}`);
    for (const id of ids) await put(id, 'storm');
    await until(
      'it is known for a storm',
      async () => (await holdsOf('storm'))[0]?.reason === 'consecutiveRefusals',
    );
    const knownNs = exchange.log.nowNs();
    await until('it was tried four times', async () => ((await holdsOf('storm'))[0]?.probeCount ?? 0) >= 4);
    const elapsedMs = (exchange.log.nowNs() - knownNs) / 1e6;
    const tries = exchange.log.refusals.filter(
      ({ account, atNs, step }) => account === addressOf('storm') && step === 'mail' && atNs > knownNs,
    ).length;
    rule.end();
    expect(tries).toBeGreaterThanOrEqual(3);
    expect(tries).toBeLessThanOrEqual(1 + Math.ceil(elapsedMs / scenarioNumbers.probeAtLeastMs));
    for (const id of ids) await eventTypes(id, 'sent');
    expect(ids.map(arrivals)).toEqual(ids.map(() => 1));
    const deferred = ids.flatMap((id) => rig.eventTypes(id).filter((type) => type === 'deferred')).length;
    // Three make a storm; a fourth may be on the other connection.
    expect(deferred).toBeGreaterThanOrEqual(3);
    expect(deferred).toBeLessThanOrEqual(4);
  },
  120_000,
);

// ---- several mailboxes and accounts -----------------------------------------------------------------------------

test.concurrent(
  'two mailboxes of one SMTP account share its limit',
  async () => {
    const ids = Array.from({ length: 6 }, (_, index) => [
      `one-${String(index)}`,
      `two-${String(index)}`,
    ]).flat();
    for (const id of ids) await put(id, id.slice(0, 3));
    for (const id of ids) await eventTypes(id, 'sent');
    const figures = rig.stack.exchange.figures().accounts[addressOf('one')];
    expect(figures?.messages).toBe(ids.length);
    expect(figures?.mostMessages).toBeLessThanOrEqual(limitOfTwo);
    // It bit, or this would show nothing.
    expect(rig.events('outbound.rateLimited').some(({ account }) => account === addressOf('one'))).toBe(true);
    expect(figures?.mostConnections).toBeLessThanOrEqual(3);
    const senders = rig.stack.exchange.log.messages.filter(({ account }) => account === addressOf('one'));
    expect(new Set(senders.map(({ from }) => from))).toEqual(new Set([addressOf('one'), addressOf('two')]));
    expect(rig.stack.exchange.figures().accounts[addressOf('two')]).toBeUndefined();
  },
  120_000,
);

test.concurrent(
  'an account whose server stops responding does not delay the others, and continues when it responds',
  async () => {
    const hang = { protocol: 'smtp', at: 'mail', does: { kind: 'hang' } } as const;
    const rule = rig.stack.exchange.injectFault({ ...hang, account: addressOf('hangs') });
    await put('hangs-1', 'hangs');
    await until('its attempt hangs', () => rule.hits() > 0);
    const ids = Array.from({ length: 8 }, (_, index) => `lively-${String(index)}`);
    for (const id of ids) await put(id, 'lively');
    for (const id of ids) await eventTypes(id, 'sent');
    expect(arrivals('hangs-1')).toBe(0);
    rule.end();
    await eventTypes('hangs-1', 'sent');
    // The attempt ended without a dot: certainly not taken, so tried again and no doubt about it.
    expect(rig.eventTypes('hangs-1')).not.toContain('inDoubt');
    expect(arrivals('hangs-1')).toBe(1);
    expect(ids.map((id) => rig.eventTypes(id))).toEqual(ids.map(() => ['accepted', 'sent']));
  },
  120_000,
);
