// The one identity that matters. It exists before the app does, so its roles can be in place first; and only a
// user-assigned identity can be the federated credential of the app registration.

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
