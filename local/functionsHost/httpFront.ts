// The host's HTTP side: the app's routes with their keys, and the two administrative addresses that are of use
// on one machine, POST /admin/functions/NAME (runs a timer or queue function at once) and GET /admin/host/status.
import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import type { CookieData, HttpData, TypedData } from './coreModule.ts';
import type { Route } from './routes.ts';
import type { InvocationOutcome } from './workerChannel.ts';

export interface HttpFunction {
  readonly name: string;
  readonly route: Route;
  /** Upper case. */
  readonly methods: readonly string[];
  readonly authLevel: 'anonymous' | 'function' | 'admin';
}

export interface HttpFrontOptions {
  readonly functions: readonly HttpFunction[];
  readonly keys: { readonly function: string; readonly master: string };
  readonly invoke: (functionName: string, data: TypedData) => Promise<InvocationOutcome>;
  /** Runs a function that has no HTTP trigger; undefined when there is no such function. */
  readonly runNow: (functionName: string, input: string) => Promise<InvocationOutcome> | undefined;
  readonly status: () => object;
}

// The real host's default for maxRequestBodySize.
const maxBodyBytes = 104_857_600;

/** Listens on the loopback address only; port 0 takes a free one. */
export async function startHttpFront(options: HttpFrontOptions, port: number): Promise<Server> {
  const functions = [...options.functions].sort((a, b) => (a.route.rank < b.route.rank ? -1 : 1));
  const server = createServer((request, response) => {
    answer({ ...options, functions }, request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500);
      response.end();
      if (!(error instanceof Error)) throw error;
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function answer(
  options: HttpFrontOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', `http://${request.headers.host ?? '127.0.0.1'}`);
  if (/^\/admin(\/|$)/i.test(url.pathname)) {
    await answerAdmin(options, request, response, url);
    return;
  }
  // A method that a function does not take is another address: 404, and HEAD is not implied by GET.
  for (const candidate of options.functions) {
    const params = candidate.methods.includes(request.method ?? '')
      ? candidate.route.match(url.pathname)
      : undefined;
    if (params === undefined) continue;
    if (!isAllowed(options.keys, candidate.authLevel, request, url)) {
      response.writeHead(401).end();
      return;
    }
    const body = await readBody(request);
    if (body === undefined) {
      response.writeHead(413, { connection: 'close' }).end();
      return;
    }
    const data = { http: requestData(request, url, params, body) };
    writeAnswer(response, await options.invoke(candidate.name, data));
    return;
  }
  response.writeHead(404).end();
}

async function answerAdmin(
  options: HttpFrontOptions,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const json = (status: number, value: object): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  };
  if (!isAllowed(options.keys, 'admin', request, url)) {
    response.writeHead(401).end();
    return;
  }
  if (request.method === 'GET' && url.pathname === '/admin/host/status') {
    json(200, options.status());
    return;
  }
  const name = /^\/admin\/functions\/([A-Za-z][\w-]*)$/.exec(url.pathname)?.[1];
  const body = request.method === 'POST' && name !== undefined ? await readBody(request) : undefined;
  const run = name === undefined || body === undefined ? undefined : options.runNow(name, inputOf(body));
  if (run === undefined) {
    response.writeHead(404).end();
    return;
  }
  if (url.searchParams.get('wait') === null) {
    response.writeHead(202).end();
    return;
  }
  const outcome = await run;
  json(outcome.kind === 'succeeded' ? 200 : 500, outcome);
}

/** The body is `{"input": "…"}`; whatever else it is counts as no input. */
function inputOf(body: Buffer): string {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    if (typeof value === 'object' && value !== null && 'input' in value) {
      return typeof value.input === 'string' ? value.input : JSON.stringify(value.input);
    }
  } catch {
    return '';
  }
  return '';
}

function isAllowed(
  keys: HttpFrontOptions['keys'],
  level: HttpFunction['authLevel'],
  request: IncomingMessage,
  url: URL,
): boolean {
  if (level === 'anonymous') return true;
  const header = request.headers['x-functions-key'];
  const given = typeof header === 'string' ? header : url.searchParams.get('code');
  if (given === null) return false;
  const accepted = level === 'function' ? [keys.function, keys.master] : [keys.master];
  return accepted.some((key) => isSame(key, given));
}

function isSame(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  let sizeBytes = 0;
  const bounded = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      if (!Buffer.isBuffer(chunk)) continue;
      sizeBytes += chunk.length;
      if (sizeBytes > maxBodyBytes) return;
      yield chunk;
    }
  };
  const body = await buffer(bounded());
  return sizeBytes > maxBodyBytes ? undefined : body;
}

/** Repeated headers and query parameters come as one, with commas, as the real host hands them on. */
function requestData(
  request: IncomingMessage,
  url: URL,
  params: Readonly<Record<string, string>>,
  body: Buffer,
): HttpData {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = typeof value === 'string' ? value : value.join(',');
  }
  const query: Record<string, string> = {};
  for (const name of url.searchParams.keys()) query[name] = url.searchParams.getAll(name).join(',');
  return { method: request.method ?? 'GET', url: url.href, headers, query, params, body: { bytes: body } };
}

function writeAnswer(response: ServerResponse, outcome: InvocationOutcome): void {
  if (outcome.kind === 'failed') {
    response.writeHead(500).end();
    return;
  }
  const { http } = outcome;
  if (http === undefined) {
    response.writeHead(204).end();
    return;
  }
  for (const [name, value] of Object.entries(http.headers ?? {})) response.setHeader(name, value);
  const cookies = (http.cookies ?? []).map(setCookie);
  if (cookies.length > 0) response.setHeader('set-cookie', cookies);
  response.statusCode = Number(http.statusCode ?? 200);
  response.end(http.body?.bytes ?? http.body?.string ?? http.body?.json ?? '');
}

function setCookie(cookie: CookieData): string {
  const parts = [`${encodeURIComponent(cookie.name)}=${encodeURIComponent(cookie.value)}`];
  if (cookie.expires !== undefined) {
    parts.push(`expires=${new Date(cookie.expires.value.seconds * 1000).toUTCString()}`);
  }
  if (cookie.maxAge !== undefined) parts.push(`max-age=${cookie.maxAge.value}`);
  if (cookie.domain !== undefined) parts.push(`domain=${cookie.domain.value}`);
  parts.push(`path=${cookie.path?.value ?? '/'}`);
  if (cookie.secure?.value === true) parts.push('secure');
  if (cookie.sameSite === 'lax' || cookie.sameSite === 'strict') parts.push(`samesite=${cookie.sameSite}`);
  if (cookie.sameSite === 'explicitNone') parts.push('samesite=none');
  if (cookie.httpOnly?.value === true) parts.push('httponly');
  return parts.join('; ');
}
