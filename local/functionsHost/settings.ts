// Settings as the platform gives them: names and texts. Bindings refer to them as `%NAME%` and, for a
// connection, by a prefix.
import { QueueServiceClient } from '@azure/storage-queue';

export type HostSettings = Readonly<Record<string, string | undefined>>;

/** Replaces each `%NAME%`; throws the real host's error message if a name has no value. */
export function resolveNames(text: string, settings: HostSettings): string {
  return text.replace(/%([^%\s]+)%/g, (whole, name: string) => {
    const value = settings[name];
    if (value === undefined || value === '') throw new Error(`'${whole}' does not resolve to a value.`);
    return value;
  });
}

// The listener looks again by itself, so one repeat is enough; a call that hangs must not hold it for long.
const storageOptions = { retryOptions: { maxTries: 2, retryDelayInMs: 200, tryTimeoutInMs: 15_000 } };

/**
 * The queue service behind a connection's name. Only a connection string is understood here; the identity form
 * (`NAME__queueServiceUri`) needs a managed identity, which the storage emulator does not check.
 */
export function queueService(connection: string, settings: HostSettings): QueueServiceClient {
  const text = settings[connection];
  if (text === undefined || text === '') {
    throw new Error(`Storage account connection string '${connection}' does not exist.`);
  }
  return QueueServiceClient.fromConnectionString(text, storageOptions);
}
