// The inbound module as in production, over real IMAP connections, with the store in memory.
import { systemClock, systemRandom, type Clock } from '../../shared/clock.ts';
import { createImapLogin, createImapMailboxes } from '../../shared/exchange/imapMailbox.ts';
import { createMimeParser } from '../../shared/exchange/mimeParser.ts';
import { createInbound, type Inbound } from '../../shared/inbound/fetchMail.ts';
import { noticeSchema, type Notice, type WholeNotice } from '../../shared/contract/notice.ts';
import type { Mailboxes, Parser } from '../../shared/inbound/ports.ts';
import { inboundNumbers, type InboundNumbers } from '../../shared/inbound/dependencies.ts';
import type { AccessTokens } from '../../shared/mail/accessToken.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import type { LogEvent } from '../../shared/telemetry/log.ts';
import { MemoryBlobs, MemoryLedger, MemoryNotices, MemorySentMessages } from './memoryStore.ts';

export const DESK = 'desk@contoso.test';

export function mailboxOf(address: string, more: Partial<Mailbox> = {}): Mailbox {
  return {
    address,
    signIn: 'delegated',
    imapUser: address,
    smtpUser: address,
    send: true,
    receive: true,
    folder: 'INBOX',
    afterFetch: { kind: 'none' },
    fetchFrom: { kind: 'all' },
    limits: { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 },
    ...more,
  };
}

/** Gives every mailbox the token that `make` makes; counts how often a new one was asked for. */
export class TestTokens implements AccessTokens {
  renewed = 0;
  readonly #make: (user: string) => string;

  constructor(make: (user: string) => string) {
    this.#make = make;
  }

  async get(
    mailbox: Mailbox,
    _protocol: 'smtp' | 'imap',
    options?: { readonly renew?: boolean },
  ): ReturnType<AccessTokens['get']> {
    await Promise.resolve();
    if (options?.renew === true) this.renewed += 1;
    return { kind: 'token', token: this.#make(mailbox.imapUser), expiresAt: Date.now() + 3_600_000 };
  }
}

let parser: Parser | undefined;

/** One parser for a whole test file; its threads do not keep the process alive. */
export function realParser(): Parser {
  parser ??= createMimeParser({
    worker: new URL('../../shared/exchange/mimeParserWorker.ts', import.meta.url),
    clock: systemClock,
  });
  return parser;
}

export async function closeParser(): Promise<void> {
  await parser?.close();
  parser = undefined;
}

export interface Rig {
  readonly inbound: Inbound;
  readonly ledger: MemoryLedger;
  readonly blobs: MemoryBlobs;
  readonly sent: MemorySentMessages;
  readonly events: LogEvent[];
  /** All notices so far, each checked against the published schema. */
  notices(): readonly Notice[];
  /** Their data, those by reference resolved. */
  mails(): readonly WholeNotice[];
}

export interface RigOptions {
  readonly mailboxes: readonly Mailbox[];
  readonly imap: Mailboxes;
  readonly clock?: Clock;
  readonly parser?: Parser;
  readonly numbers?: Partial<InboundNumbers>;
  /** `none`: nobody takes notices. */
  readonly eventsTo?: 'queue' | 'none';
  /** The store of an earlier rig: what a new process finds. */
  readonly after?: Rig;
}

export function rigOf(options: RigOptions): Rig {
  const ledger = options.after?.ledger ?? new MemoryLedger();
  const blobs = options.after?.blobs ?? new MemoryBlobs();
  const sent = options.after?.sent ?? new MemorySentMessages();
  const queue = options.after === undefined ? new MemoryNotices() : queueOf(options.after);
  const events: LogEvent[] = [];
  const inbound = createInbound(options.mailboxes, {
    mailboxes: options.imap,
    ledger,
    blobs,
    notices: options.eventsTo === 'none' ? undefined : queue,
    parser: options.parser ?? realParser(),
    sent,
    clock: options.clock ?? systemClock,
    random: systemRandom,
    log: (event) => events.push(event),
    numbers: { ...inboundNumbers, ...options.numbers },
  });
  const notices = (): readonly Notice[] => queue.texts.map((text) => noticeSchema.parse(JSON.parse(text)));
  const rig: Rig = {
    inbound,
    ledger,
    blobs,
    sent,
    events,
    notices,
    mails: () =>
      notices().map(({ data }) => {
        if ('raw' in data) return data;
        const bytes = blobs.at(data.reference.blob) ?? new Uint8Array();
        const whole = noticeSchema.shape.data.parse(JSON.parse(new TextDecoder().decode(bytes)));
        if (!('raw' in whole)) throw new Error('a reference led to another');
        return whole;
      }),
  };
  queues.set(rig, queue);
  return rig;
}

const queues = new WeakMap<Rig, MemoryNotices>();

export function queueOf(rig: Rig): MemoryNotices {
  const queue = queues.get(rig);
  if (queue === undefined) throw new Error('a rig without its queue');
  return queue;
}

/** Mailboxes behind an IMAP server on this machine. */
export function imapAt(port: number, ca: string, tokens: AccessTokens): Mailboxes {
  return createImapMailboxes(
    createImapLogin({ host: 'localhost', port, tokens, clock: systemClock, trustedCertificates: [ca] }),
  );
}

/** A small message; lines end in CRLF. */
export function mail(fields: Readonly<Record<string, string>>, body = 'Hello.'): string {
  const all = {
    From: 'Kim <kim@fabrikam.test>',
    To: DESK,
    Subject: 'The printer',
    Date: 'Wed, 25 Nov 2026 09:00:00 +0200',
    ...fields,
  };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return [...head, '', body, ''].join('\r\n');
}
