// The environment, read once. All problems are reported together, each with the setting's name and its remedy, so that
// an administrator needs one restart and not one per mistake.
import { groupAccounts } from '../mail/accounts.ts';
import { present } from '../mail/omit.ts';
import { checkNumbers } from '../outbound/checkNumbers.ts';
import { defaultNumbers } from '../outbound/numbers.ts';
import { readEsmConnector } from './esmConnector.ts';
import { readMailboxes } from './mailboxes.ts';
import { readExportStore } from './exportStore.ts';
import { findMisspelt } from './misspelt.ts';
import { readHeartbeatNumbers, readInboundNumbers, readOutboundNumbers } from './numbers.ts';
import { SettingsReader, type Environment, type Problems } from './problems.ts';
import { parseSchedule } from './ncrontab.ts';
import {
  eventsToValues,
  type ServerAddress,
  type Settings,
  type SettingsAnswer,
  type StoreAddress,
  type VaultSettings,
} from './settings.ts';
import { readSignIn } from './signIn.ts';
import { readStore } from './store.ts';

const hourMs = 3_600_000;
const megabyte = 1_048_576;

/** Reads the store's address alone, for what has to work whatever the other settings are. Never throws. */
export function readStoreAddress(
  environment: Environment,
):
  | { readonly kind: 'ok'; readonly store: StoreAddress }
  | { readonly kind: 'problems'; readonly problems: Problems['found'] } {
  const reader = new SettingsReader(environment);
  const store = readStore(reader);
  return store === undefined || reader.found.length > 0
    ? { kind: 'problems', problems: reader.found }
    : { kind: 'ok', store };
}

/** Reads every setting that docs/settings.md lists. Never throws; problems hold no secret. */
export function readSettings(environment: Environment): SettingsAnswer {
  const reader = new SettingsReader(environment);
  const store = readStore(reader);
  const vault = readVault(reader);
  const mailboxes = readMailboxes(reader);
  const signIn = readSignIn(reader, mailboxes);
  const smtp = readServer(reader, {
    name: 'SMTP_SERVER',
    fallback: 'smtp.office365.com:587',
    refused: 465,
    why: 'Exchange Online has no SMTP with TLS from the start; write port 587',
  });
  const imap = readServer(reader, {
    name: 'IMAP_SERVER',
    fallback: 'outlook.office365.com:993',
    refused: 143,
    why: 'IMAP needs TLS from the start; write port 993',
  });
  const eventsTo = reader.oneOf('EVENTS_TO', eventsToValues, 'queue');
  const contentBytes = megabyte * reader.wholeNumber('MAX_MESSAGE_MEGABYTES', [1, 150], 35);
  const rest: Omit<Settings, 'store' | 'vault' | 'signIn' | 'smtp' | 'imap'> = {
    mailboxes,
    accounts: groupAccounts(mailboxes),
    ...present({ exportStore: readExportStore(reader) }),
    schedules: {
      fetch: readSchedule(reader, 'FETCH_SCHEDULE', '0 * * * * *'),
      sweep: readSchedule(reader, 'SWEEP_SCHEDULE', '30 * * * * *'),
      prune: readSchedule(reader, 'PRUNE_SCHEDULE', '0 17 3 * * *'),
      refresh: readSchedule(reader, 'REFRESH_SCHEDULE', '0 43 4 * * *'),
    },
    inbound: {
      ...readInboundNumbers(reader),
      contentKeptMs: 24 * hourMs * reader.wholeNumber('CONTENT_DAYS', [1, 365], 30),
    },
    heartbeat: readHeartbeatNumbers(reader),
    outbound: {
      ...readOutboundNumbers(reader),
      inDoubtPolicy: reader.oneOf('IN_DOUBT', ['hold', 'resend'], 'hold'),
      giveUpAfterMs: hourMs * reader.wholeNumber('GIVE_UP_AFTER_HOURS', [1, 720], 48),
      retentionMs: 24 * hourMs * reader.wholeNumber('RETENTION_DAYS', [1, 3_650], 30),
      blobMostBytes: contentBytes,
    },
    submissions: {
      recipientsCount: reader.wholeNumber('MAX_RECIPIENTS', [1, 1_000], 500),
      contentBytes,
    },
    uploadContainer: readContainer(reader),
    eventsTo,
    ...present({ esm: readEsmConnector(reader, eventsTo === 'esm') }),
    ...readPublicUrl(reader),
  };
  findMisspelt(reader);
  for (const { setting, detail } of checkNumbers({ ...defaultNumbers, ...rest.outbound }, rest.accounts)) {
    reader.add(setting, detail, `${setting}:`);
  }
  const [first, ...others] = reader.found;
  if (first !== undefined) return { kind: 'problems', problems: [first, ...others] };
  if (
    store === undefined ||
    vault === undefined ||
    signIn === undefined ||
    smtp === undefined ||
    imap === undefined
  ) {
    throw new Error('a setting was refused without a problem being added');
  }
  return { kind: 'ok', settings: { ...rest, store, vault, signIn, smtp, imap } };
}

/** The problems as a person reads them, one a line. */
export function describeProblems(answer: { readonly problems: Problems['found'] }): string {
  return answer.problems.map(({ detail }) => detail).join('\n');
}

function readVault(reader: SettingsReader): VaultSettings | undefined {
  const name = 'KEY_VAULT_URL';
  const example = 'https://NAME.vault.azure.net';
  const text = reader.text(name);
  if (text === undefined) reader.add(name, `is missing; write ${example}`);
  const url = text === undefined ? undefined : reader.httpsAddress(name, text, example);
  const flag = (setting: string, fallback: 'true' | 'false'): boolean =>
    reader.oneOf(setting, ['true', 'false'], fallback) === 'true';
  const checkChallenge = flag('KEY_VAULT_CHECK_CHALLENGE', 'true');
  const storeGrantsAtOnce = flag('STORE_GRANTS_AT_ONCE', 'false');
  return url === undefined ? undefined : { url, checkChallenge, storeGrantsAtOnce };
}

function readServer(
  reader: SettingsReader,
  server: {
    readonly name: string;
    readonly fallback: string;
    readonly refused: number;
    readonly why: string;
  },
): ServerAddress | undefined {
  const { name, fallback, refused, why } = server;
  const text = reader.text(name) ?? fallback;
  const [, host = '', digits = ''] =
    /^([A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?):([0-9]{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (host === '' || port < 1 || port > 65_535) {
    reader.add(name, `must be a host and a port, without a scheme; write ${fallback}`);
    return undefined;
  }
  if (name === 'SMTP_SERVER' && isMx(host, port)) {
    reader.add(
      name,
      `names a server that receives mail for a domain (an MX, port 25), where nobody can sign in; write the submission host and port: ${fallback}`,
    );
  } else if (port === refused) reader.add(name, `names port ${port}: ${why}`);
  return { host: host.toLowerCase(), port };
}

/** Mail is handed over to the submission service (RFC 6409); an MX takes it from other servers. */
const isMx = (host: string, port: number): boolean =>
  port === 25 || /\.(?:mail\.protection\.outlook\.com|mx\.microsoft)$/i.test(host);

function readSchedule(reader: SettingsReader, name: string, example: string): string {
  const text = reader.text(name);
  if (text === undefined) {
    reader.add(name, `is missing; write six fields such as "${example}"`);
    return '';
  }
  const answer = parseSchedule(text);
  if (answer.kind === 'invalid') reader.add(name, answer.detail);
  return text;
}

function readPublicUrl(reader: SettingsReader): { readonly publicUrl?: string } {
  const name = 'PUBLIC_URL';
  const text = reader.text(name);
  const host = reader.text('WEBSITE_HOSTNAME');
  if (text === undefined) return host === undefined ? {} : { publicUrl: `https://${host}` };
  const example = 'https://NAME.azurewebsites.net';
  // Entra takes http for localhost alone.
  const publicUrl = /^http:\/\/localhost(?::[0-9]{1,5})?\/?$/.test(text)
    ? text.replace(/\/+$/, '')
    : reader.httpsAddress(name, text, example);
  return publicUrl === undefined ? {} : { publicUrl };
}

function readContainer(reader: SettingsReader): string {
  const name = 'UPLOAD_CONTAINER';
  const text = reader.text(name) ?? 'outbound-uploads';
  if (!/^[a-z0-9](?:-?[a-z0-9]){2,62}$/.test(text)) {
    reader.add(
      name,
      'must be the name of a blob container (3 to 63 lower-case letters, digits and single hyphens)',
    );
  }
  return text;
}
