// A process that makes one run, or one after another, and says how it went and how much memory it took; it is killed by
// its own hand at a named point where it is told so, which is what a crash of the host looks like.
//   node fetchingProcess.ts '{"connectionString":…,"port":…,"ca":…,"token":…,"user":…,"point":"tell","when":"after","nth":2}'
import { z } from 'zod';
import { systemClock, systemRandom } from '../../shared/clock.ts';
import { createMimeParser } from '../../shared/exchange/mimeParser.ts';
import { createInbound } from '../../shared/inbound/fetchMail.ts';
import type { RunReport } from '../../shared/inbound/fetchMailbox.ts';
import type { Mailboxes, MailboxSession } from '../../shared/inbound/ports.ts';
import { inboundNumbers } from '../../shared/inbound/dependencies.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import { makeStoreClients } from '../../shared/storage/clients.ts';
import { ContainerInboundBlobs } from '../../shared/storage/inboundBlobs.ts';
import { containerNames, queueNames, tableNames } from '../../shared/storage/names.ts';
import { NoticeQueue } from '../../shared/storage/noticeQueue.ts';
import { TableLedger } from '../../shared/storage/tableLedger.ts';
import { imapAt, mailboxOf, TestTokens } from './rig.ts';

const order = z
  .object({
    connectionString: z.string(),
    port: z.number(),
    ca: z.string(),
    token: z.string(),
    user: z.string(),
    point: z.string(),
    when: z.enum(['before', 'after']),
    nth: z.number(),
    /** Settings of the mailbox that differ from those of the kill tests. */
    mailbox: z.custom<Partial<Mailbox>>((value) => typeof value === 'object').default({}),
    eventsTo: z.enum(['queue', 'none']).default('queue'),
    /** One after another, each reported; until then, or until the process is killed. */
    runs: z.number().default(1),
    batchCount: z.number().default(3),
  })
  .parse(JSON.parse(process.argv[2] ?? '{}'));

let hits = 0;
const pauseMs = 50;

function reach(point: string, when: 'before' | 'after'): void {
  if (point !== order.point || when !== order.when) return;
  hits += 1;
  if (hits === order.nth) process.kill(process.pid, 'SIGKILL');
}

/** The same door, with our points before and after each of its named methods. */
function watched<T extends object>(door: T, points: Readonly<Record<string, string>>): T {
  return new Proxy(door, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const point = points[String(name)];
      if (point === undefined) return value.bind(target) as unknown;
      return async (...parameters: unknown[]): Promise<unknown> => {
        reach(point, 'before');
        const result: unknown = await Reflect.apply(value, target, parameters);
        reach(point, 'after');
        return result;
      };
    },
  });
}

const clients = makeStoreClients(
  { kind: 'connectionString', connectionString: order.connectionString },
  { clock: systemClock, clockSampler: { observe: () => undefined } },
);
const imap = imapAt(order.port, order.ca, new TestTokens(() => order.token));
const mailboxes: Mailboxes = {
  async open(mailbox, time) {
    reach('open', 'before');
    const answer = await imap.open(mailbox, time);
    if (answer.kind === 'failed') return answer;
    const session: MailboxSession = watched(answer.session, {
      listAbove: 'list',
      readHeads: 'read',
      act: 'act',
    });
    return { kind: 'ok', session };
  },
};
const afterFetch = { kind: 'move', folder: 'Fetched' } as const;
const inbound = createInbound([mailboxOf(order.user, { afterFetch, ...order.mailbox })], {
  mailboxes,
  ledger: watched(new TableLedger(clients.table(tableNames.inbound), systemRandom), {
    acquireLease: 'acquireLease',
    advance: 'advance',
    clearActions: 'clearActions',
    releaseLease: 'releaseLease',
  }),
  blobs: watched(new ContainerInboundBlobs(clients.blobs.getContainerClient(containerNames.inboundContent)), {
    create: 'blob',
  }),
  notices:
    order.eventsTo === 'none'
      ? undefined
      : watched(new NoticeQueue(clients.queues.getQueueClient(queueNames.inboundMail)), {
          publish: 'publish',
        }),
  parser: createMimeParser({
    worker: new URL('../../shared/exchange/mimeParserWorker.ts', import.meta.url),
    clock: systemClock,
  }),
  sent: {
    lookUpSent: () => Promise.resolve(undefined),
    checkTag: () => Promise.resolve(false),
    isReport: () => Promise.resolve(false),
    noteBounce: () => Promise.resolve(),
  },
  clock: systemClock,
  random: systemRandom,
  log: () => undefined,
  // A killed process never gives its lease back; here nobody waits for its end.
  numbers: { ...inboundNumbers, batchCount: order.batchCount, leaseMs: 0 },
});
let report: RunReport | undefined;
for (let run = 1; run <= order.runs; run += 1) {
  report = await inbound.fetchOne(order.user, { invocationId: `run${String(run)}` });
  if (order.runs > 1) {
    console.log(JSON.stringify(report));
    await systemClock.sleep(pauseMs);
  }
}
await inbound.close();
console.log(JSON.stringify({ ...report, peakBytes: process.resourceUsage().maxRSS * 1024 }));
