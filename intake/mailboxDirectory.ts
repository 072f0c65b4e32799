// Which mailboxes and aliases the bridge serves, and its bounds: asked every five minutes and kept on disk, so that
// mail is taken while the bridge is away, also after a restart.
import type { Clock } from '../shared/clock.ts';
import { sentenceOf } from './bridge/httpBridge.ts';
import type { Bridge } from './bridge/bridge.ts';
import { mailboxesAnswer, type MailboxesAnswer } from './bridge/contract.ts';
import type { IntakeLog } from './intakeEvents.ts';
import type { Served } from './message/judge.ts';
import { readSmallFile, replaceFile, type SpoolFiles } from './spool/files.ts';

export const refreshMs = 300_000;
/** Until there is a first answer, and after a failure. */
const retryMs = 15_000;
const fileName = 'mailboxes.json';

export class MailboxDirectory {
  readonly #dependencies: {
    readonly bridge: Bridge;
    readonly files: SpoolFiles;
    readonly folder: string;
    readonly clock: Clock;
    readonly log: IntakeLog;
  };
  readonly #stop = new AbortController();
  #served: Served | undefined;
  #written = '';

  constructor(dependencies: {
    readonly bridge: Bridge;
    readonly files: SpoolFiles;
    readonly folder: string;
    readonly clock: Clock;
    readonly log: IntakeLog;
  }) {
    this.#dependencies = dependencies;
  }

  /** Undefined until the bridge has answered once in the life of the spool. */
  get served(): Served | undefined {
    return this.#served;
  }

  /** Reads what an earlier run kept. */
  async load(): Promise<void> {
    const { files, folder } = this.#dependencies;
    const text = await readSmallFile(files, `${folder}/${fileName}`);
    if (text === undefined) return;
    try {
      const read = mailboxesAnswer.safeParse(JSON.parse(text));
      if (read.success) this.#served = servedOf(read.data);
    } catch {
      // A damaged copy: the bridge is asked anyway.
    }
  }

  /** Asks once. False if there was no usable answer. */
  async refresh(): Promise<boolean> {
    const { bridge, files, folder, log } = this.#dependencies;
    let answer: MailboxesAnswer;
    try {
      answer = await bridge.mailboxes();
    } catch (error) {
      log.bridgeTrouble('mailboxes', sentenceOf(error));
      return false;
    }
    this.#served = servedOf(answer);
    const text = JSON.stringify({ mailboxes: answer.mailboxes, maxima: answer.maxima });
    if (text === this.#written) return true;
    try {
      await replaceFile(files, folder, fileName, text);
      this.#written = text;
      log.mailboxesRead(this.#served.mailboxes.length);
    } catch (error) {
      log.spoolTrouble(fileName, error);
    }
    return true;
  }

  /** Asks until `stop`. `changed` is called after each usable answer. */
  async run(changed: (served: Served) => void): Promise<void> {
    const { clock } = this.#dependencies;
    while (!this.#stop.signal.aborted) {
      const isFresh = await this.refresh();
      if (this.#served !== undefined) changed(this.#served);
      await clock.sleep(isFresh ? refreshMs : retryMs, this.#stop.signal);
    }
  }

  stop(): void {
    this.#stop.abort();
  }
}

function servedOf({ mailboxes, maxima }: MailboxesAnswer): Served {
  return {
    mailboxes: mailboxes.filter(({ send }) => send).map(({ address, aliases }) => ({ address, aliases })),
    messageMostBytes: maxima.messageBytes,
    recipientsMostCount: maxima.recipientsCount,
  };
}
