// The queues that the outbound side writes. Their messages never expire (TTL -1: the default is 7 days, and a
// mailbox may wait longer for its consent), and they are printable ASCII: a control character can make a queue
// message vanish at the receiver, and the host reads the text as it stands (messageEncoding none).
import type { QueueClient, QueueServiceClient } from '@azure/storage-queue';
import type { Queues } from '../outbound/ports.ts';
import { StorageTrouble } from '../outbound/ports.ts';
import { callSignal } from './clients.ts';
import { queueNames } from './names.ts';
import { troubleWords } from './trouble.ts';

/** Put Message: 64 KiB as sent. */
const messageBytes = 65_536;
/** Put Message: a message may be hidden for at most 7 days. */
const hiddenMostMs = 7 * 86_400_000;

export class StorageQueues implements Queues {
  readonly #status: QueueClient;
  readonly #wake: QueueClient;
  readonly #mail: QueueClient;

  constructor(queues: QueueServiceClient) {
    this.#status = queues.getQueueClient(queueNames.mailStatus);
    this.#wake = queues.getQueueClient(queueNames.outboundWake);
    this.#mail = queues.getQueueClient(queueNames.outboundMail);
  }

  async tell(text: string): Promise<void> {
    await put(this.#status, text);
  }

  async ring(accountKey: string): Promise<void> {
    await put(this.#wake, JSON.stringify({ account: accountKey }));
  }

  async resubmit(text: string, delayMs: number): Promise<void> {
    await put(this.#mail, text, Math.min(Math.max(0, delayMs), hiddenMostMs));
  }
}

/** The account that a message of `outbound-wake` names; undefined where it is none of ours. */
export function readBell(payload: unknown): string | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined;
  const account: unknown = Reflect.get(payload, 'account');
  return typeof account === 'string' && account !== '' ? account : undefined;
}

async function put(queue: QueueClient, text: string, hiddenMs = 0): Promise<void> {
  if (text.length > messageBytes || !/^[\x20-\x7e]*$/.test(text)) {
    throw new Error('a queue message of ours is printable ASCII of at most 64 KiB');
  }
  try {
    await queue.sendMessage(text, {
      messageTimeToLive: -1,
      visibilityTimeout: Math.ceil(hiddenMs / 1_000),
      abortSignal: callSignal(),
    });
  } catch (error) {
    throw new StorageTrouble(`a message could not be put on ${queue.name}: ${troubleWords(error)}`, {
      cause: error,
    });
  }
}
