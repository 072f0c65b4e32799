// Foreign values in our own sentences.

/** A value as people can read it in a sentence: quoted, at most 60 characters, printable ASCII. */
export function quoteBriefly(text: string): string {
  const cut = text.length > 60 ? `${text.slice(0, 60)}...` : text;
  return JSON.stringify(cut.toWellFormed()).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** What a JSON value is, in words. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'text';
  if (typeof value === 'object') return 'an object';
  return `a ${typeof value}`;
}

/** `a`, `a.b`; a name that is not plain is quoted, cut and escaped. */
export function joinPath(path: string, name: string): string {
  const shown = /^[\w-]{1,60}$/.test(name) ? name : quoteBriefly(name);
  return path === '' ? shown : `${path}.${shown}`;
}
