// Reads from the host's log when the limiter permitted the next message. Compared with the server's log, this gives the
// start delay of messages that had to wait.
import type { HostProcessLine } from '../functionsHost/hostProcess.ts';
import type { ServerLog } from '../emulators/exchange/serverLog.ts';

interface Claimed {
  readonly bridgeId: string;
  /** When the limiter permitted it to start (UTC ms). */
  readonly retryAt: number;
}

export class StartDelays {
  readonly #retryAt = new Map<string, number>();
  readonly #claimed: Claimed[] = [];

  /** Reads a line of the host's log. */
  note(line: HostProcessLine): void {
    const event = eventOf(line);
    const account = event?.['account'];
    if (event === undefined || typeof account !== 'string') return;
    if (event['event'] === 'outbound.rateLimited') this.#retryAt.set(account, Number(event['retryAt']));
    if (event['event'] === 'outbound.claimed') {
      const retryAt = this.#retryAt.get(account);
      this.#retryAt.delete(account);
      if (retryAt === undefined) return;
      this.#claimed.push({ bridgeId: `${String(event['id'])}.${String(event['attempt'])}`, retryAt });
    }
  }

  /** How many waited, and the longest start delay of them. */
  latest(log: ServerLog): { readonly count: number; readonly mostMs: number } {
    const lateMs = this.#claimed.flatMap(({ bridgeId, retryAt }) => {
      const [arrival] = log.messagesOf(bridgeId);
      // MAIL arrived before the message was accepted, by the difference of the two nanosecond stamps.
      return arrival === undefined
        ? []
        : [arrival.acceptedAt - (arrival.acceptedNs - arrival.mailNs) / 1e6 - retryAt];
    });
    return { count: lateMs.length, mostMs: Math.max(0, ...lateMs) };
  }
}

function eventOf({ kind, message }: HostProcessLine): Readonly<Record<string, unknown>> | undefined {
  if (kind !== 'log' || typeof message !== 'string' || !message.startsWith('{"event":')) return undefined;
  return JSON.parse(message) as Record<string, unknown>;
}
