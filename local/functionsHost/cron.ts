// NCRONTAB: the six fields of a timer's schedule, {second} {minute} {hour} {day} {month} {day of week}, in UTC.
// As NCrontab reads them: lists, ranges and steps; names of months and days; `a/n` runs from a to the field's
// end; and a date has to match both day and day of week (Vixie's cron would take either).

export interface Schedule {
  /** The first moment after `after` that matches, in UTC milliseconds; undefined when there is none in 40 years. */
  next(after: number): number | undefined;
}

interface FieldKind {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly detail?: readonly string[];
}

const fieldKinds: readonly FieldKind[] = [
  { name: 'second', low: 0, high: 59 },
  { name: 'minute', low: 0, high: 59 },
  { name: 'hour', low: 0, high: 23 },
  { name: 'day', low: 1, high: 31 },
  {
    name: 'month',
    low: 1,
    high: 12,
    detail: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  { name: 'day of week', low: 0, high: 6, detail: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
];

const dayMs = 24 * 3_600_000;
// A leap day on a given weekday comes every 28 years, and every 40 across 2100.
const horizonDays = 40 * 366;

/** Reads a schedule; throws a RangeError that names the field and says what is wrong with it. */
export function parseSchedule(expression: string): Schedule {
  const parts = expression.trim().split(/\s+/);
  if (parts.length !== fieldKinds.length) {
    throw new RangeError(
      `"${expression}" has ${parts.length} fields; a schedule has six: second minute hour day month day-of-week`,
    );
  }
  const [seconds, minutes, hours, days, months, weekdays] = fieldKinds.map((kind, index) =>
    parseField(kind, parts[index] ?? ''),
  );
  const timesOfDay = (fromMs: number): number | undefined => {
    for (const hour of hours ?? []) {
      if (hour * 3_600_000 + 3_599_000 < fromMs) continue;
      for (const minute of minutes ?? []) {
        const base = hour * 3_600_000 + minute * 60_000;
        const second = seconds?.find((candidate) => base + candidate * 1000 >= fromMs);
        if (second !== undefined) return base + second * 1000;
      }
    }
    return undefined;
  };
  return {
    next(after) {
      const from = (Math.floor(after / 1000) + 1) * 1000;
      const firstDay = Math.floor(from / dayMs) * dayMs;
      for (let offset = 0; offset <= horizonDays; offset++) {
        const day = firstDay + offset * dayMs;
        const date = new Date(day);
        if (months?.includes(date.getUTCMonth() + 1) !== true) continue;
        if (days?.includes(date.getUTCDate()) !== true) continue;
        if (weekdays?.includes(date.getUTCDay()) !== true) continue;
        const time = timesOfDay(offset === 0 ? from - firstDay : 0);
        if (time !== undefined) return day + time;
      }
      return undefined;
    },
  };
}

/** The values that a field stands for, rising. */
function parseField(kind: FieldKind, text: string): readonly number[] {
  const wrong = (detail: string): RangeError => new RangeError(`${kind.name} "${text}": ${detail}`);
  const value = (word: string): number => {
    const named = kind.detail?.indexOf(word.toLowerCase().slice(0, 3)) ?? -1;
    const number = named >= 0 && /^[a-z]+$/i.test(word) ? named + kind.low : Number(word);
    if (!/^([a-z]+|\d+)$/i.test(word) || !(number >= kind.low && number <= kind.high)) {
      throw wrong(`"${word}" is not between ${kind.low} and ${kind.high}`);
    }
    return number;
  };
  const values = new Set<number>();
  for (const item of text.split(',')) {
    const [range = '', stepText, ...more] = item.split('/');
    const step = stepText === undefined ? 1 : Number(stepText);
    if (more.length > 0 || !Number.isInteger(step) || step < 1)
      throw wrong('a step is a whole number above 0');
    const [low = '', high, ...others] =
      range === '*' ? [String(kind.low), String(kind.high)] : range.split('-');
    if (others.length > 0) throw wrong('a range has two ends');
    const first = value(low);
    const last = high !== undefined ? value(high) : stepText === undefined ? first : kind.high;
    if (last < first) throw wrong('a range runs from low to high');
    for (let each = first; each <= last; each += step) values.add(each);
  }
  return [...values].sort((a, b) => a - b);
}
