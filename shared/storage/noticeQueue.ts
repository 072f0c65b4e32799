// The queue `inbound-mail`.
import type { QueueClient } from '@azure/storage-queue';
import { noticeLimitBytes } from '../contract/notice.ts';
import type { Notices } from '../inbound/ports.ts';
import { putMessage } from './queueMessage.ts';

export class NoticeQueue implements Notices {
  readonly #queue: QueueClient;

  constructor(queue: QueueClient) {
    this.#queue = queue;
  }

  async publish(text: string): Promise<void> {
    await putMessage(this.#queue, text, { limitBytes: noticeLimitBytes });
  }
}
