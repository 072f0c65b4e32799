// Message identifiers as headers carry them: `<left@right>` (RFC 5322 3.6.4).
//
// Ids in the wild exceed the grammar (several at-signs, brackets inside, no dot). Only what keeps a header safe is
// checked: printable ASCII, no space, no angle bracket inside, the length of a line.

/** So that `References: ` and one id stay within a line of 998 octets (RFC 5322 2.1.1). */
export const messageIdBytes = 900;

const bracketed = /^<[\x21-\x3b\x3d\x3f-\x7e]+>$/;

export function isMessageId(text: string): boolean {
  const at = text.indexOf('@');
  return text.length <= messageIdBytes && bracketed.test(text) && at > 1 && at < text.length - 2;
}

/** The ids of a References or In-Reply-To value; undefined if any part of it is not an id. */
export function parseMessageIds(text: string): readonly string[] | undefined {
  const parts = text.split(' ').filter((part) => part !== '');
  return parts.every(isMessageId) ? parts : undefined;
}
