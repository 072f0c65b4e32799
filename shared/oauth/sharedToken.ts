// An access token that several workers share: sealed, in the row beside the grant. Without it twenty workers would
// refresh twenty times, and where the authority revokes old refresh tokens each would have to wait for the one
// before. The vault is no place for it: every hour would be one more version for ever. So it lies in the row as
// AES-256-GCM under a key that only the vault gives; who reads the table alone has nothing, and who may read the
// vault has the grant anyway. The seal is bound to the grant, its generation and the token's times.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const PURPOSE = 'access tokens between workers, 1';
/** A row's property takes 32,000 characters; Entra's tokens have some 2,000 to 5,000. */
const LONGEST_TOKEN = 16_000;

/** Times are UTC ms. */
export interface TokenTimes {
  readonly obtainedAt: number;
  readonly expiresAt: number;
}

export interface SharedToken extends TokenTimes {
  readonly token: string;
}

/** As it lies in the row; `sealed` is base64. */
export interface SealedToken extends TokenTimes {
  readonly sealed: string;
}

/** Whose token it is. */
export interface TokenOwner {
  readonly name: string;
  readonly generation: string;
}

export interface TokenSeal {
  /** Undefined where the vault gives no key now, or the token is too long for a row: it is then not shared. */
  seal(owner: TokenOwner, token: SharedToken): Promise<SealedToken | undefined>;
  /** Undefined where the vault gives no key now, or the seal is not ours. */
  open(owner: TokenOwner, sealed: SealedToken): Promise<SharedToken | undefined>;
}

/** `installationKey` is the secret that every worker of this installation gets from the vault. */
export function createTokenSeal(installationKey: () => Promise<Uint8Array>): TokenSeal {
  async function key(): Promise<Buffer | undefined> {
    try {
      return Buffer.from(hkdfSync('sha256', await installationKey(), '', PURPOSE, 32));
    } catch {
      return undefined; // The vault does not answer: the caller refreshes for itself.
    }
  }

  return {
    async seal(owner, { token, obtainedAt, expiresAt }) {
      const secret = token.length > LONGEST_TOKEN ? undefined : await key();
      if (secret === undefined) return undefined;
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', secret, nonce);
      cipher.setAAD(boundTo(owner, { obtainedAt, expiresAt }));
      const closed = Buffer.concat([
        nonce,
        cipher.update(token, 'utf8'),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      return { sealed: closed.toString('base64'), obtainedAt, expiresAt };
    },

    async open(owner, { sealed, obtainedAt, expiresAt }) {
      const secret = await key();
      const closed = Buffer.from(sealed, 'base64');
      if (secret === undefined || closed.length <= NONCE_BYTES + TAG_BYTES) return undefined;
      try {
        const decipher = createDecipheriv('aes-256-gcm', secret, closed.subarray(0, NONCE_BYTES));
        decipher.setAAD(boundTo(owner, { obtainedAt, expiresAt }));
        decipher.setAuthTag(closed.subarray(-TAG_BYTES));
        const text = Buffer.concat([
          decipher.update(closed.subarray(NONCE_BYTES, -TAG_BYTES)),
          decipher.final(),
        ]);
        return { token: text.toString('utf8'), obtainedAt, expiresAt };
      } catch {
        return undefined; // Another key, another grant, or somebody changed the row.
      }
    },
  };
}

function boundTo({ name, generation }: TokenOwner, { obtainedAt, expiresAt }: TokenTimes): Buffer {
  return Buffer.from(JSON.stringify([name, generation, obtainedAt, expiresAt]));
}
