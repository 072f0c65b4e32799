// What every SentMessages must answer about two submissions of one mailbox that were sent.
import { expect, test } from '@jest/globals';
import type { BounceNote } from '../../shared/contract/sentMessage.ts';
import type { SentMessages } from '../../shared/inbound/ports.ts';

/** A submission that was sent, and the signs that mails carry of it. */
export interface Known {
  readonly submissionId: string;
  readonly mailbox: string;
  readonly recipients: readonly string[];
  readonly messageId: string;
  /** That Exchange gave. */
  readonly exchangeId: string;
  readonly bridgeId: string;
  readonly tag: string;
}

export interface SentMessagesUnderTest {
  readonly sent: SentMessages;
  readonly first: Known;
  readonly second: Known;
  readonly run: <Answer>(work: Promise<Answer>) => Promise<Answer>;
  /** Notice ids of the bounces that were recorded about it. */
  readonly bounces: (submissionId: string) => Promise<readonly string[]>;
}

export function sentMessagesContract(make: () => Promise<SentMessagesUnderTest>): void {
  const foundOf = ({ submissionId, mailbox, recipients }: Known) => ({
    submissionId,
    mailbox,
    correlation: null,
    recipients,
  });
  const lookUp = async (
    by: (known: SentMessagesUnderTest) => {
      readonly bridgeId?: string;
      readonly messageIds: readonly string[];
    },
  ) => {
    const known = await make();
    const { sent, run, first } = known;
    return { ...known, found: await run(sent.lookUpSent({ ...by(known), receivedBy: first.mailbox })) };
  };

  test('the private header of any attempt names it, before any Message-ID', async () => {
    for (const attempt of ['1', '2', '999999999']) {
      const { found, first } = await lookUp(({ first, second }) => ({
        bridgeId: first.bridgeId.replace(/\.1\.([\w-]{12})$/, `.${attempt}.$1`),
        messageIds: [second.messageId],
      }));
      expect(found).toEqual(foundOf(first));
    }
  });

  test.each(['messageId', 'exchangeId'] as const)('its %s names it, the first one wins', async (name) => {
    const { found, first } = await lookUp(({ first, second }) => ({
      messageIds: ['<a@b>', first[name], second[name]],
    }));
    expect(found).toEqual({ ...foundOf(first), byMessageId: first[name] });
  });

  test.each<
    [string, (known: Known) => { readonly bridgeId?: string; readonly messageIds: readonly string[] }]
  >([
    ['nothing', () => ({ messageIds: [] })],
    [
      'another guess of the Message-ID',
      ({ messageId }) => ({ messageIds: [messageId.replace(/[0-9a-f]{32}/, 'f'.repeat(32))] }),
    ],
    [
      'another account',
      ({ bridgeId }) => ({ bridgeId: bridgeId.replace(/[\w-]{12}$/, 'AAAAAAAAAAAA'), messageIds: [] }),
    ],
    [
      'a private header without an account',
      ({ bridgeId }) => ({ bridgeId: bridgeId.replace(/\.[\w-]{12}$/, ''), messageIds: [] }),
    ],
    [
      'a private header without an attempt',
      ({ submissionId, bridgeId }) => ({
        bridgeId: `${submissionId}.x.${bridgeId.slice(-12)}`,
        messageIds: [],
      }),
    ],
    [
      'an id that is no row key',
      ({ bridgeId }) => ({ bridgeId: `a/b.1.${bridgeId.slice(-12)}`, messageIds: [] }),
    ],
    [
      'the Exchange id in lower case',
      ({ exchangeId }) => ({ messageIds: [exchangeId.toLowerCase().replace('inc', 'Inc')] }),
    ],
  ])('%s names none', async (_, by) => {
    expect((await lookUp(({ first }) => by(first))).found).toBeUndefined();
  });

  test.each([
    [18, undefined, true],
    [19, undefined, false],
    [17, 'INC-9', true],
    [18, 'INC-9', false],
  ])('after %i ids that are unknown, private header %s: found %s', async (count, id, isFound) => {
    const { found } = await lookUp(({ first }) => ({
      ...(id === undefined ? {} : { bridgeId: `${id}.1.${first.bridgeId.slice(-12)}` }),
      messageIds: [
        // Ids of neither form cost no read.
        ...Array.from({ length: 40 }, (_, index) => `<${String(index)}@example.net>`),
        ...Array.from({ length: count }, (_, index) => `<${String(index)}@PR1.prod.outlook.com>`),
        first.messageId,
      ],
    }));
    expect(found !== undefined).toBe(isFound);
  });

  test('only the keyed hash of this very id is its tag', async () => {
    const { sent, first, second, run } = await make();
    const isTag = (id: string, tag: string): Promise<boolean> => run(sent.checkTag(id, tag));
    expect(await isTag(first.bridgeId, first.tag)).toBe(true);
    expect(await isTag(second.bridgeId, first.tag)).toBe(false);
    for (const tag of ['', first.tag.slice(1), `${first.tag}0`, first.tag.toUpperCase(), 'ä'.repeat(32)])
      expect(await isTag(first.bridgeId, tag)).toBe(false);
  });

  test('a bounce is recorded once for each notice, and only for a submission of that mailbox', async () => {
    const { sent, first, second, run, bounces } = await make();
    const note = (noticeId: string, change: Partial<BounceNote> = {}): Promise<void> =>
      run(
        sent.noteBounce({
          noticeId,
          submissionId: first.submissionId,
          mailbox: first.mailbox,
          recipients: [],
          verified: false,
          ...change,
        }),
      );
    await note('n1');
    await note('n1');
    await note('n2');
    await note('n1', { submissionId: second.submissionId });
    await note('n3', { mailbox: 'hr@example.com' });
    await note('n4', { submissionId: 'INC-9' });
    expect(await bounces(first.submissionId)).toEqual(['n1', 'n2']);
    expect(await bounces(second.submissionId)).toEqual(['n1']);
  });
}
