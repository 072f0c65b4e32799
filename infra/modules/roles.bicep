// Every role that anybody gets, on one page. The app's identity has what its host and itself need, each on the one
// resource; narrow roles are for others: ESM's sender, ESM's consumer, and the identity that alerts run under.
//
//   who        role                              on                                    why
//   app        Storage Blob Data Owner           the host's account                    the host makes containers, leases, keys
//   app        Storage Table Data Contributor    the host's account                    the host's diagnostic events
//   app        Storage Blob Data Contributor     the mail's account                    contents
//   app        Storage Blob Delegator            the mail's account                    short-lived addresses for uploads and contents
//   app        Storage Queue Data Contributor    the mail's account                    the host updates messages, fills poison queues
//   app        Storage Table Data Contributor    the mail's account                    outbox and ledger
//   app        Key Vault Secrets Officer         the vault                             grants are read, written, recovered
//   app        Monitoring Metrics Publisher      the Application Insights component    the log, without a key
//   alerts     Log Analytics Reader              the workspace                         rules outlive whoever deployed them
//   sender     Queue Data Message Sender         outbound-mail                         to submit
//   sender     Storage Blob Data Contributor     outbound-uploads                      to put what submissions refer to
//   consumer   Queue Data Reader                 inbound-mail, mail-status             to see how much waits
//   consumer   Queue Data Message Processor      inbound-mail, mail-status             to take and delete
//   consumer   Storage Blob Data Reader          inbound-content, outbound-content     what notices and events refer to

import { containerNames, queueNames } from 'names.bicep'

@description('The mail\'s account.')
param storageName string

@description('The host\'s account.')
param hostStorageName string

param vaultName string
param componentName string
param workspaceName string

@description('Object id of the app\'s managed identity.')
param appPrincipalId string

@description('Object id of the identity that the alerts\' queries run under.')
param alertsPrincipalId string

@description('Object id of the service principal that submits for ESM; empty where nobody does it by queue.')
param senderPrincipalId string

@description('Object id of the service principal that reads events and notices for ESM; empty where nobody does it by queue.')
param consumerPrincipalId string

var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var blobDelegator = 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a'
var blobDataReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var queueDataReader = '19e7f393-937e-4f77-808e-94535e297925'
var queueMessageProcessor = '8a0f0c08-91a1-4084-bc3d-661d67233fed'
var queueMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
var tableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
var keyVaultSecretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
var logAnalyticsReader = '73c42c96-874c-492b-b04d-ab87d138a893'
var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: storageName

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource uploads 'containers' existing = { name: containerNames.outboundUploads }

    resource contents 'containers' existing = [for container in consumedContainers: { name: container }]
  }

  resource queues 'queueServices' existing = {
    name: 'default'

    resource outboundMail 'queues' existing = { name: queueNames.outboundMail }

    resource consumed 'queues' existing = [for queue in consumedQueues: { name: queue }]
  }
}

resource hostAccount 'Microsoft.Storage/storageAccounts@2025-08-01' existing = { name: hostStorageName }

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = { name: vaultName }

resource component 'Microsoft.Insights/components@2020-02-02' existing = { name: componentName }

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' existing = { name: workspaceName }

var consumedQueues = [queueNames.inboundMail, queueNames.mailStatus]
var consumedContainers = [containerNames.inboundContent, containerNames.outboundContent]

// ---- the app ---------------------------------------------------------------------------------------------

resource appOnHostAccount 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in [blobDataOwner, tableDataContributor]: {
    name: guid(hostAccount.id, appPrincipalId, role)
    scope: hostAccount
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

resource appOnAccount 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in [blobDataContributor, blobDelegator, queueDataContributor, tableDataContributor]: {
    name: guid(account.id, appPrincipalId, role)
    scope: account
    properties: {
      principalId: appPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

resource appOnVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, appPrincipalId, keyVaultSecretsOfficer)
  scope: vault
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsOfficer)
  }
}

resource appOnComponent 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(component.id, appPrincipalId, monitoringMetricsPublisher)
  scope: component
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
  }
}

// ---- the alerts ------------------------------------------------------------------------------------------

resource alertsOnWorkspace 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, alertsPrincipalId, logAnalyticsReader)
  scope: workspace
  properties: {
    principalId: alertsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', logAnalyticsReader)
  }
}

// ---- ESM's side ------------------------------------------------------------------------------------------

resource senderOnQueue 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(senderPrincipalId)) {
  name: guid(account::queues::outboundMail.id, senderPrincipalId, queueMessageSender)
  scope: account::queues::outboundMail
  properties: {
    principalId: senderPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueMessageSender)
  }
}

resource senderOnUploads 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(senderPrincipalId)) {
  name: guid(account::blobs::uploads.id, senderPrincipalId, blobDataContributor)
  scope: account::blobs::uploads
  properties: {
    principalId: senderPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
  }
}

resource consumerReadsQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (queue, index) in consumedQueues: if (!empty(consumerPrincipalId)) {
    name: guid(account::queues::consumed[index].id, consumerPrincipalId, queueDataReader)
    scope: account::queues::consumed[index]
    properties: {
      principalId: consumerPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataReader)
    }
  }
]

resource consumerProcessesQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (queue, index) in consumedQueues: if (!empty(consumerPrincipalId)) {
    name: guid(account::queues::consumed[index].id, consumerPrincipalId, queueMessageProcessor)
    scope: account::queues::consumed[index]
    properties: {
      principalId: consumerPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueMessageProcessor)
    }
  }
]

resource consumerReadsBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (container, index) in consumedContainers: if (!empty(consumerPrincipalId)) {
    name: guid(account::blobs::contents[index].id, consumerPrincipalId, blobDataReader)
    scope: account::blobs::contents[index]
    properties: {
      principalId: consumerPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataReader)
    }
  }
]
