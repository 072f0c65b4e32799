// HTTP routes as the host knows them: segments, `{name}`, `{name?}` and, last, `{*rest}`. Letters in either case
// match. A literal segment goes before a parameter, and a parameter before the rest of the path.
//
// Constraints (`{id:int}`), defaults and parameters within a segment are not understood here and are refused.

export interface Route {
  /** Decoded parameters of a path that matches; an optional one that is not there is absent. */
  match(path: string): Readonly<Record<string, string>> | undefined;
  /** Lower comes first. */
  readonly rank: string;
}

interface Segment {
  readonly kind: 'literal' | 'parameter' | 'optional' | 'rest';
  readonly name: string;
}

const ranks: Readonly<Record<Segment['kind'], string>> = {
  literal: '0',
  parameter: '1',
  optional: '2',
  rest: '3',
};

/** Reads a route template without its prefix; throws when it cannot be served. */
export function parseRoute(template: string, prefix: string): Route {
  const own = template.replace(/^\/+|\/+$/g, '');
  // The host keeps these to itself, under any prefix.
  if (/^(admin|runtime)/i.test(own)) {
    throw new Error(`The specified route conflicts with one or more built in routes: ${template}`);
  }
  const segments = [prefix, own]
    .flatMap((part) => part.split('/'))
    .filter((part) => part !== '')
    .map(parseSegment);
  if (
    segments.some(
      ({ kind }, index) => kind !== 'literal' && kind !== 'parameter' && index < segments.length - 1,
    )
  ) {
    throw new Error(`Only the last segment of a route may be optional or take the rest: ${template}`);
  }
  return {
    rank: segments.map(({ kind }) => ranks[kind]).join(''),
    match: (path) =>
      matchSegments(
        segments,
        path.split('/').filter((part) => part !== ''),
      ),
  };
}

function parseSegment(text: string): Segment {
  if (!/[{}]/.test(text)) return { kind: 'literal', name: text.toLowerCase() };
  const match = /^\{(\*{0,2})([A-Za-z_][\w-]*)(\??)\}$/.exec(text);
  if (match === null) throw new Error(`The local host has no route segment of the form ${text}`);
  const [, stars = '', name = '', question = ''] = match;
  return { kind: stars !== '' ? 'rest' : question !== '' ? 'optional' : 'parameter', name };
}

function matchSegments(
  segments: readonly Segment[],
  parts: readonly string[],
): Readonly<Record<string, string>> | undefined {
  const params: Record<string, string> = {};
  for (const [index, { kind, name }] of segments.entries()) {
    const part = parts[index];
    if (kind === 'rest') {
      params[name] = parts.slice(index).map(decode).join('/');
      return params;
    }
    if (part === undefined) {
      if (kind === 'optional') return params;
      return undefined;
    }
    if (kind === 'literal' && decode(part).toLowerCase() !== name) return undefined;
    if (kind !== 'literal') params[name] = decode(part);
  }
  return parts.length === segments.length ? params : undefined;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
