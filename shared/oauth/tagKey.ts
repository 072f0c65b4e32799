// The key of the private header's tag (outbound mail carries an HMAC of its id, so that a bounce can prove that
// it is about mail of ours). Generated once for the whole installation and then only read. Two workers may generate one
// at the same moment: the row that only one of them can insert says which version counts.
import type { Random } from '../clock.ts';
import type { SignInRows, TokenVault } from './ports.ts';

const secretName = 'mail-bridge-tag-key';
const hexKey = /^[0-9a-f]{64}$/;

/** The vault or the rows did not give the key. */
export class TagKeyError extends Error {
  override readonly name = 'TagKeyTrouble';
}

/** A function that gives the key (32 bytes); it asks the vault once per process. Rejects with TagKeyTrouble. */
export function createTagKey(vault: TokenVault, rows: SignInRows, random: Random): () => Promise<Uint8Array> {
  let pending: Promise<Uint8Array> | undefined;
  return () => {
    pending ??= obtain().catch((error: unknown) => {
      pending = undefined;
      throw error;
    });
    return pending;
  };

  async function obtain(): Promise<Uint8Array> {
    const known = (await rows.read(secretName))?.fields['version'];
    if (typeof known === 'string') return readKey(known);
    const found = await vault.read(secretName);
    let version: string;
    if (found.kind === 'secret') {
      version = found.secret.version;
    } else if (found.kind === 'absent' || found.kind === 'deleted') {
      const written = await vault.write(secretName, random.id() + random.id(), {});
      if (written.kind !== 'written') throw new TagKeyError(written.detail);
      version = written.version;
    } else {
      throw new TagKeyError(found.detail);
    }
    await rows.insert(secretName, { version });
    const counts = (await rows.read(secretName))?.fields['version'];
    return readKey(typeof counts === 'string' ? counts : version);
  }

  async function readKey(version: string): Promise<Uint8Array> {
    const found = await vault.read(secretName, version);
    if (found.kind === 'unavailable' || found.kind === 'configuration') throw new TagKeyError(found.detail);
    if (found.kind !== 'secret' || !hexKey.test(found.secret.value)) {
      throw new TagKeyError(
        `The secret ${secretName} in the key vault is missing or damaged: recover it there (Key vault → Secrets).`,
      );
    }
    return Buffer.from(found.secret.value, 'hex');
  }
}
