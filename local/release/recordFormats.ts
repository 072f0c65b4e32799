// What a version writes into the store and takes as input, kept as a file that later versions' tests read.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toCloudEvent } from '../../shared/contract/statusCloudEvent.ts';
import { encodeState } from '../../shared/outbound/records/accountState.ts';
import { messageKey, stateKey } from '../../shared/outbound/records/keys.ts';
import { encodeMessage } from '../../shared/outbound/records/messageRow.ts';
import { cursorRow, messageRow, pendingRow } from '../../shared/storage/ledgerRows.ts';
import { action, cursor, entry, event, messages, state } from './formatSamples.ts';

const root = join(import.meta.dirname, '..', '..');
export const formatsFolder = join(root, 'tests', 'formats');

/**
 * Every row kind with the value that it was written from, the queue messages, and settings that this version accepted.
 * Bytes are `{"$bytes": base64}`.
 */
export function formatsOf(version: string): object {
  const samples = join(root, 'local', 'samples');
  return {
    version,
    outbox: {
      state: { key: stateKey, fields: encodeState(state), value: state },
      messages: messages.map((value) => ({
        key: messageKey(value.id),
        fields: encodeMessage(value, ''),
        value,
      })),
    },
    inbound: {
      cursor: { row: cursorRow({ leaseTag: 'lease', leaseUntil: 5 }, 'write', cursor), value: cursor },
      message: { row: messageRow(entry), value: entry },
      pending: { row: pendingRow(action), value: action },
    },
    queues: {
      'outbound-wake': { account: 'desk@example.com' },
      'mail-status': JSON.parse(toCloudEvent(event)) as unknown,
      'outbound-mail': readdirSync(samples)
        .sort()
        .map((file) => JSON.parse(readFileSync(join(samples, file), 'utf8')) as unknown),
    },
    settings: {
      ...(JSON.parse(readFileSync(join(root, 'infra', 'settings.json'), 'utf8')) as object),
      ...deploymentSettings,
    },
  };
}

/** What a deployment adds to infra/settings.json. */
const deploymentSettings = {
  MAILBOXES: JSON.stringify([
    { address: 'palvelupiste@kaupunki.example', signIn: 'delegated', smtpUser: 'clerk@kaupunki.example' },
    { address: 'halytykset@kaupunki.example', signIn: 'application', afterFetch: 'move:Processed' },
  ]),
  MailStore__blobServiceUri: 'https://store.blob.core.windows.net',
  MailStore__queueServiceUri: 'https://store.queue.core.windows.net',
  MailStore__tableServiceUri: 'https://store.table.core.windows.net',
  MailStore__credential: 'managedidentity',
  MailStore__clientId: 'b71c3a52-64de-4e0f-9d3b-3f0e9c5ad8f4',
  KEY_VAULT_URL: 'https://vault.vault.azure.net',
  OAUTH_AUTHORIZE_ENDPOINT:
    'https://login.microsoftonline.com/5f2f2a1e-7c0a-4c58-9b7e-2f6d1c3b9a10/oauth2/v2.0/authorize',
  OAUTH_SCOPES: 'https://outlook.office365.com/IMAP.AccessAsUser.All,https://outlook.office365.com/SMTP.Send',
  OAUTH_CLIENT_ID: '0c9a54f7-3b1d-4f7e-8a86-6a3f2f7d4e21',
  PUBLIC_URL: 'https://bridge.azurewebsites.net',
};

/** Writes tests/formats/VERSION.json; returns its path. A version is recorded anew only until it is released. */
export function recordFormats(version: string): string {
  mkdirSync(formatsFolder, { recursive: true });
  const file = join(formatsFolder, `${version}.json`);
  writeFileSync(file, `${JSON.stringify(formatsOf(version), withBytes, 2)}\n`);
  return file;
}

/** Called with `this` as the holder: a Buffer has been through its own toJSON by then. */
function withBytes(this: unknown, key: string, value: unknown): unknown {
  const held: unknown = Reflect.get(Object(this), key);
  return held instanceof Uint8Array ? { $bytes: Buffer.from(held).toString('base64') } : value;
}
