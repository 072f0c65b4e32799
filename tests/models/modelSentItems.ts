// Sent Items of the model server: the copies that are visible by now, as a look finds them.
import type { Account, Mailbox } from '../../shared/mail/mailbox.ts';
import type { SentItemsAnswer, SentItems, SoughtCopy } from '../../shared/outbound/ports.ts';
import { attemptOf } from './modelRelay.ts';
import type { ModelServer } from './modelRelay.ts';
import type { VirtualClock } from './virtualClock.ts';

/** The lookup asks for copies since then (imapSentItems.ts). */
const slackMs = 25 * 3_600_000;

export class ModelSentItems implements SentItems {
  readonly #server: ModelServer;
  readonly #world: VirtualClock;
  /** Words where a look can't be made now. */
  trouble: string | undefined;
  readonly looks: { readonly at: number; readonly wanted: readonly SoughtCopy[] }[] = [];

  constructor(server: ModelServer, world: VirtualClock) {
    this.#server = server;
    this.#world = world;
  }

  async search(account: Account, _mailbox: Mailbox, wanted: readonly SoughtCopy[]): Promise<SentItemsAnswer> {
    await this.#world.sleep(400);
    if (this.trouble !== undefined) return { kind: 'notMade', detail: this.trouble };
    this.looks.push({ at: this.#world.now, wanted });
    const found = new Map<string, { readonly messageId: string }>();
    for (const { bridgeId, notBefore } of wanted) {
      const copy = this.#server.copies.find(
        (one) =>
          one.account === account.key &&
          one.bridgeId === attemptOf(bridgeId) &&
          one.visibleAt <= this.#world.now &&
          one.visibleAt >= notBefore - slackMs,
      );
      if (copy !== undefined) found.set(bridgeId, { messageId: copy.messageId });
    }
    return { kind: 'searched', found };
  }
}
