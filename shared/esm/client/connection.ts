// Every call of ESM's API goes through here: the token, what a status means, and how often ESM is asked while it fails.
//
// - After a 401 the token is renewed once and the call repeated: ESM did nothing of it.
// - Throttling, 5xx and lost answers stop all calls of this process for a delay that doubles from two seconds to five
//   minutes, or for as long as ESM asks; in the meantime a call fails at once with that instant. Repeating is the
//   caller's: only it knows what a repeated write would do.
import type { Clock } from '../../clock.ts';
import { ConcurrencyLimit } from '../../concurrencyLimit.ts';
import { parseJson } from '../../mail/foreign.ts';
import { present } from '../../mail/omit.ts';
import type { z } from 'zod';
import { messageSchema } from './answers.ts';
import { failure, ok, type EsmAnswer, type EsmFailure } from './failure.ts';
import { EsmSession, type EsmPassword } from './session.ts';
import {
  AnswerLost,
  NotReached,
  retryAtOf,
  type EsmRequest,
  type EsmResponse,
  type EsmTransport,
} from './transport.ts';

export interface EsmConnectionOptions {
  /** `https://NAME.efectecloud.com/rest-api/itsm/v1`, without a slash at the end. */
  readonly url: string;
  readonly login: string;
  readonly password: EsmPassword;
  readonly transport: EsmTransport;
  readonly clock: Pick<Clock, 'now'>;
}

export interface EsmCall {
  readonly method: EsmRequest['method'];
  /** Below the base URL, each part encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Or sent as it is: asked for anew if the call is repeated after a 401. */
  readonly stream?: { readonly contentType: string; readonly open: () => AsyncIterable<Uint8Array> };
  readonly timeoutMs?: number;
}

const callMs = 30_000;
/** The longest page: 200 cards. */
const answerBytes = 32 * 1_048_576;
const errorBytes = 65_536;
const firstPauseMs = 2_000;
const longestPauseMs = 300_000;
/** ESM's rate limits are not published. */
const callsAtOnce = 6;

export class EsmConnection {
  readonly #options: EsmConnectionOptions;
  readonly #session: EsmSession;
  readonly #limit = new ConcurrencyLimit(callsAtOnce);
  #pause: { readonly until: number; readonly ms: number; readonly reason: EsmFailure } | undefined;

  constructor(options: EsmConnectionOptions) {
    this.#options = options;
    this.#session = new EsmSession({
      ...options,
      send: (form) =>
        this.#exchange(
          {
            method: 'POST',
            url: `${options.url}/users/login`,
            headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
            body: form,
            timeoutMs: callMs,
          },
          false,
        ),
    });
  }

  /** The answer's status is 2xx. */
  async call(call: EsmCall): Promise<EsmAnswer<EsmResponse>> {
    const { clock } = this.#options;
    if (this.#pause !== undefined && clock.now() < this.#pause.until)
      return { ...this.#pause.reason, reason: 'unavailable', retryAt: this.#pause.until };
    return this.#limit.run(async () => {
      const authorization = await this.#session.authorization();
      if (authorization.kind !== 'ok') return authorization;
      const answer = await this.#authorized(call, authorization.value);
      if (answer.kind === 'ok' || answer.status !== 401) return answer;
      const renewed = await this.#session.authorization(authorization.value);
      return renewed.kind === 'ok' ? this.#authorized(call, renewed.value) : renewed;
    });
  }

  /** The same for an answer in JSON that has to fit the schema. */
  async callJson<Schema extends z.ZodType>(
    call: EsmCall,
    schema: Schema,
  ): Promise<EsmAnswer<z.output<Schema>>> {
    const answer = await this.call(call);
    if (answer.kind !== 'ok') return answer;
    const { status } = answer.value;
    const isWrite = call.method !== 'GET';
    try {
      const parsed = schema.safeParse(parseJson(await answer.value.text(answerBytes)));
      if (parsed.success) return ok(parsed.data);
      const [issue] = parsed.error.issues;
      const detail = `the answer is not one of ESM’s API (${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''})`;
      return this.#failed(failure(isWrite ? 'inDoubt' : 'unavailable', detail, { status }));
    } catch (error) {
      return this.#failed(lostAnswer(error, isWrite));
    }
  }

  #authorized(call: EsmCall, authorization: string): Promise<EsmAnswer<EsmResponse>> {
    const { method, path, query = {}, json, stream } = call;
    const search = new URLSearchParams(query).toString();
    return this.#exchange(
      {
        method,
        url: `${this.#options.url}${path}${search === '' ? '' : `?${search}`}`,
        headers: {
          authorization,
          accept: 'application/json',
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...(stream === undefined ? {} : { 'content-type': stream.contentType }),
        },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
        ...(stream === undefined ? {} : { body: stream.open() }),
        timeoutMs: call.timeoutMs ?? callMs,
      },
      method !== 'GET',
    );
  }

  async #exchange(request: EsmRequest, isWrite: boolean): Promise<EsmAnswer<EsmResponse>> {
    let response: EsmResponse;
    try {
      response = await this.#options.transport(request);
    } catch (error) {
      return this.#failed(lostAnswer(error, isWrite));
    }
    if (response.status >= 200 && response.status < 300) {
      this.#pause = undefined;
      return ok(response);
    }
    return this.#failed(await this.#judge(response, isWrite));
  }

  async #judge(response: EsmResponse, isWrite: boolean): Promise<EsmFailure> {
    const { status } = response;
    const text = await response.text(errorBytes).catch(() => '');
    const said = messageSchema.safeParse(parseJson(text)).data?.message ?? '';
    const detail = `ESM answered ${status}${said === '' ? '' : `: ${said.slice(0, 300)}`}`;
    if (status === 401 || status === 403)
      return failure('denied', detail, {
        status,
        remedy:
          'give the user’s role the permission External API, and the folder and template permissions that docs/esm.md lists',
      });
    if (status === 404) return failure('missing', detail, { status });
    if (status === 413) return failure('tooLarge', detail, { status });
    if (status === 429)
      return failure('unavailable', detail, {
        status,
        ...present({ retryAt: retryAtOf(response.header('retry-after'), this.#options.clock) }),
      });
    if (status >= 400 && status < 500) return failure('refused', detail, { status });
    return failure(isWrite ? 'inDoubt' : 'unavailable', detail, { status });
  }

  /** Notes a transient failure; the first one after a pause makes the next pause twice as long. */
  #failed(reason: EsmFailure): EsmFailure {
    if (reason.reason !== 'unavailable' && reason.reason !== 'inDoubt') return reason;
    const now = this.#options.clock.now();
    if (this.#pause === undefined || now >= this.#pause.until) {
      const ms = this.#pause === undefined ? firstPauseMs : Math.min(longestPauseMs, 2 * this.#pause.ms);
      this.#pause = {
        until: Math.max(now + ms, Math.min(reason.retryAt ?? 0, now + longestPauseMs)),
        ms,
        reason,
      };
    }
    return { ...reason, retryAt: this.#pause.until };
  }
}

function lostAnswer(error: unknown, isWrite: boolean): EsmFailure {
  if (error instanceof NotReached)
    return failure('unavailable', `ESM could not be reached: ${error.message}`, {
      remedy: 'check ESM_URL, and that ESM accepts connections from this app’s addresses',
    });
  const detail = error instanceof AnswerLost ? error.message : 'no answer that could be read';
  return failure(isWrite ? 'inDoubt' : 'unavailable', `ESM’s answer was lost: ${detail}`);
}
