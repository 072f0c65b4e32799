/** A copy without some of its fields. */
export function omit<From extends object, Name extends keyof From>(
  from: From,
  ...names: readonly Name[]
): Omit<From, Name> {
  const copy: Partial<From> & Omit<From, Name> = { ...from };
  for (const name of names) Reflect.deleteProperty(copy, name);
  return copy;
}

/** Without the members that are undefined, for optional properties of a literal: `{ ...present({ a, b }) }`. */
export function present<From extends object>(
  from: From,
): { readonly [Name in keyof From]?: Exclude<From[Name], undefined> } {
  return Object.fromEntries(Object.entries(from).filter(([, value]) => value !== undefined)) as {
    [Name in keyof From]?: Exclude<From[Name], undefined>;
  };
}
