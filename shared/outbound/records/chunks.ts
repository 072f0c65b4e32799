// Long text in a row: a string property holds 32 Ki characters, so text is cut into numbered ones.
import type { Field, Fields } from '../ports.ts';

const chunkCharacters = 32_000;
/** A row holds 1 MiB; a character takes two bytes. */
const mostChunks = 16;

const chunkName = (name: string, index: number): string => (index === 0 ? name : `${name}${index}`);

/** `name`, `name1`, `name2`, … and `nameChunks`; merging fewer chunks leaves the old rest unread. */
export function putText(name: string, text: string): Fields {
  const count = Math.max(1, Math.ceil(text.length / chunkCharacters));
  if (count > mostChunks) throw new RangeError(`${name} has ${text.length} characters, too many for a row`);
  const fields: Record<string, Field> = { [`${name}Chunks`]: count };
  for (let index = 0; index < count; index += 1) {
    fields[chunkName(name, index)] = text.slice(index * chunkCharacters, (index + 1) * chunkCharacters);
  }
  return fields;
}

/** The text as it was put; undefined where the row has none of that name. */
export function getText(fields: Fields, name: string): string | undefined {
  const count = fields[`${name}Chunks`];
  if (typeof count !== 'number') return undefined;
  let text = '';
  for (let index = 0; index < Math.min(count, mostChunks); index += 1) {
    const chunk = fields[chunkName(name, index)];
    if (typeof chunk !== 'string') throw new TypeError(`${name} lacks its part ${index}`);
    text += chunk;
  }
  return text;
}

/** Every column that a text of that name can have. */
export const chunkColumns = (name: string): readonly string[] => [
  `${name}Chunks`,
  ...Array.from({ length: mostChunks }, (_, index) => chunkName(name, index)),
];
