// Message identifiers as headers carry them: `<…>` (RFC 5322 3.6.4). The one grammar for notices and submissions.
//
// An id is opaque to everybody but its author, and ids in the wild exceed the grammar (no at-sign or several, nothing
// before it, no dot). Only what keeps a header safe is checked: printable ASCII, no blank, no angle bracket inside, the
// length of a line.

/** So that `References: ` and one id stay within a line of 998 octets (RFC 5322 2.1.1). */
export const messageIdBytes = 900;

/** Ids of a References field that are kept: the first, which names the conversation, and the last ones. */
export const referencesMostCount = 100;
/** Characters of all of them with a blank after each: what Exchange accepts in one header field is 32 KB. */
const referencesMostCharacters = 8_000;

const bracketed = /^<[\x21-\x3b\x3d\x3f-\x7e]+>$/;

export function isMessageId(text: string): boolean {
  return text.length <= messageIdBytes && bracketed.test(text);
}

/** The ids of a References or In-Reply-To value; undefined if any part of it is not an id. */
export function parseMessageIds(text: string): readonly string[] | undefined {
  const parts = text.split(' ').filter((part) => part !== '');
  return parts.every(isMessageId) ? parts : undefined;
}

/**
 * References that fit: the first and the last ones (RFC 5322 3.6.4 lets a long list be shortened so; the last is the
 * parent), each once, in their order. The same ids if they fit as they are.
 */
export function shortenReferences(ids: readonly string[]): readonly string[] {
  const [first, ...others] = new Set(ids);
  if (first === undefined) return [];
  let characters = first.length + 1;
  const last: string[] = [];
  for (const id of others.reverse()) {
    characters += id.length + 1;
    if (characters > referencesMostCharacters || last.length + 1 >= referencesMostCount) break;
    last.unshift(id);
  }
  return [first, ...last];
}
