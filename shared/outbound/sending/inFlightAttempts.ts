// Attempts on their way: one per connection, each a promise that lands with what the dialog came to. By its
// deadline an attempt has landed one way or another; a connection that does not answer then is cut.
import type { WakeUp } from './wakeUp.ts';
import type { Hold, Open } from '../records/accountState.ts';
import type { Landing } from '../policy/attemptResult.ts';
import type { Dependencies } from '../dependencies.ts';
import type { Line } from './connectionPool.ts';
import type { Message } from '../records/message.ts';
import type { Envelope, SendResult } from '../ports.ts';

export interface Flight {
  readonly open: Open;
  /** As it was when claimed, and whom RCPT refused since; absent where only the claim is known. */
  message?: Message;
  /** Of the desk then: under another one, the row may have learned something since (a bounce of an earlier attempt). */
  generation: number;
  readonly tries: readonly Hold[];
  readonly claimedAt: number;
  /** Its server refused some of the recipients, and gets nothing more until that is written down. */
  asking?: { readonly recipients: SendResult['recipients']; readonly answer: (noted: boolean) => void };
  landing?: Landing;
  /** By the late bound. */
  landedAt: number;
}

export class Flights {
  readonly #doors: Dependencies;
  readonly #bell: WakeUp;
  readonly #flights = new Map<string, Flight>();
  readonly #lines = new Map<Flight, Line>();

  constructor(doors: Dependencies, bell: WakeUp) {
    this.#doors = doors;
    this.#bell = bell;
  }

  get count(): number {
    return this.#flights.size;
  }

  get ids(): readonly string[] {
    return [...this.#flights.values()].map(({ open }) => open.id);
  }

  has(tag: string): boolean {
    return this.#flights.has(tag);
  }

  asking(): readonly Flight[] {
    return [...this.#flights.values()].filter(({ asking }) => asking !== undefined);
  }

  landed(): readonly Flight[] {
    return [...this.#flights.values()].filter(({ landing }) => landing !== undefined);
  }

  settled(flight: Flight): void {
    this.#flights.delete(flight.open.tag);
  }

  /** Starts an attempt on a connection. */
  start(
    flown: Pick<Flight, 'open' | 'tries' | 'generation'> & { readonly message: Message },
    line: Line,
    envelope: Envelope,
    bytes: Uint8Array,
  ): void {
    const { time } = this.#doors;
    const flight: Flight = { ...flown, claimedAt: time.late(), landedAt: 0 };
    this.#flights.set(flown.open.tag, flight);
    this.#lines.set(flight, line);
    line.busy = true;
    void this.#fly(flight, line, envelope, bytes);
  }

  async #fly(flight: Flight, line: Line, envelope: Envelope, bytes: Uint8Array): Promise<void> {
    const remainingMs = (): number => flight.open.deadline - this.#doors.time.late();
    const noteRefusals = (recipients: SendResult['recipients']): Promise<boolean> =>
      this.#ask(flight, recipients);
    try {
      this.#land(flight, await line.connection.send(envelope, bytes, { remainingMs, noteRefusals }));
    } catch (error) {
      // A fault of ours; how far the dialog came is not known.
      line.connection.destroy();
      this.#land(flight, { kind: 'silent', detail: error instanceof Error ? error.name : 'unknown trouble' });
    }
  }

  /** Only the loop writes; it answers, at the latest when the attempt lands. */
  #ask(flight: Flight, recipients: SendResult['recipients']): Promise<boolean> {
    if (flight.landing !== undefined) return Promise.resolve(false);
    return new Promise((resolve) => {
      const answer = (noted: boolean): void => {
        delete flight.asking;
        resolve(noted);
      };
      flight.asking = { recipients, answer };
      this.#bell.ring();
    });
  }

  /** A claim of ours that never became an attempt: its answer was lost, and the time had passed. */
  adopt(open: Open): void {
    const landedAt = this.#doors.time.late();
    this.#flights.set(open.tag, {
      open,
      generation: -1,
      tries: [],
      claimedAt: landedAt,
      landing: { kind: 'notFlown' },
      landedAt,
    });
  }

  /** Cuts those past their deadline that have not landed by themselves. */
  cutOverdue(): void {
    const graceMs = 1_000; // the connection keeps the deadline too, and knows better how it ended
    for (const flight of this.#flights.values()) {
      if (flight.landing !== undefined || this.#doors.time.early() < flight.open.deadline + graceMs) continue;
      this.#lines.get(flight)?.connection.destroy();
      this.#land(flight, { kind: 'silent', detail: 'the connection did not answer by the deadline.' });
    }
  }

  #land(flight: Flight, landing: Landing): void {
    if (flight.landing !== undefined) return;
    flight.landing = landing;
    flight.landedAt = this.#doors.time.late();
    flight.asking?.answer(false);
    const line = this.#lines.get(flight);
    this.#lines.delete(flight);
    if (line !== undefined) line.busy = false;
    this.#bell.ring();
  }
}
