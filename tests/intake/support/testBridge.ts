// An HTTP server that keeps the rules of docs/intakeContract.md, in memory. Messages are checked with the bridge's
// own strict reader, so what the intake mends must satisfy it. Faults are asked for one request at a time.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { readRawMessage, rawProblems } from '../../../shared/exchange/rawMessage.ts';
import { parseAddressList } from '../../../intake/message/addressList.ts';

export interface BridgeMessage {
  readonly id: string;
  readonly mailbox: string;
  readonly recipients: readonly string[];
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Absent if it is larger than 1 MB. */
  readonly content?: Buffer;
  readonly remarks: readonly string[];
  readonly viaUpload: boolean;
}

/** What happens to a request instead of, or after, its proper handling. */
export type Fault =
  /** The connection is cut before anything is read. */
  | { readonly kind: 'cut' }
  /** The request is handled, its answer is lost. */
  | { readonly kind: 'loseAnswer' }
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string };

export interface TestBridgeOptions {
  readonly mailboxes?: readonly {
    readonly address: string;
    readonly aliases?: readonly string[];
    readonly send?: boolean;
  }[];
  readonly maxima?: {
    readonly requestBytes?: number;
    readonly messageBytes?: number;
    readonly recipientsCount?: number;
  };
  readonly key?: string;
  readonly port?: number;
  /** Recipients that the bridge refuses. */
  readonly refusedRecipients?: readonly string[];
}

const submission = z.strictObject({
  version: z.literal(1),
  id: z.string(),
  mailbox: z.string(),
  bcc: z.array(z.string()),
  raw: z.strictObject({ blob: z.string() }),
});
const upload = z.looseObject({ id: z.string(), sizeBytes: z.number() });

export class TestBridge {
  readonly messages = new Map<string, BridgeMessage>();
  /** Ids in the order in which they were accepted. */
  readonly order: string[] = [];
  readonly failures: { readonly id: string; readonly kind: string; readonly body: unknown }[] = [];
  readonly heartbeats: unknown[] = [];
  /** Every POST /api/mail that was read, repeats included. */
  postCount = 0;
  /** Asked for each request; undefined lets it be handled. */
  fault: (method: string, path: string) => Fault | undefined = () => undefined;
  readonly #options: TestBridgeOptions;
  readonly #uploads = new Map<string, { readonly sizeBytes: number; sha256?: string; content?: Buffer }>();
  readonly #working = new Set<string>();
  #server: Server | undefined;
  #port = 0;

  constructor(options: TestBridgeOptions = {}) {
    this.#options = options;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get key(): string {
    return this.#options.key ?? 'test-key-0123456789abcdef';
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      this.#handle(request, response).catch(() => {
        request.socket.destroy();
      });
    });
    await new Promise<void>((resolve) => {
      server.listen(this.#port === 0 ? (this.#options.port ?? 0) : this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Away: connections are refused until `start` is called again. What it knows stays. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    await new Promise<void>((resolve) => {
      if (server === undefined) resolve();
      else
        server.close(() => {
          resolve();
        });
    });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    const path = url.split('?')[0] ?? '';
    const fault = this.fault(method, path);
    if (fault?.kind === 'cut') {
      request.socket.destroy();
      return;
    }
    if (fault?.kind === 'status') {
      await drain(request);
      if (fault.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter);
      problem(response, fault.status, 'a fault of the test');
      return;
    }
    const answer = await this.#answer(request, method, path);
    if (fault?.kind === 'loseAnswer') request.socket.destroy();
    else if (answer.status >= 400) problem(response, answer.status, answer.detail ?? '', answer.type);
    else {
      response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
      response.end(JSON.stringify(answer.body ?? {}));
    }
  }

  async #answer(request: IncomingMessage, method: string, path: string): Promise<Answer> {
    if (method === 'PUT' && path.startsWith('/blobs/'))
      return this.#putBlob(request, path.slice('/blobs/'.length));
    if (request.headers['x-bridge-key'] !== this.key) {
      await drain(request);
      return { status: 401, detail: 'The key is not known.' };
    }
    if (method === 'GET' && path === '/api/mailboxes') return { status: 200, body: this.#mailboxes() };
    if (method === 'POST' && path === '/api/mail') return this.#postMail(request);
    if (method === 'POST' && path === '/api/uploads') {
      const { id, sizeBytes } = upload.parse(JSON.parse((await read(request)).toString()));
      const name = `${id}-${this.#uploads.size}`;
      this.#uploads.set(name, { sizeBytes });
      return { status: 201, body: { url: `${this.url}/blobs/${name}`, blob: `outbound-uploads/${name}` } };
    }
    if (method === 'POST' && /^\/api\/intake\/[^/]+\/failures$/.test(path)) {
      const body = z
        .looseObject({ id: z.string(), kind: z.string() })
        .parse(JSON.parse((await read(request)).toString()));
      if (!this.failures.some(({ id, kind }) => id === body.id && kind === body.kind)) {
        this.failures.push({ id: body.id, kind: body.kind, body });
      }
      return { status: 202 };
    }
    if (method === 'PUT' && /^\/api\/intake\/[^/]+$/.test(path)) {
      this.heartbeats.push(JSON.parse((await read(request)).toString()));
      return { status: 204 };
    }
    await drain(request);
    return { status: 404, detail: 'There is no such address.' };
  }

  async #putBlob(request: IncomingMessage, name: string): Promise<Answer> {
    if (request.headers['x-bridge-key'] !== undefined)
      return { status: 400, detail: 'The key was sent to the store.' };
    const place = this.#uploads.get(name);
    if (place === undefined || request.headers['x-ms-blob-type'] !== 'BlockBlob')
      return { status: 403, detail: 'No.' };
    const { sha256, sizeBytes, content } = await digest(request);
    if (place.sha256 !== undefined) return { status: 409, detail: 'The blob is there.' };
    if (sizeBytes !== place.sizeBytes) return { status: 400, detail: 'Another size than was said.' };
    place.sha256 = sha256;
    if (content !== undefined) place.content = content;
    return { status: 201 };
  }

  async #postMail(request: IncomingMessage): Promise<Answer> {
    this.postCount += 1;
    const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim();
    const quoted = String(request.headers['idempotency-key'] ?? '');
    const keyed = quoted.replace(/^"(.*)"$/, '$1');
    const remarks = z
      .array(z.string())
      .parse(JSON.parse(String(request.headers['x-mail-remarks'] ?? '[]')) as unknown);
    if (Number(request.headers['content-length'] ?? 0) > this.#maxima.requestBytes) {
      await drain(request);
      return { status: 413, detail: 'Too large for a request; use POST /api/uploads.' };
    }
    if (type === 'message/rfc822') {
      const { sha256, sizeBytes, content } = await digest(request);
      const mailbox = String(request.headers['x-mail-mailbox'] ?? '');
      const recipients = String(request.headers['x-mail-recipients'] ?? '')
        .split(',')
        .filter((one) => one !== '');
      if (keyed === '') return { status: 400, detail: 'Give the id in Idempotency-Key.' };
      const found = { id: keyed, mailbox, recipients, sha256, sizeBytes, remarks, viaUpload: false };
      return this.#accept({ ...found, ...(content === undefined ? {} : { content }) });
    }
    if (type !== 'application/json') {
      await drain(request);
      return { status: 415, detail: 'Send message/rfc822 or application/json.' };
    }
    const parsed = submission.safeParse(JSON.parse((await read(request)).toString()) as unknown);
    if (!parsed.success) return { status: 422, detail: 'No submission.' };
    const { id, mailbox, bcc, raw } = parsed.data;
    const blob = this.#uploads.get(raw.blob.replace(/^outbound-uploads\//, ''));
    if (blob?.sha256 === undefined) return { status: 422, detail: 'raw.blob is not there.' };
    const { sha256, sizeBytes, content } = blob;
    const found = { id, mailbox, recipients: bcc, sha256, sizeBytes, remarks, viaUpload: true };
    return this.#accept({ ...found, ...(content === undefined ? {} : { content }) });
  }

  async #accept(message: BridgeMessage): Promise<Answer> {
    if (this.#working.has(message.id)) return { status: 409, detail: 'The first is still being accepted.' };
    const trouble = this.#trouble(message);
    if (trouble !== undefined) return { status: 422, detail: trouble };
    const known = this.messages.get(message.id);
    const headers = { location: `/api/mail/${message.id}` };
    if (known !== undefined) {
      const isSame = known.sha256 === message.sha256 && known.recipients.join() === message.recipients.join();
      if (isSame) return { status: 200, headers, body: { id: message.id } };
      return { status: 422, detail: 'The id is in use.', type: 'urn:esm-mail-bridge:problem:id-in-use' };
    }
    this.#working.add(message.id);
    // The durable write takes a moment, in which a second request may come.
    await new Promise((resolve) => setImmediate(resolve));
    this.#working.delete(message.id);
    this.messages.set(message.id, message);
    this.order.push(message.id);
    return { status: 202, headers, body: { id: message.id } };
  }

  #trouble({ mailbox, recipients, content }: BridgeMessage): string | undefined {
    const served = this.#mailboxes().mailboxes.find(({ address }) => address === mailbox);
    if (served?.send !== true) return `mailbox ${mailbox} is not served.`;
    if (recipients.length === 0) return 'There is no recipient.';
    const refused = recipients.find((one) => this.#options.refusedRecipients?.includes(one) === true);
    if (refused !== undefined) return `The recipient ${refused} is refused.`;
    if (content === undefined) return undefined;
    const raw = readRawMessage(content);
    if (raw.kind === 'refused') return `The message ${raw.detail.join('; ')}.`;
    if (content.includes('\n') && /[^\r]\n/.test(content.toString('latin1')))
      return 'The message has a bare LF.';
    const senders = [mailbox, ...served.aliases];
    const problems = rawProblems(raw.value, senders, readAddresses);
    return problems.length === 0 ? undefined : `The message ${problems.join('; ')}.`;
  }

  #mailboxes(): {
    readonly mailboxes: readonly {
      readonly address: string;
      readonly aliases: readonly string[];
      readonly send: boolean;
    }[];
    readonly maxima: {
      readonly requestBytes: number;
      readonly messageBytes: number;
      readonly recipientsCount: number;
    };
  } {
    const mailboxes = this.#options.mailboxes ?? [
      { address: 'desk@example.com', aliases: ['help@example.com'] },
      { address: 'alerts@example.com' },
    ];
    return {
      mailboxes: mailboxes.map(({ address, aliases, send }) => ({
        address,
        aliases: aliases ?? [],
        send: send ?? true,
      })),
      maxima: this.#maxima,
    };
  }

  get #maxima(): {
    readonly requestBytes: number;
    readonly messageBytes: number;
    readonly recipientsCount: number;
  } {
    return {
      requestBytes: 8_000_000,
      messageBytes: 36_700_160,
      recipientsCount: 500,
      ...this.#options.maxima,
    };
  }
}

interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly detail?: string;
  readonly type?: string;
}

function problem(response: ServerResponse, status: number, detail: string, type = 'about:blank'): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ type, status, detail, remedy: 'None; this is a test.' }));
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  if (!request.complete) throw new Error('cut');
  return Buffer.concat(chunks);
}

async function digest(
  request: IncomingMessage,
): Promise<{ sha256: string; sizeBytes: number; content?: Buffer }> {
  const hash = createHash('sha256');
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    hash.update(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes <= 1_000_000) chunks.push(chunk);
  }
  if (!request.complete) throw new Error('cut');
  const content = sizeBytes <= 1_000_000 ? { content: Buffer.concat(chunks) } : {};
  return { sha256: hash.digest('hex'), sizeBytes, ...content };
}

async function drain(request: IncomingMessage): Promise<void> {
  request.resume();
  await once(request, 'end');
}

function readAddresses(value: string): { readonly addresses: readonly string[]; readonly hasGroup: boolean } {
  const list = parseAddressList(value);
  return list.kind === 'ok'
    ? { addresses: list.people.map(({ address }) => address), hasGroup: list.hasGroup }
    : { addresses: [], hasGroup: false };
}
