// In real time, with the default numbers: the rate of two accounts under a backlog, one with a constant server latency
// and one with a long tail; meanwhile the start delay of an urgent message behind the backlog, and of a message on an
// idle account.
//
// Rates are measured over whole rounds of as many messages as a period allows, after the first: a window of a fixed
// number of minutes would contain a burst more or less, depending on where it begins.
import { setTimeout as pause } from 'node:timers/promises';
import { systemRandom } from '../../shared/clock.ts';
import type { MessageRecord } from '../emulators/exchange/serverLog.ts';
import { tailLatencies } from './tailLatencies.ts';
import {
  arrivalsOf,
  domain,
  idOf,
  put,
  sender,
  startRig,
  submission,
  submitMany,
  eventCount,
  until,
  type Part,
  type Rig,
} from './rig.ts';

export interface SustainedSize {
  readonly minutes: number;
  readonly backlogCount: number;
  readonly urgentCount: number;
  readonly pickUpCount: number;
}

export interface SustainedFigures {
  readonly mostInAnyPeriod: number;
  readonly mostConnections: number;
  readonly violations: number;
  readonly perMinute: Rate;
  readonly perMinuteTail: Rate;
  /** From the put on the queue to MAIL at the server, behind the backlog. */
  readonly urgentStartMs: readonly number[];
  /** The backlog when the last urgent message was submitted. */
  readonly backlogAtUrgentCount: number;
  /** From the put on the queue to MAIL at the server, on an idle account. */
  readonly pickUpMs: readonly number[];
}

export interface Rate {
  readonly perMinute: number;
  readonly messages: number;
  readonly minutes: number;
}

const steadyMs = 1_500;
/** As many as the limit allows in a period. */
export const roundCount = 30;
const quickMs = 200;

export async function sustained(part: Part, size: SustainedSize): Promise<SustainedFigures> {
  const tail = tailLatencies(systemRandom);
  const latencyOf: Readonly<Record<string, () => number>> = {
    [`steady@${domain}`]: () => steadyMs,
    [`tail@${domain}`]: tail,
    [`quick@${domain}`]: () => quickMs,
  };
  /** The rest of a message's latency after the server accepted it, by connection. */
  const remainingMs = new Map<number, number>();
  const rig = await startRig(part, {
    mailboxes: ['steady', 'tail', 'quick'].map((name) => sender(name)),
    exchange: {
      // The server accepts a message at a random moment within its latency, unknown to the client.
      beforeStep: async (step, { connection, account = '' }) => {
        if (step === 'dot') {
          const ms = latencyOf[account]?.() ?? 0;
          const before = ms * systemRandom.uniform();
          remainingMs.set(connection, ms - before);
          await pause(before);
        } else if (step === 'reply') await pause(remainingMs.get(connection) ?? 0);
        return undefined;
      },
    },
  });
  try {
    return await measure(part, rig, size);
  } finally {
    await rig.close();
  }
}

async function measure(part: Part, rig: Rig, size: SustainedSize): Promise<SustainedFigures> {
  const { stack, esm } = rig;
  const { minutes, backlogCount, pickUpCount, urgentCount } = size;
  const spare = Math.ceil(roundCount * (minutes + 3));
  const to = backlogCount + spare;
  await submitMany(esm, 'tail', { from: 1, to: spare });
  await submitMany(esm, 'steady', { from: 1, to });
  part.log(`${String(to + spare)} submissions are on the queue`);
  const accepted = { from: 1, to, type: 'mail.accepted' };
  await until('the backlog is accepted', 1_800_000, () => eventCount(esm, 'steady', accepted) === to, 2_000);
  part.log(`all accepted; ${String(arrivalsOf(stack, 'steady').length)} of them sent meanwhile`);
  const [urgentStartMs, pickUpMs] = await Promise.all([
    startUrgent(rig, urgentCount),
    pickUps(rig, pickUpCount),
  ]);
  const backlogAtUrgentCount = to - arrivalsOf(stack, 'steady').length;
  part.log('urgent messages and pick-ups are done');
  await until(
    'the sustained rates',
    (minutes + 12) * 60_000,
    () => ['steady', 'tail'].every((name) => rateOf(arrivalsOf(stack, name), minutes) !== undefined),
    1_000,
  );
  const rate = (name: string): Rate =>
    rateOf(arrivalsOf(stack, name), minutes) ?? { perMinute: 0, messages: 0, minutes: 0 };
  const figures = stack.exchange.figures();
  return {
    mostInAnyPeriod: figures.mostMessages,
    mostConnections: figures.mostConnections,
    violations: figures.violations.length,
    perMinute: rate('steady'),
    perMinuteTail: rate('tail'),
    urgentStartMs,
    backlogAtUrgentCount,
    pickUpMs,
  };
}

/** Over the fewest whole rounds that last at least so many minutes, from the second round on. */
export function rateOf(arrivals: readonly MessageRecord[], minutes: number): Rate | undefined {
  const first = arrivals[roundCount];
  if (first === undefined) return undefined;
  for (let at = 2 * roundCount; at < arrivals.length; at += roundCount) {
    const lasted = ((arrivals[at]?.acceptedNs ?? 0) - first.acceptedNs) / 6e10;
    if (lasted < minutes) continue;
    const messages = at - roundCount;
    return { perMinute: messages / lasted, messages, minutes: lasted };
  }
  return undefined;
}

/** Urgent messages at random moments, each behind the whole backlog. */
async function startUrgent({ stack, esm }: Rig, count: number): Promise<readonly number[]> {
  const taken: number[] = [];
  for (let number = 1; number <= count; number += 1) {
    await pause(20_000 + 40_000 * systemRandom.uniform());
    const id = `urgent-${String(number)}`;
    const putAt = stack.exchange.log.nowNs();
    await put(esm, submission('steady', id, { priority: 'high' }));
    await until('an urgent message', 300_000, () => stack.exchange.log.messagesOf(id).length > 0);
    taken.push(((stack.exchange.log.messagesOf(id)[0]?.mailNs ?? 0) - putAt) / 1e6);
  }
  return taken;
}

/** One after the other, each when the account is idle. */
async function pickUps({ stack, esm }: Rig, count: number): Promise<readonly number[]> {
  const taken: number[] = [];
  for (let number = 1; number <= count; number += 1) {
    const id = idOf('quick', number);
    const putAt = stack.exchange.log.nowNs();
    await put(esm, submission('quick', id));
    await until('a pick-up', 120_000, () => esm.eventsOf(id).some(({ type }) => type === 'mail.sent'));
    taken.push(((stack.exchange.log.messagesOf(id)[0]?.mailNs ?? 0) - putAt) / 1e6);
    await pause(1_500 + 2_000 * systemRandom.uniform());
  }
  return taken;
}
