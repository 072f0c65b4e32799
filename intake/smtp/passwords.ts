// Passwords of clients that log in from networks that are not trusted.
//
// scrypt and every file operation share the four threads of libuv's pool: eight log-ins at once held a write to the
// spool up for 2.6 s. So one hash runs at a time, and what was right is remembered (as a keyed hash in memory), since
// a client logs in again for each connection.
import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** N = 2^14, r = 8, p = 5: 16 MiB and about a quarter of a second (OWASP Password Storage Cheat Sheet). */
const cost = { ln: 14, r: 8, p: 5 };
const hashBytes = 32;
const form =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{16,88})\$([A-Za-z0-9+/]{43,88})$/;
/** What 128 * N * r may take: 64 MiB. */
const memoryMostBytes = 64 * 1024 * 1024;
const rememberedMostCount = 1_000;
const waitingMostCount = 20;

export type PasswordAnswer = 'right' | 'wrong' | 'busy';

export function isPasswordHash(text: string): boolean {
  const found = form.exec(text);
  if (found === null) return false;
  const [, ln = '', r = ''] = found;
  return Number(ln) >= 10 && 128 * 2 ** Number(ln) * Number(r) <= memoryMostBytes;
}

/** `$scrypt$ln=14,r=8,p=5$SALT$HASH`, base64 without padding (PHC string format). */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(password, salt, hashBytes, cost);
  return `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}$${plain(salt)}$${plain(hash)}`;
}

export class Passwords {
  readonly #users: ReadonlyMap<string, string>;
  readonly #key = randomBytes(32);
  /** Keyed hashes of name and password, right ones only. */
  readonly #known = new Set<string>();
  #waitingCount = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(users: ReadonlyMap<string, string>) {
    this.#users = users;
  }

  /** `busy`: more clients wait for their turn than is sensible; they may try again. */
  async check(user: string, password: string): Promise<PasswordAnswer> {
    const name = user.toLowerCase();
    const tag = createHmac('sha256', this.#key)
      .update(JSON.stringify([name, password]))
      .digest('base64');
    if (this.#known.has(tag)) return 'right';
    // A name that does not exist takes as long as a wrong password.
    const hash = this.#users.get(name) ?? this.#users.values().next().value;
    if (hash === undefined) return 'wrong';
    if (this.#waitingCount >= waitingMostCount) return 'busy';
    this.#waitingCount += 1;
    const turn = this.#last.then(() => fits(password, hash));
    this.#last = turn.catch(() => undefined);
    try {
      const isRight = (await turn) && this.#users.has(name);
      if (isRight) this.#remember(tag);
      return isRight ? 'right' : 'wrong';
    } finally {
      this.#waitingCount -= 1;
    }
  }

  #remember(tag: string): void {
    const [oldest] = this.#known;
    if (this.#known.size >= rememberedMostCount && oldest !== undefined) this.#known.delete(oldest);
    this.#known.add(tag);
  }
}

async function fits(password: string, phc: string): Promise<boolean> {
  const [, ln = '', r = '', p = '', salt = '', hash = ''] = form.exec(phc) ?? [];
  const expected = Buffer.from(hash, 'base64');
  const numbers = { ln: Number(ln), r: Number(r), p: Number(p) };
  const actual = await derive(password, Buffer.from(salt, 'base64'), expected.length, numbers);
  return timingSafeEqual(actual, expected);
}

function derive(password: string, salt: Buffer, length: number, { ln, r, p }: typeof cost): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { N: 2 ** ln, r, p, maxmem: 2 * memoryMostBytes };
    scrypt(password.normalize('NFC'), salt, length, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function plain(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
