// The bridge over HTTP, as bridge/contract.ts describes it.
//
// node:https and not fetch: with fetch four messages of 35 MB took more than twice the memory. A POST may be repeated
// at any time, since the bridge knows a submission by its id; so a connection that died under a request (a reused one
// often does) costs nothing but another try.
import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../../shared/clock.ts';
import { judgeAnswer, readProblem, type Answer, type HandOnResult } from './answer.ts';
import { BridgeTrouble, type Bridge, type Submission } from './bridge.ts';
import {
  defaultMaxima,
  mailboxesAnswer,
  recipientsHeaderMostBytes,
  remarksHeaderMostBytes,
  requestHeaders,
  uploadAnswer,
  type FailureReport,
  type Heartbeat,
  type MailboxesAnswer,
} from './contract.ts';
import { errorCode } from '../errorCode.ts';

export interface BridgeAddress {
  /** Without a slash at the end: `https://NAME.azurewebsites.net`. */
  readonly url: string;
  readonly key: string;
  /** This intake, for the bridge's page. */
  readonly name: string;
  /** More authorities to trust, PEM. */
  readonly ca?: string;
  /** `http://proxy.example.com:3128`; all requests go through it. */
  readonly proxy?: string;
}

interface Asked {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly url: string;
  readonly headers: OutgoingHttpHeaders;
  readonly sizeBytes: number;
  /** The address of an upload is not the bridge's: the key must not go there. */
  readonly isUpload?: true;
  body(): AsyncIterable<Buffer>;
}

const answerMostBytes = 8 * 1024 * 1024;
/** A request may take this, and what its body takes at the slowest rate that is waited for. */
const requestMs = 60_000;
const slowestBytesPerMs = 16;
const connectionsMost = 8;

export class HttpBridge implements Bridge {
  readonly #address: BridgeAddress;
  readonly #clock: Clock;
  readonly #stop: AbortSignal;
  readonly #agents: { readonly http: HttpAgent; readonly https: HttpsAgent };
  #requestMostBytes: number = defaultMaxima.requestBytes;

  constructor(address: BridgeAddress, clock: Clock, stop: AbortSignal) {
    this.#address = address;
    this.#clock = clock;
    this.#stop = stop;
    const options = {
      keepAlive: true,
      maxSockets: connectionsMost,
      ...(address.proxy === undefined
        ? {}
        : { proxyEnv: { HTTP_PROXY: address.proxy, HTTPS_PROXY: address.proxy } }),
    };
    this.#agents = {
      http: new HttpAgent(options),
      https: new HttpsAgent({ ...options, ...(address.ca === undefined ? {} : { ca: address.ca }) }),
    };
  }

  async submit(submission: Submission): Promise<HandOnResult> {
    const { message, recipients } = submission;
    const isLarge =
      message.sizeBytes > this.#requestMostBytes || recipients.join(',').length > recipientsHeaderMostBytes;
    try {
      if (isLarge) return await this.#submitByUpload(submission);
      const answer = await this.#ask({
        method: 'POST',
        url: `${this.#address.url}/api/mail`,
        headers: {
          ...this.#submissionHeaders(submission),
          'content-type': 'message/rfc822',
          [requestHeaders.mailbox]: submission.mailbox,
          [requestHeaders.recipients]: recipients.join(','),
        },
        sizeBytes: message.sizeBytes,
        body: () => message.bytes(),
      });
      const result = judgeAnswer(answer, false, this.#clock.now());
      return result.kind === 'later' && result.useUpload === true
        ? await this.#submitByUpload(submission)
        : result;
    } catch (error) {
      return { kind: 'later', scope: 'all', detail: sentenceOf(error) };
    }
  }

  async #submitByUpload(submission: Submission): Promise<HandOnResult> {
    const { id, mailbox, recipients, message } = submission;
    const asked = await this.#askJson('POST', '/api/uploads', { id, sizeBytes: message.sizeBytes });
    if (asked.status !== 200 && asked.status !== 201) return judgeAnswer(asked, true, this.#clock.now());
    const place = parse(uploadAnswer, asked.body, 'POST /api/uploads');
    checkUploadUrl(place.url, this.#address.url);
    const put = await this.#ask({
      method: 'PUT',
      url: place.url,
      isUpload: true,
      headers: { 'content-type': 'message/rfc822', 'x-ms-blob-type': 'BlockBlob' },
      sizeBytes: message.sizeBytes,
      body: () => message.bytes(),
    });
    // 409 BlobAlreadyExists: the first PUT came through and its answer did not.
    if (put.status !== 201 && put.status !== 409) {
      return { kind: 'later', scope: 'message', detail: `The upload was answered with ${put.status}` };
    }
    const answer = await this.#askJson(
      'POST',
      '/api/mail',
      { version: 1, id, mailbox, bcc: recipients, raw: { blob: place.blob } },
      this.#submissionHeaders(submission),
    );
    return judgeAnswer(answer, true, this.#clock.now());
  }

  #submissionHeaders({ id, message }: Submission): OutgoingHttpHeaders {
    const remarks = [...message.remarks];
    while (JSON.stringify(remarks).length > remarksHeaderMostBytes) remarks.pop();
    return {
      [requestHeaders.idempotencyKey]: `"${id}"`,
      [requestHeaders.reportFailures]: 'yes',
      ...(remarks.length > 0 ? { [requestHeaders.remarks]: asciiJson(remarks) } : {}),
    };
  }

  async reportFailure(
    report: FailureReport,
  ): Promise<{ readonly kind: 'taken' | 'later' | 'refused'; readonly detail: string }> {
    try {
      const { status, body } = await this.#askJson('POST', `${this.#intakePath}/failures`, report);
      if (status >= 200 && status < 300) return { kind: 'taken', detail: '' };
      const detail = `The bridge answered ${status} to a failure report${detailOf(body)}`;
      return {
        kind: status === 400 || status === 404 || status === 413 || status === 422 ? 'refused' : 'later',
        detail,
      };
    } catch (error) {
      return { kind: 'later', detail: sentenceOf(error) };
    }
  }

  async mailboxes(): Promise<MailboxesAnswer> {
    const answer = await this.#ask({
      method: 'GET',
      url: `${this.#address.url}/api/mailboxes`,
      headers: {},
      sizeBytes: 0,
      body: nothing,
    });
    if (answer.status !== 200) {
      throw new BridgeTrouble(
        `The bridge answered ${answer.status} to GET /api/mailboxes${detailOf(answer.body)}`,
      );
    }
    const read = parse(mailboxesAnswer, answer.body, 'GET /api/mailboxes');
    this.#requestMostBytes = read.maxima.requestBytes;
    return read;
  }

  async beat(heartbeat: Heartbeat): Promise<void> {
    const { status, body } = await this.#askJson('PUT', this.#intakePath, heartbeat);
    if (status < 200 || status > 299) {
      throw new BridgeTrouble(`The bridge answered ${status} to the heartbeat${detailOf(body)}`);
    }
  }

  close(): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  get #intakePath(): string {
    return `/api/intake/${encodeURIComponent(this.#address.name)}`;
  }

  async #askJson(
    method: 'POST' | 'PUT',
    path: string,
    value: unknown,
    headers: OutgoingHttpHeaders = {},
  ): Promise<Answer> {
    const bytes = Buffer.from(JSON.stringify(value));
    return this.#ask({
      method,
      url: `${this.#address.url}${path}`,
      headers: { 'content-type': 'application/json', ...headers },
      sizeBytes: bytes.length,
      body: () => Readable.from([bytes]),
    });
  }

  async #ask(asked: Asked): Promise<Answer> {
    const headers = {
      ...asked.headers,
      ...(asked.isUpload === true ? {} : { [requestHeaders.key]: this.#address.key }),
      ...(asked.method === 'GET' ? {} : { 'content-length': asked.sizeBytes }),
    };
    try {
      return await this.#attempt({ ...asked, headers });
    } catch (error) {
      // A kept connection that the other side had just closed.
      if (!(error instanceof ConnectionReused)) throw error;
      return this.#attempt({ ...asked, headers });
    }
  }

  async #attempt(asked: Asked): Promise<Answer> {
    const { url, method, headers, sizeBytes } = asked;
    const deadline = AbortSignal.timeout(requestMs + Math.ceil(sizeBytes / slowestBytesPerMs));
    const signal = AbortSignal.any([deadline, this.#stop]);
    const isHttps = url.startsWith('https:');
    const request = isHttps
      ? httpsRequest(url, { method, headers, signal, agent: this.#agents.https })
      : httpRequest(url, { method, headers, signal, agent: this.#agents.http });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.once('error', reject);
    });
    // An answer can come before the body is through; then what becomes of the body does not matter.
    const sent = pipeline(asked.body(), request);
    sent.catch(() => undefined);
    try {
      const response = await Promise.race([answered, sent.then(() => answered)]);
      const answer = {
        status: response.statusCode ?? 0,
        body: await readAll(response),
        retryAfter: response.headers['retry-after'],
      };
      return answer;
    } catch (error) {
      answered.catch(() => undefined);
      if (deadline.aborted) throw new BridgeTrouble('The bridge did not answer in time');
      if (request.reusedSocket && isReset(error)) throw new ConnectionReused();
      throw error;
    } finally {
      if (!request.writableFinished) request.destroy();
    }
  }
}

class ConnectionReused extends Error {}

async function* nothing(): AsyncIterable<Buffer> {
  // A GET has no body.
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    total += chunk.length;
    if (total > answerMostBytes) throw new BridgeTrouble('The bridge answered with more than 8 MB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse<Value>(
  shape: { safeParse(value: unknown): { success: true; data: Value } | { success: false } },
  body: string,
  what: string,
): Value {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    value = undefined;
  }
  const read = shape.safeParse(value);
  if (!read.success) {
    throw new BridgeTrouble(
      `The answer to ${what} is not what docs/intakeContract.md says; are the versions the same?`,
    );
  }
  return read.data;
}

/** The message goes nowhere but to an HTTPS address; plain HTTP only if the bridge itself is spoken to so. */
function checkUploadUrl(url: string, bridge: string): void {
  const { protocol } = new URL(url);
  if (protocol !== 'https:' && !(protocol === 'http:' && bridge.startsWith('http:'))) {
    throw new BridgeTrouble('The bridge named an upload address that is not HTTPS');
  }
}

function detailOf(body: string): string {
  const detail = readProblem(body)?.detail;
  return detail === undefined ? '' : `: ${detail}`;
}

/** Header values are ASCII. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function isReset(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'ECONNABORTED';
}

const causes: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name could not be resolved',
  EAI_AGAIN: 'the name server did not answer',
  ECONNREFUSED: 'it refused the connection',
  ECONNRESET: 'it closed the connection',
  EPIPE: 'it closed the connection',
  ETIMEDOUT: 'it did not answer',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not trusted; name its authority in bridge.ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not trusted; name its authority in bridge.ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not trusted; name its authority in bridge.ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not trusted; name its authority in bridge.ca',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
};

/** What went wrong, without addresses or keys. */
export function sentenceOf(error: unknown): string {
  if (error instanceof BridgeTrouble) return error.message;
  const code = errorCode(error);
  return `The bridge could not be reached: ${causes[code] ?? (code === '' ? 'the connection failed' : code)}`;
}
