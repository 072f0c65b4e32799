// In real time, with the numbers as they are shipped: what two accounts get through under a backlog, one with a
// steady server and one with a server that has a tail; meanwhile what an urgent message gets behind the backlog,
// and how soon a message leaves on an account that is idle.
//
// The steady account's backlog is as deep as a backlog may be. Rates are taken over whole rounds of as many
// messages as a period allows, after the first: a window of so many minutes would hold a burst more or less, by
// where it happens to begin.
import { setTimeout as pause } from 'node:timers/promises';
import { systemRandom } from '../../shared/clock.ts';
import type { MessageRecord } from '../emulators/exchange/serverLog.ts';
import { tailDeck } from './deck.ts';
import {
  arrivalsOf,
  domain,
  idOf,
  put,
  sender,
  startRig,
  submission,
  submitMany,
  toldCount,
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
  /** What still waited when the last urgent one was put in. */
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
const roundCount = 30;
const quickMs = 200;

export async function sustained(part: Part, size: SustainedSize): Promise<SustainedFigures> {
  const tail = tailDeck(systemRandom);
  const dealt: Readonly<Record<string, () => number>> = {
    [`steady@${domain}`]: () => steadyMs,
    [`tail@${domain}`]: tail,
    [`quick@${domain}`]: () => quickMs,
  };
  /** What is left of a message's latency after the server took it, by connection. */
  const rest = new Map<number, number>();
  const rig = await startRig(part, {
    mailboxes: ['steady', 'tail', 'quick'].map((name) => sender(name)),
    exchange: {
      // The server takes a message at some moment of the time that it needs for it, and nobody knows which.
      beforeStep: async (step, { connection, account = '' }) => {
        if (step === 'dot') {
          const ms = dealt[account]?.() ?? 0;
          const before = ms * systemRandom.uniform();
          rest.set(connection, ms - before);
          await pause(before);
        } else if (step === 'reply') await pause(rest.get(connection) ?? 0);
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
  part.say(`${String(to + spare)} submissions are on the queue`);
  const accepted = { from: 1, to, type: 'mail.accepted' };
  await until('the backlog is accepted', 1_800_000, () => toldCount(esm, 'steady', accepted) === to, 2_000);
  part.say(`all accepted; ${String(arrivalsOf(stack, 'steady').length)} of them sent meanwhile`);
  const [urgentStartMs, pickUpMs] = await Promise.all([
    startUrgent(rig, urgentCount),
    pickUps(rig, pickUpCount),
  ]);
  const backlogAtUrgentCount = to - arrivalsOf(stack, 'steady').length;
  part.say('urgent ones and pick-ups are done');
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
function rateOf(arrivals: readonly MessageRecord[], minutes: number): Rate | undefined {
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

/** Urgent ones at odd moments, each behind all that waits. */
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

/** One after the other, each when the account has come to rest. */
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
