// The Function App on a Flex Consumption plan: one plan, one app, Node 24, no key anywhere. What the app reads
// as its settings is written here, and a test compares it with what the app's parser knows.

import { alwaysReady, mailbox } from 'types.bicep'
import { packageContainerName } from 'names.bicep'

param planName string
param appName string
param location string
param tags object

param identityId string
param identityClientId string

@description('Endpoints of the mail\'s account.')
param blobEndpoint string
param queueEndpoint string
param tableEndpoint string

@description('Endpoints of the host\'s account.')
param hostBlobEndpoint string
param hostTableEndpoint string
param vaultUri string
param insightsConnectionString string

@description('Whether there is an app registration. Known before the deployment, which its client id is not.')
param hasRegistration bool

@description('Client id of the app registration; empty without one.')
param entraClientId string

param mailboxes mailbox[]

@description('Settings that are plain values: schedules, servers, numbers.')
param settings { *: string }

param instanceMemoryMB 512 | 2048 | 4096

@minValue(1)
@maxValue(1000)
param maximumInstanceCount int

param alwaysReadyInstances alwaysReady

@description('Whether instances are spread over zones. The platform then keeps two of each function group ready, and bills them.')
param zoneRedundant bool

@description('Subnet that the app sends from; empty in the public form.')
param subnetId string

@description('Addresses (IPv4 ranges as 203.0.113.0/24) that may call the app; empty: every address. Publishing is not concerned.')
param allowedAddresses string[]

@description('Subnet of the SMTP intake that may call the app besides the allowed addresses; empty: none.')
param allowedSubnetId string

var authority = '${environment().authentication.loginEndpoint}${tenant().tenantId}'

// The delegated scopes that its mailboxes need, in ESM's own form: separated by commas.
var scopeResource = 'https://outlook.office.com'
var scopes = '${scopeResource}/IMAP.AccessAsUser.All,${scopeResource}/SMTP.Send'

// AzureWebJobsStorage is the host's connection (locks, keys, timers, diagnostic events), MailStore the app's own.
var connections = {
  AzureWebJobsStorage__blobServiceUri: hostBlobEndpoint
  AzureWebJobsStorage__tableServiceUri: hostTableEndpoint
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  MailStore__blobServiceUri: blobEndpoint
  MailStore__queueServiceUri: queueEndpoint
  MailStore__tableServiceUri: tableEndpoint
  MailStore__credential: 'managedidentity'
  MailStore__clientId: identityClientId
}

// One app setting holds some 10,000 characters, so a long list of mailboxes is continued in MAILBOXES_2 and on.
var mailboxesPerSetting = 20
var mailboxSettings = toObject(
  range(0, (length(mailboxes) + mailboxesPerSetting - 1) / mailboxesPerSetting),
  page => page == 0 ? 'MAILBOXES' : 'MAILBOXES_${page + 1}',
  page => string(take(skip(mailboxes, page * mailboxesPerSetting), mailboxesPerSetting))
)

// The marker that authentication is on is the platform's to set, and a secret has no place in a parameter file.
var neverSettings = [
  'WEBSITE_AUTH_ENABLED'
  'OAUTH_CLIENT_SECRET'
  'OAUTH_CLIENT_CERTIFICATE'
  'MailStore'
  'AzureWebJobsStorage'
]
var givenSettings = empty(intersection(neverSettings, objectKeys(settings)))
  ? settings
  : fail('The parameter "settings" must not hold ${join(intersection(neverSettings, objectKeys(settings)), ', ')}.')

// Without a registration the setting is absent, and the app says so by its name.
var registrationSettings = hasRegistration ? { OAUTH_CLIENT_ID: entraClientId } : {}

var appSettings = union(givenSettings, connections, mailboxSettings, registrationSettings, {
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'Authorization=AAD;ClientId=${identityClientId}'
  KEY_VAULT_URL: vaultUri
  OAUTH_AUTHORIZE_ENDPOINT: '${authority}/oauth2/v2.0/authorize'
  OAUTH_SCOPES: scopes
  // The platform's own sign-in proves itself with the identity too, instead of a client secret.
  OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: identityClientId
})

// Who may call the app. The service tag is the availability test's; the publish command's site has rules of its own,
// which stay open: it asks for an Entra token.
var addressRules = map(allowedAddresses, (address, index) => {
  name: 'allowed-${index + 1}'
  action: 'Allow'
  priority: 200 + index
  ipAddress: address
})
var subnetRules = empty(allowedSubnetId)
  ? []
  : [{ name: 'intake', action: 'Allow', priority: 110, vnetSubnetResourceId: allowedSubnetId }]
var restrictions = empty(allowedAddresses)
  ? {}
  : {
      ipSecurityRestrictionsDefaultAction: 'Deny'
      ipSecurityRestrictions: concat(
        [
          {
            name: 'availabilityTest'
            action: 'Allow'
            priority: 100
            tag: 'ServiceTag'
            ipAddress: 'ApplicationInsightsAvailability'
          }
        ],
        subnetRules,
        addressRules
      )
    }

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true, zoneRedundant: zoneRedundant }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: appName
  location: location
  tags: union(tags, { 'azd-service-name': 'mail' })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${hostBlobEndpoint}${packageContainerName}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      runtime: { name: 'node', version: '24' }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: filter(
          [
            { name: 'http', instanceCount: alwaysReadyInstances.http }
            { name: 'function:sendMail', instanceCount: alwaysReadyInstances.sendMail }
          ],
          group => group.instanceCount > 0
        )
      }
    }
    // A Flex Consumption site refuses many properties that other plans take, region by region: only what
    // tests/infra/flexSite.ts lists, with sources, may be here.
    siteConfig: union(restrictions, {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      appSettings: map(items(appSettings), setting => { name: setting.key, value: setting.value })
    })
  }

  // Publishing goes through Entra; there is no password for it. One after another: App Service refuses a change
  // of a site while another one is in progress.
  resource noPasswordForFtp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource noPasswordForScm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
    dependsOn: [noPasswordForFtp]
  }

  // AllowAnonymous on purpose: function keys, the way back of a sign-in and the publish command's health
  // request share this host. The page's handlers ask for principal and role themselves, and refuse unless the
  // platform says that authentication is on (its marker is the platform's to set, never a setting of ours).
  //
  // Left out without a client id: with an empty one every sign-in would fail.
  resource authentication 'config' = if (hasRegistration) {
    name: 'authsettingsV2'
    dependsOn: [noPasswordForScm]
    properties: {
      platform: { enabled: true, runtimeVersion: '~1' }
      globalValidation: { requireAuthentication: false, unauthenticatedClientAction: 'AllowAnonymous' }
      httpSettings: { requireHttps: true }
      login: { tokenStore: { enabled: false } }
      identityProviders: {
        azureActiveDirectory: {
          enabled: true
          registration: {
            openIdIssuer: '${authority}/v2.0'
            clientId: entraClientId
            clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
          }
          validation: { allowedAudiences: [entraClientId] }
        }
      }
    }
  }
}
