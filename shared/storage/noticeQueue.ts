// The queue `inbound-mail`.
import type { QueueClient } from '@azure/storage-queue';
import type { Notices } from '../inbound/ports.ts';
import { StorageTrouble } from '../outbound/ports.ts';
import { callSignal } from './clients.ts';

/** The encoded limit of a queue message is 64 KiB; notices keep a quarter in hand. */
export const noticeBytes = 48 * 1024;

export class NoticeQueue implements Notices {
  private readonly queue: QueueClient;

  constructor(queue: QueueClient) {
    this.queue = queue;
  }

  async tell(text: string): Promise<void> {
    if (text.length > noticeBytes || !/^[\x20-\x7e]*$/.test(text)) {
      throw new RangeError('A notice is printable ASCII of at most 48 KiB.');
    }
    try {
      // -1: ESM may read its queue after a week of holidays (the default life is 7 days).
      await this.queue.sendMessage(text, { messageTimeToLive: -1, abortSignal: callSignal() });
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'no code';
      throw new StorageTrouble(`The queue did not answer (${code}).`);
    }
  }
}
