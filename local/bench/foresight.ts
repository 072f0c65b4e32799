// The forecast against what happened, and the day's limit, both with a short period: a backlog of a thousand at
// the real one would take more than half an hour, and a day takes a day.
import { setTimeout as pause } from 'node:timers/promises';
import { readSettings } from '../../shared/config/readSettings.ts';
import { forecastReader, type AccountForecast } from '../forecasts.ts';
import {
  arrivalsOf,
  domain,
  sender,
  startRig,
  submitMany,
  toldCount,
  until,
  type Part,
  type Rig,
} from './rig.ts';

export interface ForesightSize {
  readonly backlogCount: number;
  /** Messages of ten recipients each on the account with the low day's limit. */
  readonly dayMessageCount: number;
}

export interface ForesightFigures {
  readonly waitingCount: number;
  readonly forecastSeconds: number;
  readonly tookSeconds: number;
  readonly errorPercent: number;
  readonly mostInAnyPeriod: number;
  readonly mostConnections: number;
  readonly mostRecipientsInAnyDay: number;
  readonly recipients: number;
  readonly violations: number;
}

export const foresightNumbers = {
  periodMs: 10_000,
  attemptMs: 20_000,
  graceMs: 10_000,
  dayMs: 100_000,
  dayBucketMs: 1_000,
} as const;
/** Of the account whose day is watched; the real one has 10,000. */
export const dayLimit = 200;
const recipientsEach = 10;
const latencyMs = 1_500;

export async function foresight(part: Part, size: ForesightSize): Promise<ForesightFigures> {
  const rig = await startRig(part, {
    mailboxes: [sender('slow'), sender('day', { recipientsPerDay: dayLimit })],
    numbers: foresightNumbers,
    exchange: {
      periodMs: foresightNumbers.periodMs,
      dayMs: foresightNumbers.dayMs,
      beforeStep: async (step, { account }) => {
        // Half of the time before the message is taken, half before its reply.
        if (account === `slow@${domain}` && (step === 'dot' || step === 'reply')) await pause(latencyMs / 2);
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

async function measure(part: Part, rig: Rig, size: ForesightSize): Promise<ForesightFigures> {
  const { stack, esm } = rig;
  const { backlogCount, dayMessageCount } = size;
  // Some leave while the others are accepted: so many more are put in.
  const to = Math.ceil(backlogCount * 1.1);
  const recipients = Array.from({ length: recipientsEach }, (_, at) => `r${String(at)}@${domain}`);
  await submitMany(esm, 'slow', { from: 1, to });
  await submitMany(esm, 'day', { from: 1, to: dayMessageCount, more: { to: recipients } });
  await until(
    'the backlog is accepted',
    600_000,
    () =>
      toldCount(esm, 'slow', { from: 1, to, type: 'mail.accepted' }) === to &&
      arrivalsOf(stack, 'slow').length >= Math.min(to - backlogCount, 20),
    1_000,
  );
  await until(
    'the backlog has the depth that is asked for',
    600_000,
    () => arrivalsOf(stack, 'slow').length >= to - backlogCount,
  );
  const forecast = await forecastOf(rig, 'slow');
  const askedAt = Date.now();
  const forecastMs = (forecast.clearsAt ?? Number.NaN) - askedAt;
  part.say(`${String(forecast.waitingCount)} wait; the forecast says ${seconds(forecastMs)}`);
  await until(
    'the backlog clears',
    1_500_000,
    () => toldCount(esm, 'slow', { from: 1, to, type: 'mail.sent' }) === to,
    1_000,
  );
  const last = arrivalsOf(stack, 'slow').at(-1);
  const repliedMs = ((last?.repliedNs ?? 0) - (last?.acceptedNs ?? 0)) / 1e6;
  const tookMs = (last?.acceptedAt ?? 0) + repliedMs - askedAt;
  part.say(`it took ${seconds(tookMs)}`);
  await until(
    'the days',
    900_000,
    () => toldCount(esm, 'day', { from: 1, to: dayMessageCount, type: 'mail.sent' }) === dayMessageCount,
    1_000,
  );
  const { accounts, mostMessages, mostConnections, violations } = stack.exchange.figures();
  const day = accounts[`day@${domain}`];
  return {
    waitingCount: forecast.waitingCount,
    forecastSeconds: forecastMs / 1_000,
    tookSeconds: tookMs / 1_000,
    errorPercent: (100 * Math.abs(forecastMs - tookMs)) / tookMs,
    mostInAnyPeriod: mostMessages,
    mostConnections,
    mostRecipientsInAnyDay: day?.mostRecipients ?? 0,
    recipients: day?.recipients ?? 0,
    violations: violations.length,
  };
}

async function forecastOf({ stack }: Rig, name: string): Promise<AccountForecast> {
  const answer = readSettings(stack.settings);
  if (answer.kind !== 'ok') throw new Error('The bench has settings that the bridge would refuse');
  const found = (await forecastReader(answer.settings)()).find(
    ({ account }) => account === `${name}@${domain}`,
  );
  if (found === undefined) throw new Error(`No forecast for ${name}`);
  return found;
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
