// From an empty resource group to a bridge that only lacks its code: one deployment. What Bicep can't do is the
// Exchange half (exchange/grantMailboxAccess.ps1) and connecting delegated mailboxes (a person in a browser).
//
// The order is in the references: identity, store, vault and log first; then their roles, all on one page;
// then the app, whose first start already needs them.

targetScope = 'resourceGroup'

import { alwaysReady, budget, intake, mailbox } from 'modules/types.bicep'
import { containerNames, exportContainerName, packageContainerName, queueNames, tableNames } from 'modules/names.bicep'

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

// ---- network ---------------------------------------------------------------------------------------------

@description('public: store and vault answer on the internet, to those with a role. private: only through private endpoints in a network of this deployment. The app itself answers on the internet in both. No default: choosing is the first step of docs/deployment.md.')
param network 'public' | 'private'

@description('private only: addresses of the network, at least /24.')
param addressPrefix string = '10.90.0.0/24'

@description('private only: one fixed address for everything that the app sends, as Conditional Access by location needs it.')
param fixedOutgoingAddress bool = false

@description('Addresses (IPv4 ranges as 203.0.113.0/24) that may call the app; empty: every address. Publishing, and the availability test, always may.')
@maxLength(200)
param allowedAddresses string[] = []

// ---- who -------------------------------------------------------------------------------------------------

@description('Object id of the service principal that puts submissions on outbound-mail for ESM; empty: nobody.')
param senderPrincipalId string = ''

@description('Object id of the service principal that takes events and notices for ESM; empty: nobody.')
param consumerPrincipalId string = ''

@description('Object ids of the users or groups that may use the administrator\'s page.')
param adminPrincipalIds string[] = [deployer().objectId]

@description('Object ids of the users or groups that may see states and counts, and nothing else.')
param viewerPrincipalIds string[] = []

@description('Who is told of alerts.')
param alertEmails string[] = []

// ---- Entra -----------------------------------------------------------------------------------------------

@description('Off for a deployer without rights in Entra: somebody else deploys entra.bicep, and its clientId goes into existingClientId.')
param deployEntra bool = true

@description('Client id of an app registration that is there already; only read where deployEntra is off.')
param existingClientId string = ''

@description('Grants the permissions for the whole tenant (the deployer needs Cloud Application Administrator). Off: an administrator opens the output adminConsentUrl.')
param grantAdminConsent bool = false

@description('Gives the app\'s roles to the principals above. Off where Graph refuses a second deployment with "EntitlementGrant entry already exists"; what was given stays.')
param assignRoles bool = true

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

@description('Spreads instances over zones. The platform then keeps two instances of each function group ready, and bills them (docs/cost.md); needs a storageSku with ZRS.')
param zoneRedundant bool = false

@description('LRS survives the loss of a disk, ZRS that of a zone; GRS and GZRS also keep a copy in another region, some minutes old, which Microsoft or you may fail over to.')
param storageSku 'Standard_LRS' | 'Standard_ZRS' | 'Standard_GRS' | 'Standard_GZRS' = 'Standard_LRS'

@description('Days for which a deleted blob can be restored; 0: none. Erased mail is gone after that many days.')
@minValue(0)
@maxValue(7)
param softDeleteDays int = 7

@description('Refuses to delete the mail\'s storage account and the vault until the lock "keep" is removed. The deployer then is Owner, or User Access Administrator besides.')
param deleteLock bool = false

@description('What is noted of reads, writes and deletions in the mail\'s store. all: queues and tables too, several gigabytes a month.')
param storeAudit 'none' | 'blobs' | 'all' = 'blobs'

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

@description('Gigabytes of log a day after which Azure drops the rest of the day; 0: none. A cap blinds the alerts, since they look at lines of the log.')
@minValue(0)
param logDailyCapGigabytes int = 0

@description('A budget that warns; null: none.')
param monthlyBudget budget?

@description('Asks /api/health every ten minutes from five places, and alerts where three get no answer.')
param availabilityTest bool = false

@description('Off for the deployment before the first publication: without the code, rules that wait for a sign of life fire.')
param alertsEnabled bool = true

// ---- SMTP intake -----------------------------------------------------------------------------------------

@description('Hosts the SMTP intake in Container Apps, for an ESM in the cloud; null: not.')
param smtpIntake intake?

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
var isPrivate = network == 'private'
var checkedOutgoing = fixedOutgoingAddress && !isPrivate
  ? fail('The parameter "fixedOutgoingAddress" needs network = \'private\': without a network of its own the app leaves from Azure\'s shared addresses.')
  : fixedOutgoingAddress
var checkedZones = zoneRedundant && !contains(storageSku, 'ZRS')
  ? fail('The parameter "zoneRedundant" needs storageSku Standard_ZRS or Standard_GZRS: the app can\'t outlive the zone that its store is in.')
  : zoneRedundant
// The host's account holds nothing that another region would need: a package can be published again.
var hostSku = contains(storageSku, 'ZRS') ? 'Standard_ZRS' : 'Standard_LRS'
var hasRegistration = deployEntra || !empty(existingClientId)

var token = uniqueString(resourceGroup().id, name)
var appName = 'func-${checkedName}-${token}'
// The platform's own name for the app; computed, or the app and its registration would wait for each other.
var hostName = '${appName}.azurewebsites.net'
var storageName = 'st${token}'
var hostStorageName = 'sth${token}'
var networkName = 'vnet-${name}'
var intakeNetworkName = 'vnet-intake-${name}'
var workspaceName = 'log-${name}-${token}'
var componentName = 'appi-${name}-${token}'
var workspaceId = resourceId('Microsoft.OperationalInsights/workspaces', workspaceName)
var componentId = resourceId('Microsoft.Insights/components', componentName)

module identity 'modules/identity.bicep' = {
  params: { name: 'id-${name}-${token}', location: location, tags: tags }
}

module alertsIdentity 'modules/identity.bicep' = {
  params: { name: 'id-alerts-${name}-${token}', location: location, tags: tags }
}

module storage 'modules/storage.bicep' = {
  params: {
    name: storageName
    location: location
    tags: tags
    sku: storageSku
    containers: map(items(containerNames), one => one.value)
    queues: map(items(queueNames), one => one.value)
    tables: map(items(tableNames), one => one.value)
    isPrivate: isPrivate
    softDeleteDays: softDeleteDays
    deleteLock: deleteLock
    lifetimes: [
      // What was uploaded for a submission over HTTP that never came. An accepted submission has its own copy.
      { name: 'uploads', prefix: '${containerNames.outboundUploads}/http/', days: 30 }
      // A submission on the queue that waits behind unusable settings still needs its uploads.
      { name: 'queued', prefix: '${containerNames.outboundUploads}/', days: 90 }
      // pruneInbound removes content after CONTENT_DAYS; what a crash left without a row it never sees.
      { name: 'received', prefix: '${containerNames.inboundContent}/', days: 400 }
    ]
    audit: storeAudit == 'all' ? 'all' : 'blobs'
    workspaceId: storeAudit == 'none' ? '' : workspaceId
  }
  dependsOn: [monitoring]
}

module hostStorage 'modules/storage.bicep' = {
  params: {
    name: hostStorageName
    location: location
    tags: tags
    sku: hostSku
    containers: [packageContainerName, exportContainerName]
    lifetimes: [{ name: 'week', prefix: '${exportContainerName}/', days: 7 }]
    queues: []
    tables: []
    isPrivate: isPrivate
    softDeleteDays: softDeleteDays
    deleteLock: false
  }
}

module monitoring 'modules/monitoring.bicep' = {
  params: {
    workspaceName: workspaceName
    componentName: componentName
    location: location
    tags: tags
    retentionDays: logRetentionDays
    dailyCapGigabytes: logDailyCapGigabytes
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
    isPrivate: isPrivate
    deleteLock: deleteLock
  }
  dependsOn: [monitoring]
}

module privateNetwork 'modules/network.bicep' = if (isPrivate) {
  params: {
    name: name
    networkName: networkName
    location: location
    tags: tags
    addressPrefix: addressPrefix
    fixedOutgoingAddress: checkedOutgoing
  }
}

module endpoints 'modules/endpoints.bicep' = if (isPrivate) {
  params: {
    name: name
    location: location
    tags: tags
    networkId: resourceId('Microsoft.Network/virtualNetworks', networkName)
    subnetId: resourceId('Microsoft.Network/virtualNetworks/subnets', networkName, 'endpoints')
    mailStorageId: storage.outputs.id
    hostStorageId: hostStorage.outputs.id
    vaultId: vault.outputs.id
  }
  dependsOn: [privateNetwork]
}

module roles 'modules/roles.bicep' = {
  params: {
    storageName: storageName
    hostStorageName: hostStorageName
    vaultName: vaultName
    componentName: componentName
    workspaceName: workspaceName
    appPrincipalId: identity.outputs.principalId
    alertsPrincipalId: alertsIdentity.outputs.principalId
    senderPrincipalId: senderPrincipalId
    consumerPrincipalId: consumerPrincipalId
  }
  dependsOn: [storage, hostStorage, vault, monitoring]
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
    assignRoles: assignRoles
    adminPrincipalIds: adminPrincipalIds
    viewerPrincipalIds: viewerPrincipalIds
    senderPrincipalId: senderPrincipalId
    consumerPrincipalId: consumerPrincipalId
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
    hostBlobEndpoint: hostStorage.outputs.blobEndpoint
    hostTableEndpoint: hostStorage.outputs.tableEndpoint
    vaultUri: vault.outputs.uri
    insightsConnectionString: monitoring.outputs.connectionString
    hasRegistration: hasRegistration
    entraClientId: entra.?outputs.clientId ?? existingClientId
    mailboxes: checkedMailboxes
    settings: union(loadJsonContent('settings.json'), settings)
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    zoneRedundant: checkedZones
    subnetId: isPrivate ? resourceId('Microsoft.Network/virtualNetworks/subnets', networkName, 'app') : ''
    allowedAddresses: allowedAddresses
    allowedSubnetId: smtpIntake == null
      ? ''
      : resourceId('Microsoft.Network/virtualNetworks/subnets', intakeNetworkName, 'environment')
  }
  // Its first start already needs its roles, and in the private form the way to the store.
  dependsOn: [roles, endpoints, intakeHost]
}

module alerts 'modules/alerts.bicep' = {
  params: {
    name: name
    location: location
    tags: tags
    workspaceId: workspaceId
    identityId: alertsIdentity.outputs.id
    receives: !empty(filter(mailboxes, one => one.?receive ?? true))
    enabled: alertsEnabled
    alertEmails: alertEmails
  }
  dependsOn: [monitoring, roles]
}

module availability 'modules/availability.bicep' = if (availabilityTest) {
  params: {
    name: name
    location: location
    tags: tags
    componentId: componentId
    hostName: hostName
    actionGroupId: alerts.outputs.actionGroupId
    enabled: alertsEnabled
  }
  dependsOn: [monitoring]
}

module spending 'modules/budget.bicep' = if (monthlyBudget != null) {
  params: {
    name: 'budget-${name}'
    amount: monthlyBudget!.amount
    startDate: monthlyBudget!.startDate
    alertEmails: alertEmails
    actionGroupId: alerts.outputs.actionGroupId
  }
}

module intakeHost 'modules/intake.bicep' = if (smtpIntake != null) {
  params: {
    name: name
    location: location
    tags: tags
    networkName: intakeNetworkName
    given: smtpIntake!
    bridgeHostName: hostName
    workspaceId: workspaceId
    token: token
    shareSku: contains(storageSku, 'ZRS') ? 'Premium_ZRS' : 'Premium_LRS'
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
output hostStorageName string = hostStorageName
output vaultName string = vaultName
output clientId string = entra.?outputs.clientId ?? existingClientId
@description('What a caller asks a token for, with /.default behind it.')
output identifierUri string = hasRegistration ? 'api://${hostName}' : ''
@description('Empty where deployEntra is off: az ad sp show says it then.')
output enterpriseAppObjectId string = entra.?outputs.enterpriseAppObjectId ?? ''
@description('Where an administrator consents; empty as long as there is no registration.')
output adminConsentUrl string = entra.?outputs.adminConsentUrl ?? (hasRegistration
  ? '${environment().authentication.loginEndpoint}${tenant().tenantId}/adminconsent?client_id=${existingClientId}'
  : '')
@description('For entra.bicep deployed by somebody else: the app\'s host name, its identity, and the mailboxes as JSON.')
output hostName string = hostName
output identityPrincipalId string = identity.outputs.principalId
output mailboxesJson string = string(mailboxes)
@description('For grantMailboxAccess.ps1: the mailboxes that sign in by application.')
output applicationMailboxes string = join(
  map(filter(mailboxes, one => one.signIn == 'application'), one => one.address),
  ','
)
@description('For the doctor: every mailbox.')
output mailboxAddresses string = join(map(mailboxes, one => one.address), ',')
@description('For grantMailboxAccess.ps1: the accounts that delegated mailboxes log in to SMTP with.')
output smtpAccounts string = join(
  map(filter(mailboxes, one => one.signIn == 'delegated'), one => one.?smtpUser ?? one.address),
  ','
)
@description('private with fixedOutgoingAddress: the address that the app sends from.')
output outgoingAddress string = privateNetwork.?outputs.outgoingAddress ?? ''
@description('With smtpIntake: where its DNS record points to, the vault for its three secrets, and its identity.')
output intakeAddress string = intakeHost.?outputs.address ?? ''
output intakeVaultName string = intakeHost.?outputs.vaultName ?? ''
output intakePrincipalId string = intakeHost.?outputs.identityPrincipalId ?? ''
