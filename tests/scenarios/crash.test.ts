// Host and worker are killed (SIGKILL) while the server is at a step that was chosen, and a new host is started on
// what they left behind. The moment is the server's own: it stops there, has the host killed and cuts the connection.
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { StepInfo } from '../../local/emulators/exchange/faults.ts';
import type { HostProcess } from '../../local/functionsHost/hostProcess.ts';
import { containerNames } from '../../shared/storage/names.ts';
import { parseBridgeId } from '../../shared/outbound/records/messageIds.ts';
import { applicationMailbox, inboundNumbers, startRig, submission, until, type Rig } from './rig.ts';

const addressOf = (name: string): string => `${name}@kunta.example`;
const limit = 10;
const folder = 'Käsitellyt';
const inboxes = ['heads', 'stream', 'move'].map((name) =>
  applicationMailbox(name, { receive: true, send: false, fetchFrom: 'all', afterFetch: `move:${folder}` }),
);

type Step = (step: string, info: StepInfo) => Promise<undefined | 'cut'> | undefined | 'cut';

let rig: Rig;
let host: HostProcess;
/** What the server does before each step, for the test that runs. */
let beforeStep: Step = () => undefined;

beforeAll(async () => {
  rig = await startRig({
    mailboxes: [
      ...['taken', 'open'].map((name) => applicationMailbox(name, { limits: { messagesPerMinute: limit } })),
      ...inboxes,
    ],
    settings: { INBOUND_NUMBERS: inboundNumbers },
    exchange: {
      limits: { messagesPerPeriod: limit },
      latency: (step) => (step === 'dot' ? 50 : 0),
      beforeStep: (step, info) => beforeStep(step, info),
    },
  });
}, 120_000);
afterEach(async () => {
  beforeStep = () => undefined;
  await host.stop();
});
afterAll(() => rig.close(), 60_000);

/** Of a bridge id, `SUBMISSION.ATTEMPT.ACCOUNT`. */
const submissionId = (bridgeId = ''): string => parseBridgeId(bridgeId)?.id ?? '';

describe('killed in the middle of a burst', () => {
  test('nothing is lost, what was not claimed is sent once, what was in flight is settled by a lookup', async () => {
    // In one account the fourth message is taken and its reply not given; in the other it is not taken yet.
    const gates = { [addressOf('taken')]: 'reply', [addressOf('open')]: 'dot' };
    const reached = new Map<string, string>();
    const counts = new Map<string, number>();
    let killed: Promise<void> | undefined;
    const kill = (): Promise<void> => (killed ??= host.kill());
    beforeStep = async (step, { account = '', bridgeId = '' }) => {
      if (killed !== undefined || step !== gates[account]) return undefined;
      const count = (counts.get(account) ?? 0) + 1;
      counts.set(account, count);
      if (count < 4) return undefined;
      if (count === 4) reached.set(account, bridgeId);
      await until('both are where they should be', () => reached.size === 2);
      await kill();
      return 'cut';
    };
    host = await rig.startHost();
    const ids = ['taken', 'open'].flatMap((name) =>
      Array.from({ length: 16 }, (_, index) => `${name}-${String(index)}`),
    );
    for (const id of ids) await rig.esm.submit(submission(id, addressOf(id.split('-')[0] ?? '')));
    await until('it is dead', () => killed !== undefined);
    await killed;

    const claimed = new Set<string>();
    for (const name of ['taken', 'open']) {
      for (const { id } of (await rig.outbound.watch(addressOf(name))).state.activeAttempts) claimed.add(id);
    }
    const takenId = submissionId(reached.get(addressOf('taken')));
    const openId = submissionId(reached.get(addressOf('open')));
    expect([claimed.has(takenId), claimed.has(openId)]).toEqual([true, true]);
    beforeStep = () => undefined;
    host = await rig.startHost();

    const ends = ['sent', 'held'];
    for (const id of ids) {
      await until(
        `${id} has an end`,
        () => ends.includes(rig.eventTypes(id).at(-1) ?? ''),
        () => rig.eventTypes(id),
      );
    }
    const arrivals = (id: string): number => rig.stack.exchange.log.messagesOf(id).length;
    const history = (id: string): string => `${rig.eventTypes(id).join(' ')}, ${String(arrivals(id))}`;
    for (const id of ids.filter((one) => !claimed.has(one)))
      expect([id, history(id)]).toEqual([id, 'accepted sent, 1']);
    for (const id of claimed) {
      expect(['accepted inDoubt sent, 1', 'accepted inDoubt held, 0']).toContain(history(id));
    }
    expect(history(takenId)).toBe('accepted inDoubt sent, 1');
    expect(history(openId)).toBe('accepted inDoubt held, 0');
    expect(rig.last(openId)?.data).toMatchObject({ reason: 'notFound' });
    const figures = rig.stack.exchange.figures();
    expect(figures.violations).toEqual([]);
    expect(figures.mostMessages).toBeLessThanOrEqual(limit);
    expect(rig.events('outbound.rateLimited')).not.toEqual([]);
    expect(figures.mostConnections).toBeLessThanOrEqual(3);
    expect(rig.esm.rejections).toEqual([]);
  }, 240_000);
});

describe('killed in the middle of a fetch', () => {
  const small = 11;
  const largeUid = 7;

  /** Twelve mails, the seventh of 3 MB. */
  function fill(name: string): ReadonlyMap<string, Buffer> {
    const inbox = rig.stack.exchange.store.mailbox(addressOf(name));
    const mails = new Map<string, Buffer>();
    for (let uid = 1; uid <= small + 1; uid += 1) {
      const messageId = `<${name}.${String(uid)}@muualla.example>`;
      const body = uid === largeUid ? `${'x'.repeat(76)}\r\n`.repeat(40_000) : `Viesti ${String(uid)}\r\n`;
      const raw = Buffer.from(
        [
          'From: Aino <aino@muualla.example>',
          `To: ${addressOf(name)}`,
          `Subject: ${String(uid)}`,
          'Date: Wed, 25 Nov 2026 09:31:00 +0200',
          `Message-ID: ${messageId}`,
          '',
          body,
        ].join('\r\n'),
      );
      mails.set(messageId, raw);
      expect(inbox.deliver(raw).uid).toBe(uid);
    }
    return mails;
  }

  /** Where the server stops, and how many notices must have been put by then. */
  const points: readonly (readonly [
    name: string,
    what: string,
    isThere: (step: string, info: StepInfo, seen: number) => boolean,
    noticesBefore: number,
    repeats: number,
  ])[] = [
    [
      'heads',
      'while the beginnings are read',
      (step, { uid }) => step === 'message' && uid === largeUid,
      0,
      0,
    ],
    [
      'stream',
      // A batch is announced once all of it is stored.
      'in the stream of a large mail, nothing of its batch announced',
      (step, { uid }, seen) => step === 'message' && uid === largeUid && seen >= 3,
      0,
      0,
    ],
    ['move', 'before anything is moved, all announced', (step) => /\bMOVE\b/.test(step), small + 1, 0],
  ];

  test.each(points)(
    '%s: %s',
    async (name, _what, isThere, noticesBefore, repeats) => {
      const mails = fill(name);
      const own = (): typeof rig.esm.notices =>
        rig.esm.notices.filter(({ data }) => data['mailbox'] === addressOf(name));
      let killed: Promise<void> | undefined;
      let seen = 0;
      beforeStep = async (step, info) => {
        if (info.protocol !== 'imap' || info.account !== addressOf(name)) return undefined;
        if (step === 'message' && info.uid === largeUid) seen += 1;
        if (killed !== undefined || !isThere(step, info, seen)) return undefined;
        await until(
          'what comes before it is announced',
          () => own().length >= noticesBefore,
          () => own().length,
        );
        await (killed ??= host.kill());
        return 'cut';
      };
      host = await rig.startHost({ timersOff: true });
      // Its answer never comes: the host dies at it.
      await expect(host.run('fetchMail')).rejects.toThrow();
      expect(killed).toBeDefined();
      expect(own().length).toBe(noticesBefore);
      const repeatsBefore = rig.esm.repeats.notices;

      host = await rig.startHost({ timersOff: true });
      const mailbox = rig.stack.exchange.store.mailbox(addressOf(name));
      await until(
        'all is fetched and moved',
        async () => {
          await host.run('fetchMail');
          return mailbox.role('inbox').size === 0;
        },
        () => mailbox.role('inbox').size,
      );
      await until('all is announced', () => own().length >= mails.size);

      // One identity each; a repeat has the same id, and was dropped by it.
      expect(own()).toHaveLength(mails.size);
      expect(new Set(own().map(({ data }) => data['messageId']))).toEqual(new Set(mails.keys()));
      expect(rig.esm.repeats.notices - repeatsBefore).toBe(repeats);
      for (const { data } of own()) {
        const raw = await rig.esm.blob((data['raw'] as { readonly blob: string }).blob);
        expect(raw.equals(mails.get(String(data['messageId'])) ?? Buffer.alloc(0))).toBe(true);
      }
      // One raw blob each.
      const [prefix = ''] = (own()[0]?.data['raw'] as { readonly blob: string }).blob
        .replace(`${containerNames.inboundContent}/`, '')
        .split('/');
      const raws: string[] = [];
      const container = rig.stack.store.blobs.getContainerClient(containerNames.inboundContent);
      for await (const { name: blob } of container.listBlobsFlat({ prefix: `${prefix}/` })) {
        if (blob.endsWith('/raw.eml')) raws.push(blob);
      }
      expect(raws).toHaveLength(mails.size);
      expect(mailbox.folder(folder)?.size).toBe(mails.size);
    },
    180_000,
  );
});
