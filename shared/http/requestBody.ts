// The body of a request, bounded before it is read: by what it says of its own length, and by the bytes in work.
import type { z } from 'zod';
import { decodeUtf8Json } from './jsonBody.ts';
import type { HttpDependencies } from './dependencies.ts';
import type { HttpRequest, Problem } from './httpMessage.ts';
import { busyRetrySeconds, requestBytes } from './numbers.ts';

/** What is wrong with the length that the request states; undefined if nothing is. */
export function lengthProblem(request: HttpRequest): Problem | undefined {
  const stated = request.header('content-length') ?? '';
  if (!/^[0-9]{1,15}$/.test(stated))
    return {
      name: 'length-required',
      status: 411,
      detail: 'The request has no Content-Length; a chunked body does not reach the app.',
      remedy: 'Send the body with its length.',
    };
  if (Number(stated) > requestBytes)
    return {
      name: 'too-large',
      status: 413,
      detail: `The body has ${stated} bytes; one request may have ${requestBytes}.`,
      remedy:
        'Ask for an address with POST /api/uploads, put the message or attachment there, and name it in the submission.',
    };
  return undefined;
}

/** Reserves what the body weighs: what gives it back, or 503. */
export function reserve(
  request: HttpRequest,
  weight: number,
  { budget }: HttpDependencies,
): (() => void) | Problem {
  const release = budget.take(Number(request.header('content-length') ?? 0) * weight);
  return (
    release ?? {
      name: 'busy',
      status: 503,
      detail: 'This instance works on as many bytes as it may at once.',
      remedy: 'Send the request again after the seconds of Retry-After, with the same id.',
      retryAfterSeconds: busyRetrySeconds,
    }
  );
}

/** A small JSON body of a known shape, or what is wrong with it. */
export async function readSmallJson<Shape extends z.ZodType>(
  request: HttpRequest,
  shape: Shape,
  remedy: string,
  mostBytes = smallBytes,
): Promise<{ readonly kind: 'read'; readonly value: z.infer<Shape> } | Problem> {
  const wrongLength = lengthProblem(request);
  if (wrongLength !== undefined) return wrongLength;
  if (Number(request.header('content-length')) > mostBytes)
    return {
      name: 'too-large',
      status: 413,
      detail: `The body has more than ${mostBytes} bytes.`,
      remedy,
    };
  const type = (request.header('content-type') ?? '').toLowerCase().split(';')[0]?.trim();
  if (type !== 'application/json')
    return {
      name: 'unsupported-type',
      status: 415,
      detail: 'The Content-Type is not application/json.',
      remedy: 'Send JSON in UTF-8 with Content-Type: application/json.',
    };
  const value = decodeUtf8Json(await request.body());
  if (value === undefined)
    return { name: 'invalid-request', status: 400, detail: 'The body is not JSON in UTF-8.', remedy };
  const read = shape.safeParse(value);
  if (read.success) return { kind: 'read', value: read.data };
  const problems = read.error.issues.slice(0, 20).map(({ path, message }) => {
    const field = path.map(String).join('.');
    return {
      field: field.slice(0, 100),
      detail: `${field === '' ? 'The body' : field.slice(0, 100)}: ${message.slice(0, 300)}`,
    };
  });
  return {
    name: 'invalid-request',
    status: 422,
    detail: problems[0]?.detail ?? 'The body is not what the route takes.',
    remedy,
    problems,
  };
}

const smallBytes = 100_000;
