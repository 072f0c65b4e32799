// NCRONTAB as the Functions host reads it: six fields, the first is seconds, always UTC on Flex Consumption.
// The five fields of everybody else's cron would be refused by the host at start-up without saying which
// setting it was, and mail would stand still.

interface Field {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  readonly names?: readonly string[];
}

const fields: readonly Field[] = [
  { name: 'second', least: 0, most: 59 },
  { name: 'minute', least: 0, most: 59 },
  { name: 'hour', least: 0, most: 23 },
  { name: 'day', least: 1, most: 31 },
  {
    name: 'month',
    least: 1,
    most: 12,
    names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  { name: 'day of the week', least: 0, most: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
];

/** What is wrong with a schedule, with the cure, or undefined where the host will take it. */
export function scheduleTrouble(text: string): string | undefined {
  if (/^[0-9.]*[0-9]+:[0-9]{2}(:[0-9]{2})?$/.test(text)) {
    return 'is a time span, which works on dedicated plans only; write six fields such as "0 */5 * * * *"';
  }
  if (text.length > 200) return 'is too long; write six fields such as "0 */5 * * * *"';
  const parts = text.split(/\s+/);
  if (parts.length === 5) {
    return `has five fields, and NCRONTAB has six: put the second in front, "0 ${text}"`;
  }
  if (parts.length !== fields.length) {
    return `has ${parts.length} fields, and NCRONTAB has six (second, minute, hour, day, month, day of the week); write for example "0 */5 * * * *"`;
  }
  for (const [index, field] of fields.entries()) {
    const part = parts[index] ?? '';
    if (!part.split(',').every((item) => isItem(item, field))) {
      return `has ${JSON.stringify(part)} for the ${field.name}; write *, a number from ${field.least} to ${field.most}, a range, a list or a step such as */5`;
    }
  }
  return undefined;
}

/** `*`, `a`, `a-b`, each with a step `/n`. */
function isItem(item: string, field: Field): boolean {
  const [span = '', step, ...more] = item.split('/');
  if (more.length > 0) return false;
  if (step !== undefined && !(/^[0-9]{1,2}$/.test(step) && Number(step) > 0)) return false;
  if (span === '*') return true;
  const ends = span.split('-').map((end) => valueOf(end, field));
  const [low, high] = [ends[0], ends.at(-1)];
  return ends.length <= 2 && low !== undefined && high !== undefined && low <= high;
}

function valueOf(text: string, { least, most, names = [] }: Field): number | undefined {
  const named = names.indexOf(text.toLowerCase());
  if (named >= 0) return least + named;
  if (!/^[0-9]{1,2}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= least && value <= most ? value : undefined;
}
