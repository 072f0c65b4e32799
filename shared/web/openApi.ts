// The OpenAPI document (3.1) of routes that are kept as data: what is published is what the handlers check. Schemas with a
// `.meta({ id })` become components; every other schema stands where it is used.
import { z } from 'zod';

/** One route, as its handler checks it. */
export interface ApiRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** As OpenAPI writes it: `/api/mail/{id}`. */
  readonly path: string;
  readonly summary: string;
  readonly query?: z.ZodObject;
  readonly headers?: readonly { readonly name: string; readonly description: string }[];
  /** A body in JSON. */
  readonly body?: z.ZodType;
  /** Bodies of other types, by media type: what they are. */
  readonly otherBodies?: Readonly<Record<string, string>>;
  /** Answers in JSON, by status. */
  readonly answers: Readonly<Record<number, z.ZodType>>;
  /** What a 200 may be besides, by media type. */
  readonly otherAnswers?: Readonly<Record<string, string>>;
  /** Statuses of problems (RFC 9457) besides those that every route has. */
  readonly problems: readonly number[];
}

export interface ApiDescription {
  readonly title: string;
  readonly version: string;
  readonly description: string;
  /** By operationId. `security` names one of `securitySchemes`; several: any of them is enough. */
  readonly routes: Readonly<
    Record<string, ApiRoute & { readonly security: readonly string[]; readonly tag: string }>
  >;
  readonly securitySchemes: Readonly<Record<string, Json>>;
  readonly problem: z.ZodType;
  /** Statuses of problems that every route has. */
  readonly commonProblems: readonly number[];
}

type Json = Readonly<Record<string, unknown>>;

const reasons: Readonly<Record<number, string>> = {
  400: 'The request can’t be read.',
  401: 'Nobody is signed in.',
  403: 'The role is missing, or the request did not come from the page.',
  404: 'There is no such thing, or nothing can be said about it.',
  409: 'It is in a state in which this is not possible.',
  411: 'The length of the body is missing.',
  413: 'The body is too large.',
  415: 'The type of the body is not one that the route takes.',
  422: 'The body was read and is not acceptable.',
  429: 'Too many requests.',
  500: 'An error of the bridge.',
  503: 'The store or the key vault does not answer, or the settings can’t be used.',
};

/** A document that `JSON.stringify` writes; the same description gives the same document. */
export function openApiDocument(api: ApiDescription): Json {
  const components = new Map<string, Json>();
  const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Json => {
    const { $defs, ...rest } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' });
    for (const [name, definition] of Object.entries($defs ?? {})) components.set(name, clean(definition));
    return clean(rest);
  };
  const paths: Record<string, Record<string, Json>> = {};
  for (const [operationId, route] of Object.entries(api.routes)) {
    const problems = [...new Set([...api.commonProblems, ...route.problems])].sort(
      (one, other) => one - other,
    );
    const answers = Object.entries(route.answers).map(([status, schema]) => [
      status,
      {
        description: schema.description ?? 'Done.',
        content: {
          ...media('application/json', schemaOf(schema, 'output')),
          ...(status === '200' ? binary(route.otherAnswers) : {}),
        },
      },
    ]);
    const parameters = [
      ...pathParameters(route.path),
      ...queryParameters(route.query, schemaOf),
      ...headerParameters(route.headers),
    ];
    (paths[route.path] ??= {})[route.method.toLowerCase()] = {
      operationId,
      tags: [route.tag],
      summary: route.summary,
      security: route.security.map((name) => ({ [name]: [] })),
      ...(parameters.length === 0 ? {} : { parameters }),
      ...(route.body === undefined
        ? {}
        : {
            requestBody: {
              required: true,
              content: {
                ...media('application/json', schemaOf(route.body, 'input')),
                ...binary(route.otherBodies),
              },
            },
          }),
      responses: Object.fromEntries([
        ...answers,
        ...problems.map((status) => [
          String(status),
          {
            description: reasons[status] ?? 'A problem.',
            content: media('application/problem+json', { $ref: '#/components/schemas/Problem' }),
          },
        ]),
      ]) as Json,
    };
  }
  components.set('Problem', schemaOf(api.problem, 'output'));
  return {
    openapi: '3.1.0',
    info: { title: api.title, version: api.version, description: api.description },
    paths,
    components: { schemas: Object.fromEntries(components), securitySchemes: api.securitySchemes },
  };
}

const media = (type: string, schema: Json): Json => ({ [type]: { schema } });

const binary = (types: Readonly<Record<string, string>> = {}): Json =>
  Object.assign(
    {},
    ...Object.entries(types).map(([type, description]) =>
      media(type, { type: 'string', format: 'binary', description }),
    ),
  ) as Json;

const headerParameters = (headers: ApiRoute['headers'] = []): readonly Json[] =>
  headers.map(({ name, description }) => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  }));

function pathParameters(path: string): readonly Json[] {
  return [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters(
  query: z.ZodObject | undefined,
  schemaOf: (schema: z.ZodType, io: 'input' | 'output') => Json,
): readonly Json[] {
  if (query === undefined) return [];
  return Object.entries<z.ZodType>(query.shape as Record<string, z.ZodType>).map(([name, field]) => {
    const { description, ...schema } = schemaOf(field, 'output');
    return {
      name,
      in: 'query',
      required: !field.safeParse(undefined).success,
      ...(description === undefined ? {} : { description }),
      schema,
    };
  });
}

/** References point to the document's components; `$id` would be an address with a fragment, which 2020-12 forbids. */
function clean(value: Json): Json {
  return JSON.parse(JSON.stringify(value), (name, member: unknown) =>
    name === '$ref' && typeof member === 'string'
      ? member.replace('#/$defs/', '#/components/schemas/')
      : name === '$schema' || name === '$id' || (name === 'id' && isAnchor(value, member))
        ? undefined
        : member,
  ) as Json;
}

/** zod repeats the name of a component as its member `id`. */
const isAnchor = (value: Json, member: unknown): boolean =>
  value['id'] === member && typeof member === 'string';
