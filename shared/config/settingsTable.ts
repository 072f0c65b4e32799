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

/** ESM_CONNECTOR may be continued likewise. */
export const connectorSettings = [
  'ESM_CONNECTOR',
  'ESM_CONNECTOR_2',
  'ESM_CONNECTOR_3',
  'ESM_CONNECTOR_4',
  'ESM_CONNECTOR_5',
] as const;

const setting = (
  name: string,
  required: string,
  what: string,
  more: Pick<SettingRow, 'default' | 'secret'> = {},
): SettingRow => ({ name, required, what, ...more });

export const settingsTable: readonly SettingRow[] = [
  setting(
    'MailStore',
    'unless the identity form is used',
    'Connection string of the storage account that holds queues, tables and blobs. For the emulator and elsewhere; in Azure use the identity form.',
    { secret: true },
  ),
  setting(
    'MailStore__accountName',
    'identity form, instead of the three addresses',
    'Name of the storage account, in public Azure.',
  ),
  setting(
    'MailStore__queueServiceUri',
    'identity form',
    'Address of the queue service, `https://NAME.queue.core.windows.net`.',
  ),
  setting('MailStore__blobServiceUri', 'identity form', 'Address of the blob service.'),
  setting('MailStore__tableServiceUri', 'identity form', 'Address of the table service.'),
  setting(
    'MailStore__credential',
    'identity form in Azure',
    '`managedidentity`: the Functions host needs it to open the queues with the identity.',
  ),
  setting(
    'MailStore__clientId',
    'identity form with a user-assigned identity',
    'Client id of the user-assigned managed identity.',
  ),
  setting('KEY_VAULT_URL', 'yes', 'The vault that holds the grants, `https://NAME.vault.azure.net`.'),
  setting(
    'KEY_VAULT_CHECK_CHALLENGE',
    'no',
    '`false` only for a vault whose address is not under the domain of the resource that it names.',
    { default: 'true' },
  ),
  setting(
    'STORE_GRANTS_AT_ONCE',
    'no',
    '`true`: each new refresh token is stored at once, for an authority that revokes the old one. `false`: when the stored one is older than a week, since a vault keeps every version forever.',
    { default: 'false' },
  ),
  setting('MAILBOXES', 'yes', 'JSON array of mailboxes, see below.'),
  ...mailboxSettings
    .slice(1)
    .map((name) => setting(name, 'no', 'More mailboxes, a JSON array too; it continues the one before.')),
  setting(
    'ESM_MAIL_SETTINGS',
    'or the three OAUTH settings',
    "ESM's four lines `mail.oauth.enabled`, `mail.oauth.authorize.endpoint`, `mail.oauth.client.id`, `mail.oauth.scopes`, pasted unchanged.",
  ),
  setting(
    'OAUTH_AUTHORIZE_ENDPOINT',
    'or ESM_MAIL_SETTINGS',
    '`https://login.microsoftonline.com/TENANT/oauth2/v2.0/authorize`, with the tenant in it. The token endpoint is derived from it.',
  ),
  setting('OAUTH_CLIENT_ID', 'or ESM_MAIL_SETTINGS', 'Application (client) id of the app registration.'),
  setting(
    'OAUTH_SCOPES',
    'no',
    'Delegated scopes, separated by commas or spaces; `offline_access` is added.',
    { default: 'https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send' },
  ),
  setting('OAUTH_APPLICATION_SCOPE', 'no', 'The scope that application sign-in requests.', {
    default: 'https://outlook.office365.com/.default',
  }),
  setting(
    'MANAGED_IDENTITY_CLIENT_ID',
    'no',
    "Client id of the managed identity that is the app registration's federated credential.",
    { default: 'MailStore__clientId' },
  ),
  setting(
    'OAUTH_CLIENT_SECRET',
    'no',
    'A client secret instead of the managed identity, for use outside Azure.',
    { secret: true },
  ),
  setting(
    'OAUTH_CLIENT_SECRET_EXPIRES',
    'no',
    'The day on which the client secret expires, `2027-11-25`, for an alert two weeks before; the app cannot read it from Entra.',
  ),
  setting(
    'OAUTH_CLIENT_CERTIFICATE',
    'no',
    'A certificate with its private key (PKCS #8) instead of the managed identity: PEM text, or base64 of it.',
    { secret: true },
  ),
  setting('SMTP_SERVER', 'no', 'Host and port; STARTTLS is required.', { default: 'smtp.office365.com:587' }),
  setting('IMAP_SERVER', 'no', 'Host and port; TLS from the start.', {
    default: 'outlook.office365.com:993',
  }),
  setting(
    'FETCH_SCHEDULE',
    'yes',
    'When mail is fetched. Six fields (NCRONTAB): second, minute, hour, day, month, day of the week; UTC.',
  ),
  setting(
    'SWEEP_SCHEDULE',
    'yes',
    'When accounts are checked for due messages that no drain is working on; each minute.',
  ),
  setting('PRUNE_SCHEDULE', 'yes', 'When finished and old messages are removed; daily.'),
  setting(
    'REFRESH_SCHEDULE',
    'yes',
    'When all grants are refreshed, so that idle ones do not expire; daily.',
  ),
  setting(
    'IN_DOUBT',
    'no',
    'What happens to a message in doubt whose copy is not in Sent Items: `hold` for a person, or `resend`.',
    { default: 'hold' },
  ),
  setting('GIVE_UP_AFTER_HOURS', 'no', "Sum of a message's own deferrals after which it fails (1 to 720).", {
    default: '48',
  }),
  setting(
    'CONTENT_DAYS',
    'no',
    'Days for which the content of an incoming message is kept after it was announced (1 to 365).',
    { default: '30' },
  ),
  setting(
    'RETENTION_DAYS',
    'no',
    'How long finished messages, and therefore their ids, are kept (1 to 3,650).',
    { default: '30' },
  ),
  setting(
    'MAX_RECIPIENTS',
    'no',
    "Recipients in one message (1 to 1,000); at most the mailbox's own RecipientLimits in Exchange.",
    { default: '500' },
  ),
  setting(
    'MAX_MESSAGE_MEGABYTES',
    'no',
    "Size of one message as sent, base64 included (1 to 150); at most the mailbox's own MaxSendSize in Exchange.",
    { default: '35' },
  ),
  setting('UPLOAD_CONTAINER', 'no', 'The only blob container that submissions may refer to.', {
    default: 'outbound-uploads',
  }),
  setting(
    'EVENTS_TO',
    'no',
    'Who reads events and notices, one consumer alone: `queue`, a program at the queues mail-status and inbound-mail; `http`, a caller of GET /api/events and /api/notices; `esm`, the connector to ESM’s data cards; or `none`, nobody: nothing is put on these queues, and the content of incoming mail is removed once it is sorted. After a change between `esm` and another value publish the package again: the platform then knows the two triggers.',
    { default: 'queue' },
  ),
  setting(
    'ESM_URL',
    'with EVENTS_TO esm',
    'The whole base address of ESM’s REST API, `https://NAME.efectecloud.com/rest-api/itsm/v1`; on premises often `https://HOST/itsm/api/v1`.',
  ),
  setting(
    'ESM_LOGIN',
    'with EVENTS_TO esm',
    'A local user of ESM whose role has the permission External API.',
  ),
  setting(
    'ESM_PASSWORD_SECRET',
    'with EVENTS_TO esm',
    'Name of the vault’s secret with the password; a new version counts within a minute of the old one being refused.',
  ),
  setting(
    'ESM_CONNECTOR',
    'with EVENTS_TO esm',
    'Which mail goes to which template, and what to which attribute: JSON, see docs/schemas/esmConnector.json and docs/esm.md.',
  ),
  ...connectorSettings
    .slice(1)
    .map((name) => setting(name, 'no', 'More of ESM_CONNECTOR, a JSON object too; their lists are joined.')),
  setting(
    'PUBLIC_URL',
    'no',
    'Where browsers reach the app, `https://NAME.azurewebsites.net`. By default the host name that the platform sets (`WEBSITE_HOSTNAME`).',
  ),
  setting(
    'OUTBOUND_NUMBERS',
    'no',
    'JSON object that changes numbers of the outbound protocol, see below. For shortened runs; leave it out in production.',
  ),
  setting('INBOUND_NUMBERS', 'no', 'The same for fetching.'),
  setting(
    'HEARTBEAT_NUMBERS',
    'no',
    'The same for the heartbeat, which runs the work of timers that stopped.',
  ),
];
