// An emulator of ESM's REST API, after the vendor's OpenAPI description and what its public clients depend on: log-in
// with tokens of 15 minutes, templates, cards, filters whose index lags, uploads, and fault injection.
import type { Clock } from '../../../shared/clock.ts';
import { startHttpListener, type HttpRequest, type HttpResponse } from '../httpListener.ts';
import { EsmCards } from './cards.ts';
import { EqlError } from './eql.ts';
import { EsmFaults, type EsmCall, type EsmFault } from './faults.ts';
import type { EsmTemplate, EsmUser } from './model.ts';
import { answerCards } from './routes.ts';
import { EsmTokens } from './tokens.ts';
import { iso } from './values.ts';
import { templateView } from './views.ts';

export interface EsmOptions {
  readonly clock: Clock;
  readonly templates: readonly EsmTemplate[];
  readonly users: readonly EsmUser[];
  readonly port?: number;
  /** ESM: 15 minutes. */
  readonly tokenMs?: number;
  /** How long a filter does not see a change of that card; default 0. ESM: up to about 30 s. */
  readonly lagMs?: (dataCardId: string) => number;
  /** A longer file is answered with 413; default 20 MB. */
  readonly uploadBytes?: number;
  /** Asked for a fault at each request, after what injectFault said. */
  readonly chooseFault?: (call: EsmCall) => EsmFault | undefined;
}

export interface EsmEmulator {
  /** As ESM_URL: `http://127.0.0.1:PORT/rest-api/itsm/v1`. */
  readonly url: string;
  readonly cards: EsmCards;
  /** `POST /dc/incident/data`, in order; log-ins too. */
  readonly calls: readonly string[];
  /** What an ESM user does by hand, with every right. */
  readonly agent: EsmUser;
  /** Applies to the next `times` requests that `only` accepts (default: all requests, without end). */
  injectFault(fault: EsmFault, times?: number, only?: (call: EsmCall) => boolean): void;
  /** One request without the network, for a simulation in virtual time. */
  answer(request: HttpRequest): Promise<HttpResponse>;
  close(): Promise<void>;
}

const basePath = '/rest-api/itsm/v1';
const megabyte = 1_048_576;
/** Only the newest are kept. */
const keptCallCount = 200_000;

export async function startEsm(options: EsmOptions): Promise<EsmEmulator> {
  const emulator = openEsm(options);
  const listener = await startHttpListener(
    {
      maxBodyBytes: (options.uploadBytes ?? 20 * megabyte) + megabyte,
      ...(options.port === undefined ? {} : { port: options.port }),
    },
    (request) => emulator.answer(request),
  );
  return {
    ...emulator,
    url: `http://127.0.0.1:${listener.port}${basePath}`,
    close: () => listener.close(),
  };
}

/** The emulator without a server. */
export function openEsm(options: EsmOptions): EsmEmulator {
  const { clock, users } = options;
  const cards = new EsmCards(options.templates, clock, options.lagMs ?? (() => 0));
  const tokens = new EsmTokens(users, options.tokenMs ?? 900_000);
  const faults = new EsmFaults(options.chooseFault);
  const calls: string[] = [];

  async function answer(request: HttpRequest): Promise<HttpResponse> {
    if (!request.url.pathname.startsWith(`${basePath}/`)) return { status: 404 };
    const path = request.url.pathname.slice(basePath.length);
    const call = { method: request.method, path };
    calls.push(`${call.method} ${call.path}`);
    if (calls.length > keptCallCount) calls.shift();
    const fault = faults.of(call);
    switch (fault.kind) {
      case 'slow':
        await clock.sleep(fault.ms);
        break;
      case 'serverError':
        return problem(fault.status, 'Internal Server Error', 'The request could not be handled.', path);
      case 'throttled':
        return {
          ...problem(429, 'Too Many Requests', 'Too many requests.', path),
          headers:
            fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) },
        };
      case 'forgetsTokens':
        tokens.forget();
        break;
      case 'lostRequest':
        return { status: 0, cut: true };
      case 'lostAnswer':
        return { ...handled(request, path), cut: true };
      case 'page':
        return { status: 200, body: '<!doctype html><title>Maintenance</title><p>We will be back soon.' };
      case 'switchedOff':
        return { status: 404 };
      case 'none':
    }
    return handled(request, path);
  }

  function handled(request: HttpRequest, path: string): HttpResponse {
    try {
      return route(request, path);
    } catch (error) {
      if (error instanceof EqlError || error instanceof SyntaxError)
        return problem(400, 'Bad Request', error.message, path);
      throw error;
    }
  }

  function route(request: HttpRequest, path: string): HttpResponse {
    const { method, url } = request;
    if (path === '/users/login' && method === 'POST') return login(request, path);
    const echo = { code: 200, message: url.searchParams.get('message') ?? '', timestamp: iso(clock.now()) };
    if (path === '/echo') return { status: 200, body: echo };
    const user = tokens.userOf(request.headers.authorization, clock.now());
    if (user === undefined) return problem(401, 'Unauthorized', 'User is unauthorized.', path);
    if (user.externalApi === false) return { status: 403 };
    if (path === '/echo/jwt') return { status: 200, body: echo };
    const mayRead = (code: string): boolean => user.mayRead?.includes(code) !== false;
    if (path === '/dc') {
      const seen = [...cards.templates.values()].filter(({ code }) => mayRead(code));
      return {
        status: 200,
        body: seen.map(({ code, name }) => ({ name, templateCode: code, url: `/dc/${code}` })),
      };
    }
    const parts = path.split('/').slice(1).map(decodeURIComponent);
    const template = cards.templates.get(parts[1] ?? '');
    if (parts[0] !== 'dc' || template === undefined || !mayRead(template.code))
      return problem(404, 'Not Found', `Couldn't find template with code: ${parts[1] ?? ''}`, path);
    if (parts.length === 2) return { status: 200, body: templateView(template) };
    if (parts[2] !== 'data') return { status: 404 };
    return answerCards(request, {
      cards,
      template,
      user,
      now: clock.now(),
      path,
      rest: parts.slice(3),
      uploadBytes: options.uploadBytes ?? 20 * megabyte,
      problem: (status, error, message) => problem(status, error, message, path),
    });
  }

  function login({ body }: HttpRequest, path: string): HttpResponse {
    const form = new URLSearchParams(body);
    const token = tokens.issue(form.get('login') ?? '', form.get('password') ?? '', clock.now());
    if (token === undefined) return problem(401, 'Unauthorized', 'Wrong credentials provided.', path);
    return {
      status: 200,
      headers: { authorization: `Bearer ${token}` },
      body: { code: 200, message: 'OK', timestamp: iso(clock.now()), token: `Bearer ${token}` },
    };
  }

  const problem = (status: number, error: string, message: string, path: string): HttpResponse => ({
    status,
    body: { code: status, message, error, url: `${basePath}${path}`, timestamp: iso(clock.now()) },
  });

  return {
    url: `http://127.0.0.1${basePath}`,
    cards,
    calls,
    agent: { login: 'agent', password: '', name: 'Agnes Agent' },
    injectFault: (fault, times = Number.POSITIVE_INFINITY, only) => {
      faults.inject(fault, times, only);
    },
    answer,
    close: () => Promise.resolve(),
  };
}
