// The settings as the program understood them, in words for an administrator. Named one by one, so that a secret can't get in.
import type { ClientCredential, Settings, StoreAddress } from '../config/settings.ts';

/** Names and values, in the order in which they are shown. */
export function shownSettings(settings: Settings): readonly (readonly [name: string, value: string])[] {
  const { store, vault, signIn, smtp, imap, schedules, outbound, submissions } = settings;
  return [
    ['Mailboxes', settings.mailboxes.map(({ address }) => address).join(', ')],
    [
      'Accounts (SMTP logins)',
      settings.accounts
        .map(({ user, limits }) => `${user}: ${String(limits.messagesPerMinute)} a minute`)
        .join(', '),
    ],
    ['Store', storeWords(store)],
    ['Export to another account', settings.exportStore === undefined ? 'no' : 'yes'],
    ['Key vault', vault.url],
    ['Tenant', signIn.tenant],
    ['App registration (client id)', signIn.clientId],
    ['Credential', credentialWords(signIn.credential)],
    ['Scopes', signIn.scopes.join(' ')],
    ['SMTP server', `${smtp.host}:${String(smtp.port)}`],
    ['IMAP server', `${imap.host}:${String(imap.port)}`],
    ['Public address', settings.publicUrl ?? 'not set: no callback can reach the app'],
    ['Events and notices go to', settings.eventsTo],
    ['Recipients of a submission, at most', String(submissions.recipientsCount)],
    ['Size of a message, at most', `${String(submissions.contentBytes)} bytes`],
    ['Upload container', settings.uploadContainer],
    ['In doubt', outbound.inDoubtPolicy],
    ['Gives up after', `${String(outbound.giveUpAfterMs / 3_600_000)} h of deferrals`],
    ['Finished messages are kept', `${String(outbound.retentionMs / 86_400_000)} days`],
    ...Object.entries(schedules).map(([name, value]) => [`Schedule of ${name} (UTC)`, value] as const),
  ];
}

const storeWords = (store: StoreAddress): string =>
  store.kind === 'identity'
    ? `${store.tableServiceUri} by identity${store.clientId === undefined ? '' : ` ${store.clientId}`}`
    : 'by a connection string (not shown)';

const credentialWords = (credential: ClientCredential): string =>
  ({
    managedIdentity: 'managed identity, nothing secret',
    secret: 'client secret',
    certificate: 'certificate',
  })[credential.kind];
