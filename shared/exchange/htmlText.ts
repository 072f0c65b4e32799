// The text of a mail that has HTML alone, as a card shows it: tables as columns, links with their addresses.
import { convert } from 'html-to-text';

const htmlMostCharacters = 1_000_000;

/** Empty if the HTML has no text. */
export function htmlText(html: string): string {
  return convert(html, {
    wordwrap: false,
    limits: { maxInputLength: htmlMostCharacters, maxDepth: 100 },
    selectors: [
      { selector: 'img', format: 'skip' },
      { selector: 'a', options: { hideLinkHrefIfSameAsText: true } },
      { selector: 'table', format: 'dataTable' },
    ],
  }).trim();
}
