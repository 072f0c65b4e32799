// For azd up: makes the resource group, then deploys the same template into it. Everything else is a parameter
// of ../main.bicep with its default there.

targetScope = 'subscription'

import { mailbox } from '../modules/types.bicep'

@description('The azd environment; part of every name.')
@minLength(3)
@maxLength(16)
param environmentName string

param location string

param mailboxes mailbox[]

@description('As in ../main.bicep.')
param network 'public' | 'private'

param grantAdminConsent bool

param alertEmails string[]

@description('Object ids of the users or groups that may use the administrator\'s page.')
param adminPrincipalIds string[]

param alertsEnabled bool

var tags = { 'azd-env-name': environmentName }

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

// Named as docs/deployment.md names it: what reads the outputs there works after azd up too.
module bridge '../main.bicep' = {
  name: 'mail-bridge'
  scope: group
  params: {
    name: environmentName
    location: location
    tags: tags
    network: network
    mailboxes: mailboxes
    grantAdminConsent: grantAdminConsent
    alertEmails: alertEmails
    adminPrincipalIds: adminPrincipalIds
    alertsEnabled: alertsEnabled
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_APP_NAME string = bridge.outputs.appName
output CLIENT_ID string = bridge.outputs.clientId
output ENTERPRISE_APP_OBJECT_ID string = bridge.outputs.enterpriseAppObjectId
output ADMIN_CONSENT_URL string = bridge.outputs.adminConsentUrl
output CONNECT_URL string = bridge.outputs.connectUrl
