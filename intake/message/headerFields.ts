// The header as lines and fields, with nothing lost: characters are bytes (latin1), and each field keeps its folds.

export interface Field {
  /** In lower case. */
  readonly name: string;
  /** As it was written. */
  readonly label: string;
  /** Unfolded and trimmed. */
  readonly value: string;
  /** As it stood, folds included, every line ended by CRLF. */
  readonly text: string;
}

export interface HeaderFields {
  readonly fields: readonly Field[];
  /** Lines that are no field although the header had not ended: the body began without its empty line. */
  readonly rest: readonly string[];
}

/** More than this is refused as too large. */
export const headerMostBytes = 512 * 1024;
const fieldsMostCount = 1_000;

/** Reads the lines before the empty line, without their ends. */
export function readFields(lines: readonly string[]): HeaderFields {
  const fields: { name: string; label: string; value: string; text: string }[] = [];
  for (const [index, line] of lines.entries()) {
    const last = fields.at(-1);
    if (/^[ \t]/.test(line)) {
      if (last === undefined) return { fields, rest: lines.slice(index) };
      // A line of white space alone ends the header for some readers (RFC 5322 3.2.2): it goes.
      if (line.trim() === '') continue;
      last.value = `${last.value} ${line.trim()}`.trim();
      last.text += `${line}\r\n`;
      continue;
    }
    const label = /^([\x21-\x39\x3b-\x7e]{1,200})[ \t]*:/.exec(line)?.[1];
    if (label === undefined || fields.length === fieldsMostCount) {
      // The line that an mbox puts before each mail is no part of it.
      if (index === 0 && /^>?From /.test(line)) continue;
      return { fields, rest: lines.slice(index) };
    }
    const value = line.slice(line.indexOf(':') + 1).trim();
    fields.push({ name: label.toLowerCase(), label, value, text: `${line}\r\n` });
  }
  return { fields, rest: [] };
}

export function valueOf(fields: readonly Field[], name: string): string | undefined {
  return fields.find((field) => field.name === name)?.value;
}

export function valuesOf(fields: readonly Field[], name: string): readonly string[] {
  return fields.filter((field) => field.name === name).map(({ value }) => value);
}
