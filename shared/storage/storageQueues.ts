// The queues that the outbound side writes.
import { textIn } from '../mail/foreign.ts';
import type { QueueClient, QueueServiceClient } from '@azure/storage-queue';
import type { Queues } from '../outbound/ports.ts';
import { queueNames } from './names.ts';
import { putMessage } from './queueMessage.ts';

export class StorageQueues implements Queues {
  readonly #status: QueueClient;
  readonly #wake: QueueClient;
  readonly #publishes: boolean;

  /** `publishes`: false if nobody takes status events (EVENTS_TO=none). */
  constructor(queues: QueueServiceClient, { publishes = true }: { readonly publishes?: boolean } = {}) {
    this.#publishes = publishes;
    this.#status = queues.getQueueClient(queueNames.mailStatus);
    this.#wake = queues.getQueueClient(queueNames.outboundWake);
  }

  async publish(text: string): Promise<void> {
    if (this.#publishes) await putMessage(this.#status, text);
  }

  async wake(accountKey: string): Promise<void> {
    await putMessage(this.#wake, JSON.stringify({ account: accountKey }));
  }
}

/** The account that a message of `outbound-wake` names; undefined where it is none of ours. */
export function parseWakeUp(payload: unknown): string | undefined {
  const account = textIn(payload, 'account');
  return account === '' ? undefined : account;
}
