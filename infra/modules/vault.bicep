// Key Vault: one secret per connected mailbox (its grant) and the key of the private header's tag. Roles, not
// access policies; every reading is in the log.

@minLength(3)
@maxLength(24)
param name string
param location string
param tags object
param workspaceId string

@description('Once on it can never be turned off again, and a deleted vault keeps its name for 90 days.')
param purgeProtection bool

@description('Takes up a vault of this name that was deleted and not purged, with the grants in it.')
param recover bool

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    createMode: recover ? 'recover' : 'default'
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    // Off is said by leaving it out: the service refuses "false".
    enablePurgeProtection: purgeProtection ? true : null
    publicNetworkAccess: 'Enabled'
    networkAcls: { bypass: 'AzureServices', defaultAction: 'Allow' }
  }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'AuditEvent', enabled: true }]
  }
}

output uri string = vault.properties.vaultUri
