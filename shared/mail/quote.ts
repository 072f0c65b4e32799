// Foreign values within our own sentences.
import { asciiJson } from './text.ts';

/** The text as it can be shown in a sentence: quoted, at most 60 characters, printable ASCII. */
export function quoteBriefly(text: string): string {
  const cut = text.length > 60 ? `${text.slice(0, 60)}...` : text;
  return asciiJson(cut.toWellFormed());
}

/** The kind of a JSON value, for a sentence. */
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
