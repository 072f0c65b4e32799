// The store: the outbox, the ledger, the queues, the contents. Entra only; there are no account keys to leak,
// and so no lasting SAS either.

import { containerNames, packageContainerName, queueNames, tableNames } from 'names.bicep'

@minLength(3)
@maxLength(24)
param name string
param location string
param tags object

@description('Standard_ZRS survives the loss of a zone, Standard_LRS that of a disk.')
param sku 'Standard_LRS' | 'Standard_ZRS' | 'Standard_GZRS'

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
    publicNetworkAccess: 'Enabled'
    networkAcls: { bypass: 'AzureServices', defaultAction: 'Allow' }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      // No soft delete of blobs: what the retention removes is somebody's mail, and must be gone when we say so.
      deleteRetentionPolicy: { enabled: false }
      containerDeleteRetentionPolicy: { enabled: true, days: 7 }
    }

    resource containers 'containers' = [
      for container in concat(map(items(containerNames), one => one.value), [packageContainerName]): {
        name: container
        properties: { publicAccess: 'None' }
      }
    ]
  }

  resource queues 'queueServices' = {
    name: 'default'

    resource each 'queues' = [for queue in items(queueNames): { name: queue.value }]
  }

  resource tables 'tableServices' = {
    name: 'default'

    resource each 'tables' = [for table in items(tableNames): { name: table.value }]
  }
}

output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
output tableEndpoint string = account.properties.primaryEndpoints.table
