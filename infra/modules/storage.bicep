// A storage account. There are two: the mail's (outbox, queues, contents) and the host's (its locks and keys, and the
// published package), so that who manages the one needs no right on the other. Entra only; there are no account
// keys to leak, and so no lasting SAS either.

@minLength(3)
@maxLength(24)
param name string
param location string
param tags object

@description('Standard_LRS survives the loss of a disk, Standard_ZRS that of a zone; Standard_GRS and Standard_GZRS also keep a copy in another region.')
param sku 'Standard_LRS' | 'Standard_ZRS' | 'Standard_GRS' | 'Standard_GZRS'

param containers string[]
param queues string[]
param tables string[]

@description('Whether the account is reachable through private endpoints only.')
param isPrivate bool

@description('Days for which a deleted blob or container can be restored; 0 turns it off. Erased mail is gone after that many days.')
@minValue(0)
@maxValue(7)
param softDeleteDays int

@description('Whether deleting the account is refused until the lock is removed.')
param deleteLock bool

@description('Days after their last change on which blobs whose names begin so are deleted: what the app itself never removes. The name is the rule\'s.')
param lifetimes { name: string, prefix: string, days: int }[] = []

@description('What is noted in the log of reads, writes and deletions; none where workspaceId is empty.')
param audit 'blobs' | 'all' = 'blobs'

@description('The workspace that the audit goes to; empty: no audit.')
param workspaceId string = ''

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    // No address rules in the public form: the app has no fixed address, so they would lock it out.
    networkAcls: isPrivate
      ? { bypass: 'None', defaultAction: 'Deny' }
      : { bypass: 'AzureServices', defaultAction: 'Allow' }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      // At most a week, and no versions: what was erased must be gone, and docs/data.md counts these days.
      deleteRetentionPolicy: softDeleteDays > 0 ? { enabled: true, days: max(1, softDeleteDays) } : { enabled: false }
      containerDeleteRetentionPolicy: softDeleteDays > 0
        ? { enabled: true, days: max(1, softDeleteDays) }
        : { enabled: false }
      isVersioningEnabled: false
    }

    resource each 'containers' = [
      for container in containers: {
        name: container
        properties: { publicAccess: 'None' }
      }
    ]
  }

  resource queueService 'queueServices' = {
    name: 'default'

    resource each 'queues' = [for queue in queues: { name: queue }]
  }

  resource tableService 'tableServices' = {
    name: 'default'

    resource each 'tables' = [for table in tables: { name: table }]
  }
}

// An account has one policy.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-08-01' = if (!empty(lifetimes)) {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        for lifetime in lifetimes: {
          name: lifetime.name
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: [lifetime.prefix] }
            actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: lifetime.days } } }
          }
        }
      ]
    }
  }
  // The containers must be there, or the rules are for none.
  dependsOn: [account::blobs::each]
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (deleteLock) {
  name: 'keep'
  scope: account
  properties: { level: 'CanNotDelete', notes: 'Holds mail. Remove this lock to delete the account.' }
}

var noted = map(['StorageRead', 'StorageWrite', 'StorageDelete'], category => { category: category, enabled: true })

resource auditBlobs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(workspaceId)) {
  name: 'audit'
  scope: account::blobs
  properties: { workspaceId: workspaceId, logs: noted }
}

// Every look at a queue is a read, several a second: this is most of what the log costs.
resource auditQueues 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(workspaceId) && audit == 'all') {
  name: 'audit'
  scope: account::queueService
  properties: { workspaceId: workspaceId, logs: noted }
}

resource auditTables 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(workspaceId) && audit == 'all') {
  name: 'audit'
  scope: account::tableService
  properties: { workspaceId: workspaceId, logs: noted }
}

output id string = account.id
output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
output tableEndpoint string = account.properties.primaryEndpoints.table
