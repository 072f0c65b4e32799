// An identity. There are two: the app's exists before the app does, so that its roles can be in place first, and only
// a user-assigned identity can be the federated credential of the app registration; the alerts' runs their queries,
// which would otherwise run with the rights of whoever deployed last.

param name string
param location string
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

output id string = identity.id
output clientId string = identity.properties.clientId
output principalId string = identity.properties.principalId
