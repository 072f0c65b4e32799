// The whole system on one machine: Azurite, emulators of Entra, managed identity, Key Vault and Exchange Online, and the
// Functions host with the package as it is deployed. The functions get every endpoint from settings, as on the platform;
// they contain no local special case.
//
// The emulators run in this process, so that a demo or a test can read their logs and inject faults. Azurite and the host
// are processes of their own: killing the host is a real kill.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportContainer } from '../../shared/storage/blobExports.ts';
import { makeStoreClients, ensureStore, type StoreClients } from '../../shared/storage/clients.ts';
import { grantName, grantValue } from '../../shared/oauth/grants.ts';
import type { Clock } from '../../shared/clock.ts';
import { startAzurite, type Azurite } from './azurite.ts';
import { makeCertificates, type Certificates } from './certificates.ts';
import { startEntra, type EntraEmulator } from '../emulators/entra/entra.ts';
import type { AccountOptions } from '../emulators/exchange/accounts.ts';
import { startExchange, type Exchange, type ExchangeOptions } from '../emulators/exchange/exchange.ts';
import { startHostProcess, type HostProcess, type HostProcessLine } from '../functionsHost/hostProcess.ts';
import {
  startManagedIdentity,
  type ManagedIdentityEmulator,
} from '../emulators/managedIdentity/managedIdentity.ts';
import { startVault, type KeyVaultEmulator } from '../emulators/keyVault/vault.ts';

/** A mailbox as MAILBOXES has it. */
export type MailboxSetting = Readonly<Record<string, unknown>> & {
  readonly address: string;
  readonly signIn: 'delegated' | 'application';
};

export interface StackOptions {
  readonly clock: Clock;
  readonly mailboxes: readonly MailboxSetting[];
  /** Accounts of the Exchange emulator besides the mailboxes. */
  readonly accounts?: readonly (AccountOptions | string)[];
  /** Changes to OUTBOUND_NUMBERS, for runs that must not take ten minutes. */
  readonly numbers?: Readonly<Record<string, number>>;
  /** Further settings, or others than the defaults of infra/settings.json. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly exchange?: Partial<
    Pick<ExchangeOptions, 'periodMs' | 'dayMs' | 'limits' | 'latency' | 'beforeStep'>
  >;
  /** How long the host hides a message that is being worked on; a real one: ten minutes. */
  readonly hideMs?: number;
  /** Keep the store's data in this folder; in memory if absent. */
  readonly storeFolder?: string;
  /** Queues in a process of their own: an emulator that scans a deep queue would slow the rows down. */
  readonly separateQueues?: boolean;
  /** Consents that are there from the start; true unless set. */
  readonly connected?: boolean;
  readonly accessTokenMs?: number;
  /** For the TLS front end; created if absent. */
  readonly certificates?: Certificates;
  /** Where browsers reach the app: its PUBLIC_URL, and what is registered with Entra. */
  readonly publicUrl?: string;
}

export interface Stack {
  readonly azurite: Azurite;
  readonly store: StoreClients;
  readonly entra: EntraEmulator;
  readonly identity: ManagedIdentityEmulator;
  readonly vault: KeyVaultEmulator;
  readonly exchange: Exchange;
  /** What the platform would put into the Function App's environment. */
  readonly settings: Readonly<Record<string, string>>;
  /** Starts the host on the package in `appFolder`; the settings given here go before the stack's. */
  startHost(options: HostStart): Promise<HostProcess>;
  close(): Promise<void>;
}

export interface HostStart {
  readonly appFolder: string;
  readonly port?: number;
  readonly settings?: Readonly<Record<string, string>>;
  readonly timersOff?: boolean;
  readonly onLine?: (line: HostProcessLine) => void;
  /** How long a stopping host waits for what runs; a real one: ten seconds. */
  readonly graceMs?: number;
}

const root = join(import.meta.dirname, '..', '..');
/** For what a run leaves in files; git-ignored. */
const localFolder = join(root, '.local');

const tenant = '5f2f2a1e-7c0a-4c58-9b7e-2f6d1c3b9a10';
const appClientId = '0c9a54f7-3b1d-4f7e-8a86-6a3f2f7d4e21';
const identityClientId = 'b71c3a52-64de-4e0f-9d3b-3f0e9c5ad8f4';
const identityPrincipalId = '8d1e6f0b-2a37-4bb1-b6a8-51c7a0e94d6c';
const scopes = 'https://outlook.office365.com/IMAP.AccessAsUser.All,https://outlook.office365.com/SMTP.Send';

/** Starts everything but the host. What started is ended again if something does not start. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).reverse()) await end();
  };
  try {
    return await assemble(options, closers, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function assemble(
  options: StackOptions,
  closers: (() => Promise<void>)[],
  close: () => Promise<void>,
): Promise<Stack> {
  const { clock, mailboxes } = options;
  mkdirSync(localFolder, { recursive: true });
  const folder = mkdtempSync(join(localFolder, 'run-'));
  closers.push(() => {
    rmSync(folder, { recursive: true, force: true });
    return Promise.resolve();
  });
  const { ca, cert, key } = options.certificates ?? (await makeCertificates());
  const caFile = join(folder, 'authority.pem');
  writeFileSync(caFile, ca);

  const azurite = await startAzurite({
    ...(options.storeFolder === undefined ? {} : { location: options.storeFolder }),
    separate: options.separateQueues ?? false,
    ...(options.storeFolder === undefined ? { queuesLocation: join(folder, 'queues') } : {}),
  });
  closers.push(() => azurite.stop());
  const store = makeStoreClients(
    { kind: 'connectionString', connectionString: azurite.connectionString },
    { clock, clockSampler: { observe: () => undefined } },
  );
  await ensureStore(store);
  await exportContainer({
    kind: 'connectionString',
    connectionString: azurite.connectionString,
  }).createIfNotExists();

  const users = [...new Set(mailboxes.flatMap(usersOf))];
  const entra = await startEntra({
    cert,
    key,
    clock,
    tenant,
    apps: [
      {
        clientId: appClientId,
        redirectUris: [`${options.publicUrl ?? 'https://localhost'}/api/oauth/callback`],
        federated: [{ subject: identityPrincipalId }],
        roles: ['IMAP.AccessAsApp', 'SMTP.SendAsApp'],
      },
    ],
    accounts: users.map((upn) => ({ upn })),
    ...(options.accessTokenMs === undefined ? {} : { accessTokenMs: options.accessTokenMs }),
  });
  closers.push(() => entra.close());
  const identity = await startManagedIdentity({
    clock,
    entra,
    identity: { clientId: identityClientId, principalId: identityPrincipalId },
  });
  closers.push(() => identity.close());
  const vault = await startVault({ cert, key, clock, entra });
  closers.push(() => vault.close());
  const exchange = await startExchange({
    cert,
    key,
    clock,
    accounts: [...users, ...(options.accounts ?? [])],
    checkToken: async (token) => {
      const verdict = await entra.checkToken(token);
      if (verdict.kind === 'bad') return verdict;
      const holder = verdict.way === 'delegated' ? { user: verdict.user ?? '' } : { app: verdict.appId };
      return { ...verdict, ...holder, audienceOk: true };
    },
    ...options.exchange,
  });
  closers.push(() => exchange.close());

  const settings: Record<string, string> = {
    ...readDefaults(),
    MailStore: azurite.connectionString,
    AzureWebJobsStorage: azurite.connectionString,
    KEY_VAULT_URL: vault.url,
    // The emulator is not under vault.azure.net, which the client library insists on otherwise.
    KEY_VAULT_CHECK_CHALLENGE: 'false',
    MAILBOXES: JSON.stringify(mailboxes),
    OAUTH_AUTHORIZE_ENDPOINT: entra.authorizeEndpoint,
    OAUTH_CLIENT_ID: appClientId,
    OAUTH_SCOPES: scopes,
    MANAGED_IDENTITY_CLIENT_ID: identityClientId,
    SMTP_SERVER: `localhost:${exchange.smtpPort}`,
    IMAP_SERVER: `localhost:${exchange.imapPort}`,
    ...(options.numbers === undefined ? {} : { OUTBOUND_NUMBERS: JSON.stringify(options.numbers) }),
    ...identity.env,
    // Trust in the emulators' certificates; Node reads it at the start of a process.
    NODE_EXTRA_CA_CERTS: caFile,
    ...(options.publicUrl === undefined ? {} : { PUBLIC_URL: options.publicUrl }),
    ...options.settings,
  };
  if (options.connected ?? true) connect(mailboxes, { entra, vault, clock });

  return {
    azurite,
    store,
    entra,
    identity,
    vault,
    exchange,
    settings,
    startHost: ({ appFolder, port, settings: own, timersOff, onLine, graceMs }) =>
      startHostProcess({
        appFolder,
        settings: { ...settings, ...own },
        port: port ?? 0,
        timersFile: join(folder, 'timers.json'),
        ...(options.hideMs === undefined ? {} : { hideMs: options.hideMs }),
        ...(timersOff === undefined ? {} : { timersOff }),
        ...(graceMs === undefined ? {} : { graceMs }),
        ...(onLine === undefined ? {} : { onLine }),
      }),
    close,
  };
}

/** The delegated mailboxes have been signed in, as if their consent had been given just now. */
function connect(
  mailboxes: readonly MailboxSetting[],
  {
    entra,
    vault,
    clock,
  }: { readonly entra: EntraEmulator; readonly vault: KeyVaultEmulator; readonly clock: Clock },
): void {
  for (const mailbox of mailboxes.filter(({ signIn }) => signIn === 'delegated')) {
    const account = usersOf(mailbox)[0] ?? mailbox.address;
    const scope = `${scopes.replaceAll(',', ' ')} offline_access`;
    vault.seed(
      grantName(mailbox.address),
      grantValue({
        refreshToken: entra.grant(account, appClientId, scope),
        generation: '1',
        account,
        consentedAt: clock.now(),
        storedAt: clock.now(),
      }),
    );
  }
}

/** Who logs in: to SMTP first, since a grant is that user's. */
function usersOf({ address, smtpUser, imapUser }: MailboxSetting): string[] {
  return [smtpUser, imapUser, address].filter((user) => typeof user === 'string');
}

function readDefaults(): Record<string, string> {
  return JSON.parse(readFileSync(join(root, 'infra', 'settings.json'), 'utf8')) as Record<string, string>;
}
