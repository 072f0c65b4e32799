// The control endpoint of a running `npm start`, on the loopback address and behind a key: what the commands fault, sent
// and write ask of the emulators. Requests and answers are JSON; an error is `{"detail": …}`.
import { timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../shared/clock.ts';
import { startHttpListener, type HttpResponse } from '../emulators/httpListener.ts';
import { faultNames, InjectedFaults } from './namedFaults.ts';
import type { Stack } from './stack.ts';

export interface ControlServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  close(): Promise<void>;
}

const dayMs = 86_400_000;
/** A mail of 60 MB as base64. */
const maxBodyBytes = 84 * 1_048_576;
const sentMost = 500;

const faultBody = z.strictObject({
  name: z.enum(faultNames),
  mailbox: z.string().optional(),
  forMs: z.number().int().min(1_000).max(dayMs).optional(),
});
const writeBody = z.strictObject({ mailbox: z.string(), mime: z.base64() });

export const sentAnswer = z.object({
  messages: z.array(
    z.object({
      at: z.string(),
      from: z.string(),
      to: z.array(z.string()),
      refused: z.array(z.string()),
      subject: z.string(),
      messageId: z.string(),
      sizeBytes: z.number(),
    }),
  ),
});

/** Listens on a free port. */
export async function startControlServer({
  stack,
  key,
  clock,
}: {
  readonly stack: Pick<Stack, 'exchange' | 'entra' | 'vault'>;
  readonly key: string;
  readonly clock: Clock;
}): Promise<ControlServer> {
  const { exchange } = stack;
  const faults = new InjectedFaults(stack, clock);
  const listener = await startHttpListener({ maxBodyBytes }, ({ method, url, headers, body }) => {
    if (!isKey(headers.authorization, key)) return refused(401, 'The key of the running stack is missing.');
    try {
      switch (`${method} ${url.pathname}`) {
        case 'POST /faults': {
          const { name, mailbox, forMs } = faultBody.parse(JSON.parse(body));
          return done({
            detail: faults.begin({
              name,
              ...(mailbox === undefined ? {} : { mailbox: known(mailbox) }),
              ...(forMs === undefined ? {} : { forMs }),
            }),
          });
        }
        case 'DELETE /faults':
          return done({ endedCount: faults.end() });
        case 'GET /sent':
          return done(sent());
        case 'POST /mail': {
          const { mailbox, mime } = writeBody.parse(JSON.parse(body));
          const { uid } = exchange.store.mailbox(known(mailbox)).deliver(Buffer.from(mime, 'base64'));
          return done({ mailbox, uid });
        }
        default:
          return refused(404, 'There is no such route.');
      }
    } catch (error) {
      return refused(400, error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error));
    }
  });

  function known(mailbox: string): string {
    if (exchange.store.find(mailbox) !== undefined) return mailbox;
    throw new RangeError(`There is no mailbox ${mailbox} in the stack.`);
  }

  function sent(): z.infer<typeof sentAnswer> {
    return {
      messages: exchange.log.messages.slice(-sentMost).map((message) => ({
        at: new Date(message.acceptedAt).toISOString(),
        from: message.from,
        to: [...message.to],
        refused: message.refused.map(({ address }) => address),
        subject: message.subject ?? '',
        messageId: message.messageId ?? '',
        sizeBytes: message.sizeBytes,
      })),
    };
  }

  return {
    url: `http://127.0.0.1:${String(listener.port)}`,
    close: async () => {
      faults.end();
      await listener.close();
    },
  };
}

const done = (body: object): HttpResponse => ({ status: 200, body });
const refused = (status: number, detail: string): HttpResponse => ({ status, body: { detail } });
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function isKey(header: string | undefined, key: string): boolean {
  const given = Buffer.from(header ?? '');
  const wanted = Buffer.from(`Bearer ${key}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
