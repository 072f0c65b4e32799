// NCRONTAB: the six fields of a timer's schedule, {second} {minute} {hour} {day} {month} {day of week}, in UTC, as the
// Functions host reads them: lists, ranges and steps; names of months and days; `a/n` runs from a to the field's end; a
// date has to match both day and day of week (Vixie's cron would accept either). The host refuses anything else when it
// starts, without naming the setting, and then no function runs; therefore schedules are checked here.

export interface Schedule {
  /** The first instant after `after` that matches, in UTC ms; undefined if there is none in 40 years. */
  next(after: number): number | undefined;
}

export type ScheduleAnswer =
  | { readonly kind: 'ok'; readonly schedule: Schedule }
  /** What is wrong, with the remedy; continues a sentence that begins with the setting's name. */
  | { readonly kind: 'invalid'; readonly detail: string };

interface Field {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly names?: readonly string[];
}

const fields: readonly Field[] = [
  { name: 'second', low: 0, high: 59 },
  { name: 'minute', low: 0, high: 59 },
  { name: 'hour', low: 0, high: 23 },
  { name: 'day', low: 1, high: 31 },
  {
    name: 'month',
    low: 1,
    high: 12,
    names: [
      'january',
      'february',
      'march',
      'april',
      'may',
      'june',
      'july',
      'august',
      'september',
      'october',
      'november',
      'december',
    ],
  },
  {
    name: 'day of the week',
    low: 0,
    high: 6,
    names: ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'],
  },
];

const example = 'write six fields such as "0 */5 * * * *"';
const scheduleCharacters = 200;
const dayMs = 24 * 3_600_000;
// A leap day on a given weekday comes every 28 years, and every 40 across 2100.
const horizonDays = 40 * 366;

/** Reads a schedule. */
export function parseSchedule(text: string): ScheduleAnswer {
  const invalid = (detail: string): ScheduleAnswer => ({ kind: 'invalid', detail });
  if (/^[0-9.]*[0-9]+:[0-9]{2}(:[0-9]{2})?$/.test(text)) {
    return invalid(`is a time span, which works on dedicated plans only; ${example}`);
  }
  if (text.length > scheduleCharacters) return invalid(`is too long; ${example}`);
  const parts = text.trim().split(/\s+/);
  if (parts.length === 5) {
    return invalid(`has five fields, and NCRONTAB has six: put the second in front, "0 ${text}"`);
  }
  if (parts.length !== fields.length) {
    return invalid(
      `has ${parts.length} fields, and NCRONTAB has six (second, minute, hour, day, month, day of the week); write for example "0 */5 * * * *"`,
    );
  }
  const values: (readonly number[])[] = [];
  for (const [index, field] of fields.entries()) {
    const part = parts[index] ?? '';
    const parsed = parseField(part, field);
    if (parsed === undefined) {
      return invalid(
        `has ${JSON.stringify(part)} for the ${field.name}; write *, a number from ${field.low} to ${field.high}, a range, a list or a step such as */5`,
      );
    }
    values.push(parsed);
  }
  return { kind: 'ok', schedule: { next: (after) => nextMatch(values, after) } };
}

/** The values that a field stands for, ascending; undefined if it is malformed. */
function parseField(text: string, field: Field): readonly number[] | undefined {
  const values = new Set<number>();
  for (const item of text.split(',')) {
    const [range = '', stepText, ...more] = item.split('/');
    const step = stepText === undefined ? 1 : /^[0-9]{1,2}$/.test(stepText) ? Number(stepText) : 0;
    if (more.length > 0 || step < 1) return undefined;
    const ends = range === '*' ? [field.low, field.high] : range.split('-').map((end) => valueOf(end, field));
    const first = ends[0];
    const last = ends.length > 1 || stepText === undefined ? ends.at(-1) : field.high;
    if (ends.length > 2 || first === undefined || last === undefined || last < first) return undefined;
    for (let value = first; value <= last; value += step) values.add(value);
  }
  return [...values].sort((a, b) => a - b);
}

function valueOf(text: string, { low, high, names = [] }: Field): number | undefined {
  // Three letters or more: jan, sept, Sunday.
  const named = names.findIndex((name) => text.length >= 3 && name.startsWith(text.toLowerCase()));
  if (named >= 0) return low + named;
  if (!/^[0-9]{1,2}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= low && value <= high ? value : undefined;
}

function nextMatch(values: readonly (readonly number[])[], after: number): number | undefined {
  const [seconds = [], minutes = [], hours = [], days = [], months = [], weekdays = []] = values;
  const from = (Math.floor(after / 1000) + 1) * 1000;
  const firstDay = Math.floor(from / dayMs) * dayMs;
  for (let offset = 0; offset <= horizonDays; offset++) {
    const day = firstDay + offset * dayMs;
    const date = new Date(day);
    if (!months.includes(date.getUTCMonth() + 1)) continue;
    if (!days.includes(date.getUTCDate()) || !weekdays.includes(date.getUTCDay())) continue;
    const time = timeOfDay({ seconds, minutes, hours }, offset === 0 ? from - firstDay : 0);
    if (time !== undefined) return day + time;
  }
  return undefined;
}

/** The first matching time of a day that is not before `fromMs`, in ms since midnight. */
function timeOfDay(
  { seconds, minutes, hours }: Readonly<Record<'seconds' | 'minutes' | 'hours', readonly number[]>>,
  fromMs: number,
): number | undefined {
  for (const hour of hours) {
    if (hour * 3_600_000 + 3_599_000 < fromMs) continue;
    for (const minute of minutes) {
      const base = hour * 3_600_000 + minute * 60_000;
      const second = seconds.find((candidate) => base + candidate * 1000 >= fromMs);
      if (second !== undefined) return base + second * 1000;
    }
  }
  return undefined;
}
