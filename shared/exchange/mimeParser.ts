// Taking messages apart, off the main thread.
//
// A message is hostile until proven otherwise: nested a thousand deep, one header of 20 MB, charsets that never
// end. So parsing runs in a worker thread that is ended when its time is over or its memory used up; the message
// is then `unparsed`, and the next one gets a fresh thread. The raw bytes are safe before anything is parsed.
import { Worker } from 'node:worker_threads';
import type { Clock } from '../clock.ts';
import type { ParseAnswer, Parser, RawMail } from '../inbound/ports.ts';

export interface MimeParserOptions {
  /** The worker's file: `mimeParserWorker.ts` beside this one, or its bundle beside the program's. */
  readonly worker: URL | string;
  readonly clock: Clock;
  /** For messages up to 25 MB; longer ones get as much again for each further 25 MB. */
  readonly limitMs?: number;
  /** Heap of one thread. Buffers are watched by the thread itself, with the same limit. */
  readonly memoryBytes?: number;
  /** Threads kept. Default 2. */
  readonly threadCount?: number;
}

/** What is handed to the worker. */
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
      // Nothing that the environment says is the worker's business.
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
      // With a reason of ours the engine makes no exception, whose stack costs more than the rest of this function.
      over.abort('ended');
      worker.removeAllListeners();
      // Ending a thread can still make it speak; nobody listens any more, and an error unheard would end the process.
      worker.on('error', () => undefined);
      resolve({ answer, healthy });
    };
    worker.removeAllListeners();
    worker.on('message', (answer: ParseAnswer) => {
      // One that met something it could not digest is not asked again: its memory may be full of it.
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
 * Bytes go in a buffer of their own, which is given away. As they come they are a piece of a larger one, and all of that
 * would be copied: ten times as much, and other people's mail in the hands of a thread that a hostile message may own.
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
    return 'Parsing needed more memory than it may have.';
  }
  return `The parser fell over (${error instanceof Error ? error.name : 'unknown'}).`;
}
