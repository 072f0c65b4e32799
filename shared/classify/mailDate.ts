// A Date field as an instant (RFC 5322 3.3, with the obsolete forms of 4.3).
//
// A wrong date is worse than none: what is not such a date is undefined, and never read in the machine's time zone.
// No library is used: the engine's Date.parse and those tried guess (31 February, `message 5`), and none has 4.3's rule
// for named zones.
import { withoutComments } from '../mail/comments.ts';

/** UTC ms from 1970 up to 2100, or undefined. Comments are dropped; the day of the week is not checked. */
export function dateOf(value: string): number | undefined {
  const text = withoutComments(value.slice(0, 400)).replace(/\s+/g, ' ').trim();
  const found = dateTime.exec(text)?.groups;
  if (found === undefined) return undefined;
  const { day = '', month = '', year = '', hour = '', minute = '', second = '0', zone = '' } = found;
  const offset = zoneMinutes(zone);
  const monthIndex = months.indexOf(month.toLowerCase());
  const [fullYear, date, hours, minutes, seconds] = [
    fullYearOf(year),
    ...[day, hour, minute, second].map(Number),
  ];
  if (offset === undefined || fullYear === undefined || monthIndex < 0) return undefined;
  if (hours === undefined || minutes === undefined || seconds === undefined || date === undefined)
    return undefined;
  // 60 is a leap second.
  if (hours > 23 || minutes > 59 || seconds > 60) return undefined;
  const midnight = new Date(Date.UTC(fullYear, monthIndex, date));
  if (midnight.getUTCMonth() !== monthIndex || midnight.getUTCDate() !== date) return undefined;
  const instant = midnight.getTime() + ((hours * 60 + minutes - offset) * 60 + seconds) * 1_000;
  return instant >= 0 && instant < Date.UTC(2100, 0) ? instant : undefined;
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

const dateTime =
  /^(?:(?:mon|tue|wed|thu|fri|sat|sun) ?, ?)?(?<day>\d{1,2}) (?<month>[a-z]{3}) (?<year>\d{2,4}) (?<hour>\d{1,2}) ?: ?(?<minute>\d{2})(?: ?: ?(?<second>\d{2}))? ?(?<zone>[+-]\d{4}|[a-z]{1,5})$/i;

/** Of two or three digits as 4.3 has it. */
function fullYearOf(year: string): number | undefined {
  const number = Number(year);
  if (year.length === 4) return number;
  return year.length === 2 && number < 50 ? number + 2000 : number + 1900;
}

/** Minutes east of UTC; undefined for a number that is no offset. */
function zoneMinutes(zone: string): number | undefined {
  const numeric = /^([+-])(\d{2})(\d{2})$/.exec(zone);
  // 4.3: a zone that is not known is -0000, and so are the military letters, which RFC 822 had the wrong way round.
  if (numeric === null) return (namedZones.get(zone.toUpperCase()) ?? 0) * 60;
  const [hours, minutes] = [Number(numeric[2]), Number(numeric[3])];
  if (hours > 23 || minutes > 59) return undefined;
  return (numeric[1] === '-' ? -1 : 1) * (hours * 60 + minutes);
}

/** Those of 4.3, and European ones that mean one thing only. */
const namedZones: ReadonlyMap<string, number> = new Map([
  ['EDT', -4],
  ['EST', -5],
  ['CDT', -5],
  ['CST', -6],
  ['MDT', -6],
  ['MST', -7],
  ['PDT', -7],
  ['PST', -8],
  ['WEST', 1],
  ['CET', 1],
  ['MEZ', 1],
  ['CEST', 2],
  ['MESZ', 2],
  ['EET', 2],
  ['EEST', 3],
  ['MSK', 3],
]);
