// How much waits for a consumer, and for how long.
import type { QueueClient } from '@azure/storage-queue';
import { callOptions } from './clients.ts';
import { asTrouble } from './trouble.ts';

export interface QueueState {
  readonly queue: string;
  /** About: the service counts messages that are hidden, and may be late. */
  readonly messageCount: number;
  /** When the first visible message was put there (UTC ms); undefined if none is visible. */
  readonly oldestAt: number | undefined;
}

/** Two calls; nothing is hidden by them. Throws StorageTrouble. */
export async function readQueueState(client: QueueClient, queue: string): Promise<QueueState> {
  try {
    const { approximateMessagesCount = 0 } = await client.getProperties(callOptions());
    const { peekedMessageItems } = await client.peekMessages({ numberOfMessages: 1, ...callOptions() });
    const oldestAt = peekedMessageItems[0]?.insertedOn.getTime();
    return { queue, messageCount: approximateMessagesCount, oldestAt };
  } catch (error) {
    throw asTrouble('the queue could not be read', error);
  }
}
