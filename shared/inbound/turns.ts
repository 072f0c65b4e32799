// Small tools for doing several things at once, but not too many and not the wrong two.

/** Tasks with the same key run one after another, in the order they came. */
export class Turns {
  private readonly last = new Map<string, Promise<unknown>>();

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.last.get(key) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(task);
    this.last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.last.get(key) === mine) this.last.delete(key);
    }
  }
}

/** Lets tasks that run at the same time pass one point in the order in which they began. */
export class InOrder {
  private last: Promise<void> = Promise.resolve();

  /** `turn` resolves when all that began earlier are done; `done` must be called, whatever happened. */
  begin(): { readonly turn: Promise<void>; readonly done: () => void } {
    const turn = this.last;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.last = turn.then(() => promise);
    return {
      turn,
      done: () => {
        resolve(undefined);
      },
    };
  }
}

/** Tasks that are begun one by one and run several together. After a failure none is begun any more. */
export class Flow {
  private readonly atOnce: number;
  private readonly running = new Set<Promise<unknown>>();
  private readonly failures: unknown[] = [];

  constructor(atOnce: number) {
    this.atOnce = atOnce;
  }

  /** Resolves when one more may begin; throws what the first failed with. */
  async room(): Promise<void> {
    while (this.running.size >= this.atOnce && this.failures.length === 0) await Promise.race(this.running);
    if (this.failures.length > 0) throw this.failures[0];
  }

  /** Call it when there is room. */
  begin<T>(task: () => Promise<T>): Promise<T> {
    const mine = this.watch(task());
    const ended = mine
      .catch(() => undefined)
      .then(() => {
        this.running.delete(ended);
      });
    this.running.add(ended);
    return mine;
  }

  /** A failure of this ends the flow too; it takes no room. */
  watch<T>(task: Promise<T>): Promise<T> {
    task.catch((error: unknown) => {
      this.failures.push(error);
    });
    return task;
  }

  /** Resolves when nothing runs any more, however it ended. */
  async idle(): Promise<void> {
    await Promise.all(this.running);
  }
}

/**
 * Runs the task for every item, at most `atOnce` together; results in the order of the items. After a failure nothing new
 * is begun, and it is thrown when what was begun has ended: nothing goes on behind the caller's back.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  atOnce: number,
  task: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  const failures: unknown[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    // All take from the one queue.
    for (const [at, item] of queue) {
      try {
        results[at] = await task(item);
      } catch (error) {
        failures.push(error);
      }
      if (failures.length > 0) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}
