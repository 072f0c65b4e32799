// Where the outbox is exported to: the host's own account, under the names that the host itself resolves.
import { present } from '../mail/omit.ts';
import type { SettingsReader } from './problems.ts';
import type { ExportAddress } from './settings.ts';
import { readClientId } from './store.ts';

/** Undefined without the host's connection: then nothing is exported, which is no reason to refuse the settings. */
export function readExportStore(reader: SettingsReader): ExportAddress | undefined {
  const connectionString = reader.text('AzureWebJobsStorage');
  if (connectionString !== undefined) return { kind: 'connectionString', connectionString };
  const accountName = reader.text('AzureWebJobsStorage__accountName');
  const blobServiceUri =
    reader.text('AzureWebJobsStorage__blobServiceUri') ??
    (accountName === undefined ? undefined : `https://${accountName}.blob.core.windows.net`);
  if (blobServiceUri === undefined || URL.parse(blobServiceUri)?.protocol !== 'https:') return undefined;
  return {
    kind: 'identity',
    blobServiceUri,
    ...present({ clientId: readClientId(reader, 'AzureWebJobsStorage__clientId') }),
  };
}
