// The vault through its own client: the one file that imports it. Policy: the client's retries are off, since
// every caller can wait better than it; a fault or a throttle is `unavailable`; refusals become sentences. The
// client's errors are not passed on.
import { SecretClient } from '@azure/keyvault-secrets';
import type { Clock } from '../clock.ts';
import { VaultSignInTrouble } from './azureCredentials.ts';
import type { TokenVault, VaultTrouble } from './ports.ts';
import { retryAfterMs } from './refusal.ts';
import type { VaultSettings } from './settings.ts';

type VaultCredential = ConstructorParameters<typeof SecretClient>[1];

/** Key Vault's own limit on a secret's value. */
const LARGEST_VALUE_BYTES = 25_000;
/** One call may take this long; recovery is several calls. */
const CALL_MS = 15_000;
/** A recovered name answers 409 or 404 for some seconds before it can be used. */
const RECOVERY_LOOKS = 10;
const RECOVERY_PAUSE_MS = 2_000;

/** As much of the client's error as is looked at. */
interface RestTrouble {
  readonly statusCode?: number;
  readonly code?: string;
  readonly details?: {
    readonly error?: { readonly code?: string; readonly innerError?: { readonly code?: string } };
  };
  readonly response?: { readonly headers?: { get(name: string): string | undefined } };
}

export function createKeyVaultTokenVault(
  settings: VaultSettings,
  credential: VaultCredential,
  clock: Clock,
): TokenVault {
  const client = new SecretClient(settings.url, credential, {
    disableChallengeResourceVerification: !settings.checkChallenge,
    retryOptions: { maxRetries: 0 },
  });
  const options = (): { abortSignal: AbortSignal } => ({ abortSignal: AbortSignal.timeout(CALL_MS) });

  async function recover(name: string): Promise<void> {
    await client.beginRecoverDeletedSecret(name, { ...options(), intervalInMs: RECOVERY_PAUSE_MS });
    for (let look = 0; look < RECOVERY_LOOKS; look++) {
      try {
        await client.getSecret(name, options());
        return;
      } catch (error) {
        if (trouble(error).statusCode !== 404) throw error;
      }
      await clock.sleep(RECOVERY_PAUSE_MS);
    }
  }

  return {
    async read(name, version) {
      try {
        const found = await client.getSecret(name, {
          ...(version === undefined ? {} : { version }),
          ...options(),
        });
        return {
          kind: 'secret',
          secret: { value: found.value ?? '', version: found.properties.version ?? '' },
        };
      } catch (error) {
        if (trouble(error).statusCode !== 404) return judgeVault(error, clock.now());
      }
      try {
        await client.getDeletedSecret(name, options());
        return { kind: 'deleted' };
      } catch (error) {
        return trouble(error).statusCode === 404 ? { kind: 'absent' } : judgeVault(error, clock.now());
      }
    },

    async write(name, value, tags) {
      if (Buffer.byteLength(value) > LARGEST_VALUE_BYTES) {
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
        if (trouble(error).statusCode !== 409) return judgeVault(error, clock.now());
      }
      try {
        await recover(name);
        return await set();
      } catch (error) {
        return judgeVault(error, clock.now());
      }
    },
  };
}

/** What the vault's refusal means. Anything that is not clearly a person's affair is a passing fault. */
export function judgeVault(error: unknown, now: number): VaultTrouble {
  if (error instanceof VaultSignInTrouble) {
    const { kind, detail, retryAfterMs: wait } = error.refusal;
    return kind === 'unavailable'
      ? { kind, detail, ...(wait === undefined ? {} : { retryAfterMs: wait }) }
      : { kind: 'configuration', detail };
  }
  const { statusCode, details, response } = trouble(error);
  const inner = details?.error?.innerError?.code ?? details?.error?.code;
  const wait = retryAfterMs(response?.headers?.get('retry-after'), now);
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
    case undefined:
    default:
      return {
        kind: 'unavailable',
        detail:
          statusCode === 429
            ? 'The key vault is throttled; the bridge tries again.'
            : `The key vault could not be reached or has a fault${statusCode === undefined ? '' : ` (HTTP ${statusCode})`}; the bridge tries again. If it never answers, check KEY_VAULT_URL and the vault’s firewall.`,
        ...(wait === undefined ? {} : { retryAfterMs: wait }),
      };
  }
}

function forbiddenWords(inner: string | undefined): string {
  if (inner === 'SecretDisabled') {
    return 'The stored sign-in is disabled in the key vault: enable its version (Key vault → Secrets).';
  }
  if (inner === 'ForbiddenByFirewall' || inner === 'ForbiddenByConnection') {
    return 'The key vault’s firewall keeps the program out: allow it (Key vault → Networking).';
  }
  return 'The program may not use the key vault’s secrets: give its identity the role Key Vault Secrets Officer (Key vault → Access control). A new role needs some minutes.';
}

function trouble(error: unknown): RestTrouble {
  return typeof error === 'object' && error !== null ? error : {};
}
