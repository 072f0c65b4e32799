// What comes back finds its submission, by each of the signs that it may carry; and a bounce only annotates.
import { expect, test } from '@jest/globals';
import { checkTag, findSubmission, publishBounce } from '../../shared/outbound/operator/bounced.ts';
import {
  accountDigest,
  bridgeIdOf,
  bridgeTagOf,
  makeMessageId,
  parseBridgeId,
  parseMessageId,
} from '../../shared/outbound/records/messageIds.ts';
import { bridgeIdMostCharacters, type SentLookup } from '../../shared/contract/sentMessage.ts';
import { systemRandom } from '../../shared/clock.ts';
import { mailbox, World } from '../models/world.ts';

const bounce = {
  noticeId: 'notice-1',
  submissionId: 'INC-1',
  mailbox: 'desk@example.com',
  recipients: [
    {
      address: 'gone@example.net',
      status: '5.1.1',
      replyCode: '550',
      hard: true,
      reason: 'userunknown',
      action: 'failed',
    },
  ],
  verified: true,
};

async function sentWorld(serverName = 'server'): Promise<{ world: World; host: ReturnType<World['host']> }> {
  const world = new World([mailbox('desk@example.com'), mailbox('hr@example.com')]);
  world.server.name = serverName;
  const host = world.host();
  await world.submit(host, 'INC-1');
  await world.answerWakeUps(host);
  return { world, host };
}

const messageIdOf = (world: World): string => {
  const [sent] = world.events.filter(({ type }) => type === 'mail.sent');
  const id = sent?.data['messageId'];
  return typeof id === 'string' ? id : '';
};

const desk = 'desk@example.com';

test('the longest private id is as long as a returned one may be, and is parsed', () => {
  const id = 'i'.repeat(128);
  const longest = bridgeIdOf(desk, id, 999_999_999);
  expect(longest).toHaveLength(bridgeIdMostCharacters);
  expect(parseBridgeId(longest)).toEqual({ account: accountDigest(desk), id });
});

test('our Message-ID, the private header, and the id that Exchange gave lead to the submission', async () => {
  const { world, host } = await sentWorld('PR1.eurprd01.PROD.OUTLOOK.COM');
  const found = {
    submissionId: 'INC-1',
    mailbox: desk,
    correlation: null,
    recipients: ['INC-1@example.org'],
  };
  const lookUp = (by: Omit<SentLookup, 'receivedBy'>): ReturnType<typeof findSubmission> =>
    world.run(findSubmission({ ...by, receivedBy: desk }, host.dependencies));
  expect(await lookUp({ messageIds: ['<x@y.example>', messageIdOf(world)] })).toEqual({
    ...found,
    byMessageId: messageIdOf(world),
  });
  expect(await lookUp({ bridgeId: bridgeIdOf(desk, 'INC-1', 1), messageIds: [] })).toEqual(found);
  const [sent] = world.events.filter(({ type }) => type === 'mail.sent');
  const serverMessageId = String(sent?.data['serverMessageId']);
  expect(serverMessageId).toContain('PROD.OUTLOOK.COM');
  expect(await lookUp({ messageIds: [serverMessageId] })).toEqual({
    ...found,
    byMessageId: serverMessageId,
  });
});

test('the same id in two accounts: each sign leads to the account that sent it, by one read', async () => {
  const accounts = ['first@example.com', 'second@example.com', 'third@example.com'];
  const world = new World(accounts.map((address) => mailbox(address)));
  const host = world.host();
  for (const address of accounts) {
    await world.submit(host, 'INC-1', { mailbox: address });
    await world.answerWakeUps(host);
  }
  const ids = new Map(
    world.events
      .filter(({ type }) => type === 'mail.sent')
      .map(({ data }) => [String(data['mailbox']), String(data['messageId'])]),
  );
  expect(ids.size).toBe(3);
  for (const address of accounts) {
    for (const by of [
      { messageIds: [ids.get(address) ?? ''] },
      { bridgeId: bridgeIdOf(address, 'INC-1', 1), messageIds: [] },
    ]) {
      let readCount = 0;
      const { rows } = host.dependencies;
      const counting = {
        ...host.dependencies,
        rows: {
          read: (partition: string, key: string) => {
            readCount += 1;
            return rows.read(partition, key);
          },
          query: rows.query.bind(rows),
          commit: rows.commit.bind(rows),
        },
      };
      expect(
        await world.run(findSubmission({ ...by, receivedBy: 'first@example.com' }, counting)),
      ).toMatchObject({ mailbox: address });
      expect(readCount).toBe(1);
    }
  }
  await world.run(publishBounce({ ...bounce, mailbox: 'second@example.com' }, host.dependencies));
  await world.answerWakeUps(host);
  expect(
    world.events.filter(({ type }) => type === 'mail.bounced').map(({ data }) => data['mailbox']),
  ).toEqual(['second@example.com']);
});

test.each([
  [3, 2, 3, 'found in another account'],
  [100, 99, 17, 'not found, because the lookup ends before the last account'],
  [100, 0, 17, 'found, because the receiving mailbox’s own account is asked first'],
])(
  '%s accounts, sent by number %s, %s ids before it that Exchange never gave: %s',
  async (count, sender, before, what) => {
    const accounts = Array.from({ length: count }, (_, at) => `desk${at}@example.com`);
    const world = new World(accounts.map((address) => mailbox(address)));
    const host = world.host();
    world.server.name = 'AB1PR01MB1234.eurprd01.prod.outlook.com';
    await world.submit(host, 'INC-1', { mailbox: accounts[sender] });
    await world.answerWakeUps(host);
    const sent = world.events.find(({ type }) => type === 'mail.sent');
    const messageIds = [
      ...Array.from({ length: before }, (_, at) => `<made-up-${at}@AB1PR01MB1234.eurprd01.prod.outlook.com>`),
      String(sent?.data['serverMessageId']),
    ];
    host.wire.calls = [];
    const found = await world.run(
      findSubmission({ messageIds, receivedBy: 'desk0@example.com' }, host.dependencies),
    );
    expect(host.wire.calls.length).toBeLessThanOrEqual(20);
    expect(found?.mailbox).toBe(what.startsWith('found') ? accounts[sender] : undefined);
  },
);

test('a Message-ID that only names the submission, without its unguessable part, leads nowhere', async () => {
  const { world, host } = await sentWorld();
  const name = Buffer.from('INC-1').toString('base64url');
  const forged = `<${'0'.repeat(32)}.${accountDigest(desk)}.${name}@example.com>`;
  expect(
    await world.run(
      findSubmission({ messageIds: [forged, '<a@b.prod.outlook.com>'], receivedBy: desk }, host.dependencies),
    ),
  ).toBeUndefined();
});

test('the tag of the private header covers submission, attempt and account, and a guess is not it', async () => {
  const { world, host } = await sentWorld();
  const key = await world.run(host.dependencies.tagKey());
  const bridgeId = bridgeIdOf(desk, 'INC-1', 1);
  const tag = bridgeTagOf(bridgeId, key);
  const check = (id: string, given: string): Promise<boolean> =>
    world.run(checkTag(id, given, host.dependencies));
  expect(await check(bridgeId, tag)).toBe(true);
  expect(await check(bridgeIdOf(desk, 'INC-1', 2), tag)).toBe(false);
  expect(await check(bridgeIdOf('hr@example.com', 'INC-1', 1), tag)).toBe(false);
  expect(await check(bridgeIdOf(desk, 'INC-2', 1), tag)).toBe(false);
  expect(await check(bridgeId, 'f'.repeat(64))).toBe(false);
  expect(await check(bridgeId, 'no hex')).toBe(false);
});

test.each(['INC-1', 'a.1', 'INC-1.2.abcdefghijkl', '1.1', 'x'.repeat(128)])(
  'the id %s is read back from the ids that name it',
  (id) => {
    const named = { account: accountDigest(desk), id };
    expect(parseBridgeId(bridgeIdOf(desk, id, 12))).toEqual(named);
    expect(parseMessageId(makeMessageId(desk, id, 'example.com', systemRandom))).toEqual(named);
  },
);

test('a bounce that is reported twice is published once, and the message stays sent', async () => {
  const { world, host } = await sentWorld();
  await world.run(publishBounce(bounce, host.dependencies));
  await world.run(publishBounce(bounce, host.dependencies));
  await world.answerWakeUps(host);
  expect(world.history('INC-1')).toEqual(['accepted', 'sent', 'bounced']);
  expect((await world.run(host.outbound.message('desk@example.com', 'INC-1')))?.message.state).toBe('sent');
  expect(world.server.arrivals.length).toBe(1);
});

test('only a verified bounce may pause the mailbox', async () => {
  const { world, host } = await sentWorld();
  await world.run(
    publishBounce({ ...bounce, verified: false, pauses: 'recipientsPerDay' }, host.dependencies),
  );
  expect((await world.run(host.outbound.watch('desk@example.com'))).state.holds).toEqual([]);
  await world.run(
    publishBounce({ ...bounce, noticeId: 'notice-2', pauses: 'recipientsPerDay' }, host.dependencies),
  );
  expect((await world.run(host.outbound.watch('desk@example.com'))).state.holds).toMatchObject([
    { reason: 'quota' },
  ]);
  await world.answerWakeUps(host);
});

test('a bounce for a submission that nobody knows changes nothing', async () => {
  const { world, host } = await sentWorld();
  const before = world.queue.events.length;
  await world.run(publishBounce({ ...bounce, submissionId: 'INC-2' }, host.dependencies));
  await world.answerWakeUps(host);
  expect(world.queue.events.length).toBe(before);
});
