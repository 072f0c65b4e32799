// What the environment says, read once (readSettings.ts) and typed. Nothing else in the product looks at it.
import type { Account, Mailbox } from '../mail/mailbox.ts';

/** How the store is reached: by identity (Azure), or by a connection string (the emulator, other places). */
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

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** How the app proves that it is the app, in both ways of signing in. */
export type ClientCredential =
  /** The managed identity is the app registration's federated credential: no secret anywhere. */
  | { readonly kind: 'managedIdentity'; readonly clientId?: string }
  /** `expiresAt` (UTC ms) where an administrator has noted it; Entra does not tell the app. */
  | { readonly kind: 'secret'; readonly secret: string; readonly expiresAt?: number }
  /** PEM text: the certificate and its private key. */
  | { readonly kind: 'certificate'; readonly pem: string };

export interface SignInSettings {
  /** `https://login.microsoftonline.com`, without a slash at the end. */
  readonly authorityHost: string;
  /** Tenant id or a domain of the tenant; never `common` and the like. */
  readonly tenant: string;
  readonly authorizeEndpoint: string;
  /** The authorize endpoint's neighbour. */
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
  /** Off only for a vault that is not under the resource's own domain (a stand-in, a private name). */
  readonly checkChallenge: boolean;
  /** True: each new refresh token is stored at once; false: when the stored one is older than a week. */
  readonly storeGrantsAtOnce: boolean;
}

/** Six-field NCRONTAB expressions, UTC. The functions bind to the settings themselves; here they were checked. */
export interface Schedules {
  readonly fetch: string;
  readonly sweep: string;
  readonly prune: string;
  readonly refresh: string;
}

/** The numbers of the outbound protocol that `OUTBOUND_NUMBERS` may change, under their names there. */
export type AdjustableNumber =
  | 'attemptMs'
  | 'graceMs'
  | 'periodMs'
  | 'guardMs'
  | 'dayMs'
  | 'dayBucketMs'
  | 'leaseMs'
  | 'leaseMarginMs'
  | 'serverIdleMs'
  | 'serverSlowMs'
  | 'workingConnectionCount'
  | 'connectMs'
  | 'drainBudgetMs'
  | 'functionMs'
  | 'turnMs'
  | 'headsRefreshMs'
  | 'tellEveryMs'
  | 'tellPauseMs'
  | 'waitInPlaceMs'
  | 'longestSleepMs'
  | 'firstLookMs'
  | 'doubtSettleMs'
  | 'lookPutOffMs'
  | 'lookMs'
  | 'firstDeferralMs'
  | 'longestDeferralMs'
  | 'probeAtLeastMs'
  | 'longestProbeMs'
  | 'contentInRowBytes'
  | 'blobAgeMs'
  | 'poisonDelayMs';

/** The numbers of fetching that `INBOUND_NUMBERS` may change; laid over `inboundNumbers`. */
export type AdjustableInboundNumber =
  'passBudgetMs' | 'mailboxBudgetMs' | 'reserveMs' | 'leaseMs' | 'firstPauseMs' | 'longestPauseMs';

/** Laid over the protocol's own defaults: `{ ...defaultNumbers, ...settings.outbound }`. */
export interface OutboundSettings extends Readonly<Partial<Record<AdjustableNumber, number>>> {
  /** What becomes of a message whose copy is not in Sent Items: a person decides, or it is sent again. */
  readonly doubtPolicy: 'hold' | 'resend';
  /** Sum of a message's own deferrals after which it fails. */
  readonly giveUpAfterMs: number;
  /** How long finished messages, and with them their ids, are remembered. */
  readonly retentionMs: number;
  /** The largest blob that a submission may refer to. */
  readonly blobMostBytes: number;
}

/** Bounds on a submission that are settings; the others are constants of its schema. */
export interface SubmissionMaxima {
  /** To, cc and bcc together, after duplicates are folded. Exchange: 500 by default, at most 1,000. */
  readonly recipientsCount: number;
  /** The message as sent, base64 included. Exchange: 35 MB by default, at most 150. */
  readonly contentBytes: number;
}

export interface Settings {
  readonly store: StoreAddress;
  readonly vault: VaultSettings;
  readonly signIn: SignInSettings;
  readonly smtp: ServerAddress;
  readonly imap: ServerAddress;
  readonly mailboxes: readonly Mailbox[];
  /** The mailboxes that send, grouped by who logs in to SMTP. */
  readonly accounts: readonly Account[];
  readonly schedules: Schedules;
  readonly outbound: OutboundSettings;
  readonly inbound: Readonly<Partial<Record<AdjustableInboundNumber, number>>>;
  readonly submissions: SubmissionMaxima;
  /** The blob container that submissions may refer to. */
  readonly uploadContainer: string;
  /** Where browsers reach the app, without a slash at the end; absent where nobody told. */
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
