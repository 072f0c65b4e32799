// What the timers remember over a restart: when each ran last and when it is due next.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';

export interface TimerStatus {
  readonly last: string | undefined;
  readonly next: string;
}

const statuses = z.record(z.string(), z.object({ last: z.string().optional(), next: z.string() }));

/** One small file; without a name nothing outlives the process. */
export class TimerMemory {
  readonly #file: string | undefined;
  readonly #statuses = new Map<string, TimerStatus>();

  constructor(file: string | undefined) {
    this.#file = file;
    for (const [name, { last, next }] of Object.entries(readStatuses(file))) {
      this.#statuses.set(name, { last, next });
    }
  }

  read(functionName: string): TimerStatus | undefined {
    return this.#statuses.get(functionName);
  }

  write(functionName: string, status: TimerStatus): void {
    this.#statuses.set(functionName, status);
    if (this.#file === undefined) return;
    const draft = `${this.#file}.new`;
    writeFileSync(draft, JSON.stringify(Object.fromEntries(this.#statuses), undefined, 2));
    renameSync(draft, this.#file);
  }
}

function readStatuses(file: string | undefined): z.infer<typeof statuses> {
  if (file === undefined) return {};
  try {
    return statuses.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
}
