// A client that lost our 250 sends the message again, and JavaMail gives it a new Message-ID each time.
//
// It counts as a repeat if all of this holds: the same envelope, the same content but for Message-ID, Date and
// boundaries; the first came within ten minutes; and the client of the first did nothing more on its connection
// after our 250 (a client that goes on, if only with QUIT, has read it). After a restart nobody knows what clients
// did, so then silence is assumed. An arrival that is recognised takes the place of the first: its 250 can be
// lost as well.
//
// What was handed on leaves the spool, so the keys of silent clients are written down before (repeats.json).
import type { Clock } from '../../shared/clock.ts';
import * as z from 'zod';
import { readSmallFile, replaceFile, type SpoolFiles } from './files.ts';

export const repeatWindowMs = 10 * 60_000;
const keptMostCount = 50_000;

export interface Arrival {
  readonly key: string;
  /** The submission's id. */
  readonly id: string;
  /** UTC milliseconds. */
  readonly at: number;
}

/** A connection's last 250: `answered` turns true once the client does anything after it. */
export interface Answer {
  answered: boolean;
}

interface Kept {
  readonly id: string;
  readonly at: number;
  /** Undefined after a restart: assumed to be silent. */
  answer: Answer | undefined;
}

const stored = z
  .array(z.strictObject({ key: z.string(), id: z.string(), at: z.number() }))
  .max(keptMostCount);
const fileName = 'repeats.json';

export class Repeats {
  readonly #kept = new Map<string, Kept>();
  /** Those whose entry has left the spool: only these must be in the file. */
  readonly #gone = new Map<string, Arrival>();
  readonly #files: SpoolFiles;
  readonly #folder: string;
  readonly #clock: Clock;
  #writing: Promise<void> = Promise.resolve();

  constructor(files: SpoolFiles, folder: string, clock: Clock) {
    this.#files = files;
    this.#folder = folder;
    this.#clock = clock;
  }

  /** Reads what was written down. A file that can't be read is as good as none. */
  async load(): Promise<void> {
    const text = await readSmallFile(this.#files, `${this.#folder}/${fileName}`);
    if (text === undefined) return;
    try {
      for (const arrival of stored.parse(JSON.parse(text))) {
        this.remember(arrival, undefined);
        this.#gone.set(arrival.key, arrival);
      }
    } catch {
      // Written in one step; if it is damaged, only the recognition of repeats across this restart is lost.
    }
  }

  remember(arrival: Arrival, answer: Answer | undefined): void {
    this.#forgetOld();
    this.#kept.delete(arrival.key);
    this.#kept.set(arrival.key, { id: arrival.id, at: arrival.at, answer });
  }

  /** The id of the first arrival if this one repeats it. The repeat's own answer is watched from now on. */
  find(key: string, answer: Answer): string | undefined {
    this.#forgetOld();
    const kept = this.#kept.get(key);
    if (kept === undefined || kept.answer?.answered === true) return undefined;
    kept.answer = answer;
    return kept.id;
  }

  /** Call before an entry leaves the spool; durable once it resolves. */
  async leaving(arrival: Arrival): Promise<void> {
    this.#forgetOld();
    const kept = this.#kept.get(arrival.key);
    if (kept?.id !== arrival.id || kept.answer?.answered === true) return;
    this.#gone.set(arrival.key, arrival);
    const write = this.#writing.then(() => this.#write());
    this.#writing = write.catch(() => undefined);
    await write;
  }

  async #write(): Promise<void> {
    await replaceFile(this.#files, this.#folder, fileName, JSON.stringify([...this.#gone.values()]));
  }

  #forgetOld(): void {
    const oldest = this.#clock.now() - repeatWindowMs;
    // In the order in which they came.
    for (const [key, { at }] of this.#kept) {
      if (at >= oldest && this.#kept.size <= keptMostCount) break;
      this.#kept.delete(key);
    }
    for (const [key, { at }] of this.#gone) {
      const kept = this.#kept.get(key);
      if (at >= oldest && this.#gone.size <= keptMostCount && kept?.answer?.answered !== true) break;
      this.#gone.delete(key);
    }
  }
}
