// The obvious alternative, for comparison: whatever the limit refuses goes back on the queue with a visibility
// delay, and comes off it again in the next period. Real messages on the real emulator; a period is a round here,
// since nothing but dequeues is counted.
import { setTimeout as pause } from 'node:timers/promises';
import type { DequeuedMessageItem } from '@azure/storage-queue';
import { systemClock } from '../../shared/clock.ts';
import { makeStoreClients } from '../../shared/storage/clients.ts';
import { startAzurite } from '../azurite.ts';

const perPeriod = 30;
/** The queue service's smallest. */
const delaySeconds = 1;
const pageCount = 32;

export interface Requeued {
  readonly count: number;
  readonly dequeuesPerSubmission: number;
}

/** What it comes to where it was not run: every message is looked at once in each round until its own. */
export function requeueReckoned(count: number): number {
  const rounds = Math.ceil(count / perPeriod);
  let dequeues = 0;
  for (let round = 0; round < rounds; round += 1) dequeues += count - round * perPeriod;
  return dequeues / count;
}

export async function requeue(counts: readonly number[]): Promise<readonly Requeued[]> {
  const azurite = await startAzurite();
  try {
    const { queues } = makeStoreClients(
      { kind: 'connectionString', connectionString: azurite.connectionString },
      { clock: systemClock, witness: { observe: () => undefined } },
    );
    const results: Requeued[] = [];
    for (const count of counts) {
      const queue = queues.getQueueClient(`requeue-${String(count)}`);
      await queue.createIfNotExists();
      for (let put = 0; put < count; put += 1) await queue.sendMessage(String(put));
      let dequeues = 0;
      for (let sent = 0; sent < count;) {
        const round = await takeAll(queue, count - sent);
        dequeues += round.length;
        await eachOf(round, async ({ messageId, popReceipt }, at) => {
          if (at < perPeriod) await queue.deleteMessage(messageId, popReceipt);
          else await queue.updateMessage(messageId, popReceipt, undefined, delaySeconds);
        });
        sent += Math.min(perPeriod, round.length);
        await pause(delaySeconds * 1_000);
      }
      results.push({ count, dequeuesPerSubmission: dequeues / count });
    }
    return results;
  } finally {
    await azurite.stop();
  }
}

type Queue = Awaited<ReturnType<typeof makeStoreClients>>['queues'] extends {
  getQueueClient(name: string): infer Client;
}
  ? Client
  : never;

async function takeAll(queue: Queue, most: number): Promise<readonly DequeuedMessageItem[]> {
  const taken: DequeuedMessageItem[] = [];
  while (taken.length < most) {
    const { receivedMessageItems } = await queue.receiveMessages({
      numberOfMessages: pageCount,
      visibilityTimeout: 600,
    });
    if (receivedMessageItems.length === 0) break;
    taken.push(...receivedMessageItems);
  }
  return taken;
}

/** Sixteen at once. */
async function eachOf<Item>(
  items: readonly Item[],
  act: (item: Item, at: number) => Promise<unknown>,
): Promise<void> {
  for (let first = 0; first < items.length; first += 16) {
    await Promise.all(items.slice(first, first + 16).map((item, at) => act(item, first + at)));
  }
}
