// The network of the private form: a subnet that the app sends from, and one for the private endpoints of its
// store and vault. The app itself stays reachable from outside: publishing to Flex Consumption behind a private
// endpoint has been seen to time out, and people and ESM come in that way.

param name string
param networkName string
param location string
param tags object

@description('Addresses of the network, at least /24: the app takes a /26 of it, the endpoints a /27.')
param addressPrefix string

@description('Whether everything that the app sends leaves from one fixed address.')
param fixedOutgoingAddress bool

// Nothing but Azure's own rules; many organisations refuse a subnet without a group.
resource group 'Microsoft.Network/networkSecurityGroups@2024-07-01' = {
  name: 'nsg-${name}'
  location: location
  tags: tags
}

resource outgoing 'Microsoft.Network/publicIPAddresses@2024-07-01' = if (fixedOutgoingAddress) {
  name: 'pip-${name}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static', publicIPAddressVersion: 'IPv4' }
}

resource gateway 'Microsoft.Network/natGateways@2024-07-01' = if (fixedOutgoingAddress) {
  name: 'ng-${name}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: {
    // Above the ten minutes that an invocation may last, so that a quiet connection is not cut.
    idleTimeoutInMinutes: 15
    publicIpAddresses: [{ id: outgoing.id }]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' = {
  name: networkName
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 0)
          networkSecurityGroup: { id: group.id }
          natGateway: fixedOutgoingAddress ? { id: gateway.id } : null
          delegations: [
            { name: 'flexConsumption', properties: { serviceName: 'Microsoft.App/environments' } }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 27, 2)
          networkSecurityGroup: { id: group.id }
        }
      }
    ]
  }
}

output outgoingAddress string = outgoing.?properties.ipAddress ?? ''
