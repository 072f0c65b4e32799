// azd fills in its own names; the mailboxes are written here (infra/modules/types.bicep says what one may hold).
// Indented comments are examples: take the slashes away and write your own values.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'mail-azd')
param location = readEnvironmentVariable('AZURE_LOCATION', 'northeurope')
param grantAdminConsent = bool(readEnvironmentVariable('GRANT_ADMIN_CONSENT', 'false'))
param adminPrincipalIds = filter([readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')], id => !empty(id))
// Off until the code is there: azd env set ALERTS_ENABLED true, then azd provision.
param alertsEnabled = bool(readEnvironmentVariable('ALERTS_ENABLED', 'false'))
// public or private: docs/deployment.md, step 1.
param network = 'public'
param alertEmails = [
  // 'servicedesk-admins@contoso.example'
]

param mailboxes = [
  // {
  //   address: 'servicedesk-dev@contoso.example'
  //   signIn: 'delegated'
  //   afterFetch: 'seen'
  // }
]
