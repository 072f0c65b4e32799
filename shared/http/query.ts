import type { z } from 'zod';
import type { HttpRequest, Problem } from './httpMessage.ts';

/** The query of a request, checked; what it does not know is refused by name. */
export function queryOf<Shape extends z.ZodObject>(
  { url }: HttpRequest,
  shape: Shape,
): { readonly kind: 'query'; readonly value: z.infer<Shape> } | Problem {
  const pairs = Object.fromEntries(URL.parse(url)?.searchParams ?? []);
  const read = shape.safeParse(pairs);
  if (read.success) return { kind: 'query', value: read.data };
  const problems = read.error.issues.slice(0, 20).map(({ path, message }) => {
    const field = path.map(String).join('.').slice(0, 100);
    return { field, detail: `${field === '' ? 'The query' : field}: ${message.slice(0, 300)}` };
  });
  return {
    name: 'invalid-request',
    status: 400,
    detail: problems[0]?.detail ?? 'The query can’t be read.',
    remedy: `The query has ${Object.entries<z.core.$ZodType>(shape.shape)
      .map(([name]) => name)
      .join(', ')}; see docs/http.md.`,
    problems,
  };
}
