// host.json, as far as the local host knows it: the numbers of the queue trigger, the route prefix and the
// function's time. What is not there has the real host's default. Source: the host.json reference and the
// Storage queues page of the Azure Functions documentation.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

export interface QueueNumbers {
  /** Messages taken at once, 1 to 32. */
  readonly batchSize: number;
  /** A next batch is taken when no more than this many run. */
  readonly newBatchThreshold: number;
  /** Tries before a message goes to the poison queue. */
  readonly maxDequeueCount: number;
  /** How long a message stays hidden after a failed try. */
  readonly visibilityTimeoutMs: number;
  /** The longest wait between two looks at an empty queue. */
  readonly maxPollingIntervalMs: number;
  readonly messageEncoding: 'base64' | 'none';
}

export interface HostNumbers {
  readonly queues: QueueNumbers;
  readonly routePrefix: string;
  /** Undefined: no limit (`-1`). */
  readonly functionTimeoutMs: number | undefined;
}

/** `[d.]hh:mm:ss[.fff]`, as .NET writes a span of time, in milliseconds. */
export function timeSpanMs(text: string): number | undefined {
  const match = /^(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,3}))?$/.exec(text);
  if (match === null) return undefined;
  const [days = 0, hours = 0, minutes = 0, seconds = 0, fraction = 0] = match
    .slice(1)
    .map((part, index) => Number(index === 4 ? `0.${part || '0'}` : part || '0'));
  return Math.round((((days * 24 + hours) * 60 + minutes) * 60 + seconds + fraction) * 1000);
}

const timeSpan = z.string().transform(readTimeSpan);
const limit = z
  .string()
  .transform((text, context) => (text === '-1' ? undefined : readTimeSpan(text, context)));

function readTimeSpan(text: string, context: z.RefinementCtx): number {
  const ms = timeSpanMs(text);
  if (ms !== undefined) return ms;
  context.addIssue(`"${text}" is no span of time (hh:mm:ss)`);
  return z.NEVER;
}

const hostJson = z.object({
  version: z.literal('2.0'),
  functionTimeout: limit.prefault('00:30:00'),
  extensions: z
    .object({
      queues: z
        .object({
          batchSize: z.int().min(1).max(32).default(16),
          newBatchThreshold: z.int().min(0).optional(),
          maxDequeueCount: z.int().min(1).default(5),
          visibilityTimeout: timeSpan.prefault('00:00:00'),
          maxPollingInterval: timeSpan.prefault('00:01:00'),
          messageEncoding: z.enum(['base64', 'none']).default('base64'),
        })
        .prefault({}),
      http: z.object({ routePrefix: z.string().default('api') }).prefault({}),
    })
    .prefault({}),
});

/** Reads host.json of the app; throws one error that lists every problem. */
export function readHostNumbers(appFolder: string): HostNumbers {
  const read = hostJson.safeParse(JSON.parse(readFileSync(join(appFolder, 'host.json'), 'utf8')));
  if (!read.success) throw new Error(`host.json: ${z.prettifyError(read.error)}`);
  const { queues, http } = read.data.extensions;
  return {
    queues: {
      batchSize: queues.batchSize,
      newBatchThreshold: queues.newBatchThreshold ?? Math.floor(queues.batchSize / 2),
      maxDequeueCount: queues.maxDequeueCount,
      visibilityTimeoutMs: queues.visibilityTimeout,
      maxPollingIntervalMs: Math.max(100, queues.maxPollingInterval),
      messageEncoding: queues.messageEncoding,
    },
    routePrefix: http.routePrefix,
    functionTimeoutMs: read.data.functionTimeout,
  };
}
