// Parsing messages off the main thread.
//
// A message may be hostile: nested a thousand deep, one header of 20 MB, endless charset escapes. So parsing runs in a
// worker thread that is terminated when its time or memory is used up; the message is then `unparsed`, and the next one
// gets a new thread. The raw bytes are stored before anything is parsed.
import { Worker } from 'node:worker_threads';
import type { Clock } from '../clock.ts';
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

const defaultLimitMs = 10_000;
const defaultMemoryBytes = 256 * 1024 * 1024;
const limitedSizeBytes = 25 * 1024 * 1024;

export function createMimeParser(options: MimeParserOptions): Parser {
  const { clock, limitMs = defaultLimitMs, memoryBytes = defaultMemoryBytes, threadCount = 2 } = options;
  const idle: Worker[] = [];
  const waiting: (() => void)[] = [];
  let running = 0;

  const start = (): Worker => {
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
    return worker;
  };

  const slot = async (): Promise<void> => {
    if (running >= threadCount) await new Promise<void>((resolve) => waiting.push(resolve));
    running += 1;
  };

  return {
    async parse(raw, filePrefix) {
      await slot();
      const worker = idle.pop() ?? start();
      try {
        const sizeBytes = raw.kind === 'bytes' ? raw.bytes.byteLength : raw.sizeBytes;
        const timeMs = limitMs * Math.max(1, Math.ceil(sizeBytes / limitedSizeBytes));
        const job: ParseJob = { raw, filePrefix, memoryBytes };
        const { answer, healthy } = await runJob(worker, job, { clock, timeMs });
        if (healthy) idle.push(worker);
        else await worker.terminate();
        return answer;
      } finally {
        running -= 1;
        waiting.shift()?.();
      }
    },
    async close() {
      await Promise.all(idle.splice(0).map((worker) => worker.terminate()));
    },
  };
}

interface JobResult {
  readonly answer: ParseAnswer;
  /** The thread can take another message. */
  readonly healthy: boolean;
}

function runJob(
  worker: Worker,
  job: ParseJob,
  { clock, timeMs }: { readonly clock: Clock; readonly timeMs: number },
): Promise<JobResult> {
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
    worker.removeAllListeners();
    worker.on('message', (answer: ParseAnswer) => {
      // After an unparsed message the thread is not used again: its memory may be exhausted.
      finish(answer, answer.kind === 'parsed');
    });
    worker.on('error', (error: unknown) => {
      finish({ kind: 'unparsed', detail: endedBy(error) }, false);
    });
    worker.on('exit', () => {
      finish({ kind: 'unparsed', detail: 'The parser ended without an answer.' }, false);
    });
    void clock.sleep(timeMs, over.signal).then(() => {
      finish({ kind: 'unparsed', detail: `Parsing took longer than ${timeMs / 1000} s.` }, false);
    });
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
