// A queue read with peek-lock, for the feeds over HTTP.
import type { QueueClient } from '@azure/storage-queue';
import type { FeedQueue, TakenMessage } from '../http/ports.ts';
import { callOptions } from './clients.ts';
import { asTrouble, orTrouble, statusOf } from './trouble.ts';

export class LockedQueue implements FeedQueue {
  readonly #queue: QueueClient;

  constructor(queue: QueueClient) {
    this.#queue = queue;
  }

  async take(count: number, hideSeconds: number): Promise<readonly TakenMessage[]> {
    const { receivedMessageItems } = await orTrouble('messages could not be taken', () =>
      this.#queue.receiveMessages({
        numberOfMessages: count,
        visibilityTimeout: hideSeconds,
        ...callOptions(),
      }),
    );
    return receivedMessageItems.map((item) => ({
      messageId: item.messageId,
      popReceipt: item.popReceipt,
      text: item.messageText,
      dequeueCount: item.dequeueCount,
      hiddenUntil: item.nextVisibleOn.getTime(),
    }));
  }

  async remove(messageId: string, popReceipt: string): Promise<'done' | 'gone' | 'late'> {
    try {
      await this.#queue.deleteMessage(messageId, popReceipt, callOptions());
      return 'done';
    } catch (error) {
      if (statusOf(error) === 404) return 'gone';
      if (statusOf(error) === 400) return 'late';
      throw asTrouble('a message could not be removed', error);
    }
  }
}
