// The one connection of a run, used by one command at a time.
import { KeyedMutex } from './concurrency.ts';
import type { ImapResult, ImapTrouble, MailboxSession } from './ports.ts';

/** The session can't go on. */
export class SessionEnded extends Error {
  override readonly name = 'SessionEnded';
  readonly trouble: ImapTrouble;
  constructor(trouble: ImapTrouble) {
    super(trouble.detail);
    this.trouble = trouble;
  }
}

export class Connection {
  readonly session: MailboxSession;
  readonly #mutex = new KeyedMutex();
  /** Why the connection takes no more commands. */
  #ended: SessionEnded | undefined;

  constructor(session: MailboxSession) {
    this.session = session;
  }

  /** One command after another. A lost connection fails every later command too: all are given the first reason. */
  command<T>(task: (session: MailboxSession) => Promise<T>): Promise<T> {
    return this.#mutex.run('connection', async () => {
      if (this.#ended !== undefined) throw this.#ended;
      try {
        return await task(this.session);
      } catch (error) {
        if (error instanceof SessionEnded) this.#ended = error;
        throw error;
      }
    });
  }
}

/** The answer itself; a failed one ends the session. */
export function unwrap<T extends object>(answer: ImapResult<T>): { readonly kind: 'ok' } & T {
  if (answer.kind === 'failed') throw new SessionEnded(answer.trouble);
  return answer;
}
