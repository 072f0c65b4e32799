// Does an answer have the shape that a schema of an OpenAPI 3.0 document describes? Types, required members, members
// that the schema does not name, enums and oneOf: what the vendor's description uses.

export type Schema = Readonly<{
  $ref?: string;
  type?: string;
  required?: readonly string[];
  properties?: Readonly<Record<string, Schema>>;
  additionalProperties?: Schema;
  items?: Schema;
  enum?: readonly unknown[];
  nullable?: boolean;
  oneOf?: readonly Schema[];
}>;

export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

interface OpenApiOperation {
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> }>
  >;
}

/** Every difference, with its place. */
export function differences(api: OpenApi, schema: Schema, value: unknown, place = '$'): readonly string[] {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1) ?? '';
    return differences(api, api.components.schemas[name] ?? {}, value, place);
  }
  if (schema.oneOf !== undefined) {
    const tries = schema.oneOf.map((one) => differences(api, one, value, place));
    return tries.some((found) => found.length === 0) ? [] : [`${place}: fits no alternative`];
  }
  if (value === null) return schema.nullable === true ? [] : [`${place}: null`];
  if (schema.enum !== undefined && !schema.enum.includes(value))
    return [`${place}: ${JSON.stringify(value)}`];
  if (Array.isArray(value)) {
    if (schema.type !== 'array') return [`${place}: an array`];
    return value.flatMap((one, index) => differences(api, schema.items ?? {}, one, `${place}[${index}]`));
  }
  if (typeof value === 'object')
    return objectDifferences(api, schema, value as Record<string, unknown>, place);
  // The description says `object` for a value of any type, with the example "string | number | date".
  const expected = schema.type === 'integer' ? 'number' : schema.type;
  return expected === undefined || expected === 'object' || typeof value === expected
    ? []
    : [`${place}: ${typeof value}, not ${expected}`];
}

function objectDifferences(
  api: OpenApi,
  schema: Schema,
  value: Readonly<Record<string, unknown>>,
  place: string,
): readonly string[] {
  const { properties = {}, additionalProperties, required = [] } = schema;
  const missing = required.filter((name) => !(name in value)).map((name) => `${place}.${name}: missing`);
  const wrong = Object.entries(value).flatMap(([name, member]) => {
    const described = properties[name] ?? additionalProperties;
    if (member === undefined) return [];
    return described === undefined
      ? [`${place}.${name}: not described`]
      : differences(api, described, member, `${place}.${name}`);
  });
  return [...missing, ...wrong];
}
