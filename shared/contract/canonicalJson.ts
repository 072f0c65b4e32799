/**
 * JSON with the names of every object in code-unit order and without white space: the same content is the same
 * text, whatever order its fields came in. Members that are undefined are left out. Works at any depth; a value
 * that JSON has no form for throws a TypeError.
 */
export function canonicalJson(value: unknown): string {
  const parts: string[] = [];
  // What is still to be written, the next one last: text, or a value. No recursion.
  const open: (string | { readonly value: unknown })[] = [{ value }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next === 'string') parts.push(next);
    else if (typeof next.value !== 'object' || next.value === null) parts.push(scalar(next.value));
    else if (isList(next.value)) {
      parts.push('[');
      open.push(']');
      for (let index = next.value.length - 1; index >= 0; index -= 1) {
        open.push({ value: next.value[index] });
        if (index > 0) open.push(',');
      }
    } else {
      const members = Object.entries(next.value).filter(([, member]) => member !== undefined);
      members.sort(([one], [other]) => (one < other ? 1 : -1));
      parts.push('{');
      open.push('}');
      for (const [index, [name, member]] of members.entries()) {
        const isFirst = index === members.length - 1;
        open.push({ value: member }, `${isFirst ? '' : ','}${JSON.stringify(name)}:`);
      }
    }
  }
  return parts.join('');
}

function isList(value: object): value is readonly unknown[] {
  return Array.isArray(value);
}

function scalar(value: unknown): string {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return JSON.stringify(value);
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  throw new TypeError(`a ${typeof value}, which JSON has no form for`);
}
