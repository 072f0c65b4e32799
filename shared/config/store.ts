import { textOf, httpsAddress, type Environment, type Problems } from './problems.ts';
import type { StoreAddress } from './settings.ts';

const services = [
  { key: 'queueServiceUri', service: 'queue' },
  { key: 'blobServiceUri', service: 'blob' },
  { key: 'tableServiceUri', service: 'table' },
] as const;

/** The store's connection, under the names that the Functions host itself resolves (`connection: 'MailStore'`). */
export function readStore(environment: Environment, problems: Problems): StoreAddress | undefined {
  const connectionString = textOf(environment, 'MailStore');
  const accountName = textOf(environment, 'MailStore__accountName');
  const written = services.filter(({ key }) => textOf(environment, `MailStore__${key}`) !== undefined);
  if (connectionString !== undefined) {
    if (accountName !== undefined || written.length > 0) {
      problems.add(
        'MailStore',
        'is there in both forms, as a connection string and by identity; remove one of them',
      );
      return undefined;
    }
    return readConnectionString(connectionString, problems);
  }
  if (accountName === undefined && written.length === 0) {
    problems.add(
      'MailStore',
      'is missing; write MailStore__queueServiceUri, MailStore__blobServiceUri and MailStore__tableServiceUri (identity), or a connection string',
    );
    return undefined;
  }
  return readIdentity(environment, problems, accountName);
}

function readConnectionString(connectionString: string, problems: Problems): StoreAddress | undefined {
  const isOne =
    /^UseDevelopmentStorage=true;?$/i.test(connectionString) ||
    (/(^|;)\s*(AccountName|TableEndpoint)=/i.test(connectionString) && connectionString.includes(';'));
  if (isOne) return { kind: 'connectionString', connectionString };
  problems.add(
    'MailStore',
    'is not a connection string of a storage account; copy all of it, or use the identity form with MailStore__queueServiceUri and the others',
  );
  return undefined;
}

function readIdentity(
  environment: Environment,
  problems: Problems,
  accountName: string | undefined,
): StoreAddress | undefined {
  if (accountName !== undefined && !/^[a-z0-9]{3,24}$/.test(accountName)) {
    problems.add(
      'MailStore__accountName',
      'must be the name of a storage account, 3 to 24 lower-case letters and digits',
    );
  }
  const [queueServiceUri, blobServiceUri, tableServiceUri] = services.map(({ key, service }) => {
    const name = `MailStore__${key}`;
    const example = `https://NAME.${service}.core.windows.net`;
    const text = textOf(environment, name);
    if (text !== undefined) return httpsAddress(problems, name, text, example);
    if (accountName !== undefined) return `https://${accountName}.${service}.core.windows.net`;
    problems.add(name, `is missing, although related settings are set; write ${example}`);
    return undefined;
  });
  const credential = textOf(environment, 'MailStore__credential');
  if (credential !== undefined && credential.toLowerCase() !== 'managedidentity') {
    problems.add('MailStore__credential', 'must be managedidentity, or left out outside Azure');
  }
  const clientId = readClientId(environment, problems, 'MailStore__clientId');
  if (queueServiceUri === undefined || blobServiceUri === undefined || tableServiceUri === undefined)
    return undefined;
  return {
    kind: 'identity',
    queueServiceUri,
    blobServiceUri,
    tableServiceUri,
    ...(clientId === undefined ? {} : { clientId }),
  };
}

/** A GUID, or undefined if it is absent; with a problem added if it is something else. */
export function readClientId(environment: Environment, problems: Problems, name: string): string | undefined {
  const text = textOf(environment, name);
  if (text === undefined || isGuid(text)) return text?.toLowerCase();
  problems.add(name, 'must be a client id such as 11111111-2222-3333-4444-555555555555');
  return undefined;
}

export function isGuid(text: string): boolean {
  return /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(text);
}
