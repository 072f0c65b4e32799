// The host's poison queues. The Functions host copies a queue message that failed `maxDequeueCount` times to
// `<queue>-poison`, with a life of seven days. No function has a trigger on such a queue: the host's extension leaves a
// message of theirs hidden after each failure, runs it again every ten minutes without a bound, and never moves it. So
// they are emptied here, with the queue clients alone.
import type { QueueClient, QueueServiceClient } from '@azure/storage-queue';
import { callOptions } from './clients.ts';
import { queueNames } from './names.ts';
import { asTrouble, codeOf, statusOf } from './trouble.ts';

/** Of the bridge's own triggers: where the host puts what failed, and where it came from. */
const poisonQueues = [
  { from: queueNames.outboundMailPoison, to: queueNames.outboundMail },
  { from: queueNames.outboundWakePoison, to: queueNames.outboundWake },
  { from: queueNames.heartbeatPoison, to: queueNames.heartbeat },
] as const;
/** Of the connector to ESM. If another program reads these queues, their poison queues are its own. */
const connectorQueues = [
  { from: queueNames.mailStatusPoison, to: queueNames.mailStatus },
  { from: queueNames.inboundMailPoison, to: queueNames.inboundMail },
] as const;

export interface PoisonReport {
  /** The queue that the messages came from. */
  readonly queue: string;
  /** Put back on it. */
  readonly movedCount: number;
  /** Dealt with in another way. */
  readonly settledCount: number;
  /** Still on the poison queue, about; those that another run is at work on included. */
  readonly leftCount: number;
}

/** What becomes of a message on its way back. */
export type PoisonDecision = 'moveBack' | 'settled';

const messagesPerCall = 32;
/** Calls of one run for one queue; the next minute goes on. */
const mostCalls = 30;
/** A run that dies leaves messages that come back by themselves. */
const hiddenSeconds = 60;

/**
 * Moves what is on the poison queues back to where it came from, as it is and without expiry, unless `decide` says that
 * it is settled. A message is put back before it is deleted: a crash in between leaves two, never none. Throws
 * StorageTrouble.
 */
export async function emptyPoisonQueues(
  queues: QueueServiceClient,
  decide: (queue: string, text: string) => Promise<PoisonDecision>,
  { isConnectorOn = false }: { readonly isConnectorOn?: boolean } = {},
): Promise<readonly PoisonReport[]> {
  const reports: PoisonReport[] = [];
  for (const { from, to } of [...poisonQueues, ...(isConnectorOn ? connectorQueues : [])])
    reports.push(await empty(queues.getQueueClient(from), queues.getQueueClient(to), decide));
  return reports;
}

async function empty(
  from: QueueClient,
  to: QueueClient,
  decide: (queue: string, text: string) => Promise<PoisonDecision>,
): Promise<PoisonReport> {
  let movedCount = 0;
  let settledCount = 0;
  try {
    for (let call = 0; call < mostCalls; call += 1) {
      const { receivedMessageItems } = await from.receiveMessages({
        numberOfMessages: messagesPerCall,
        visibilityTimeout: hiddenSeconds,
        ...callOptions(),
      });
      for (const { messageId, popReceipt, messageText } of receivedMessageItems) {
        const decision = await decide(to.name, messageText);
        if (decision === 'moveBack') {
          // As it came: it was on that queue before, so it fits there.
          await to.sendMessage(messageText, { messageTimeToLive: -1, ...callOptions() });
          movedCount += 1;
        } else settledCount += 1;
        await from.deleteMessage(messageId, popReceipt, callOptions());
      }
      if (receivedMessageItems.length < messagesPerCall) break;
    }
    const { approximateMessagesCount = 0 } = await from.getProperties(callOptions());
    return { queue: to.name, movedCount, settledCount, leftCount: approximateMessagesCount };
  } catch (error) {
    if (isAbsent(error)) return { queue: to.name, movedCount, settledCount, leftCount: 0 };
    throw asTrouble(`the queue ${from.name} could not be emptied`, error);
  }
}

/** The host creates a poison queue when it first needs it. */
const isAbsent = (error: unknown): boolean => statusOf(error) === 404 && codeOf(error) === 'QueueNotFound';
