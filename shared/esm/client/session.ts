// The login and its token, in the memory of this process. Policy:
//
// - A token is renewed a minute before it expires (its `exp`; ESM's default is 15 minutes), and once after a 401. One
//   login is in flight at a time.
// - A password that ESM refused is not tried again until the vault holds another: a user would be locked out. The vault
//   is asked at most once a minute, so that a rotated password counts soon.
import type { Clock } from '../../clock.ts';
import { numberIn, parseJson } from '../../mail/foreign.ts';
import { loginSchema } from './answers.ts';
import { failure, type EsmAnswer, type EsmFailure } from './failure.ts';
import type { EsmResponse } from './transport.ts';

const marginMs = 60_000;
const defaultLifetimeMs = 900_000;
const refusedPauseMs = 60_000;

/** The password as the vault holds it. */
export type EsmPassword = () => Promise<EsmAnswer<string>>;

export interface SessionDependencies {
  readonly login: string;
  readonly password: EsmPassword;
  /** `POST /users/login`. */
  readonly send: (form: string) => Promise<EsmAnswer<EsmResponse>>;
  readonly clock: Pick<Clock, 'now'>;
}

interface Token {
  readonly text: string;
  readonly expiresAt: number;
}

export class EsmSession {
  readonly #dependencies: SessionDependencies;
  #token: Token | undefined;
  #pending: Promise<EsmAnswer<string>> | undefined;
  #refused: { readonly password: string; readonly until: number; readonly failure: EsmFailure } | undefined;

  constructor(dependencies: SessionDependencies) {
    this.#dependencies = dependencies;
  }

  /** The value of `Authorization`. `refused` is one that ESM has just answered with 401. */
  async authorization(refused?: string): Promise<EsmAnswer<string>> {
    const token = this.#token;
    const now = this.#dependencies.clock.now();
    if (token !== undefined && token.text !== refused && now < token.expiresAt - marginMs)
      return { kind: 'ok', value: token.text };
    this.#pending ??= this.#login().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #login(): Promise<EsmAnswer<string>> {
    const { clock, login, send } = this.#dependencies;
    if (this.#refused !== undefined && clock.now() < this.#refused.until) return this.#refused.failure;
    const password = await this.#dependencies.password();
    if (password.kind !== 'ok') return password;
    if (this.#refused?.password === password.value) {
      this.#refused = { ...this.#refused, until: clock.now() + refusedPauseMs };
      return this.#refused.failure;
    }
    const answer = await send(new URLSearchParams({ login, password: password.value }).toString());
    if (answer.kind !== 'ok') {
      if (answer.status === 401) return this.#refuse(password.value);
      return answer;
    }
    return this.#take(answer.value);
  }

  #refuse(password: string): EsmFailure {
    const refusal = failure('denied', 'ESM refused the login of its user', {
      remedy:
        'check ESM_LOGIN and the vault’s secret ESM_PASSWORD_SECRET names; the user must be a local one of ESM, not of single sign-on',
      status: 401,
    });
    this.#refused = {
      password,
      until: this.#dependencies.clock.now() + refusedPauseMs,
      failure: refusal,
    };
    return refusal;
  }

  async #take(response: EsmResponse): Promise<EsmAnswer<string>> {
    const { clock } = this.#dependencies;
    const body = await response.text(65_536).catch(() => '');
    const parsed = loginSchema.safeParse(parseJson(body));
    const given = response.header('authorization') ?? parsed.data?.token ?? '';
    const text = given.startsWith('Bearer ') ? given : `Bearer ${given}`;
    if (!/^Bearer [\w.~+/=-]{16,20000}$/.test(text))
      return failure('unavailable', 'the login was answered without a token', { status: response.status });
    this.#refused = undefined;
    this.#token = { text, expiresAt: expiryOf(text) ?? clock.now() + defaultLifetimeMs };
    return { kind: 'ok', value: text };
  }
}

/** `exp` of a JWT (UTC ms); undefined if it can't be read. It is not verified: it is ESM's to accept its token. */
function expiryOf(authorization: string): number | undefined {
  const payload = Buffer.from(authorization.split('.')[1] ?? '', 'base64url').toString('utf8');
  const seconds = numberIn(parseJson(payload), 'exp');
  return seconds > 0 ? seconds * 1_000 : undefined;
}
