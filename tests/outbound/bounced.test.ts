// What comes back finds its submission, by each of the signs that it may carry; and a bounce only annotates.
import { expect, test } from '@jest/globals';
import { checkTag, findSubmission, publishBounce } from '../../shared/outbound/operator/bounced.ts';
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
  await world.answerRings(host);
  return { world, host };
}

const messageIdOf = (world: World): string => {
  const [sent] = world.events.filter(({ type }) => type === 'mail.sent');
  const id = sent?.data['messageId'];
  return typeof id === 'string' ? id : '';
};

test('our Message-ID, the private header, and the id that Exchange gave lead to the submission', async () => {
  const { world, host } = await sentWorld('PR1.eurprd01.PROD.OUTLOOK.COM');
  const found = {
    account: 'desk@example.com',
    submissionId: 'INC-1',
    mailbox: 'desk@example.com',
    correlation: null,
  };
  const lookUp = (by: Parameters<typeof findSubmission>[0]): ReturnType<typeof findSubmission> =>
    world.run(findSubmission(by, host.dependencies));
  expect(await lookUp({ messageIds: ['<x@y.example>', messageIdOf(world)] })).toEqual(found);
  expect(await lookUp({ bridgeId: 'INC-1.1', messageIds: [] })).toEqual(found);
  expect(await lookUp({ messageIds: ['<INC-1.1@PR1.eurprd01.PROD.OUTLOOK.COM>'] })).toEqual(found);
});

test('a Message-ID that only names the submission, without its unguessable part, leads nowhere', async () => {
  const { world, host } = await sentWorld();
  const name = Buffer.from('INC-1').toString('base64url');
  const forged = `<${'0'.repeat(32)}.${name}@example.com>`;
  expect(
    await world.run(findSubmission({ messageIds: [forged, '<a@b.prod.outlook.com>'] }, host.dependencies)),
  ).toBeUndefined();
});

test('the tag of the private header is right, and a guess is not', async () => {
  const { world, host } = await sentWorld();
  const key = await world.run(host.dependencies.tagKey());
  const { createHmac } = await import('node:crypto');
  const tag = createHmac('sha256', key).update('INC-1.1').digest('hex');
  expect(await world.run(checkTag('INC-1.1', tag, host.dependencies))).toBe(true);
  expect(await world.run(checkTag('INC-1.2', tag, host.dependencies))).toBe(false);
  expect(await world.run(checkTag('INC-1.1', 'f'.repeat(64), host.dependencies))).toBe(false);
  expect(await world.run(checkTag('INC-1.1', 'no hex', host.dependencies))).toBe(false);
});

test('a bounce is told once, whatever is told twice, and the message stays sent', async () => {
  const { world, host } = await sentWorld();
  await world.run(publishBounce(bounce, host.dependencies));
  await world.run(publishBounce(bounce, host.dependencies));
  await world.answerRings(host);
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
  await world.answerRings(host);
});

test('a bounce for a submission that nobody knows changes nothing', async () => {
  const { world, host } = await sentWorld();
  const before = world.queue.events.length;
  await world.run(publishBounce({ ...bounce, submissionId: 'INC-2' }, host.dependencies));
  await world.answerRings(host);
  expect(world.queue.events.length).toBe(before);
});
