// References of HTML to attached images: `cid:` URLs (RFC 2392). The scheme is known in any case (RFC 3986 3.1), and an
// attribute's value may be written with entities and percent signs.

/** HTML that is looked at: references come in images, whose bytes are elsewhere. */
const htmlMostCharacters = 4_000_000;
const idsMostCount = 1_000;

/** The ids that the HTML refers to, each once, decoded. */
export function contentIdsIn(html: string): ReadonlySet<string> {
  const found = new Set<string>();
  for (const [, id = ''] of html.slice(0, htmlMostCharacters).matchAll(/\bcid:([^"'<>\s)]{1,800})/gi)) {
    found.add(decoded(id));
    if (found.size >= idsMostCount) break;
  }
  return found;
}

/** The HTML refers to it. */
export const isShown = (contentId: string, html: string): boolean => contentIdsIn(html).has(contentId);

function decoded(id: string): string {
  const plain = id
    .replace(/&#x([0-9a-f]{1,6});/gi, (_, hex: string) => characterOf(Number.parseInt(hex, 16)))
    .replace(/&#([0-9]{1,7});/g, (_, digits: string) => characterOf(Number(digits)))
    .replace(/&(?:commat);/gi, '@')
    .replace(/&(?:num);/gi, '#')
    .replace(/&amp;/gi, '&');
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}

const characterOf = (code: number): string => (code <= 0x10ffff ? String.fromCodePoint(code) : '');
