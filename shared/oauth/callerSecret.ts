// The secret with the callers' keys, in the vault. Secrets have no compare-and-set: a row that one writer at a time holds
// keeps two administrators from overwriting each other's change.
import type { Clock, Random } from '../clock.ts';
import type { SignInRows, TokenVault } from './ports.ts';

export const callerSecretName = 'mail-bridge-callers';
const lockKey = 'mail-bridge-callers-lock';
/** Longer than a change takes, the recovery of a deleted secret included. */
const lockMs = 60_000;

type Read =
  | { readonly kind: 'found'; readonly value: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unavailable' | 'configuration'; readonly detail: string };
type Written =
  { readonly kind: 'written' } | { readonly kind: 'unavailable' | 'configuration'; readonly detail: string };

export class VaultCallerSecret {
  readonly #vault: TokenVault;
  readonly #rows: SignInRows;
  readonly #with: { readonly clock: Clock; readonly random: Random };

  constructor(
    vault: TokenVault,
    rows: SignInRows,
    dependencies: { readonly clock: Clock; readonly random: Random },
  ) {
    this.#vault = vault;
    this.#rows = rows;
    this.#with = dependencies;
  }

  /** Its newest version. */
  async read(): Promise<Read> {
    const found = await this.#vault.read(callerSecretName);
    switch (found.kind) {
      case 'secret':
        return { kind: 'found', value: found.secret.value };
      case 'absent':
      case 'deleted':
        return { kind: 'absent' };
      case 'unavailable':
      case 'configuration':
        return { kind: found.kind, detail: found.detail };
    }
  }

  async write(value: string): Promise<Written> {
    const written = await this.#vault.write(callerSecretName, value, {});
    return written.kind === 'written' ? { kind: 'written' } : { kind: written.kind, detail: written.detail };
  }

  /** Runs one change at a time over all instances; undefined while another runs. Throws if the store does not answer. */
  async exclusively<Answer>(change: () => Promise<Answer>): Promise<Answer | undefined> {
    const tag = this.#with.random.id();
    if (!(await this.#lock(tag))) return undefined;
    try {
      return await change();
    } finally {
      const row = await this.#rows.read(lockKey);
      if (row?.fields['tag'] === tag) await this.#rows.remove(lockKey, row.etag);
    }
  }

  async #lock(tag: string): Promise<boolean> {
    const fields = { tag, until: this.#with.clock.now() + lockMs };
    if (await this.#rows.insert(lockKey, fields)) return true;
    const row = await this.#rows.read(lockKey);
    if (row === undefined) return this.#rows.insert(lockKey, fields);
    const { until } = row.fields;
    if (typeof until === 'number' && until > this.#with.clock.now()) return false;
    return this.#rows.replace(lockKey, fields, row.etag);
  }
}
