// The queues as hosts write to them: shared lists of messages, over each host's wire.
import type { Queues } from '../../shared/outbound/ports.ts';
import type { Wire } from './memoryRows.ts';

const mostBytes = 65_536;

export class MemoryQueue {
  readonly events: string[] = [];
  readonly wakeUps: string[] = [];
}

export class MemoryQueues implements Queues {
  readonly #queue: MemoryQueue;
  readonly #wire: Wire;

  constructor(queue: MemoryQueue, wire: Wire) {
    this.#queue = queue;
    this.#wire = wire;
  }

  async publish(text: string): Promise<void> {
    check(text);
    return this.#wire.ask({ kind: 'publish', partition: '', operations: [] }, () => {
      this.#queue.events.push(text);
    });
  }

  wake(accountKey: string): Promise<void> {
    return this.#wire.ask({ kind: 'wake', partition: accountKey, operations: [] }, () => {
      this.#queue.wakeUps.push(accountKey);
    });
  }
}

function check(text: string): void {
  if (!/^[\x20-\x7e]*$/.test(text)) throw new RangeError('a queue message must be printable ASCII');
  if (text.length > mostBytes) throw new RangeError(`a queue message of ${text.length} bytes`);
}
