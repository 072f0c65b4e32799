// Message identifiers as Message-ID, In-Reply-To and References bring them, read leniently.
//
// A thread that is lost costs more than an id that was repaired: ids come without angle brackets, folded in the middle,
// as encoded words, with HTML's escapes or cut at the end. What is in angle brackets is read, and outside of them what
// is certainly `left@right`; what no answer could carry (messageId.ts) is left out.
import { isMessageId, referencesMostCount } from './messageId.ts';

const idLimit = referencesMostCount;
const valueLimit = 65_536;

/** In order, each once. Of more than 100 the first and the last 99: the nearest ancestor is last (RFC 5322 3.6.4). */
export function messageIds(value: string): readonly string[] {
  const found = [...new Set(idsIn(plain(value.slice(-valueLimit))))];
  return found.length <= idLimit ? found : [...found.slice(0, 1), ...found.slice(1 - idLimit)];
}

function* idsIn(value: string): Iterable<string> {
  const { bracketed, outside } = split(value);
  if (outside.every((token) => bareId.test(token))) {
    // In the order in which they came; a value mixes both forms only in rare mail.
    for (const token of [...outside, ...bracketed]) if (isUsable(token)) yield `<${token}>`;
    return;
  }
  for (const token of bracketed) if (isUsable(token)) yield `<${token}>`;
}

/** What is in angle brackets, without white space, and the words outside of them. */
function split(value: string): {
  readonly bracketed: readonly string[];
  readonly outside: readonly string[];
} {
  const bracketed: string[] = [];
  const outside: string[] = [];
  const [before = '', ...opened] = value.split('<');
  outside.push(...words(before));
  for (const piece of opened) {
    const end = piece.indexOf('>');
    if (end < 0) {
      // Cut: the id ends with its word.
      const [id = '', ...rest] = words(piece);
      bracketed.push(id);
      outside.push(...rest);
    } else {
      bracketed.push(withoutBlanks(piece.slice(0, end)));
      outside.push(...words(piece.slice(end + 1)));
    }
  }
  return { bracketed, outside };
}

/** Comments are no words. */
function words(text: string): readonly string[] {
  return text
    .replace(/\([^()]{0,1000}\)/g, ' ')
    .split(/[\s,;>]+/)
    .filter((word) => word !== '');
}

/** Folding put the white space there, unless it stands in quotation marks or in what may be no id at all. */
function withoutBlanks(id: string): string {
  return id.includes('"') || !id.includes('@') ? id.trim() : id.replace(/\s+/g, '');
}

const bareId =
  /^[\x21\x23-\x27\x2a\x2b\x2d-\x3a\x3d\x3f\x41-\x7e]+@[\x21\x23-\x27\x2a\x2b\x2d-\x3a\x3d\x3f\x41-\x7e]+$/;

/** An answer can name it; at-sign or not, what is in the brackets is its author's. */
const isUsable = (id: string): boolean => isMessageId(`<${id}>`);

/** Encoded words and HTML's escapes undone. An id is ASCII, so that no charset is needed. */
function plain(value: string): string {
  return value
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(/=\?[^?\s]{1,60}\?([bq])\?([^?\s]{0,2000})\?=/gi, (_, encoding: string, content: string) =>
      encoding.toLowerCase() === 'b' ? Buffer.from(content, 'base64').toString('latin1') : unquoted(content),
    )
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&#60;', '<')
    .replaceAll('&#62;', '>')
    .replaceAll('&amp;', '&');
}

function unquoted(content: string): string {
  return content
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
