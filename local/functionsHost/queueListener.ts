// The Storage queue trigger, as the host's extension runs it (QueueListener and QueueProcessor of
// Microsoft.Azure.WebJobs.Extensions.Storage.Queues).
//
// A batch is taken hidden for ten minutes; the time is renewed half-way for as long as the function runs, so a
// host that dies leaves messages that come back by themselves, with their dequeue count one higher. Success
// deletes. A failure shows the message again after `visibilityTimeout`, until it has had `maxDequeueCount`
// tries; then it is copied to `<queue>-poison` and deleted, in that order: a crash between leaves two, never
// none. The copy is a new message with the default life of seven days.
// A queue whose own name ends in `-poison` has no poison queue: after each failure a message stays hidden until its
// time is over (ten minutes), and is run again then, without a bound, until it expires.
import {
  RestError,
  type DequeuedMessageItem,
  type QueueClient,
  type QueueServiceClient,
} from '@azure/storage-queue';
import type { Clock, Random } from '../../shared/clock.ts';
import type { TypedData } from './coreModule.ts';
import type { HostLog } from './hostLog.ts';
import type { QueueNumbers } from './hostNumbers.ts';
import { PollingDelay } from './pollingDelay.ts';
import { decodeMessage } from './queueMessage.ts';

export interface QueueListenerOptions {
  readonly functionName: string;
  readonly queueName: string;
  readonly service: QueueServiceClient;
  readonly numbers: QueueNumbers;
  /** How long a message in work is hidden; whole seconds, at least 2. The real host's is ten minutes. */
  readonly hideMs: number;
  /** Runs the function; true when it ended well. */
  readonly run: (data: TypedData, triggerMetadata: Readonly<Record<string, TypedData>>) => Promise<boolean>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: HostLog;
}

export class QueueListener {
  readonly #options: QueueListenerOptions;
  readonly #queue: QueueClient;
  readonly #poison: QueueClient | undefined;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: QueueListenerOptions) {
    const { service, queueName } = options;
    this.#options = options;
    this.#queue = service.getQueueClient(queueName);
    this.#poison = queueName.endsWith('-poison') ? undefined : service.getQueueClient(`${queueName}-poison`);
  }

  start(): void {
    this.#loop = this.#listen();
  }

  /** Takes no further message, and resolves when those taken have been dealt with. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await Promise.all(this.#running);
  }

  async #listen(): Promise<void> {
    const { numbers, clock, random } = this.#options;
    const { signal } = this.#stopping;
    const delay = new PollingDelay(numbers.maxPollingIntervalMs, random);
    const stopped = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        resolve();
      });
    });
    while (!signal.aborted) {
      const messages = await this.#receive();
      for (const message of messages) this.#track(this.#process(message));
      if (messages.length === 0) {
        await clock.sleep(delay.next(), signal);
        continue;
      }
      delay.reset();
      await this.#belowThreshold(stopped);
    }
  }

  /** Resolves when a next batch may be taken, or when the listener is stopped. */
  async #belowThreshold(stopped: Promise<void>): Promise<void> {
    const { newBatchThreshold } = this.#options.numbers;
    while (this.#running.size > newBatchThreshold && !this.#stopping.signal.aborted) {
      await Promise.race([...this.#running, stopped]);
    }
  }

  async #receive(): Promise<readonly DequeuedMessageItem[]> {
    const { numbers, hideMs } = this.#options;
    try {
      const answer = await this.#queue.receiveMessages({
        numberOfMessages: numbers.batchSize,
        visibilityTimeout: hideMs / 1000,
      });
      return answer.receivedMessageItems;
    } catch (error) {
      // A queue that is not there is looked for again and again, in silence.
      if (statusOf(error) !== 404) this.#log('error', 'could not be read', error);
      return [];
    }
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        this.#log('error', 'has a message that could not be dealt with', error);
      })
      .finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  async #process(message: DequeuedMessageItem): Promise<void> {
    const { numbers, run } = this.#options;
    const { messageId, dequeueCount } = message;
    const data = decodeMessage(message.messageText, numbers.messageEncoding);
    const isUsedUp = this.#poison !== undefined && dequeueCount > numbers.maxDequeueCount;
    if (isUsedUp || data === undefined) {
      await this.#moveToPoison(message, message.popReceipt);
      return;
    }
    const over = new AbortController();
    const hidden = this.#keepHidden(message, over.signal);
    const succeeded = await run(data, metadataOf(message, data));
    over.abort();
    const popReceipt = await hidden;
    await this.#unlessGone(async () => {
      if (succeeded) {
        await this.#queue.deleteMessage(messageId, popReceipt);
      } else if (this.#poison !== undefined) {
        if (dequeueCount >= numbers.maxDequeueCount) await this.#moveToPoison(message, popReceipt);
        else await this.#show(messageId, popReceipt);
      }
    });
  }

  /** Renews the hidden time half-way until stopped, and resolves with the receipt that is valid then. */
  async #keepHidden(message: DequeuedMessageItem, over: AbortSignal): Promise<string> {
    const { hideMs, clock } = this.#options;
    let popReceipt = message.popReceipt;
    let waitMs = hideMs / 2;
    for (;;) {
      await clock.sleep(waitMs, over);
      if (over.aborted) return popReceipt;
      try {
        const answer = await this.#queue.updateMessage(
          message.messageId,
          popReceipt,
          undefined,
          hideMs / 1000,
        );
        popReceipt = answer.popReceipt ?? popReceipt;
        waitMs = hideMs / 2;
      } catch (error) {
        this.#log('warning', 'could not renew the hidden time of a message', error);
        waitMs = hideMs / 10;
      }
    }
  }

  async #show(messageId: string, popReceipt: string): Promise<void> {
    const seconds = Math.round(this.#options.numbers.visibilityTimeoutMs / 1000);
    await this.#queue.updateMessage(messageId, popReceipt, undefined, seconds);
  }

  async #moveToPoison(message: DequeuedMessageItem, popReceipt: string): Promise<void> {
    const poison = this.#poison;
    if (poison === undefined) return;
    this.#options.log({
      kind: 'host',
      level: 'warning',
      message: `Message has reached MaxDequeueCount of ${this.#options.numbers.maxDequeueCount}. Moving message to queue '${poison.name}'.`,
      messageId: message.messageId,
      dequeueCount: message.dequeueCount,
    });
    try {
      await poison.sendMessage(message.messageText);
    } catch (error) {
      if (statusOf(error) !== 404) throw error;
      await poison.createIfNotExists();
      await poison.sendMessage(message.messageText);
    }
    await this.#unlessGone(() => this.#queue.deleteMessage(message.messageId, popReceipt));
  }

  /** A message that another took over, or that is gone, is no longer ours to delete or show. */
  async #unlessGone(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      const status = statusOf(error);
      if (status !== 404 && status !== 400) throw error;
      this.#log('debug', 'no longer holds a message under its receipt', error);
    }
  }

  #log(level: 'debug' | 'warning' | 'error', what: string, error: unknown): void {
    const { log, queueName, functionName } = this.#options;
    const detail = error instanceof Error ? error.message : String(error);
    log({ kind: 'host', level, message: `Queue '${queueName}' ${what}: ${detail}`, function: functionName });
  }
}

function statusOf(error: unknown): number | undefined {
  return error instanceof RestError ? error.statusCode : undefined;
}

function metadataOf(message: DequeuedMessageItem, data: TypedData): Readonly<Record<string, TypedData>> {
  const instant = (at: Date): TypedData => ({ json: JSON.stringify(at.toISOString()) });
  return {
    QueueTrigger: data,
    Id: { string: message.messageId },
    PopReceipt: { string: message.popReceipt },
    DequeueCount: { json: String(message.dequeueCount) },
    InsertionTime: instant(message.insertedOn),
    ExpirationTime: instant(message.expiresOn),
    NextVisibleTime: instant(message.nextVisibleOn),
  };
}
