// One message, from the first byte of its content to the reply: written to the spool while it arrives, judged at the
// end, made durable, answered. Knows nothing of sockets.
import type { Clock } from '../../shared/clock.ts';
import { ContentScan } from '../message/contentScan.ts';
import { readFields } from '../message/headerFields.ts';
import { repeatKeyOf, submissionIdOf, type Envelope } from '../message/identity.ts';
import { judge, type Refusal, type Served, type UnknownFrom } from '../message/judge.ts';
import { isNotification, type MarkingRule } from '../message/marking.ts';
import type { IntakeLog } from '../intakeEvents.ts';
import { outOfSpace } from '../spool/files.ts';
import { SyncFailed, type Draft, type Entry, type Spool } from '../spool/spool.ts';
import type { Answer } from '../spool/repeats.ts';

export type Reply =
  | { readonly kind: 'taken'; readonly id: string; readonly answer: Answer }
  | { readonly kind: 'refused'; readonly code: number; readonly text: string };

export interface ReceiverDependencies {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly log: IntakeLog;
  readonly rules: { readonly unknownFrom: UnknownFrom; readonly marking: readonly MarkingRule[] };
  /** Undefined until the bridge was reached for the first time. */
  readonly served: () => Served | undefined;
  /** A message became durable. */
  readonly added: (entry: Entry) => void;
  /** The disk can't be trusted any more: the process must end. */
  readonly fatal: (error: Error) => void;
}

const notReady: Refusal = {
  code: 451,
  text: '4.3.0 The intake has not reached the bridge yet; try again later',
};
const noRoom: Refusal = {
  code: 452,
  text: '4.3.1 The intake has too little free disk space; try again later',
};
const diskFailed: Refusal = {
  code: 451,
  text: '4.3.0 The intake could not store the message; try again later',
};

export class Receiver {
  readonly #dependencies: ReceiverDependencies;

  constructor(dependencies: ReceiverDependencies) {
    this.#dependencies = dependencies;
  }

  /** At MAIL: whether a message of that size can be taken at all. 0 if the client did not say. */
  async readiness(declaredBytes: number): Promise<Refusal | undefined> {
    const { spool, served } = this.#dependencies;
    if (served() === undefined) return notReady;
    return (await spool.hasRoom(declaredBytes)) ? undefined : noRoom;
  }

  /**
   * Takes a message. `chunks` ends at the end of DATA; if it throws, the client is gone and so is the message, and
   * the error is thrown on. Nothing else is thrown.
   */
  async receive(chunks: AsyncIterable<Buffer>, envelope: Envelope, client: string): Promise<Reply> {
    const { log, spool, served, fatal } = this.#dependencies;
    const list = served();
    if (list === undefined) return refuse(notReady);
    const scan = new ContentScan();
    let draft: Draft;
    try {
      draft = await spool.begin();
    } catch (error) {
      return this.#diskTrouble(error, client);
    }
    const arrival = new Arrival(chunks);
    try {
      for await (const chunk of arrival) {
        scan.feed(chunk);
        if (scan.sizeBytes > list.messageMostBytes) break;
        await draft.write(chunk);
      }
    } catch (error) {
      await draft.drop();
      if (arrival.failed) {
        log.broken(client, scan.sizeBytes);
        throw error;
      }
      return this.#diskTrouble(error, client);
    }
    try {
      return await this.#settle(draft, scan, { envelope, client, served: list });
    } catch (error) {
      if (error instanceof SyncFailed) fatal(error);
      return this.#diskTrouble(error, client);
    }
  }

  async #settle(
    draft: Draft,
    scan: ContentScan,
    { envelope, client, served }: { envelope: Envelope; client: string; served: Served },
  ): Promise<Reply> {
    const { spool, clock, log, rules, added } = this.#dependencies;
    const refuseWith = async (reply: Refusal): Promise<Reply> => {
      await draft.drop();
      log.refused(reply.code, reply.text, client);
      return refuse(reply);
    };
    if (scan.sizeBytes > served.messageMostBytes) {
      const most = Math.floor(served.messageMostBytes / 1_048_576);
      return refuseWith({
        code: 552,
        text: `5.3.4 The message is too large; at most ${most} MB are allowed`,
      });
    }
    const scanned = scan.finish();
    if (scanned.headerTooLarge) {
      return refuseWith({ code: 552, text: '5.3.4 The header is too large; at most 512 KB are allowed' });
    }
    const { fields } = readFields(scanned.headerLines);
    const judgement = judge(fields, envelope, { served, unknownFrom: rules.unknownFrom });
    if (judgement.kind === 'refused') return refuseWith(judgement.reply);
    const received = { fields, scanned, envelope };
    const id = submissionIdOf(received, draft.name);
    const repeatKey = repeatKeyOf(received);
    const answer: Answer = { answered: false };
    const first = spool.repeats.find(repeatKey, answer) ?? spool.find(id)?.id;
    if (first !== undefined) {
      await draft.drop();
      log.repeated(first, client);
      return { kind: 'taken', id: first, answer };
    }
    const arrivedAt = clock.now();
    const { mailbox, recipients, badRecipients, rewriteFrom } = judgement;
    const entry = await draft.commit({
      id,
      mailbox,
      mailFrom: envelope.mailFrom,
      recipients: [...recipients],
      badRecipients: [...badRecipients],
      rewriteFrom,
      mark: isNotification(fields, mailbox, rules.marking),
      arrivedAt,
      repeatKey,
      headerLines: [...scanned.headerLines],
      bodyAt: scanned.bodyAt,
      bodyIsClean: scanned.bodyIsClean,
      client,
    });
    spool.repeats.remember({ key: repeatKey, id, at: arrivedAt }, answer);
    log.received(entry, recipients.length, client);
    added(entry);
    return { kind: 'taken', id, answer };
  }

  #diskTrouble(error: unknown, client: string): Reply {
    const reply = outOfSpace(error) ? noRoom : diskFailed;
    this.#dependencies.log.temporarilyRefused(reply.code, reply.text, client, error);
    return refuse(reply);
  }
}

/** Tells an error of the client's stream from one of what is done with its chunks. */
class Arrival implements AsyncIterable<Buffer> {
  failed = false;
  readonly #chunks: AsyncIterable<Buffer>;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Buffer> {
    const iterator = this.#chunks[Symbol.asyncIterator]();
    try {
      for (;;) {
        let next: IteratorResult<Buffer>;
        try {
          next = await iterator.next();
        } catch (error) {
          this.failed = true;
          throw error;
        }
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
}

function refuse({ code, text }: Refusal): Reply {
  return { kind: 'refused', code, text };
}
