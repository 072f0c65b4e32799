// azd fills in its own names; the mailboxes are written here.
using 'main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'mail-azd')
param location = readEnvironmentVariable('AZURE_LOCATION', 'northeurope')
param grantAdminConsent = bool(readEnvironmentVariable('GRANT_ADMIN_CONSENT', 'false'))
param adminPrincipalIds = filter([readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')], id => !empty(id))
param alertEmails = []

param mailboxes = [
  {
    address: 'servicedesk-dev@contoso.example'
    signIn: 'delegated'
    afterFetch: 'seen'
  }
]
