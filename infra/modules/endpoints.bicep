// Private endpoints of the store and the vault, and the names by which the app finds them.

param name string
param location string
param tags object
param networkId string
param subnetId string
param mailStorageId string
param hostStorageId string
param vaultId string

// The host's account has no queue of its own: queues are the mail account's.
var endpoints = [
  { name: 'mail-blob', id: mailStorageId, group: 'blob' }
  { name: 'mail-queue', id: mailStorageId, group: 'queue' }
  { name: 'mail-table', id: mailStorageId, group: 'table' }
  { name: 'host-blob', id: hostStorageId, group: 'blob' }
  { name: 'host-table', id: hostStorageId, group: 'table' }
  { name: 'vault', id: vaultId, group: 'vault' }
]

var zoneOf = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  queue: 'privatelink.queue.${environment().suffixes.storage}'
  table: 'privatelink.table.${environment().suffixes.storage}'
  vault: 'privatelink.vaultcore.azure.net'
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in items(zoneOf): {
    name: zone.value
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zone, index) in items(zoneOf): {
    parent: zones[index]
    name: name
    location: 'global'
    tags: tags
    properties: { registrationEnabled: false, virtualNetwork: { id: networkId } }
  }
]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2024-07-01' = [
  for endpoint in endpoints: {
    name: 'pe-${name}-${endpoint.name}'
    location: location
    tags: tags
    properties: {
      subnet: { id: subnetId }
      privateLinkServiceConnections: [
        {
          name: endpoint.name
          properties: { privateLinkServiceId: endpoint.id, groupIds: [endpoint.group] }
        }
      ]
    }
  }
]

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = [
  for (endpoint, index) in endpoints: {
    parent: privateEndpoints[index]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: endpoint.group
          properties: { privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', zoneOf[endpoint.group]) }
        }
      ]
    }
    dependsOn: [zones, links]
  }
]
