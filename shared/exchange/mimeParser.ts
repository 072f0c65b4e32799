// Parsing messages off the main thread.
//
// A message may be hostile: nested a thousand deep, one header of 20 MB, endless charset escapes. So parsing runs in a
// worker thread that is terminated when its time or memory is used up; the message is then `unparsed`, and the next one
// gets a new thread. The raw bytes are stored before anything is parsed.
import { Worker } from 'node:worker_threads';
import type { Clock } from '../clock.ts';
import { ConcurrencyLimit } from '../concurrencyLimit.ts';
import type { ParseAnswer, Parser, RawMail } from '../inbound/ports.ts';

export interface MimeParserOptions {
  /** The worker's file: `mimeParserWorker.ts` beside this one, or its bundle beside the program's. */
  readonly worker: URL | string;
  readonly clock: Clock;
  /** For messages up to 25 MB; longer ones get as much again for each further 25 MB. */
  readonly limitMs?: number;
  /** Heap of one thread. The thread itself checks its buffers against the same limit. */
  readonly memoryBytes?: number;
  /** Threads kept. Default 2. */
  readonly threadCount?: number;
}

/** What the worker thread is given. */
export interface ParseJob {
  readonly raw: RawMail;
  readonly filePrefix: string;
  readonly memoryBytes: number;
}

/** What the worker thread posts: once `ready` when its modules are loaded, then an answer for each job. */
export type ThreadMessage = ParseAnswer | { readonly kind: 'ready' };

interface Thread {
  readonly worker: Worker;
  /** It has loaded its modules. Until then a message's time does not run: a busy machine is no fault of the message. */
  ready: boolean;
}

const defaultLimitMs = 10_000;
const startLimitMs = 120_000;
const defaultMemoryBytes = 256 * 1024 * 1024;
const limitedSizeBytes = 25 * 1024 * 1024;

export function createMimeParser(options: MimeParserOptions): Parser {
  const { clock, limitMs = defaultLimitMs, memoryBytes = defaultMemoryBytes, threadCount = 2 } = options;
  const idle: Thread[] = [];
  const threads = new ConcurrencyLimit(threadCount);

  const start = (): Thread => {
    const worker = new Worker(options.worker, {
      resourceLimits: {
        maxOldGenerationSizeMb: Math.ceil(memoryBytes / 1024 / 1024),
        maxYoungGenerationSizeMb: 16,
        stackSizeMb: 4,
      },
      // The worker needs nothing from the environment, which may hold secrets.
      env: {},
      execArgv: [],
      stdout: true,
      stderr: true,
    });
    worker.unref();
    return { worker, ready: false };
  };

  return {
    parse: (raw, filePrefix) =>
      threads.run(async () => {
        const thread = idle.pop() ?? start();
        const sizeBytes = raw.kind === 'bytes' ? raw.bytes.byteLength : raw.sizeBytes;
        const timeMs = limitMs * Math.max(1, Math.ceil(sizeBytes / limitedSizeBytes));
        const job: ParseJob = { raw, filePrefix, memoryBytes };
        const { answer, healthy } = await runJob(thread, job, { clock, timeMs });
        if (healthy) idle.push(thread);
        else await thread.worker.terminate();
        return answer;
      }),
    async close() {
      await Promise.all(idle.splice(0).map(({ worker }) => worker.terminate()));
    },
  };
}

interface JobResult {
  readonly answer: ParseAnswer;
  /** The thread can take another message. */
  readonly healthy: boolean;
}

function runJob(
  thread: Thread,
  job: ParseJob,
  { clock, timeMs }: { readonly clock: Clock; readonly timeMs: number },
): Promise<JobResult> {
  const { worker } = thread;
  return new Promise((resolve) => {
    const over = new AbortController();
    const finish = (answer: ParseAnswer, healthy: boolean): void => {
      if (over.signal.aborted) return;
      // With a reason given, the engine creates no exception, whose stack costs more than the rest of this function.
      over.abort('ended');
      worker.removeAllListeners();
      // A thread that is being terminated can still emit an error, which would end the process without a listener.
      worker.on('error', () => undefined);
      resolve({ answer, healthy });
    };
    const limit = (ms: number, holds: () => boolean, detail: string): void => {
      void clock.sleep(ms, over.signal).then(() => {
        if (holds()) finish({ kind: 'unparsed', detail }, false);
      });
    };
    const limitParsing = (): void => {
      limit(timeMs, () => true, `Parsing took longer than ${timeMs / 1000} s.`);
    };
    worker.removeAllListeners();
    worker.on('message', (message: ThreadMessage) => {
      if (message.kind === 'ready') {
        thread.ready = true;
        limitParsing();
        return;
      }
      // After an unparsed message the thread is not used again: its memory may be exhausted.
      finish(message, message.kind === 'parsed');
    });
    worker.on('error', (error: unknown) => {
      finish({ kind: 'unparsed', detail: endedBy(error) }, false);
    });
    worker.on('exit', () => {
      finish({ kind: 'unparsed', detail: 'The parser ended without an answer.' }, false);
    });
    if (thread.ready) limitParsing();
    else limit(startLimitMs, () => !thread.ready, 'The parser did not start.');
    post(worker, job);
  });
}

/**
 * The bytes are transferred in a buffer of their own. They arrive as a slice of a larger one, and all of that would be
 * copied: ten times as much, and other messages within reach of a thread that a hostile message may control.
 */
function post(worker: Worker, job: ParseJob): void {
  if (job.raw.kind === 'file') {
    worker.postMessage(job);
    return;
  }
  const bytes = new Uint8Array(job.raw.bytes);
  const own: ParseJob = { ...job, raw: { kind: 'bytes', bytes } };
  worker.postMessage(own, [bytes.buffer]);
}

function endedBy(error: unknown): string {
  if (error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return 'Parsing needed more memory than is allowed.';
  }
  return `The parser crashed (${error instanceof Error ? error.name : 'unknown'}).`;
}
