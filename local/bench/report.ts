// The bench's figures and their goals. Pure.
import type { CallTally } from './callCount.ts';
import type { Backlog, CallsFigures } from './calls.ts';
import { dayLimit, forecastNumbers, type ForecastAccuracyFigures } from './forecastAccuracy.ts';
import type { SustainedFigures } from './sustained.ts';

export interface Parts {
  readonly sustained: SustainedFigures;
  readonly calls: CallsFigures;
  readonly forecast: ForecastAccuracyFigures;
}

type Cells = readonly (string | number)[];

export interface Report {
  readonly ok: boolean;
  readonly rows: readonly Cells[];
  readonly more: readonly {
    readonly title: string;
    readonly heads: readonly string[];
    readonly rows: readonly Cells[];
  }[];
  readonly json: Readonly<Record<string, unknown>>;
}

export interface Figure {
  readonly what: string;
  readonly how: string;
  readonly value: number;
  readonly unit?: string;
  readonly digits?: number;
  readonly should: string;
  readonly good: (value: number) => boolean;
}

export const atMost = (most: number): Pick<Figure, 'should' | 'good'> => ({
  should: `≤ ${String(most)}`,
  good: (value) => value <= most,
});
export const atLeast = (least: number): Pick<Figure, 'should' | 'good'> => ({
  should: `≥ ${String(least)}`,
  good: (value) => value >= least,
});

/** `parts` holds the parts that ran; figures of the others are omitted, and null in the JSON. */
export function reportOf(parts: Partial<Parts>): Report {
  const figures = [
    ...sustainedRows(parts.sustained),
    ...callsRows(parts.calls),
    ...forecastRows(parts.forecast),
  ];
  return {
    ...judged(figures),
    more: listed(parts.calls),
    json: jsonOf(parts),
  };
}

/** The table's rows, and whether every figure meets its goal. */
export function judged(figures: readonly Figure[]): Pick<Report, 'ok' | 'rows'> {
  return {
    ok: figures.every(({ value, good }) => good(value)),
    rows: figures.map(({ what, how, value, unit = '', digits = 0, should, good }) => [
      what,
      how,
      `${value.toFixed(digits)}${unit}`,
      should,
      good(value) ? 'ok' : 'NOT OK',
    ]),
  };
}

function sustainedRows(part: SustainedFigures | undefined): readonly Figure[] {
  if (part === undefined) return [];
  const { perMinute, perMinuteTail, urgentStartMs, pickUpMs } = part;
  const over = ({ messages, minutes }: SustainedFigures['perMinute']): string =>
    `real time, ${String(messages)} messages in ${minutes.toFixed(1)} min, two connections`;
  return [
    {
      what: 'most messages in any 60 s at the server',
      how: 'real time, each account',
      value: part.mostInAnyPeriod,
      ...atMost(30),
    },
    { what: 'most connections of an account', how: 'real time', value: part.mostConnections, ...atMost(3) },
    { what: 'violations seen by the server', how: 'real time', value: part.violations, ...atMost(0) },
    {
      what: 'sustained a minute, latency 1.5 s',
      how: over(perMinute),
      value: perMinute.perMinute,
      digits: 2,
      ...atLeast(28),
    },
    {
      what: 'sustained a minute, latency with a tail',
      how: over(perMinuteTail),
      value: perMinuteTail.perMinute,
      digits: 2,
      ...atLeast(23),
    },
    {
      what: 'urgent message behind a backlog: longest start delay',
      how: `real time, ${String(urgentStartMs.length)} messages, latency 1.5 s, ${String(part.backlogAtUrgentCount)} waiting`,
      value: Math.max(...urgentStartMs) / 1_000,
      unit: ' s',
      digits: 1,
      ...atMost(60),
    },
    {
      what: 'pick-up to SMTP on an idle account, p99',
      how: `real time, ${String(pickUpMs.length)} messages, one after the other`,
      value: percentile(pickUpMs, 99) / 1_000,
      unit: ' s',
      digits: 2,
      ...atMost(5),
    },
  ];
}

function callsRows(part: CallsFigures | undefined): readonly Figure[] {
  if (part === undefined) return [];
  const deep = part.backlogs.slice(-2);
  const [less, more] = deep;
  const apart =
    less === undefined || more === undefined
      ? 0
      : (100 * Math.abs(more.callsPerSubmission - less.callsPerSubmission)) / less.callsPerSubmission;
  return [
    ...part.backlogs.map(({ count, dequeuesPerSubmission }): Figure => ({
      what: `dequeues a submission, backlog ${String(count)}`,
      how: 'limit lifted; wake-ups counted separately',
      value: dequeuesPerSubmission,
      digits: 3,
      should: '1',
      good: (value) => value === 1,
    })),
    ...deep.map(({ count, callsPerSubmission }): Figure => ({
      what: `storage calls a submission, backlog ${String(count)}`,
      how: 'limit lifted; the bridge’s own calls',
      value: callsPerSubmission,
      digits: 2,
      ...atMost(8),
    })),
    {
      what: 'difference between the two',
      how: 'limit lifted',
      value: apart,
      unit: ' %',
      digits: 1,
      ...atMost(5),
    },
    {
      what: 'storage calls, one message on an idle account',
      how: 'the worker warm',
      value: part.idle.own,
      ...atMost(20),
    },
  ];
}

function forecastRows(part: ForecastAccuracyFigures | undefined): readonly Figure[] {
  if (part === undefined) return [];
  const period = `period ${String(forecastNumbers.periodMs / 1_000)} s`;
  const day = `24 h compressed to ${String(forecastNumbers.dayMs / 1_000)} s, limit lowered to ${String(dayLimit)}`;
  return [
    {
      what: 'forecast against actual time',
      how: `${period}, ${String(part.waitingCount)} waiting, latency 1.5 s: predicted ${part.forecastSeconds.toFixed(0)} s, actual ${part.tookSeconds.toFixed(0)} s`,
      value: part.errorPercent,
      unit: ' %',
      digits: 1,
      ...atMost(5),
    },
    { what: 'most messages in any period', how: period, value: part.mostInAnyPeriod, ...atMost(30) },
    { what: 'most connections of an account', how: period, value: part.mostConnections, ...atMost(3) },
    {
      what: 'most recipients in any 24 h',
      how: `${day}; ${String(part.recipients)} recipients in all`,
      value: part.mostRecipientsInAnyDay,
      ...atMost(dayLimit),
    },
    { what: 'violations seen by the server', how: period, value: part.violations, ...atMost(0) },
  ];
}

/** The smallest value that at least `percent` of the values do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}

/** The bridge's calls by kind, per submission. */
function listed(part: CallsFigures | undefined): Report['more'] {
  if (part === undefined) return [];
  const columns: readonly { readonly head: string; readonly tally: CallTally; readonly per: number }[] = [
    { head: 'idle, 1', tally: part.idle, per: 1 },
    ...part.backlogs.map(({ count, tally }: Backlog) => ({
      head: `backlog ${String(count)}, each`,
      tally,
      per: count - 1,
    })),
  ];
  const names = [...new Set(columns.flatMap(({ tally }) => tally.byName.map(([name]) => name)))];
  const cell = (tally: CallTally, name: string, per: number): string => {
    const count = tally.byName.find(([one]) => one === name)?.[1] ?? 0;
    return per === 1 ? String(count) : (count / per).toFixed(4);
  };
  const rows: Cells[] = [
    ...names.map((name) => [name, ...columns.map(({ tally, per }) => cell(tally, name, per))]),
    [
      'total',
      ...columns.map(({ tally, per }) => (per === 1 ? String(tally.own) : (tally.own / per).toFixed(4))),
    ],
    [
      'separately: wake-ups received',
      ...columns.map(({ tally }) => String(tally.dequeued['outbound-wake'] ?? 0)),
    ],
    ['separately: calls of the host’s triggers', ...columns.map(({ tally }) => String(tally.host))],
  ];
  return [{ title: 'Storage calls by kind', heads: ['call', ...columns.map(({ head }) => head)], rows }];
}

function jsonOf({ sustained, calls, forecast }: Partial<Parts>): Readonly<Record<string, unknown>> {
  const round = (value: number | undefined, digits: number): number | null =>
    value === undefined ? null : Number(value.toFixed(digits));
  const byCount = (of: (backlog: Backlog) => number, from: number): Record<string, number | null> =>
    Object.fromEntries(
      (calls?.backlogs ?? []).slice(from).map((one) => [String(one.count), round(of(one), 3)]),
    );
  return {
    mostInAnyPeriod: sustained?.mostInAnyPeriod ?? forecast?.mostInAnyPeriod ?? null,
    sustainedPerMinute: round(sustained?.perMinute.perMinute, 2),
    sustainedPerMinuteTail: round(sustained?.perMinuteTail.perMinute, 2),
    dequeuesPerSubmission: byCount((one) => one.dequeuesPerSubmission, 0),
    callsPerSubmission: {
      idle: calls?.idle.own ?? null,
      ...byCount((one) => one.callsPerSubmission, -2),
    },
    urgentStartSeconds: round(
      sustained === undefined ? undefined : Math.max(...sustained.urgentStartMs) / 1_000,
      1,
    ),
    pickUpSecondsP99: round(
      sustained === undefined ? undefined : percentile(sustained.pickUpMs, 99) / 1_000,
      2,
    ),
    forecastErrorPercent: round(forecast?.errorPercent, 2),
  };
}
