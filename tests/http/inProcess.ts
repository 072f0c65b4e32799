// The routes of the HTTP side and the outbound side behind them, in this process, over the models of the store.
import { fuzzCallers, fuzzMailboxes } from '../../local/fuzzHttp/callers.ts';
import type { Send } from '../../local/fuzzHttp/fuzzHttp.ts';
import { systemClock, systemRandom } from '../../shared/clock.ts';
import { MimeComposer } from '../../shared/exchange/mimeComposer.ts';
import { ByteBudget } from '../../shared/http/byteBudget.ts';
import { CallerRegistry } from '../../shared/http/callerRegistry.ts';
import { writeCallers } from '../../shared/http/callers.ts';
import type { HttpDependencies } from '../../shared/http/dependencies.ts';
import { answerRequest } from '../../shared/http/gateway.ts';
import { budgetBytes } from '../../shared/http/numbers.ts';
import type { FeedQueue, TakenMessage } from '../../shared/http/ports.ts';
import { IntakeStates } from '../../shared/intake/intakeStates.ts';
import { MemoryRows, MemoryTable } from '../models/memoryRows.ts';
import { mailbox, World } from '../models/world.ts';

/** A queue that gives out messages and loses none until they are removed. */
class MemoryFeed implements FeedQueue {
  readonly #messages = new Map<string, { readonly text: string; count: number }>();

  add(id: string, text: string): void {
    this.#messages.set(id, { text, count: 0 });
  }

  take(count: number, hideSeconds: number): Promise<readonly TakenMessage[]> {
    const taken = [...this.#messages].slice(0, count).map(([messageId, message]) => {
      message.count += 1;
      return {
        messageId,
        popReceipt: String(message.count),
        text: message.text,
        dequeueCount: message.count,
        hiddenUntil: hideSeconds * 1_000,
      };
    });
    return Promise.resolve(taken);
  }

  remove(messageId: string, popReceipt: string): Promise<'done' | 'gone' | 'late'> {
    const found = this.#messages.get(messageId);
    if (found === undefined) return Promise.resolve('gone');
    if (String(found.count) !== popReceipt) return Promise.resolve('late');
    this.#messages.delete(messageId);
    return Promise.resolve('done');
  }
}

/** Sends each request to its route. */
export function inProcess(): Send {
  const mailboxes = fuzzMailboxes.map((address) => mailbox(address));
  const maxima = { recipientsCount: 500, contentBytes: 36_700_160 };
  const world = new World(mailboxes);
  const composer = new MimeComposer(maxima, mailboxes);
  const { outbound } = world.host({ composer, rawMessages: composer });
  const intakes = new IntakeStates(new MemoryRows(new MemoryTable(), world.host().wire), systemClock);
  const feed = new MemoryFeed();
  for (let number = 0; number < 40; number++)
    feed.add(String(number), JSON.stringify({ id: number, data: { blob: `inbound-content/${number}` } }));
  const dependencies: HttpDependencies = {
    registry: new CallerRegistry({
      secret: {
        read: () => Promise.resolve({ kind: 'found', value: writeCallers(fuzzCallers) }),
        write: () => Promise.resolve({ kind: 'written' }),
        exclusively: (change) => change(),
      },
      clock: systemClock,
      random: systemRandom,
      log: () => undefined,
    }),
    outbound: {
      acceptOrRefuse: (payload, handover) => world.run(outbound.acceptOrRefuse(payload, handover)),
      noteFailure: (wanted) => world.run(outbound.noteFailure(wanted)),
      message: (account, id) => world.run(outbound.message(account, id)),
      cancel: (which) => world.run(outbound.cancel(which)),
      forecast: (account) => world.run(outbound.forecast(account)),
    },
    mailboxes,
    maxima,
    uploadContainer: 'esm-upload',
    blobs: {
      forUpload: (name) => Promise.resolve(`https://store.example/${encodeURIComponent(name)}`),
      forReading: () => Promise.resolve({ kind: 'absent' }),
      read: () => Promise.resolve({ kind: 'absent' }),
    },
    feeds: { events: feed, notices: feed },
    contentContainers: ['inbound-content', 'outbound-content'],
    feedsOn: true,
    signingKey: () => Promise.resolve(Buffer.from('a key for tests')),
    intakes: { put: (name, caller, said) => world.run(intakes.put(name, caller, said)) },
    budget: new ByteBudget(budgetBytes),
    authenticationOn: false,
    clock: systemClock,
    random: systemRandom,
    log: () => undefined,
  };
  return async ({ route, method, path, headers, body }) => {
    const url = new URL(path, 'https://app.example');
    const lower = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    );
    const [, , first = '', second = '', ...rest] = url.pathname.split('/').map((part) => decode(part));
    const answer = await answerRequest(
      route,
      {
        method,
        url: url.href,
        header: (name) => lower[name.toLowerCase()],
        params:
          first === 'content' ? { container: second, name: rest.join('/') } : { id: second, name: second },
        body: () => Promise.resolve(new Uint8Array(body ?? [])),
      },
      dependencies,
    );
    return {
      status: answer.status,
      type: answer.headers['content-type'] ?? '',
      body: Buffer.from(answer.body).toString(),
    };
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
