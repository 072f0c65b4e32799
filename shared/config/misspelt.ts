// A setting with a misspelled name would be ignored silently and its default used; therefore near matches are reported.
import type { SettingsReader } from './problems.ts';
import { settingsTable } from './settingsTable.ts';

/** Reports every variable that is not a setting and differs from one by case or at most two letters. */
export function findMisspelt(reader: SettingsReader): void {
  const known = settingsTable.map(({ name }) => name);
  for (const name of Object.keys(reader.environment)) {
    if (reader.environment[name] === undefined || known.includes(name)) continue;
    const near = known.find((other) => isNear(name, other));
    if (near !== undefined) reader.add(name, `is not a setting; did you mean ${near}?`);
    else if (name.startsWith('MailStore__')) {
      reader.add(
        name,
        `is not a setting; those of MailStore are ${known.filter((other) => other.startsWith('MailStore__')).join(', ')}`,
      );
    }
  }
}

function isNear(name: string, known: string): boolean {
  const one = plain(name);
  const other = plain(known);
  return one === other || (Math.abs(one.length - other.length) <= 2 && distance(one, other) <= 2);
}

function plain(name: string): string {
  return name.toUpperCase().replaceAll('_', '').slice(0, 60);
}

/** Levenshtein's, over names of at most 60 characters. */
function distance(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 0; row < one.length; row += 1) {
    const next = [row + 1];
    for (let column = 0; column < other.length; column += 1) {
      next.push(
        Math.min(
          (previous[column] ?? 0) + (one[row] === other[column] ? 0 : 1),
          (previous[column + 1] ?? 0) + 1,
          (next[column] ?? 0) + 1,
        ),
      );
    }
    previous = next;
  }
  return previous.at(-1) ?? 0;
}
