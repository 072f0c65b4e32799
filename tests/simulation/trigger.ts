// The host's side of a queue: a message is handed to some living process, hidden while that works on it, deleted
// when it is done, seen again half a minute after it failed, and after up to ten minutes when its process died.
// Some are handed out twice. After ten times it goes to the poison queue, which has a trigger of its own.
import type { Machine } from './machine.ts';
import type { Scheduler } from './scheduler.ts';

const retryMs = 30_000;
const holdMs = 600_000;
const pollMs = 1_000;
const mostDequeues = 10;

export interface TriggerSetting {
  readonly name: string;
  /** Those that poll now. */
  readonly machines: () => readonly Machine[];
  readonly handle: (machine: Machine, text: string) => Promise<unknown>;
  /** Takes over what was handed out too often; absent: it goes on being handed out. */
  readonly poison?: (text: string) => void;
  /** Rates are asked anew each time: they end with the faults. */
  readonly duplicate: () => number;
  /** The platform ends a process whose function takes longer. */
  readonly functionMs: number;
  readonly timedOut: () => void;
}

interface QueueMessage {
  readonly text: string;
  dequeueCount: number;
  gone: boolean;
}

export class Trigger {
  readonly #scheduler: Scheduler;
  readonly #setting: TriggerSetting;
  /** In the queue, hidden or not. */
  length = 0;
  dequeues = 0;

  constructor(scheduler: Scheduler, setting: TriggerSetting) {
    this.#scheduler = scheduler;
    this.#setting = setting;
  }

  put(text: string, delayMs = 0): void {
    const message: QueueMessage = { text, dequeueCount: 0, gone: false };
    this.length += 1;
    this.#show(message, delayMs);
    if (this.#scheduler.chance(this.#setting.duplicate())) {
      this.#show(message, delayMs + this.#scheduler.between(0, 5_000));
    }
  }

  #show(message: QueueMessage, ms: number): void {
    this.#scheduler.after(ms + this.#scheduler.between(0, pollMs), () => {
      this.#handOut(message);
    });
  }

  #handOut(message: QueueMessage): void {
    if (message.gone) return;
    const scheduler = this.#scheduler;
    const { name, machines, handle, poison, functionMs, timedOut } = this.#setting;
    const machine = scheduler.pick(machines().filter((one) => !one.dead && !one.paused));
    if (machine === undefined) {
      this.#show(message, pollMs);
      return;
    }
    if (message.dequeueCount >= mostDequeues && poison !== undefined) {
      this.#delete(message);
      poison(message.text);
      return;
    }
    message.dequeueCount += 1;
    this.dequeues += 1;
    scheduler.trace(`${name} to ${machine.name}: ${message.text.slice(0, 60)}`);
    let over = false;
    const ended = (again: number | undefined): void => {
      if (over) return;
      over = true;
      unwatch();
      cancelTimeout();
      if (again === undefined) this.#delete(message);
      else this.#show(message, again);
    };
    const unwatch = machine.onDeath(() => {
      ended(scheduler.between(0, holdMs));
    });
    const cancelTimeout = machine.after(functionMs, () => {
      timedOut();
      machine.die();
    });
    // A fault of ours is not among what the host expects, but it hands the message out again all the same.
    handle(machine, message.text).then(
      () => {
        ended(undefined);
      },
      () => {
        ended(retryMs);
      },
    );
  }

  #delete(message: QueueMessage): void {
    if (message.gone) return;
    message.gone = true;
    this.length -= 1;
  }
}
