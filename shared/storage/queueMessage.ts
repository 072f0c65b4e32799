// How the bridge puts a message on a queue. It never expires (TTL -1: the default is 7 days, and a consent or the end of
// a holiday may take longer), and it is printable ASCII: a control character can make a queue message vanish at the
// receiver, and the host takes the text as it is (messageEncoding none).
import type { QueueClient } from '@azure/storage-queue';
import { callOptions } from './clients.ts';
import { asTrouble } from './trouble.ts';

/** Put Message: 64 KiB as sent. */
const messageMostBytes = 65_536;
/** Throws RangeError for a text that is too long or not printable ASCII, StorageTrouble if the queue does not answer. */
export async function putMessage(
  queue: QueueClient,
  text: string,
  {
    limitBytes = messageMostBytes,
    delayMs = 0,
  }: {
    readonly limitBytes?: number;
    /** How long it stays invisible; the service counts whole seconds. */
    readonly delayMs?: number;
  } = {},
): Promise<void> {
  if (text.length > limitBytes || !/^[\x20-\x7e]*$/.test(text)) {
    throw new RangeError(`a message on ${queue.name} is printable ASCII of at most ${limitBytes / 1024} KiB`);
  }
  try {
    await queue.sendMessage(text, {
      messageTimeToLive: -1,
      ...(delayMs > 0 ? { visibilityTimeout: Math.ceil(delayMs / 1_000) } : {}),
      ...callOptions(),
    });
  } catch (error) {
    throw asTrouble(`a message could not be put on ${queue.name}`, error);
  }
}
