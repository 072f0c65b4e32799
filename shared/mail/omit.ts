/** A copy without some of its fields. */
export function omit<From extends object, Name extends keyof From>(
  from: From,
  ...names: readonly Name[]
): Omit<From, Name> {
  const copy: Partial<From> & Omit<From, Name> = { ...from };
  for (const name of names) Reflect.deleteProperty(copy, name);
  return copy;
}
