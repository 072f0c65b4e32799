// Sends mutated requests and judges the answers: each is a 2xx or a problem with a remedy, none is an error of the bridge.
import { Agent, request as httpRequest } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { problemSchema } from '../../shared/web/problemSchema.ts';
import { seededRandom } from '../seededRandom.ts';
import { makeRequest, type FuzzRequest, type FuzzTarget } from './requests.ts';

/** How a request is sent: over HTTP to a host, or to the routes in this process. */
export type Send = (request: FuzzRequest) => Promise<Answer>;

export interface FuzzOptions extends FuzzTarget {
  readonly send: Send;
  readonly count: number;
  readonly seed: number;
  /** Requests in flight. */
  readonly atOnce: number;
  readonly onProgress?: (done: number) => void;
}

export interface FuzzReport {
  readonly requestCount: number;
  readonly submissionCount: number;
  readonly acceptedCount: number;
  readonly byStatus: Readonly<Record<string, number>>;
  readonly byRoute: Readonly<Record<string, number>>;
  /** Answers that are neither; the first ones. */
  readonly faults: readonly string[];
  readonly faultCount: number;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const faultsShown = 20;

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { count, seed, atOnce, send, onProgress } = options;
  const random = seededRandom(seed);
  const byStatus: Record<string, number> = {};
  const byRoute: Record<string, number> = {};
  const faults: string[] = [];
  let [next, submissionCount, acceptedCount, faultCount] = [0, 0, 0, 0];
  const line = async (): Promise<void> => {
    while (next < count) {
      const number = (next += 1);
      const made = makeRequest(random, options);
      const answer = await send(made).catch((error: unknown) => ({
        status: 0,
        type: '',
        body: String(error),
      }));
      byStatus[answer.status] = (byStatus[answer.status] ?? 0) + 1;
      byRoute[made.route] = (byRoute[made.route] ?? 0) + 1;
      if (made.route === 'submitMail') {
        submissionCount += 1;
        if (answer.status === 202 || answer.status === 200) acceptedCount += 1;
      }
      const fault = faultOf(answer);
      if (fault !== undefined) {
        faultCount += 1;
        if (faults.length < faultsShown)
          faults.push(
            `${fault}: ${made.method} ${made.path} (${made.mutations.join(', ')}) ${answer.body.slice(0, 200)}`,
          );
      }
      if (number % 1_000 === 0) onProgress?.(number);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, line));
  return { requestCount: count, submissionCount, acceptedCount, byStatus, byRoute, faults, faultCount };
}

function faultOf({ status, type, body }: Answer): string | undefined {
  if (status >= 200 && status < 300) return undefined;
  if (status < 400) return `answered with ${status}`;
  if (status === 500) return 'an error of the bridge';
  if (!type.includes('application/problem+json')) return `${status} without a problem`;
  const read = problemSchema.safeParse(parse(body));
  if (!read.success) return `${status} with another body`;
  return read.data.remedy.length > 5 && read.data.detail.length > 5
    ? undefined
    : `${status} without a remedy`;
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** To a host, over HTTP. */
export function overHttp(url: string, atOnce: number): Send {
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  return ({ method, path, headers, body }) =>
    new Promise((resolve, reject) => {
      const request = httpRequest(new URL(path, url), { method, agent, headers }, (response) => {
        buffer(response).then((bytes) => {
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers['content-type'] ?? '',
            body: bytes.toString(),
          });
        }, reject);
      });
      request.on('error', reject);
      request.end(body);
    });
}
