// The forecast against the actual time, and the daily limit, both with a short period: a backlog of a thousand at the
// real period would take more than half an hour, and a day takes a day.
import { setTimeout as pause } from 'node:timers/promises';
import { readSettings } from '../../shared/config/readSettings.ts';
import { assembleOutbound } from '../../shared/assembly.ts';
import type { AccountForecast } from '../../shared/outbound/outbound.ts';
import {
  arrivalsOf,
  domain,
  sender,
  startRig,
  submitMany,
  eventCount,
  until,
  type Part,
  type Rig,
} from './rig.ts';

export interface ForecastAccuracySize {
  readonly backlogCount: number;
  /** Messages of ten recipients each on the account with the low day's limit. */
  readonly dayMessageCount: number;
}

export interface ForecastAccuracyFigures {
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

export const forecastNumbers = {
  periodMs: 10_000,
  attemptMs: 20_000,
  graceMs: 10_000,
  dayMs: 100_000,
  dayBucketMs: 1_000,
} as const;
/** Recipients a day of the test account; really 10,000. */
export const dayLimit = 200;
const recipientsEach = 10;
const latencyMs = 1_500;

export async function forecastAccuracy(
  part: Part,
  size: ForecastAccuracySize,
): Promise<ForecastAccuracyFigures> {
  const rig = await startRig(part, {
    mailboxes: [sender('slow'), sender('day', { recipientsPerDay: dayLimit })],
    numbers: forecastNumbers,
    exchange: {
      periodMs: forecastNumbers.periodMs,
      dayMs: forecastNumbers.dayMs,
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

async function measure(part: Part, rig: Rig, size: ForecastAccuracySize): Promise<ForecastAccuracyFigures> {
  const { stack, esm } = rig;
  const { backlogCount, dayMessageCount } = size;
  // Some are sent while the others are accepted: submit that many more.
  const to = Math.ceil(backlogCount * 1.1);
  const recipients = Array.from({ length: recipientsEach }, (_, at) => `r${String(at)}@${domain}`);
  await submitMany(esm, 'slow', { from: 1, to });
  await submitMany(esm, 'day', { from: 1, to: dayMessageCount, more: { to: recipients } });
  await until(
    'the backlog is accepted',
    600_000,
    () =>
      eventCount(esm, 'slow', { from: 1, to, type: 'mail.accepted' }) === to &&
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
  part.log(`${String(forecast.waitingCount)} wait; predicted: ${seconds(forecastMs)}`);
  await until(
    'the backlog clears',
    1_500_000,
    () => eventCount(esm, 'slow', { from: 1, to, type: 'mail.sent' }) === to,
    1_000,
  );
  const last = arrivalsOf(stack, 'slow').at(-1);
  const repliedMs = ((last?.repliedNs ?? 0) - (last?.acceptedNs ?? 0)) / 1e6;
  const tookMs = (last?.acceptedAt ?? 0) + repliedMs - askedAt;
  part.log(`actual: ${seconds(tookMs)}`);
  await until(
    'the days',
    900_000,
    () => eventCount(esm, 'day', { from: 1, to: dayMessageCount, type: 'mail.sent' }) === dayMessageCount,
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
  const found = (await assembleOutbound(answer.settings).outbound.forecasts()).find(
    ({ account }) => account === `${name}@${domain}`,
  );
  if (found === undefined) throw new Error(`No forecast for ${name}`);
  return found;
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
