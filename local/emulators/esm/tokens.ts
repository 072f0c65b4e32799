// Log-ins and their tokens: a JWT of 15 minutes whose `exp` a client can read. Signed with a key of the process.
import { createHmac, randomBytes } from 'node:crypto';
import type { EsmUser } from './model.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64url');

export class EsmTokens {
  readonly #users: readonly EsmUser[];
  readonly #lifetimeMs: number;
  #key = randomBytes(32);
  #count = 0;

  constructor(users: readonly EsmUser[], lifetimeMs: number) {
    this.#users = users;
    this.#lifetimeMs = lifetimeMs;
  }

  /** As after a restart: no token issued before is valid. */
  forget(): void {
    this.#key = randomBytes(32);
  }

  /** Undefined for wrong credentials. */
  issue(login: string, password: string, now: number): string | undefined {
    const user = this.#users.find((one) => one.login === login && one.password === password);
    if (user === undefined) return undefined;
    this.#count += 1;
    const claims = {
      sub: login,
      jti: String(this.#count),
      iat: Math.floor(now / 1000),
      exp: Math.floor((now + this.#lifetimeMs) / 1000),
    };
    const content = `${base64('{"alg":"HS256","typ":"JWT"}')}.${base64(JSON.stringify(claims))}`;
    return `${content}.${this.#sign(content)}`;
  }

  /** The user of an `Authorization` header; undefined if it has no valid token. */
  userOf(authorization: string | undefined, now: number): EsmUser | undefined {
    const [, head = '', body = '', signature = ''] =
      /^Bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(authorization ?? '') ?? [];
    if (signature !== this.#sign(`${head}.${body}`)) return undefined;
    const { sub, exp } = JSON.parse(Buffer.from(body, 'base64url').toString()) as {
      readonly sub: string;
      readonly exp: number;
    };
    return now < exp * 1000 ? this.#users.find(({ login }) => login === sub) : undefined;
  }

  #sign(content: string): string {
    return createHmac('sha256', this.#key).update(content).digest('base64url');
  }
}
