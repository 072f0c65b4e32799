// Publishing: every event row goes on the queue `mail-status`, in order per submission, and is deleted after that,
// never before. The deletions are piggybacked on whatever transaction comes next, so publishing costs no transaction
// of its own. A crash in between publishes an event again, under the same id.
//
// An event that fails is passed by, with the later ones of its submission. A round with failures is followed by a pause
// that doubles; after some such rounds what is left is left to the next drain, which the sweep wakes. An event that the
// queue can't hold is published by reference; one that is no event at all is quarantined: kept in a blob, its row renamed.
import { messageOf } from '../../mail/foreign.ts';
import { cloudEventByReference } from '../../contract/statusCloudEvent.ts';
import { StorageTrouble } from '../../storageErrors.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { Dependencies } from '../dependencies.ts';
import type { Fields, Operation, Row } from '../ports.ts';
import { getText } from '../records/chunks.ts';
import { after, eventRange, submissionOfEvent, unpublishableKey } from '../records/keys.ts';
import { reportOf } from '../records/reportRow.ts';
import type { Piggyback } from '../store/accountTransaction.ts';
import { noteReport } from '../store/noteReport.ts';
import { sha256 } from '../../mail/fingerprint.ts';
import type { Signal } from './signal.ts';

/** Pages read in one round; a round that leaves some is followed by another. */
const pagesPerRound = 10;
/** A round ends after events of so many submissions failed: it is the queue, not the events. */
const failuresPerRound = 3;
/** After so many rounds with failures in a row (14 s of pauses) the drain does not wait for the publisher any more. */
const mostFailedRounds = 4;
const mostPauseMs = 60_000;

/** `partial`: more is left; `failed`: an event has to be tried again, not at once. */
type RoundOutcome = 'complete' | 'partial' | 'failed';

export class Publisher implements Piggyback {
  readonly #account: string;
  readonly #mayPublish: () => boolean;
  readonly #signal: Signal;
  readonly #dependencies: Dependencies;
  /** Keys of the rows that were published and are not deleted yet. */
  readonly #published = new Set<string>();
  #expected = true;
  #busy = false;
  #closing = false;
  #finishedAt = Number.NEGATIVE_INFINITY;
  /** Rounds in a row in which an event failed. */
  #failedRounds = 0;
  /** Rows in place of events that can't be published, by the key of the event. */
  readonly #quarantined = new Map<string, Fields>();

  /** `mayPublish`: the lease is still held; a later owner publishes the same events again. */
  constructor(account: string, mayPublish: () => boolean, signal: Signal, dependencies: Dependencies) {
    this.#account = account;
    this.#mayPublish = mayPublish;
    this.#signal = signal;
    this.#dependencies = dependencies;
  }

  /** New event rows were written, or may have been. */
  expectMore(): void {
    this.#expected = true;
  }

  /** Nothing is being published, and nothing is known to be left, or what is left is the next owner's. */
  get idle(): boolean {
    return !this.#busy && (this.#closing || this.#hasGivenUp || !this.#expected);
  }

  /** Events are known to be left, and another drain is likely to publish them at once. */
  get hasPending(): boolean {
    return this.#expected && !this.#hasGivenUp;
  }

  get #hasGivenUp(): boolean {
    return this.#failedRounds >= mostFailedRounds;
  }

  /** Published rows that a transaction still has to delete. */
  get publishedCount(): number {
    return this.#published.size;
  }

  /** Stops after the current event. While submissions keep coming there would always be one more to publish. */
  close(): void {
    this.#closing = true;
  }

  /** Starts a round if one is due, and notifies at its end. `hurry` skips the pause that batches rounds. */
  start(hurry: boolean): void {
    const { clock, numbers } = this.#dependencies;
    const restedMs = clock.monotonic() - this.#finishedAt;
    if (this.#busy || this.#closing || !this.#mayPublish()) return;
    const isDue =
      this.#failedRounds > 0
        ? restedMs >= Math.min(mostPauseMs, numbers.publishPauseMs * 2 ** this.#failedRounds)
        : this.#expected
          ? hurry || restedMs >= numbers.publishPauseMs
          : restedMs >= numbers.publishEveryMs;
    if (!isDue) return;
    this.#busy = true;
    this.#expected = false;
    void this.#round().then((outcome) => {
      this.#busy = false;
      this.#finishedAt = clock.monotonic();
      this.#expected ||= outcome !== 'complete';
      this.#failedRounds = outcome === 'failed' ? this.#failedRounds + 1 : 0;
      this.#signal.notify();
    });
  }

  /** Never throws. */
  async #round(): Promise<RoundOutcome> {
    try {
      return await this.#publishPages();
    } catch (error) {
      this.#logFailure(error);
      return 'failed';
    }
  }

  async #publishPages(): Promise<RoundOutcome> {
    const { rows: table, numbers } = this.#dependencies;
    const limit = numbers.publishPageCount;
    /** Submissions with an event that failed: their later ones must wait for it. */
    const failed = new Set<string>();
    let range = eventRange;
    for (let page = 0; page < pagesPerRound; page += 1) {
      const rows = await table.query(this.#account, { ...range, limit });
      for (const row of rows) {
        if (this.#published.has(row.key) || failed.has(submissionOfEvent(row.key))) continue;
        if (this.#closing || !this.#mayPublish()) return 'partial';
        if (await this.#publish(row)) continue;
        failed.add(submissionOfEvent(row.key));
        if (failed.size >= failuresPerRound) return 'failed';
      }
      const last = rows.at(-1);
      if (rows.length < limit || last === undefined) return failed.size > 0 ? 'failed' : 'complete';
      range = after(eventRange, last.key);
    }
    return failed.size > 0 ? 'failed' : 'partial';
  }

  /** False if it has to be tried again. Never throws. */
  async #publish({ key, fields }: Row): Promise<boolean> {
    try {
      await this.#putOrSetAside(key, fields);
      this.#published.add(key);
      return true;
    } catch (error) {
      this.#logFailure(error);
      return false;
    }
  }

  /** Throws StorageTrouble. */
  async #putOrSetAside(key: string, fields: Fields): Promise<void> {
    const { queues, contents, log } = this.#dependencies;
    let text: string | undefined;
    let detail = 'The row has no text.';
    await this.#noteReport(key, fields);
    try {
      text = getText(fields, 'text');
      if (text !== undefined) {
        await queues.publish(text);
        return;
      }
    } catch (error) {
      if (error instanceof StorageTrouble) throw error;
      detail = error instanceof Error ? error.message : 'It can’t be put on the queue.';
    }
    const bytes = Buffer.from(text ?? JSON.stringify(fields));
    const name = sha256(bytes);
    await contents.put(name, bytes);
    const blob = contents.reference(name);
    const reference =
      text === undefined ? undefined : cloudEventByReference(text, { blob, sizeBytes: bytes.length });
    if (reference !== undefined) {
      await queues.publish(reference);
      log(outboundEvents.eventByReference({ account: this.#account, event: key, detail }));
      return;
    }
    this.#quarantined.set(key, { at: this.#dependencies.time.earliest(), contentBlob: name, detail });
    log(outboundEvents.eventQuarantined({ account: this.#account, event: key, blob, detail }));
  }

  /** Before the event leaves: after that its row may be deleted. Throws StorageTrouble. */
  async #noteReport(key: string, fields: Fields): Promise<void> {
    const wanted = reportOf(fields);
    if (wanted === undefined) return;
    const id = submissionOfEvent(key).slice('event|'.length);
    const { at, mailbox, text } = wanted;
    const report = { account: this.#account, id, kind: 'message', mailbox, at, said: text } as const;
    await noteReport(report, this.#dependencies);
  }

  #logFailure(error: unknown): void {
    this.#dependencies.log(
      outboundEvents.storageFailed({
        account: this.#account,
        operation: 'publish',
        detail: messageOf(error),
      }),
    );
  }

  take(most: number): readonly Operation[] {
    if (!this.#mayPublish()) return [];
    const operations: Operation[] = [];
    for (const key of this.#published) {
      const fields = this.#quarantined.get(key);
      const renamed: readonly Operation[] =
        fields === undefined ? [] : [{ kind: 'insert', key: unpublishableKey(key), fields }];
      if (operations.length + 1 + renamed.length > most) break;
      operations.push({ kind: 'delete', key }, ...renamed);
    }
    return operations;
  }

  written(operations: readonly Operation[]): void {
    for (const { key } of operations) {
      this.#published.delete(key);
      this.#quarantined.delete(key);
    }
  }

  /** One of them was missing: another deleted it. Those that are still there are published once more. */
  dropped(operations: readonly Operation[]): void {
    this.written(operations);
    this.#expected = true;
  }
}
