import { bufferOf } from '../mail/foreign.ts';
import { Readable } from 'node:stream';
import type { TimeLeft } from '../deadline.ts';

const chunkBytes = 65_536;

export interface ContentNotes {
  /** The receiving stream was attached: the server replied 354. False: no content is given; the caller ends the operation. */
  readonly begins: () => Promise<boolean>;
  /** The receiver has written all content and the final dot. */
  readonly ended: () => void;
  /** The time was up before the content was given completely. */
  readonly timedOut: () => void;
}

/**
 * A message as the SMTP library reads it. Before every chunk it checks the time left and gives nothing more once it is
 * up. And it reports when the dot was sent: the library pipes this into a stream of its own, which doubles dots and adds
 * the last one, and pipes that into the socket; that stream's `end` comes when its last byte, and so the dot, was
 * written to the socket. After a cut before that, `ended` is never called.
 */
export class ContentSource extends Readable {
  readonly #content: Buffer;
  readonly #time: TimeLeft;
  readonly #notes: ContentNotes;
  #mayStart: Promise<boolean> = Promise.resolve(false);
  #at = 0;

  constructor(content: Uint8Array, time: TimeLeft, notes: ContentNotes) {
    super({ highWaterMark: chunkBytes });
    this.#content = bufferOf(content);
    this.#time = time;
    this.#notes = notes;
  }

  override pipe<Destination extends NodeJS.WritableStream>(
    destination: Destination,
    options?: { readonly end?: boolean },
  ): Destination {
    this.#mayStart = this.#notes.begins();
    destination.once('end', this.#notes.ended);
    return super.pipe(destination, options);
  }

  override _read(): void {
    void this.#give();
  }

  async #give(): Promise<void> {
    if (!(await this.#mayStart)) return;
    if (this.#time.remainingMs() <= 0) {
      this.#notes.timedOut();
      return;
    }
    const chunk = this.#content.subarray(this.#at, this.#at + chunkBytes);
    this.#at += chunk.length;
    this.push(chunk.length > 0 ? chunk : null);
  }
}
