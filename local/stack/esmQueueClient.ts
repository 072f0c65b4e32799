// ESM's side of the queues: puts submissions, uploads the blobs they refer to, and receives status events and notices.
// It depends on the contract alone; the demo and the tests judge the bridge by what arrives here.
import { setTimeout as pause } from 'node:timers/promises';
import { containerNames, queueNames } from '../../shared/storage/names.ts';
import type { StoreClients } from '../../shared/storage/clients.ts';

/** A CloudEvent as it came off a queue, with how often it came. */
export interface ReceivedEvent {
  readonly id: string;
  readonly type: string;
  readonly subject?: string;
  readonly time: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Messages taken at one time; the queue service's most. */
const pageCount = 32;
/** Consecutive failures before it gives up. */
const mostFailures = 30;

export class EsmQueueClient {
  /** Status events by submission, repeats left out, in the order of their sequence. */
  readonly #events = new Map<string, ReceivedEvent[]>();
  /** Rejections, which have no sequence; by event id. */
  readonly #rejections = new Map<string, ReceivedEvent>();
  /** mailbox.held and mailbox.released; by event id and mailbox. */
  readonly #holds = new Map<string, ReceivedEvent>();
  readonly #notices = new Map<string, ReceivedEvent>();
  readonly repeats = { events: 0, notices: 0 };
  readonly #store: StoreClients;
  #ended = false;
  #listening: Promise<unknown> | undefined;

  constructor(store: StoreClients) {
    this.#store = store;
  }

  /** Puts one queue message; an object goes as JSON. It never expires, as the contract asks. */
  async submit(submission: unknown): Promise<void> {
    const text = typeof submission === 'string' ? submission : JSON.stringify(submission);
    await this.#store.queues
      .getQueueClient(queueNames.outboundMail)
      .sendMessage(text, { messageTimeToLive: -1 });
  }

  /** Puts a blob where submissions may refer to it; its reference. */
  async upload(name: string, bytes: Uint8Array): Promise<string> {
    const container = this.#store.blobs.getContainerClient(containerNames.outboundUploads);
    await container.getBlockBlobClient(name).uploadData(bytes);
    return `${containerNames.outboundUploads}/${name}`;
  }

  /** Bytes of a blob that a notice or an event refers to. */
  async blob(reference: string): Promise<Buffer> {
    const slash = reference.indexOf('/');
    const container = this.#store.blobs.getContainerClient(reference.slice(0, slash));
    return container.getBlobClient(reference.slice(slash + 1)).downloadToBuffer();
  }

  /** Takes from both queues until `stop`. */
  listen(): void {
    this.#listening ??= Promise.all([
      this.#take(queueNames.mailStatus, (event) => {
        this.#noteEvent(event);
      }),
      this.#take(queueNames.inboundMail, (event) => {
        if (this.#notices.has(event.id)) this.repeats.notices++;
        else this.#notices.set(event.id, event);
      }),
    ]);
  }

  async stop(): Promise<void> {
    this.#ended = true;
    await this.#listening;
  }

  /** The status events of a submission, by sequence number. */
  eventsOf(submission: string): readonly ReceivedEvent[] {
    return this.#events.get(submission) ?? [];
  }

  /** Events about holds of mailboxes. */
  get holds(): readonly ReceivedEvent[] {
    return [...this.#holds.values()];
  }

  get rejections(): readonly ReceivedEvent[] {
    return [...this.#rejections.values()];
  }

  get notices(): readonly ReceivedEvent[] {
    return [...this.#notices.values()];
  }

  #noteEvent(event: ReceivedEvent): void {
    const { sequence } = event.data;
    if (event.type.startsWith('mailbox.')) {
      this.#holds.set(`${event.id} ${String(event.data['mailbox'])}`, event);
      return;
    }
    if (event.subject === undefined || typeof sequence !== 'number') {
      if (this.#rejections.has(event.id)) this.repeats.events++;
      this.#rejections.set(event.id, event);
      return;
    }
    const events = this.#events.get(event.subject) ?? [];
    this.#events.set(event.subject, events);
    if (events.some(({ id }) => id === event.id)) {
      this.repeats.events++;
      return;
    }
    events.push(event);
    events.sort((a, b) => Number(a.data['sequence']) - Number(b.data['sequence']));
  }

  async #take(queueName: string, note: (event: ReceivedEvent) => void): Promise<void> {
    const queue = this.#store.queues.getQueueClient(queueName);
    let failures = 0;
    while (!this.#ended) {
      try {
        const { receivedMessageItems } = await queue.receiveMessages({
          numberOfMessages: pageCount,
          visibilityTimeout: 60,
        });
        for (const { messageText, messageId, popReceipt } of receivedMessageItems) {
          note(JSON.parse(messageText) as ReceivedEvent);
          await queue.deleteMessage(messageId, popReceipt);
        }
        failures = 0;
        if (receivedMessageItems.length === 0) await pause(150);
      } catch (error) {
        // A busy emulator may not answer in time; what was not deleted comes again, and is known by its id.
        failures += 1;
        if (failures === mostFailures) throw error;
        await pause(1_000);
      }
    }
  }
}
