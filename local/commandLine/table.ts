// Plain tables for the terminal.

/** Columns as wide as their longest cell, two spaces between them; numbers to the right. */
export function table(heads: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) => row.map(String));
  const widths = heads.map((head, at) => Math.max(width(head), ...cells.map((row) => width(row[at] ?? ''))));
  const isNumber = heads.map((_, at) => rows.length > 0 && rows.every((row) => typeof row[at] === 'number'));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => {
        const space = ' '.repeat(Math.max(0, (widths[at] ?? 0) - width(cell)));
        return isNumber[at] === true ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd();
  return [line(heads), widths.map((wide) => '─'.repeat(wide)).join('  '), ...cells.map(line)].join('\n');
}

const segmenter = new Intl.Segmenter();

/** What a reader counts as characters: a letter with its marks, or a composed emoji, is one. */
function width(text: string): number {
  return [...segmenter.segment(text)].length;
}
