// What the sweep stores of an account for the first screen: counted in transactions that are made anyway.
import { describe, expect, test } from '@jest/globals';
import { hourOf, sumCounts } from '../../shared/mail/hourCounts.ts';
import { publishBounce } from '../../shared/outbound/operator/bounced.ts';
import type { AccountSummary } from '../../shared/outbound/operator/summaries.ts';
import { mailbox, World, type Host } from '../models/world.ts';

const noSuchUser = { code: 550, enhanced: '5.1.1', text: 'User unknown' };

async function summaryOf(world: World, host: Host): Promise<AccountSummary> {
  await world.run(host.outbound.sweep());
  const [summary] = await world.run(host.outbound.summaries());
  if (summary === undefined) throw new Error('no summary');
  return summary;
}

describe('counts by the hour', () => {
  test('sent, failed and bounced, by mailbox and by who submitted; each once, however often the sweep runs', async () => {
    const world = new World([
      mailbox('desk@example.com'),
      mailbox('hr@example.com', { smtpUser: 'desk@example.com' }),
    ]);
    const host = world.host();
    const began = hourOf(world.clock.now);
    await world.submit(host, 'a');
    await world.submit(host, 'b', {
      mailbox: 'hr@example.com',
      to: [{ address: 'x@example.org' }, { address: 'y@example.org' }],
    });
    await world.answerWakeUps(host);
    world.server.dialogPlan = () => ({ refuse: { phase: 'rcpt', reply: noSuchUser } });
    await world.submit(host, 'c');
    await world.answerWakeUps(host);
    for (let minute = 0; minute < 3; minute += 1) await world.minutes(host, 1);
    const { board } = await summaryOf(world, host);
    expect(Object.fromEntries(sumCounts(board.hours, began))).toEqual({
      'desk@example.com ': { sent: 1, recipients: 1, failed: 1 },
      'hr@example.com ': { sent: 1, recipients: 2 },
    });
    expect(sumCounts(board.hours, hourOf(world.clock.now) + 1).size).toBe(0);
    expect(board.lastSent.map((one) => one.mailbox)).toEqual(['desk@example.com', 'hr@example.com']);
  });

  test('an hour that is over stays in the summary when the state has dropped it', async () => {
    const world = new World();
    const host = world.host();
    await world.submit(host, 'a');
    await world.answerWakeUps(host);
    await summaryOf(world, host);
    await world.pass(8 * 3_600_000);
    await world.submit(host, 'b');
    await world.answerWakeUps(host);
    const { board } = await summaryOf(world, host);
    const { state } = await world.run(host.outbound.watch(world.account));
    expect(state.hourly.length).toBe(1);
    expect(board.hours.map(({ counts }) => counts['sent'])).toEqual([1, 1]);
  });
});

describe('what a person should look at', () => {
  test('dead letters with the caller’s reference and the reason; gone once they are settled', async () => {
    const world = new World();
    const host = world.host();
    world.server.dialogPlan = () => ({ refuse: { phase: 'rcpt', reply: noSuchUser } });
    await world.submit(host, 'a', { correlation: { ticket: 'INC-7' } });
    await world.answerWakeUps(host);
    const { board } = await summaryOf(world, host);
    expect(board.attention).toMatchObject([
      {
        list: 'failed',
        id: 'a',
        state: 'failed',
        ticket: 'INC-7',
        detail: expect.stringContaining('User unknown'),
      },
    ]);
    await world.run(host.outbound.remove({ account: world.account, id: 'a', by: 'anna' }));
    expect((await summaryOf(world, host)).board.attention).toEqual([]);
  });

  test('a bounce with the address that came back', async () => {
    const world = new World();
    const host = world.host();
    await world.submit(host, 'a');
    await world.answerWakeUps(host);
    await world.run(
      publishBounce(
        {
          submissionId: 'a',
          mailbox: 'desk@example.com',
          noticeId: 'n1',
          verified: true,
          recipients: [
            {
              address: 'a@example.org',
              status: '5.1.1',
              replyCode: '550',
              hard: true,
              reason: 'mailboxNotFound',
              action: 'failed',
            },
          ],
        },
        host.dependencies,
      ),
    );
    const { board } = await summaryOf(world, host);
    expect(board.attention).toMatchObject([
      { list: 'bounced', id: 'a', detail: 'Returned: a@example.org (mailboxNotFound, 5.1.1, permanent).' },
    ]);
    expect(sumCounts(board.hours, 0).get('desk@example.com ')).toMatchObject({ sent: 1, bounced: 1 });
  });
});

test('what waits: since when, and until when', async () => {
  const world = new World();
  const host = world.host();
  world.server.dialogPlan = () => ({
    refuse: { phase: 'rcpt', reply: { code: 450, enhanced: '4.2.0', text: 'Later' } },
  });
  await world.submit(host, 'a');
  await world.answerWakeUps(host);
  await world.pass(90_000);
  const { board, backlog } = await summaryOf(world, host);
  expect(backlog?.waiting.count).toBe(1);
  expect(board.clearsAt).toBeGreaterThan(world.clock.now);
});
