// From an empty resource group to a bridge that only lacks its code: one deployment. What Bicep can't do is the
// Exchange half (exchange/grantMailboxAccess.ps1) and connecting delegated mailboxes (a person in a browser).
//
// The order is in the references: identity, store, vault and log first; then their roles, all on one page;
// then the app, whose first start already needs them.

targetScope = 'resourceGroup'

import { alwaysReady, mailbox } from 'modules/types.bicep'

// ---- what to deploy --------------------------------------------------------------------------------------

@description('What this deployment is called; part of every name: lower-case letters, digits and hyphens, beginning with a letter and not ending in a hyphen. Two deployments in one tenant differ in it or in their resource group.')
@minLength(3)
@maxLength(16)
param name string

param location string = resourceGroup().location

@description('Tags on every resource.')
param tags object = {}

@description('The mailboxes, as the app\'s MAILBOXES setting has them. At least one.')
@maxLength(100)
param mailboxes mailbox[]

// ---- who -------------------------------------------------------------------------------------------------

@description('Object id of the service principal that puts submissions on outbound-mail for ESM; empty: nobody.')
param senderPrincipalId string = ''

@description('Object id of the service principal that takes events and notices for ESM; empty: nobody.')
param consumerPrincipalId string = ''

@description('Object ids of the users or groups that may use the administrator\'s page.')
param adminPrincipalIds string[] = [deployer().objectId]

@description('Who is told of alerts.')
param alertEmails string[] = []

// ---- Entra -----------------------------------------------------------------------------------------------

@description('Off for a deployer without rights in Entra: somebody else deploys entra.bicep, and its clientId goes into existingClientId.')
param deployEntra bool = true

@description('Client id of an app registration that is there already; only read where deployEntra is off.')
param existingClientId string = ''

@description('Grants the permissions for the whole tenant (the deployer needs Cloud Application Administrator). Off: an administrator opens the output adminConsentUrl.')
param grantAdminConsent bool = false

@description('ESM\'s own redirect addresses, where ESM signs in with this registration too.')
param esmRedirectUris string[] = []

// ---- size and safety -------------------------------------------------------------------------------------

@description('Memory of an instance. 512 runs out beside a 35 MB message.')
param instanceMemoryMB 512 | 2048 | 4096 = 2048

@description('Most instances of each function. The limits of Exchange Online don\'t rest on it.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances kept warm.')
param alwaysReadyInstances alwaysReady = { http: 0, sendMail: 0 }

param storageSku 'Standard_LRS' | 'Standard_ZRS' | 'Standard_GZRS' = 'Standard_LRS'

@description('Name of the key vault, unique in the world.')
@minLength(3)
@maxLength(24)
param vaultName string = 'kv-${uniqueString(resourceGroup().id, name)}'

@description('Once on it can never be turned off, and the vault\'s name is taken for 90 days after a deletion. On in production.')
param purgeProtection bool = false

@description('Takes up a deleted vault of this name, grants included, instead of making a new one.')
param recoverVault bool = false

@description('Days that the log is kept.')
param logRetentionDays 30 | 60 | 90 | 120 | 180 | 270 | 365 | 550 | 730 = 30

@description('Off for the deployment before the first publication: without the code, rules that wait for a sign of life fire.')
param alertsEnabled bool = true

// ---- settings of the app ---------------------------------------------------------------------------------

@description('Settings of the app by name (docs/settings.md), schedules and servers included; they win over the defaults of settings.json.')
param settings { *: string } = {}

// ----------------------------------------------------------------------------------------------------------

// What the app's name takes. A name that does not fit would end the deployment half-way, in Azure's words.
var nameCharacters = map(range(0, length(name)), index => substring(name, index, 1))
var nameFits = empty(filter(nameCharacters, one => !contains('abcdefghijklmnopqrstuvwxyz0123456789-', one))) && contains(
  'abcdefghijklmnopqrstuvwxyz',
  first(name)
) && last(name) != '-'
var checkedName = nameFits
  ? name
  : fail('The parameter "name" is "${name}": use lower-case letters, digits and hyphens, begin with a letter and do not end in a hyphen.')
var checkedMailboxes = empty(mailboxes)
  ? fail('The parameter "mailboxes" is empty: write the mailboxes that the bridge serves into the parameter file.')
  : mailboxes
var hasRegistration = deployEntra || !empty(existingClientId)

var token = uniqueString(resourceGroup().id, name)
var appName = 'func-${checkedName}-${token}'
// The platform's own name for the app; computed, or the app and its registration would wait for each other.
var hostName = '${appName}.azurewebsites.net'
var storageName = 'st${token}'
var workspaceName = 'log-${name}-${token}'
var componentName = 'appi-${name}-${token}'
var workspaceId = resourceId('Microsoft.OperationalInsights/workspaces', workspaceName)
var componentId = resourceId('Microsoft.Insights/components', componentName)

module identity 'modules/identity.bicep' = {
  params: { name: 'id-${name}-${token}', location: location, tags: tags }
}

module storage 'modules/storage.bicep' = {
  params: { name: storageName, location: location, tags: tags, sku: storageSku }
}

module monitoring 'modules/monitoring.bicep' = {
  params: {
    workspaceName: workspaceName
    componentName: componentName
    location: location
    tags: tags
    retentionDays: logRetentionDays
  }
}

module vault 'modules/vault.bicep' = {
  params: {
    name: vaultName
    location: location
    tags: tags
    workspaceId: workspaceId
    purgeProtection: purgeProtection
    recover: recoverVault
  }
  dependsOn: [monitoring]
}

module roles 'modules/roles.bicep' = {
  params: {
    storageName: storageName
    vaultName: vaultName
    componentName: componentName
    appPrincipalId: identity.outputs.principalId
    senderPrincipalId: senderPrincipalId
    consumerPrincipalId: consumerPrincipalId
  }
  dependsOn: [storage, vault, monitoring]
}

module entra 'entra.bicep' = if (deployEntra) {
  params: {
    displayName: 'Mail bridge ${name}'
    uniqueName: 'mail-bridge-${name}-${uniqueString(resourceGroup().id)}'
    hostName: hostName
    esmRedirectUris: esmRedirectUris
    identityPrincipalId: identity.outputs.principalId
    mailboxes: mailboxes
    grantAdminConsent: grantAdminConsent
    adminPrincipalIds: adminPrincipalIds
  }
}

module app 'modules/app.bicep' = {
  params: {
    planName: 'plan-${name}-${token}'
    appName: appName
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    blobEndpoint: storage.outputs.blobEndpoint
    queueEndpoint: storage.outputs.queueEndpoint
    tableEndpoint: storage.outputs.tableEndpoint
    vaultUri: vault.outputs.uri
    insightsConnectionString: monitoring.outputs.connectionString
    hasRegistration: hasRegistration
    entraClientId: entra.?outputs.clientId ?? existingClientId
    mailboxes: checkedMailboxes
    settings: union(loadJsonContent('settings.json'), settings)
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
  }
  dependsOn: [roles]
}

module alerts 'modules/alerts.bicep' = {
  params: {
    name: name
    location: location
    tags: tags
    workspaceId: workspaceId
    receives: !empty(filter(mailboxes, one => one.?receive ?? true))
    enabled: alertsEnabled
    alertEmails: alertEmails
  }
  dependsOn: [monitoring]
}

module workbook 'modules/workbook.bicep' = {
  params: {
    name: name
    location: location
    tags: tags
    workspaceId: workspaceId
    componentId: componentId
  }
  dependsOn: [monitoring]
}

output appName string = appName
output connectUrl string = 'https://${hostName}/api/oauth/connect'
output storageName string = storageName
output vaultName string = vaultName
output clientId string = entra.?outputs.clientId ?? existingClientId
output enterpriseAppObjectId string = entra.?outputs.enterpriseAppObjectId ?? ''
output adminConsentUrl string = entra.?outputs.adminConsentUrl ?? ''
@description('For grantMailboxAccess.ps1: the mailboxes that sign in by application.')
output applicationMailboxes string = join(
  map(filter(mailboxes, one => one.signIn == 'application'), one => one.address),
  ','
)
