// Every setting by name: its meaning, whether it is required, its default. docs/settings.md is generated from this table,
// the template's settings are compared with it, and a name that nearly matches one of these is reported as a mistake.

export interface SettingRow {
  readonly name: string;
  /** `yes`, `no`, or when. */
  readonly required: string;
  /** The default; shown, and compared with infra/settings.json. */
  readonly default?: string;
  readonly what: string;
  readonly secret?: true;
}

/** MAILBOXES may be continued in these: one app setting holds some 10,000 characters, a hundred mailboxes need more. */
export const mailboxSettings = [
  'MAILBOXES',
  'MAILBOXES_2',
  'MAILBOXES_3',
  'MAILBOXES_4',
  'MAILBOXES_5',
] as const;

export const settingsTable: readonly SettingRow[] = [
  {
    name: 'MailStore',
    required: 'unless the identity form is used',
    what: 'Connection string of the storage account that holds queues, tables and blobs. For the emulator and elsewhere; in Azure use the identity form.',
    secret: true,
  },
  {
    name: 'MailStore__accountName',
    required: 'identity form, instead of the three addresses',
    what: 'Name of the storage account, in public Azure.',
  },
  {
    name: 'MailStore__queueServiceUri',
    required: 'identity form',
    what: 'Address of the queue service, `https://NAME.queue.core.windows.net`.',
  },
  { name: 'MailStore__blobServiceUri', required: 'identity form', what: 'Address of the blob service.' },
  { name: 'MailStore__tableServiceUri', required: 'identity form', what: 'Address of the table service.' },
  {
    name: 'MailStore__credential',
    required: 'identity form in Azure',
    what: '`managedidentity`: the Functions host needs it to open the queues with the identity.',
  },
  {
    name: 'MailStore__clientId',
    required: 'identity form with a user-assigned identity',
    what: 'Client id of the user-assigned managed identity.',
  },
  {
    name: 'KEY_VAULT_URL',
    required: 'yes',
    what: 'The vault that holds the grants, `https://NAME.vault.azure.net`.',
  },
  {
    name: 'KEY_VAULT_CHECK_CHALLENGE',
    required: 'no',
    default: 'true',
    what: '`false` only for a vault whose address is not under the domain of the resource that it names.',
  },
  {
    name: 'STORE_GRANTS_AT_ONCE',
    required: 'no',
    default: 'false',
    what: '`true`: each new refresh token is stored at once, for an authority that revokes the old one. `false`: when the stored one is older than a week, since a vault keeps every version forever.',
  },
  { name: 'MAILBOXES', required: 'yes', what: 'JSON array of mailboxes, see below.' },
  ...mailboxSettings.slice(1).map((name) => ({
    name,
    required: 'no',
    what: 'More mailboxes, a JSON array too; it continues the one before.',
  })),
  {
    name: 'ESM_MAIL_SETTINGS',
    required: 'or the three OAUTH settings',
    what: "ESM's four lines `mail.oauth.enabled`, `mail.oauth.authorize.endpoint`, `mail.oauth.client.id`, `mail.oauth.scopes`, pasted unchanged.",
  },
  {
    name: 'OAUTH_AUTHORIZE_ENDPOINT',
    required: 'or ESM_MAIL_SETTINGS',
    what: '`https://login.microsoftonline.com/TENANT/oauth2/v2.0/authorize`, with the tenant in it. The token endpoint is derived from it.',
  },
  {
    name: 'OAUTH_CLIENT_ID',
    required: 'or ESM_MAIL_SETTINGS',
    what: 'Application (client) id of the app registration.',
  },
  {
    name: 'OAUTH_SCOPES',
    required: 'no',
    default: 'https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send',
    what: 'Delegated scopes, separated by commas or spaces; `offline_access` is added.',
  },
  {
    name: 'OAUTH_APPLICATION_SCOPE',
    required: 'no',
    default: 'https://outlook.office365.com/.default',
    what: 'The scope that application sign-in requests.',
  },
  {
    name: 'MANAGED_IDENTITY_CLIENT_ID',
    required: 'no',
    default: 'MailStore__clientId',
    what: "Client id of the managed identity that is the app registration's federated credential.",
  },
  {
    name: 'OAUTH_CLIENT_SECRET',
    required: 'no',
    what: 'A client secret instead of the managed identity, for use outside Azure.',
    secret: true,
  },
  {
    name: 'OAUTH_CLIENT_SECRET_EXPIRES',
    required: 'no',
    what: 'The day on which the client secret expires, `2027-11-25`, for an alert two weeks before; the app cannot read it from Entra.',
  },
  {
    name: 'OAUTH_CLIENT_CERTIFICATE',
    required: 'no',
    what: 'A certificate with its private key (PKCS #8) instead of the managed identity: PEM text, or base64 of it.',
    secret: true,
  },
  {
    name: 'SMTP_SERVER',
    required: 'no',
    default: 'smtp.office365.com:587',
    what: 'Host and port; STARTTLS is required.',
  },
  {
    name: 'IMAP_SERVER',
    required: 'no',
    default: 'outlook.office365.com:993',
    what: 'Host and port; TLS from the start.',
  },
  {
    name: 'FETCH_SCHEDULE',
    required: 'yes',
    what: 'When mail is fetched. Six fields (NCRONTAB): second, minute, hour, day, month, day of the week; UTC.',
  },
  {
    name: 'SWEEP_SCHEDULE',
    required: 'yes',
    what: 'When accounts are checked for due messages that no drain is working on; each minute.',
  },
  { name: 'PRUNE_SCHEDULE', required: 'yes', what: 'When finished and old messages are removed; daily.' },
  {
    name: 'REFRESH_SCHEDULE',
    required: 'yes',
    what: 'When all grants are refreshed, so that idle ones do not expire; daily.',
  },
  {
    name: 'IN_DOUBT',
    required: 'no',
    default: 'hold',
    what: 'What happens to a message in doubt whose copy is not in Sent Items: `hold` for a person, or `resend`.',
  },
  {
    name: 'GIVE_UP_AFTER_HOURS',
    required: 'no',
    default: '48',
    what: "Sum of a message's own deferrals after which it fails (1 to 720).",
  },
  {
    name: 'RETENTION_DAYS',
    required: 'no',
    default: '30',
    what: 'How long finished messages, and therefore their ids, are kept (1 to 3,650).',
  },
  {
    name: 'MAX_RECIPIENTS',
    required: 'no',
    default: '500',
    what: "Recipients in one message (1 to 1,000); at most the mailbox's own RecipientLimits in Exchange.",
  },
  {
    name: 'MAX_MESSAGE_MEGABYTES',
    required: 'no',
    default: '35',
    what: "Size of one message as sent, base64 included (1 to 150); at most the mailbox's own MaxSendSize in Exchange.",
  },
  {
    name: 'UPLOAD_CONTAINER',
    required: 'no',
    default: 'outbound-uploads',
    what: 'The only blob container that submissions may refer to.',
  },
  {
    name: 'PUBLIC_URL',
    required: 'no',
    what: 'Where browsers reach the app, `https://NAME.azurewebsites.net`. By default the host name that the platform sets (`WEBSITE_HOSTNAME`).',
  },
  {
    name: 'OUTBOUND_NUMBERS',
    required: 'no',
    what: 'JSON object that changes numbers of the outbound protocol, see below. For shortened runs; leave it out in production.',
  },
  {
    name: 'INBOUND_NUMBERS',
    required: 'no',
    what: 'The same for fetching.',
  },
];
