// Forecasts for commands: read from the store with the very functions that the bridge uses, without being it.
import { systemClock } from '../shared/clock.ts';
import type { Settings } from '../shared/config/settings.ts';
import type { Forecast } from '../shared/limits/forecast.ts';
import { StorageTime } from '../shared/limits/storageTime.ts';
import { forecastAccount } from '../shared/outbound/operator/forecastAccount.ts';
import { defaultNumbers } from '../shared/outbound/numbers.ts';
import { storeCredential } from '../shared/oauth/azureCredentials.ts';
import { makeStoreClients } from '../shared/storage/clients.ts';
import { tableNames } from '../shared/storage/names.ts';
import { TableRows } from '../shared/storage/tableRows.ts';

export type AccountForecast = Forecast & { readonly account: string; readonly more: boolean };

/** A function that reads the forecast of every account that sends. */
export function forecastReader(settings: Settings): () => Promise<readonly AccountForecast[]> {
  const time = new StorageTime(systemClock);
  const store = makeStoreClients(settings.store, {
    clock: systemClock,
    witness: time,
    ...storeCredential(settings.store),
  });
  const doors = {
    rows: new TableRows(store.table(tableNames.outbox)),
    time,
    numbers: { ...defaultNumbers, ...settings.outbound },
    accounts: settings.accounts,
  };
  return () =>
    Promise.all(
      settings.accounts.map(async ({ key }) => ({ account: key, ...(await forecastAccount(key, doors)) })),
    );
}
