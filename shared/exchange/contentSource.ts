import { Readable } from 'node:stream';
import type { Budget } from '../outbound/ports.ts';

const chunkBytes = 65_536;

export interface ContentNotes {
  /** The receiving stream was attached: the server said go ahead. False: nothing is given, and it ends elsewhere. */
  readonly begins: () => Promise<boolean>;
  /** The receiver has passed on everything that it was given and its own ending, the final dot. */
  readonly ended: () => void;
  /** The budget ended before the content did. */
  readonly over: () => void;
}

/**
 * A message as the SMTP library reads it. It asks the budget before every chunk and gives nothing more when it is
 * over. And it notes when the dot has gone: the library pipes this into a stream of its own, which doubles dots
 * and adds the last one, and pipes that into the socket; that stream's `end` comes when its last byte, and so the
 * dot, was written to the socket. A cut before it leaves the note unmade.
 */
export class ContentSource extends Readable {
  readonly #content: Buffer;
  readonly #budget: Budget;
  readonly #notes: ContentNotes;
  #mayBegin: Promise<boolean> = Promise.resolve(false);
  #at = 0;

  constructor(content: Uint8Array, budget: Budget, notes: ContentNotes) {
    super({ highWaterMark: chunkBytes });
    this.#content = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
    this.#budget = budget;
    this.#notes = notes;
  }

  override pipe<Destination extends NodeJS.WritableStream>(
    destination: Destination,
    options?: { readonly end?: boolean },
  ): Destination {
    this.#mayBegin = this.#notes.begins();
    destination.once('end', this.#notes.ended);
    return super.pipe(destination, options);
  }

  override _read(): void {
    void this.#give();
  }

  async #give(): Promise<void> {
    if (!(await this.#mayBegin)) return;
    if (this.#budget.remainingMs() <= 0) {
      this.#notes.over();
      return;
    }
    const chunk = this.#content.subarray(this.#at, this.#at + chunkBytes);
    this.#at += chunk.length;
    this.push(chunk.length > 0 ? chunk : null);
  }
}
