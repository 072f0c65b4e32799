// The vault through its own client; the only file that imports it. Policy: the client's retries are off, because every
// caller knows better how long it can wait; a fault or throttling is `unavailable`; other errors become sentences with a
// remedy. The client's errors are not passed on.
import { memberOf, numberIn, textIn } from '../mail/foreign.ts';
import { present } from '../mail/omit.ts';
import { SecretClient } from '@azure/keyvault-secrets';
import type { Clock } from '../clock.ts';
import { VaultSignInError } from './azureCredentials.ts';
import type { TokenVault, VaultFailure } from './ports.ts';
import { retryAfterMs } from './errorResponse.ts';
import type { VaultSettings } from '../config/settings.ts';

type VaultCredential = ConstructorParameters<typeof SecretClient>[1];

/** Key Vault's own limit on a secret's value. */
const valueLimitBytes = 25_000;
/** One call may take this long; recovery is several calls. */
const callMs = 15_000;
/** A recovered name answers 409 or 404 for some seconds until it can be used. */
const recoveryTryCount = 10;
const recoveryPauseMs = 2_000;

export function createKeyVaultTokenVault(
  settings: VaultSettings,
  credential: VaultCredential,
  clock: Clock,
): TokenVault {
  const client = new SecretClient(settings.url, credential, {
    disableChallengeResourceVerification: !settings.checkChallenge,
    retryOptions: { maxRetries: 0 },
  });
  const options = (): { abortSignal: AbortSignal } => ({ abortSignal: AbortSignal.timeout(callMs) });

  async function recover(name: string): Promise<void> {
    await client.beginRecoverDeletedSecret(name, { ...options(), intervalInMs: recoveryPauseMs });
    for (let look = 0; look < recoveryTryCount; look++) {
      try {
        await client.getSecret(name, options());
        return;
      } catch (error) {
        if (memberOf(error, 'statusCode') !== 404) throw error;
      }
      await clock.sleep(recoveryPauseMs);
    }
  }

  return {
    async read(name, version) {
      try {
        const found = await client.getSecret(name, {
          ...present({ version }),
          ...options(),
        });
        return {
          kind: 'secret',
          secret: { value: found.value ?? '', version: found.properties.version ?? '' },
        };
      } catch (error) {
        if (memberOf(error, 'statusCode') !== 404) return judgeVaultError(error, clock.now());
      }
      try {
        await client.getDeletedSecret(name, options());
        return { kind: 'deleted' };
      } catch (error) {
        return memberOf(error, 'statusCode') === 404
          ? { kind: 'absent' }
          : judgeVaultError(error, clock.now());
      }
    },

    async write(name, value, tags) {
      if (Buffer.byteLength(value) > valueLimitBytes) {
        return { kind: 'configuration', detail: 'The sign-in is larger than the 25 kB that a vault keeps.' };
      }
      const set = async (): Promise<{ readonly kind: 'written'; readonly version: string }> => {
        const { properties } = await client.setSecret(name, value, {
          tags: { ...tags },
          contentType: 'application/json',
          ...options(),
        });
        return { kind: 'written', version: properties.version ?? '' };
      };
      try {
        return await set();
      } catch (error) {
        if (memberOf(error, 'statusCode') !== 409) return judgeVaultError(error, clock.now());
      }
      try {
        await recover(name);
        return await set();
      } catch (error) {
        return judgeVaultError(error, clock.now());
      }
    },
  };
}

/** What the vault's error means. Anything that does not clearly need a person is a transient fault. */
export function judgeVaultError(error: unknown, now: number): VaultFailure {
  if (error instanceof VaultSignInError) {
    const { failure } = error;
    return failure.kind === 'unavailable' ? failure : { kind: 'configuration', detail: failure.detail };
  }
  const statusCode = numberIn(error, 'statusCode');
  const refusal = memberOf(memberOf(error, 'details'), 'error');
  const inner = textIn(memberOf(refusal, 'innerError'), 'code') || textIn(refusal, 'code');
  const headers = memberOf(memberOf(error, 'response'), 'headers') as Pick<Headers, 'get'> | undefined;
  const wait = retryAfterMs(headers?.get('retry-after'), now);
  switch (statusCode) {
    case 401:
      return {
        kind: 'configuration',
        detail:
          'The key vault did not accept the program’s identity: check that vault and identity are in the same tenant (KEY_VAULT_URL).',
      };
    case 403:
      return { kind: 'configuration', detail: forbiddenWords(inner) };
    case 400:
    case 409:
      return {
        kind: 'configuration',
        detail: `The key vault refused the request (HTTP ${statusCode}). A deleted secret that cannot be recovered by the program is the usual cause: Key vault → Secrets → Manage deleted secrets.`,
      };
    default:
      return {
        kind: 'unavailable',
        detail:
          statusCode === 429
            ? 'The key vault is throttled; the bridge tries again.'
            : `The key vault could not be reached or has a fault${statusCode === 0 ? '' : ` (HTTP ${statusCode})`}; the bridge tries again. If it never answers, check KEY_VAULT_URL and the vault’s firewall.`,
        ...present({ retryAfterMs: wait }),
      };
  }
}

function forbiddenWords(inner: string): string {
  if (inner === 'SecretDisabled') {
    return 'The stored sign-in is disabled in the key vault: enable its version (Key vault → Secrets).';
  }
  if (inner === 'ForbiddenByFirewall' || inner === 'ForbiddenByConnection') {
    return 'The key vault’s firewall keeps the program out: allow it (Key vault → Networking).';
  }
  return 'The program may not use the key vault’s secrets: give its identity the role Key Vault Secrets Officer (Key vault → Access control). A new role needs some minutes.';
}
