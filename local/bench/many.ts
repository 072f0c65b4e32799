// Many mailboxes on one instance, in real time with the default numbers: forty accounts with a backlog each, a forty-first
// that is idle and gets a message now and then, and a hundred mailboxes that are fetched each minute.
import { setTimeout as pause } from 'node:timers/promises';
import { systemRandom } from '../../shared/clock.ts';
import type { MessageRecord } from '../emulators/exchange/serverLog.ts';
import {
  arrivalsOf,
  domain,
  idOf,
  put,
  sender,
  startRig,
  submission,
  submitMany,
  until,
  type Part,
  type Rig,
} from './rig.ts';
import { percentile } from './report.ts';
import { roundCount, rateOf } from './sustained.ts';

export interface ManySize {
  readonly accountCount: number;
  readonly minutes: number;
  readonly pickUpCount: number;
  readonly fetchedCount: number;
}

export interface ManyFigures {
  readonly size: ManySize;
  readonly worstPerMinute: number;
  readonly mostInAnyPeriod: number;
  readonly mostConnections: number;
  readonly pickUpMsP99: number;
  readonly callsPerSubmission: number;
  readonly fetchMs: number;
  readonly fetchCalls: number;
}

const latencyMs = 1_500;
const idle = 'idle';
const nameOf = (number: number): string => `desk${String(number).padStart(3, '0')}`;
const numbersTo = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at + 1);

export async function many(part: Part, size: ManySize): Promise<ManyFigures> {
  return { size, ...(await sending(part, size)), ...(await fetching(part, size)) };
}

type Sending = Pick<
  ManyFigures,
  'worstPerMinute' | 'mostInAnyPeriod' | 'mostConnections' | 'pickUpMsP99' | 'callsPerSubmission'
>;

async function sending(part: Part, size: ManySize): Promise<Sending> {
  const names = numbersTo(size.accountCount).map(nameOf);
  const rig = await startRig(part, {
    mailboxes: [...names, idle].map((name) => sender(name)),
    exchange: {
      beforeStep: async (step) => {
        if (step === 'dot') await pause(latencyMs);
        return undefined;
      },
    },
  });
  const { stack, esm, calls } = rig;
  try {
    const to = Math.ceil(roundCount * (size.minutes + 4));
    // Every account gets its first messages before any gets its last.
    for (let from = 1; from <= to; from += roundCount) {
      const last = Math.min(to, from + roundCount - 1);
      for (const name of names) await submitMany(esm, name, { from, to: last });
    }
    part.log(`${String(names.length)} accounts have ${String(to)} submissions each`);
    const sentOf = (name: string): readonly MessageRecord[] => arrivalsOf(stack, name);
    calls.reset();
    const before = stack.exchange.log.messages.length;
    const startedNs = stack.exchange.log.nowNs();
    const pickUpMs = await pickUps(rig, size.pickUpCount);
    const rates = (): readonly (number | undefined)[] =>
      names.map(
        (name) =>
          rateOf(
            sentOf(name).filter(({ acceptedNs }) => acceptedNs >= startedNs),
            size.minutes,
          )?.perMinute,
      );
    await until(
      'the sustained rates',
      (size.minutes + 12) * 60_000,
      () => rates().every((rate) => rate !== undefined),
      5_000,
    );
    const sentCount = stack.exchange.log.messages.length - before;
    const figures = stack.exchange.figures();
    return {
      worstPerMinute: Math.min(...rates().map((rate) => rate ?? 0)),
      mostInAnyPeriod: figures.mostMessages,
      mostConnections: figures.mostConnections,
      pickUpMsP99: percentile(pickUpMs, 99),
      callsPerSubmission: calls.tally().own / sentCount,
    };
  } finally {
    await rig.close();
  }
}

/** From the put on the queue to MAIL at the server, one after the other, while the other accounts are at work. */
async function pickUps({ stack, esm }: Rig, count: number): Promise<readonly number[]> {
  const taken: number[] = [];
  for (const number of numbersTo(count)) {
    const id = idOf(idle, number);
    const putAt = stack.exchange.log.nowNs();
    await put(esm, submission(idle, id));
    await until('a pick-up', 120_000, () => stack.exchange.log.messagesOf(id).length > 0);
    taken.push(((stack.exchange.log.messagesOf(id)[0]?.mailNs ?? 0) - putAt) / 1e6);
    await pause(2_000 + 2_000 * systemRandom.uniform());
  }
  return taken;
}

async function fetching(part: Part, size: ManySize): Promise<Pick<ManyFigures, 'fetchMs' | 'fetchCalls'>> {
  const addresses = numbersTo(size.fetchedCount).map((number) => `${nameOf(number)}@${domain}`);
  const rig = await startRig(part, {
    mailboxes: addresses.map((address) => ({ address, signIn: 'application', send: false })),
  });
  const { stack, esm, calls } = rig;
  try {
    const openedAfter = (ns: number): number =>
      stack.exchange.log.connections.filter(({ protocol, openedNs }) => protocol === 'imap' && openedNs >= ns)
        .length;
    // The first runs know the mailboxes and sign in; a later one is measured.
    await until('every mailbox is known', 300_000, () => openedAfter(0) >= 2 * addresses.length, 1_000);
    await untilQuiet(stack);
    for (const address of addresses)
      stack.exchange.store.find(address)?.deliver(mailTo(address), { internalDate: Date.now() });
    const noticesBefore = esm.notices.length;
    calls.reset();
    const from = stack.exchange.log.nowNs();
    await until('the next run', 120_000, () => openedAfter(from) > 0, 20);
    const startedAt = performance.now();
    await until('every new mail', 300_000, () => esm.notices.length - noticesBefore >= addresses.length, 100);
    const fetchMs = performance.now() - startedAt;
    await untilQuiet(stack);
    const tally = calls.tally();
    part.log(
      `a run over ${String(addresses.length)} mailboxes: ${tally.byName.map(([name, count]) => `${name} ${String(count)}`).join(', ')}`,
    );
    return { fetchMs, fetchCalls: tally.own };
  } finally {
    await rig.close();
  }
}

/** No IMAP connection is open for two seconds: the run has ended. */
async function untilQuiet({ exchange }: Rig['stack']): Promise<void> {
  let quietSince = performance.now();
  await until('the end of a run', 300_000, () => {
    const open = exchange.log.connections.some(
      ({ protocol, closedNs }) => protocol === 'imap' && closedNs === undefined,
    );
    if (open) quietSince = performance.now();
    return performance.now() - quietSince > 2_000;
  });
}

function mailTo(address: string): string {
  return [
    'Received: from mail.example.org by emulator; Sat, 28 Nov 2026 08:00:00 +0000',
    'From: Kim Example <kim@example.org>',
    `To: ${address}`,
    'Subject: The printer on floor 3',
    `Message-ID: <${address.replace('@', '.')}@example.org>`,
    `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
    'Content-Type: text/plain; charset=utf-8',
    '',
    'It prints nothing but question marks.',
    '',
  ].join('\r\n');
}
