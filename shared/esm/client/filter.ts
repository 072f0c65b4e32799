// Filters in EQL. How a quote inside text is escaped is not documented, so text that a stranger can write goes into a
// filter only if every character is harmless.

const safeText = /^[A-Za-z0-9._@+-]{1,256}$/;
/** What a template's codes are made of. */
export const codePattern = /^[A-Za-z][A-Za-z0-9_]{0,99}$/;

/** Attribute = text. Undefined if the text has a character that is not on the list: look it up otherwise, or not. */
export function equals(attribute: string, text: string): string | undefined {
  if (!codePattern.test(attribute)) throw new Error('an attribute code was not checked');
  return safeText.test(text) ? `$${attribute}$ = '${text}'` : undefined;
}

/** Any of them. Undefined if none is there. */
export function anyOf(filters: readonly (string | undefined)[]): string | undefined {
  const found = filters.filter((filter) => filter !== undefined);
  return found.length === 0 ? undefined : found.join(' OR ');
}
