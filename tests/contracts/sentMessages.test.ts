// The same cases against the lookup of the outbound side, over the model of the table, and against the model in which the
// tests of the inbound side believe.
import { describe } from '@jest/globals';
import { textIn } from '../../shared/mail/foreign.ts';
import { checkTag, findSubmission, publishBounce } from '../../shared/outbound/operator/bounced.ts';
import { isOwnReport } from '../../shared/outbound/upkeep/sendReports.ts';
import { bridgeIdOf, bridgeTagOf } from '../../shared/outbound/records/messageIds.ts';
import { MemorySentMessages } from '../inbound/memoryStore.ts';
import { mailbox, World } from '../models/world.ts';
import { sentMessagesContract, type Known, type SentMessagesUnderTest } from './sentMessagesContract.ts';

const ids = ['INC-1', 'INC-2'] as const;

describe('the lookup of the outbound side', () => {
  sentMessagesContract(async () => {
    const desk = 'desk@example.com';
    const world = new World([mailbox(desk), mailbox('hr@example.com')]);
    world.server.name = 'PR1.eurprd01.PROD.OUTLOOK.COM';
    const host = world.host();
    const { dependencies } = host;
    for (const id of ids) await world.submit(host, id);
    await world.answerWakeUps(host);
    const key = await dependencies.tagKey();
    const [first, second] = await Promise.all(
      ids.map(async (submissionId): Promise<Known> => {
        const row = await world.run(dependencies.rows.read(desk, `msg|${submissionId}`));
        const bridgeId = bridgeIdOf(desk, submissionId, 1);
        return {
          submissionId,
          mailbox: desk,
          recipients: [`${submissionId}@example.org`],
          messageId: String(row?.fields['messageId']),
          exchangeId: String(row?.fields['serverMessageId']),
          bridgeId,
          tag: bridgeTagOf(bridgeId, key),
        };
      }),
    );
    return {
      ...both([first, second]),
      sent: {
        lookUpSent: (by) => findSubmission(by, dependencies),
        checkTag: (bridgeId, tag) => checkTag(bridgeId, tag, dependencies),
        isReport: (messageId) => isOwnReport(messageId, dependencies),
        noteBounce: (bounce) => publishBounce(bounce, dependencies),
      },
      run: (work) => world.run(work),
      bounces: async (id) => {
        await world.answerWakeUps(host);
        return world.events
          .filter(({ type, subject }) => type === 'mail.bounced' && subject === id)
          .map(({ data }) => textIn(data['bounce'], 'noticeId'));
      },
    };
  });
});

describe('the model of it', () => {
  sentMessagesContract(() => {
    const sent = new MemorySentMessages();
    const [first, second] = ids.map((submissionId): Known => {
      const mail = {
        submissionId,
        mailbox: 'desk@contoso.test',
        correlation: null,
        recipients: ['a@example.org'],
      };
      sent.add(mail);
      return { ...mail, ...MemorySentMessages.signsOf(submissionId) };
    });
    return Promise.resolve({
      ...both([first, second]),
      sent,
      run: (work) => work,
      bounces: (id) =>
        Promise.resolve(
          sent.bounces.filter(({ submissionId }) => submissionId === id).map(({ noticeId }) => noticeId),
        ),
    });
  });
});

function both([first, second]: readonly (Known | undefined)[]): Pick<
  SentMessagesUnderTest,
  'first' | 'second'
> {
  if (first === undefined || second === undefined) throw new Error('two submissions are needed');
  return { first, second };
}
