// The spool: what the intake has said 250 to and not yet handed on.
//
// The life of a message here:
//   1. NAME.part is created and the content written to it as it arrives;
//   2. at the end the record and the end mark are written, the length is compared, the file is synced and closed;
//   3. it is renamed to NAME.mail and the folder is synced: from here on the 250 is true;
//   4. after the bridge has accepted it, it is removed (or, if refused, moved to rejected/).
// A failure in 1 to 3 removes the file, and the client gets a 4xx or 5xx. After a start every complete file counts,
// whichever name it has; a .part without its end mark was never answered with 250 and is removed.
//
// A removal that is lost in a power failure brings the message back; the bridge knows its id and answers 200.
import { createHash } from 'node:crypto';
import type { Clock, Random } from '../../shared/clock.ts';
import { isIntact, readRange, readTail, tailOf, type EntryRecord, type Tail } from './entry.ts';
import { writeAll, type NewFile, type OpenFile, type SpoolFiles } from './files.ts';
import { Repeats } from './repeats.ts';
import { errorCode } from '../errorCode.ts';

/** More waiting messages than this are not taken: their summaries are in memory. */
export const entriesMostCount = 100_000;

/** A waiting message, as far as it is held in memory. */
export interface Entry {
  /** Sorts by arrival. */
  readonly name: string;
  readonly id: string;
  readonly mailbox: string;
  readonly arrivedAt: number;
  readonly sizeBytes: number;
  readonly repeatKey: string;
  /** Written by this process; the content of others is checked before it is handed on. */
  readonly isOwn: boolean;
}

export interface SpoolSettings {
  readonly folder: string;
  /** No message is taken while less is free on the volume. */
  readonly freeMinimumBytes: number;
}

/** An fsync failed: what was written since is of unknown fate, and only a new process may go on. */
export class SyncFailed extends Error {
  constructor(cause: unknown) {
    super('The disk failed to write through', { cause });
  }
}

/** An entry that is open for reading. */
export interface OpenEntry {
  readonly record: EntryRecord;
  readonly contentBytes: number;
  /** From the body's first byte. */
  body(): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

export class Spool {
  readonly #files: SpoolFiles;
  readonly #settings: SpoolSettings;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #entries = new Map<string, Entry>();
  readonly #byId = new Map<string, string>();
  readonly repeats: Repeats;
  #lastArrival = 0;
  #sequence = 0;
  #damagedCount = 0;
  #openCount = 0;

  constructor(
    files: SpoolFiles,
    settings: SpoolSettings,
    time: { readonly clock: Clock; readonly random: Random },
  ) {
    this.#files = files;
    this.#settings = settings;
    this.#clock = time.clock;
    this.#random = time.random;
    this.repeats = new Repeats(files, settings.folder, time.clock);
  }

  /** Waiting messages in the order of their arrival. */
  get entries(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  get count(): number {
    return this.#entries.size;
  }

  get oldestAt(): number | undefined {
    return this.#entries.values().next().value?.arrivedAt;
  }

  /** Files that were found incomplete or changed; they are in damaged/. */
  get damagedCount(): number {
    return this.#damagedCount;
  }

  /** Makes the folders and takes over what the last process left. Call once, before anything else. */
  async recover(): Promise<readonly Entry[]> {
    const { folder } = this.#settings;
    for (const one of [folder, this.#waiting, this.#rejected, this.#damaged])
      await this.#files.makeFolder(one);
    await this.#files.syncFolder(folder);
    await this.repeats.load();
    this.#damagedCount = (await this.#files.list(this.#damaged)).length;
    const names = (await this.#files.list(this.#waiting))
      .filter((name) => /\.(?:part|mail)$/.test(name))
      .toSorted();
    for (const file of names) await this.#takeOver(file);
    // The names that recovery gave are as durable as those of new messages.
    await this.#files.syncFolder(this.#waiting);
    return this.entries;
  }

  async #takeOver(file: string): Promise<void> {
    const path = `${this.#waiting}/${file}`;
    const name = file.replace(/\.(?:part|mail)$/, '');
    const open = await this.#files.open(path);
    let tail: Tail | undefined;
    let isWhole = false;
    try {
      tail = await readTail(open);
      // A .mail was synced before it got its name: its content is checked when it is handed on.
      isWhole = tail !== undefined && (file.endsWith('.mail') || (await isIntact(open, tail)));
    } finally {
      await open.close();
    }
    this.#lastArrival = Math.max(this.#lastArrival, (Number(name.slice(0, 15)) || 0) + 1);
    if (tail === undefined || !isWhole) {
      if (file.endsWith('.part')) await this.#files.remove(path);
      else await this.#setAside(path, file);
      return;
    }
    // A rename that is half durable shows one message under both names.
    if (this.#entries.has(name)) {
      await this.#files.remove(path);
      return;
    }
    if (file.endsWith('.part')) await this.#files.rename(path, this.#mail(name));
    this.#add(name, tail, false);
    const { repeatKey, id, arrivedAt } = tail.record;
    this.repeats.remember({ key: repeatKey, id, at: arrivedAt }, undefined);
  }

  /**
   * Looks for files that were put into the spool by `intake retry` while this process runs.
   */
  async rescan(): Promise<readonly Entry[]> {
    const found: Entry[] = [];
    for (const file of (await this.#files.list(this.#waiting)).toSorted()) {
      const name = file.replace(/\.mail$/, '');
      if (!file.endsWith('.retry.mail') || this.#entries.has(name)) continue;
      await this.#takeOver(file);
      const entry = this.#entries.get(name);
      if (entry !== undefined) found.push(entry);
    }
    return found;
  }

  /** Whether there is room for another message of this size, if the client said it. */
  async hasRoom(sizeBytes: number): Promise<boolean> {
    if (this.#entries.size + this.#openCount >= entriesMostCount) return false;
    const free = await this.#files.freeBytes(this.#settings.folder);
    return free - sizeBytes >= this.#settings.freeMinimumBytes;
  }

  /** Begins a message. Exactly one of the draft's `commit` and `drop` must follow. */
  async begin(): Promise<Draft> {
    const name = this.#newName();
    const path = `${this.#waiting}/${name}.part`;
    const file = await this.#files.create(path);
    this.#openCount += 1;
    return new Draft(name, file, {
      keep: async (record, contentBytes) => {
        this.#openCount -= 1;
        await this.#files.rename(path, this.#mail(name));
        try {
          await this.#files.syncFolder(this.#waiting);
        } catch (error) {
          throw new SyncFailed(error);
        }
        return this.#add(name, { record, contentBytes, sha256: '' }, true);
      },
      forget: async () => {
        this.#openCount -= 1;
        await this.#files.remove(path);
      },
      undo: async () => {
        await this.#files.remove(path);
        await this.#files.remove(this.#mail(name));
      },
    });
  }

  /** The waiting message with this submission id. */
  find(id: string): Entry | undefined {
    return this.#entries.get(this.#byId.get(id) ?? '');
  }

  /** Undefined if the file is damaged; it is then in damaged/ and no longer waiting. */
  async open(entry: Entry): Promise<OpenEntry | undefined> {
    const path = this.#mail(entry.name);
    let file: OpenFile;
    try {
      file = await this.#files.open(path);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
      this.#forget(entry);
      this.#damagedCount += 1;
      return undefined;
    }
    const tail = await readTail(file);
    if (tail === undefined || (!entry.isOwn && !(await isIntact(file, tail)))) {
      await file.close();
      this.#forget(entry);
      await this.#setAside(path, `${entry.name}.mail`);
      return undefined;
    }
    return {
      record: tail.record,
      contentBytes: tail.contentBytes,
      body: () => readRange(file, tail.record.bodyAt, tail.contentBytes),
      close: () => file.close(),
    };
  }

  /** The bridge has it. */
  async remove(entry: Entry): Promise<void> {
    await this.repeats.leaving({ key: entry.repeatKey, id: entry.id, at: entry.arrivedAt });
    await this.#files.remove(this.#mail(entry.name));
    this.#forget(entry);
  }

  /** The bridge refused it for good: kept for a person, with the reasons beside it. */
  async reject(entry: Entry, reasons: string): Promise<void> {
    const name = entry.name.replace(/\.retry$/, '');
    const reasonsFile = `${this.#rejected}/${name}.json`;
    await this.#files.remove(reasonsFile);
    const file = await this.#files.create(reasonsFile);
    try {
      await writeAll(file, Buffer.from(reasons));
      await file.sync();
    } finally {
      await file.close();
    }
    await this.repeats.leaving({ key: entry.repeatKey, id: entry.id, at: entry.arrivedAt });
    await this.#files.rename(this.#mail(entry.name), `${this.#rejected}/${name}.mail`);
    await this.#files.syncFolder(this.#rejected);
    await this.#files.syncFolder(this.#waiting);
    this.#forget(entry);
  }

  async rejectedCount(): Promise<number> {
    return (await this.#files.list(this.#rejected)).filter((name) => name.endsWith('.mail')).length;
  }

  get #waiting(): string {
    return `${this.#settings.folder}/waiting`;
  }

  get #rejected(): string {
    return `${this.#settings.folder}/rejected`;
  }

  get #damaged(): string {
    return `${this.#settings.folder}/damaged`;
  }

  #mail(name: string): string {
    return `${this.#waiting}/${name}.mail`;
  }

  /** Later names sort behind earlier ones, also when the clock was set back. */
  #newName(): string {
    this.#lastArrival = Math.max(this.#lastArrival, this.#clock.now());
    this.#sequence = (this.#sequence + 1) % 1_000_000;
    if (this.#sequence === 0) this.#lastArrival += 1;
    const count = String(this.#sequence).padStart(6, '0');
    return `${String(this.#lastArrival).padStart(15, '0')}-${count}-${this.#random.id().slice(0, 8)}`;
  }

  #add(name: string, { record, contentBytes }: Tail, isOwn: boolean): Entry {
    const { id, mailbox, arrivedAt, repeatKey } = record;
    const entry = { name, id, mailbox, arrivedAt, sizeBytes: contentBytes, repeatKey, isOwn };
    this.#entries.set(name, entry);
    this.#byId.set(id, name);
    return entry;
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.name);
    if (this.#byId.get(entry.id) === entry.name) this.#byId.delete(entry.id);
  }

  async #setAside(path: string, file: string): Promise<void> {
    await this.#files.rename(path, `${this.#damaged}/${file}`);
    this.#damagedCount += 1;
  }
}

interface DraftEnds {
  keep(record: EntryRecord, contentBytes: number): Promise<Entry>;
  forget(): Promise<void>;
  undo(): Promise<void>;
}

/** A message while it arrives. */
export class Draft {
  /** Unique for each arrival. */
  readonly name: string;
  readonly #file: NewFile;
  readonly #ends: DraftEnds;
  readonly #hash = createHash('sha256');
  #contentBytes = 0;

  constructor(name: string, file: NewFile, ends: DraftEnds) {
    this.name = name;
    this.#file = file;
    this.#ends = ends;
  }

  async write(chunk: Buffer): Promise<void> {
    this.#hash.update(chunk);
    this.#contentBytes += chunk.length;
    await writeAll(this.#file, chunk);
  }

  /**
   * Makes the message durable; once it resolves, 250 may be said. Throws SyncFailed if the disk can't be trusted
   * any more, and other errors if only this message could not be written; then nothing of it is left.
   */
  async commit(record: EntryRecord): Promise<Entry> {
    try {
      const tail = tailOf(record, this.#contentBytes, this.#hash);
      await writeAll(this.#file, tail);
      const sizeBytes = await this.#file.sizeBytes();
      if (sizeBytes !== this.#contentBytes + tail.length) {
        throw Object.assign(new Error('The file is shorter than what was written'), { code: 'ENOSPC' });
      }
    } catch (error) {
      await this.drop();
      throw error;
    }
    try {
      await this.#file.sync();
      await this.#file.close();
    } catch (error) {
      await this.#ends.forget().catch(() => undefined);
      throw new SyncFailed(error);
    }
    try {
      return await this.#ends.keep(record, this.#contentBytes);
    } catch (error) {
      await this.#ends.undo().catch(() => undefined);
      throw error;
    }
  }

  /** Gives up on the message. Never throws: what can't be removed has no end mark and goes at the next start. */
  async drop(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await this.#ends.forget().catch(() => undefined);
  }
}
