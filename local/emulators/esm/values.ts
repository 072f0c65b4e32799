// Which values an attribute takes. What it doesn't take is an entry of `meta.errors`; the card is saved without it.
import type { EsmAttribute, EsmError, EsmValue } from './model.ts';

interface Given {
  readonly values: readonly EsmValue[];
  readonly isReadOnly: boolean;
  /** Whose comments these are. */
  readonly author: string;
  readonly now: number;
  readonly hasCard: (dataCardId: string) => boolean;
}

type Checked =
  | { readonly kind: 'kept'; readonly values: readonly EsmValue[] }
  | { readonly kind: 'refused'; readonly error: EsmError };

const datePattern = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,3})?Z)?$/;

export function checkValues(code: string, attribute: EsmAttribute | undefined, given: Given): Checked {
  const refuse = (message: string, error = 'Bad Request'): Checked => ({
    kind: 'refused',
    error: { attributeCode: code, attributeType: attribute?.type ?? '', message, error },
  });
  if (attribute === undefined) return refuse(`Couldn't find attribute with code: ${code}`);
  if (given.isReadOnly) return refuse(`No permission to modify attribute: ${attribute.name}`, 'Forbidden');
  if (attribute.multiValue !== true && attribute.type !== 'worklog' && given.values.length > 1)
    return refuse(`Attribute: ${attribute.name} takes one value only`);
  const kept: EsmValue[] = [];
  for (const value of given.values) {
    const answer = checkValue(attribute, value, given);
    if (typeof answer === 'string') return refuse(answer);
    kept.push(answer);
  }
  return { kind: 'kept', values: kept };
}

/** The value as it is stored, or why it is refused. */
function checkValue(
  attribute: EsmAttribute,
  given: EsmValue,
  { author, now, hasCard }: Given,
): EsmValue | string {
  const { value, code } = given;
  const { name } = attribute;
  switch (attribute.type) {
    case 'string':
      if (value === undefined) return `A value is missing of attribute: ${name}`;
      return String(value).length > (attribute.maxLength ?? 100_000)
        ? `The value is too long for attribute: ${name}`
        : { value: String(value) };
    case 'number':
      return typeof value === 'number' || /^-?\d+(?:\.\d+)?$/.test(value ?? '')
        ? { value: Number(value) }
        : `Not a number for attribute: ${name}`;
    case 'date':
      return datePattern.test(String(value))
        ? { value: String(value) }
        : `Unparseable date for attribute: ${name}`;
    case 'worklog':
      return value === undefined
        ? `A value is missing of attribute: ${name}`
        : { author, value: String(value), date: iso(now) };
    case 'reference':
      return given.dataCardId !== undefined && hasCard(given.dataCardId)
        ? { dataCardId: given.dataCardId }
        : `Couldn't find data card with id: ${given.dataCardId} for attribute: ${name}`;
    case 'external-reference':
      return given.name === undefined || given.location === undefined
        ? `Name or location is missing of attribute: ${name}`
        : { name: given.name, location: given.location };
    case 'static-value': {
      const known = attribute.values?.find(
        (one) => (code !== undefined && one.code === code) || (value !== undefined && one.value === value),
      );
      return (
        known ?? `Couldn't find static-value with value: ${value} and code: ${code} from attribute: ${name}`
      );
    }
  }
}

export const iso = (at: number): string => new Date(at).toISOString().replace(/\.\d+/, '');
