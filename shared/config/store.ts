import { present } from '../mail/omit.ts';
import type { SettingsReader } from './problems.ts';
import type { StoreAddress } from './settings.ts';

const services = [
  { key: 'queueServiceUri', service: 'queue' },
  { key: 'blobServiceUri', service: 'blob' },
  { key: 'tableServiceUri', service: 'table' },
] as const;

/** The store's connection, under the names that the Functions host itself resolves (`connection: 'MailStore'`). */
export function readStore(reader: SettingsReader): StoreAddress | undefined {
  const connectionString = reader.text('MailStore');
  const accountName = reader.text('MailStore__accountName');
  const written = services.filter(({ key }) => reader.text(`MailStore__${key}`) !== undefined);
  if (connectionString !== undefined) {
    if (accountName !== undefined || written.length > 0) {
      reader.add(
        'MailStore',
        'is there in both forms, as a connection string and by identity; remove one of them',
      );
      return undefined;
    }
    return readConnectionString(connectionString, reader);
  }
  if (accountName === undefined && written.length === 0) {
    reader.add(
      'MailStore',
      'is missing; write MailStore__queueServiceUri, MailStore__blobServiceUri and MailStore__tableServiceUri (identity), or a connection string',
    );
    return undefined;
  }
  return readIdentity(reader, accountName);
}

function readConnectionString(connectionString: string, reader: SettingsReader): StoreAddress | undefined {
  const isOne =
    /^UseDevelopmentStorage=true;?$/i.test(connectionString) ||
    (/(^|;)\s*(AccountName|TableEndpoint)=/i.test(connectionString) && connectionString.includes(';'));
  if (isOne) return { kind: 'connectionString', connectionString };
  reader.add(
    'MailStore',
    'is not a connection string of a storage account; copy all of it, or use the identity form with MailStore__queueServiceUri and the others',
  );
  return undefined;
}

function readIdentity(reader: SettingsReader, accountName: string | undefined): StoreAddress | undefined {
  if (accountName !== undefined && !/^[a-z0-9]{3,24}$/.test(accountName)) {
    reader.add(
      'MailStore__accountName',
      'must be the name of a storage account, 3 to 24 lower-case letters and digits',
    );
  }
  const [queueServiceUri, blobServiceUri, tableServiceUri] = services.map(({ key, service }) => {
    const name = `MailStore__${key}`;
    const example = `https://NAME.${service}.core.windows.net`;
    const text = reader.text(name);
    if (text !== undefined) return reader.httpsAddress(name, text, example);
    if (accountName !== undefined) return `https://${accountName}.${service}.core.windows.net`;
    reader.add(name, `is missing, although related settings are set; write ${example}`);
    return undefined;
  });
  const credential = reader.text('MailStore__credential');
  if (credential !== undefined && credential.toLowerCase() !== 'managedidentity') {
    reader.add('MailStore__credential', 'must be managedidentity, or left out outside Azure');
  }
  const clientId = readClientId(reader, 'MailStore__clientId');
  if (queueServiceUri === undefined || blobServiceUri === undefined || tableServiceUri === undefined)
    return undefined;
  return {
    kind: 'identity',
    queueServiceUri,
    blobServiceUri,
    tableServiceUri,
    ...present({ clientId }),
  };
}

/** A GUID, or undefined if it is absent; with a problem added if it is something else. */
export function readClientId(reader: SettingsReader, name: string): string | undefined {
  const text = reader.text(name);
  if (text === undefined || isGuid(text)) return text?.toLowerCase();
  reader.add(name, 'must be a client id such as 11111111-2222-3333-4444-555555555555');
  return undefined;
}

export function isGuid(text: string): boolean {
  return /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(text);
}
