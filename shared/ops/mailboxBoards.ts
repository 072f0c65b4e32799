// What the sweep last saw of each mailbox and each queue of a consumer: stored, so that the first screen is one query
// whatever the number of mailboxes. Written if something changed, and every few minutes to say that it is still so.
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { parseJson, textIn } from '../mail/foreign.ts';
import type { Rows } from '../outbound/ports.ts';
import { StorageTrouble } from '../storageErrors.ts';

const hourCount = z
  .object({ hour: z.number(), of: z.string(), counts: z.record(z.string(), z.number()).readonly() })
  .readonly();
const sortedOut = z
  .object({
    id: z.string(),
    /** UTC ms. */
    at: z.number(),
    kind: z.string(),
    /** In a sentence. */
    because: z.string(),
  })
  .readonly();
const mailboxBoard = z
  .object({
    address: z.string(),
    /** Nobody has signed the mailbox in, or the sign-in is refused; in a sentence. */
    needsConsent: z.string().exactOptional(),
    /** When the sign-in ends if it is not used (UTC ms). */
    consentEndsAt: z.number().exactOptional(),
    receiving: z
      .object({
        /** UTC ms; 0: never. */
        lastSuccessAt: z.number(),
        firstRunAt: z.number(),
        failureCount: z.number(),
        detail: z.string(),
        hasMore: z.boolean(),
        /** Absent: not counted. */
        hours: z.array(hourCount).readonly().exactOptional(),
        /** The newest first. */
        sortedOut: z.array(sortedOut).readonly(),
      })
      .readonly()
      .exactOptional(),
  })
  .readonly();
const queueBoard = z
  .object({ queue: z.string(), messageCount: z.number(), oldestAt: z.number().exactOptional() })
  .readonly();

export type MailboxBoard = z.infer<typeof mailboxBoard>;
export type QueueBoard = z.infer<typeof queueBoard>;
/** One that was received and not treated as a person's message. */
export type SortedOut = z.infer<typeof sortedOut>;

export interface Boards {
  /** When the sweep last stored anything (UTC ms); 0: never. */
  readonly at: number;
  readonly mailboxes: readonly MailboxBoard[];
  readonly queues: readonly QueueBoard[];
}

const partition = 'board';
const everything = { from: '!', to: '~', limit: 1_000 };
const batchCount = 100;
/** How old a row may become that says the same. */
const renewMs = 5 * 60_000;

export class MailboxBoards {
  readonly #rows: Rows;
  readonly #clock: Pick<Clock, 'now'>;
  /** What this process wrote last, by key. */
  readonly #written = new Map<string, { readonly text: string; readonly at: number }>();

  /** Keys of the rows that there are; undefined: to be read. */
  #known: Set<string> | undefined;

  constructor(rows: Rows, clock: Pick<Clock, 'now'>) {
    this.#rows = rows;
    this.#clock = clock;
  }

  /** Throws StorageTrouble. */
  async read(): Promise<Boards> {
    const rows = await this.#rows.query(partition, everything);
    const mailboxes: MailboxBoard[] = [];
    const queues: QueueBoard[] = [];
    let at = 0;
    for (const { key, fields } of rows) {
      const value = parseJson(textIn(fields, 'text'));
      const storedAt = fields['at'];
      if (typeof storedAt === 'number') at = Math.max(at, storedAt);
      if (key.startsWith('mailbox|')) mailboxes.push(...parsed(mailboxBoard, value));
      else queues.push(...parsed(queueBoard, value));
    }
    return { at, mailboxes, queues };
  }

  /** Throws StorageTrouble; what was not written is written by the next sweep. */
  async write({ mailboxes, queues }: Omit<Boards, 'at'>): Promise<void> {
    const now = this.#clock.now();
    this.#known ??= new Set((await this.#rows.query(partition, everything, ['at'])).map(({ key }) => key));
    const changed = [
      ...mailboxes.map((one) => ({ key: keyOf('mailbox', one.address.toLowerCase()), text: fitting(one) })),
      ...queues.map((one) => ({ key: keyOf('queue', one.queue), text: JSON.stringify(one) })),
    ].filter(({ key, text }) => {
      const before = this.#written.get(key);
      return before?.text !== text || now - before.at >= renewMs;
    });
    for (let from = 0; from < changed.length; from += batchCount) {
      const batch = changed.slice(from, from + batchCount);
      const known = this.#known;
      const answer = await this.#rows.commit(
        partition,
        batch.map(({ key, text }) => ({
          kind: known.has(key) ? 'merge' : 'insert',
          key,
          fields: { at: now, text },
        })),
      );
      if (answer.kind !== 'ok') {
        // Another instance wrote a first row, or the answer to our own was lost.
        this.#known = undefined;
        throw new StorageTrouble(
          `the board was not written: ${answer.kind === 'unknown' ? answer.detail : answer.reason}`,
        );
      }
      for (const { key, text } of batch) {
        known.add(key);
        this.#written.set(key, { text, at: now });
      }
    }
  }
}

const textCharacters = 30_000;
/** A property of a row holds 32 Ki characters: the oldest hours are left out until it fits. */
function fitting(board: MailboxBoard): string {
  let shown = board;
  for (;;) {
    const text = JSON.stringify(shown);
    const { receiving } = shown;
    const { hours: all = [] } = receiving ?? {};
    if (text.length <= textCharacters || receiving === undefined || all.length === 0) return text;
    const hours = all.slice(Math.ceil(all.length / 4));
    shown = { ...shown, receiving: { ...receiving, hours } };
  }
}

const keyOf = (kind: 'mailbox' | 'queue', name: string): string =>
  `${kind}|${encodeURIComponent(name).replaceAll('%', '=')}`;

function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown): readonly z.infer<Schema>[] {
  const read = schema.safeParse(value);
  return read.success ? [read.data] : [];
}
