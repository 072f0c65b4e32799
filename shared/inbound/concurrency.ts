// Doing several things at once: not too many, and never two that exclude each other.

/** Tasks with the same key run one after another, in the order they came. */
export class KeyedMutex {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const previous = this.#last.get(key) ?? Promise.resolve();
    const current = previous.catch(() => undefined).then(task);
    this.#last.set(key, current);
    try {
      return await current;
    } finally {
      if (this.#last.get(key) === current) this.#last.delete(key);
    }
  }
}

/** Tasks that are started one by one and run several together. After a failure no further one is started. */
export class TaskPool {
  readonly #limit: number;
  readonly #running = new Set<Promise<unknown>>();
  readonly #failures: unknown[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when one more task may start; throws the first failure. */
  async capacity(): Promise<void> {
    while (this.#running.size >= this.#limit && this.#failures.length === 0) {
      await Promise.race(this.#running);
    }
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  /** To be called after `capacity`. */
  start<T>(task: () => Promise<T>): Promise<T> {
    const result = this.track(task());
    const ended = result
      .catch(() => undefined)
      .then(() => {
        this.#running.delete(ended);
      });
    this.#running.add(ended);
    return result;
  }

  /** A failure of this task stops the pool too; it does not count against the limit. */
  track<T>(task: Promise<T>): Promise<T> {
    task.catch((error: unknown) => {
      this.#failures.push(error);
    });
    return task;
  }

  /** Resolves when no started task runs any more, however they ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#running);
  }
}

/**
 * Runs the task for every item, at most `limit` at a time; results in the order of the items. After a failure no further
 * item is started, and the failure is thrown once the running ones have ended: nothing continues in the background.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  limit: number,
  task: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  const failures: unknown[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    // All workers share one iterator.
    for (const [at, item] of queue) {
      try {
        results[at] = await task(item);
      } catch (error) {
        failures.push(error);
      }
      if (failures.length > 0) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}
