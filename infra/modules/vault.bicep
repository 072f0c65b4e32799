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

@description('Whether the vault is reachable through a private endpoint only.')
param isPrivate bool

@description('Whether deleting the vault is refused until the lock is removed.')
param deleteLock bool

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
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: isPrivate
      ? { bypass: 'None', defaultAction: 'Deny' }
      : { bypass: 'AzureServices', defaultAction: 'Allow' }
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (deleteLock) {
  name: 'keep'
  scope: vault
  properties: { level: 'CanNotDelete', notes: 'Holds the grants of mailboxes. Remove this lock to delete the vault.' }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'AuditEvent', enabled: true }]
  }
}

output id string = vault.id
output uri string = vault.properties.vaultUri
