// The settings, read once from the environment (readSettings.ts) and typed. These types are declared here only; the
// modules that are configured by them import them.
import type { Connector } from '../esm/mapping.ts';
import type { InboundNumbers } from '../inbound/dependencies.ts';
import type { Account, Mailbox } from '../mail/mailbox.ts';
import type { HeartbeatNumbers } from '../ops/heartbeatNumbers.ts';
import type { OutboundNumbers } from '../outbound/numbers.ts';

/** How the storage account is reached: by identity (Azure), or by a connection string (the emulator, elsewhere). */
export type StoreAddress =
  | {
      readonly kind: 'identity';
      readonly tableServiceUri: string;
      readonly blobServiceUri: string;
      readonly queueServiceUri: string;
      /** Of the user-assigned managed identity; absent means the system-assigned one, or a developer's own sign-in. */
      readonly clientId?: string;
    }
  | { readonly kind: 'connectionString'; readonly connectionString: string };

/** Where the outbox is exported to: the host's account. */
export type ExportAddress =
  | { readonly kind: 'identity'; readonly blobServiceUri: string; readonly clientId?: string }
  | { readonly kind: 'connectionString'; readonly connectionString: string };

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** The app's credential for Entra, in both ways of signing in. */
export type ClientCredential =
  /** The managed identity is the app registration's federated credential: no secret anywhere. */
  | { readonly kind: 'managedIdentity'; readonly clientId?: string }
  /** `expiresAt` (UTC ms) if an administrator has noted it; the app cannot read it from Entra. */
  | { readonly kind: 'secret'; readonly secret: string; readonly expiresAt?: number }
  /** PEM text: the certificate and its private key (PKCS #8). */
  | { readonly kind: 'certificate'; readonly pem: string };

export interface SignInSettings {
  /** `https://login.microsoftonline.com`, without a slash at the end. */
  readonly authorityHost: string;
  /** Tenant id or a domain of the tenant; never `common` and the like. */
  readonly tenant: string;
  readonly authorizeEndpoint: string;
  /** Beside the authorize endpoint. */
  readonly tokenEndpoint: string;
  readonly clientId: string;
  /** Delegated: the mail scopes of one resource, then `offline_access`. */
  readonly scopes: readonly string[];
  /** Application: the resource's `/.default`. */
  readonly applicationScope: string;
  readonly credential: ClientCredential;
}

export interface VaultSettings {
  readonly url: string;
  /** Off only for a vault that is not under the resource's own domain (an emulator, a private name). */
  readonly checkChallenge: boolean;
  /**
   * False for Entra, which keeps a refresh token valid after it was used: a new one is stored when the stored one is a
   * week old, because a vault keeps every version forever. True for an authority that revokes the used one: each new
   * one is stored at once.
   */
  readonly storeGrantsAtOnce: boolean;
}

/** Six-field NCRONTAB expressions, UTC. The functions bind to the settings themselves; here they were checked. */
export interface Schedules {
  readonly fetch: string;
  readonly sweep: string;
  readonly prune: string;
  readonly refresh: string;
}

/** Replaces numbers of the protocol's own: `{ ...defaultNumbers, ...settings.outbound }`. */
export type OutboundSettings = Readonly<
  Partial<OutboundNumbers> &
    Pick<OutboundNumbers, 'inDoubtPolicy' | 'giveUpAfterMs' | 'retentionMs' | 'blobMostBytes'>
>;

/** Bounds on a submission that are settings; the others are constants of its schema. */
export interface SubmissionMaxima {
  /** To, cc and bcc together, after duplicates are folded. Exchange: 500 by default, at most 1,000. */
  readonly recipientsCount: number;
  /** The message as sent, base64 included. Exchange: 35 MB by default, at most 150. */
  readonly contentBytes: number;
}

/** Who reads events and notices: a program at the queues, a caller over HTTP, or the connector to ESM's cards, one
 * consumer alone; or nobody. */
export type EventsTo = (typeof eventsToValues)[number];
export const eventsToValues = ['queue', 'http', 'esm', 'none'] as const;

/** The connector to ESM's data cards. */
export interface EsmConnectorSettings {
  /** The whole base address of the API, without a slash at the end. */
  readonly url: string;
  readonly login: string;
  /** Name of the vault's secret with the password. */
  readonly passwordSecret: string;
  readonly connector: Connector;
}

export interface Settings {
  readonly store: StoreAddress;
  /** Absent: nothing is exported. */
  readonly exportStore?: ExportAddress;
  readonly vault: VaultSettings;
  readonly signIn: SignInSettings;
  readonly smtp: ServerAddress;
  readonly imap: ServerAddress;
  readonly mailboxes: readonly Mailbox[];
  /** The mailboxes that send, grouped by who logs in to SMTP. */
  readonly accounts: readonly Account[];
  readonly schedules: Schedules;
  readonly outbound: OutboundSettings;
  readonly inbound: Readonly<Partial<InboundNumbers>>;
  readonly heartbeat: Readonly<Partial<HeartbeatNumbers>>;
  readonly submissions: SubmissionMaxima;
  /** The blob container that submissions may refer to. */
  readonly uploadContainer: string;
  /** Who reads events and notices. */
  readonly eventsTo: EventsTo;
  /** Absent if the connector is not configured. */
  readonly esm?: EsmConnectorSettings;
  /** Where browsers reach the app, without a slash at the end; absent if not configured. */
  readonly publicUrl?: string;
}

export interface SettingProblem {
  readonly setting: string;
  /** What is wrong and what to write instead; never the value of a secret. */
  readonly detail: string;
}

export type SettingsAnswer =
  | { readonly kind: 'ok'; readonly settings: Settings }
  | { readonly kind: 'problems'; readonly problems: readonly [SettingProblem, ...SettingProblem[]] };
