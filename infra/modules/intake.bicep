// The SMTP intake in Container Apps, for an ESM in the cloud that has no machine beside it. Off by default.
//
// SMTP is no HTTP: the ingress is TCP on port 587, which takes an environment with a network of its own; the program
// ends TLS itself; and it sees the proxy's address only, so the ingress decides who may connect.
// The spool is on an NFS share (SMB would need the account's key). There is one replica, but a new revision starts
// before the old one stops, so the program holds a lock on the spool as well.

import { intake } from 'types.bicep'

param name string
param networkName string
param location string
param tags object
param given intake

@description('Host name of the app that mail is handed on to.')
param bridgeHostName string

param workspaceId string
param token string

param shareSku 'PremiumV2_LRS' | 'PremiumV2_ZRS' | 'Premium_LRS' | 'Premium_ZRS' = 'Premium_LRS'

var smtpPort = 587
// Above 1024, so that the program needs no right to open it.
var listenPort = 2587
var addressPrefix = given.?addressPrefix ?? '10.91.0.0/24'
var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var secretNames = ['bridge-key', 'certificate', 'certificate-key']
var secretFolder = '/run/intake'
var spoolFolder = '/var/spool/intake'

// The program's settings file. Its users' password hashes are no secret that opens anything by itself, but it is kept
// among the secrets all the same.
var settings = {
  name: name
  bridge: { url: 'https://${bridgeHostName}', keyFile: '${secretFolder}/bridge-key' }
  spool: { folder: spoolFolder, lock: 'lease' }
  listen: [{ address: '0.0.0.0', port: listenPort }]
  certificate: { certFile: '${secretFolder}/certificate', keyFile: '${secretFolder}/certificate-key' }
  hostName: given.hostName
  // Whoever gets through the ingress comes from this network.
  login: { trustedNetworks: given.trustAllowed ? [addressPrefix] : [], users: given.?users ?? {} }
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-intake-${name}-${token}'
  location: location
  tags: tags
}

// A vault of its own: the intake must not be able to read the grants of mailboxes.
resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: 'kvi-${token}'
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    publicNetworkAccess: 'Enabled'
    networkAcls: { bypass: 'AzureServices', defaultAction: 'Allow' }
  }
}

resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: { workspaceId: workspaceId, logs: [{ category: 'AuditEvent', enabled: true }] }
}

resource readsSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, identity.id, keyVaultSecretsUser)
  scope: vault
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
  }
}

// ---- network ---------------------------------------------------------------------------------------------

resource environmentGroup 'Microsoft.Network/networkSecurityGroups@2024-07-01' = {
  name: 'nsg-intake-${name}'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'smtp'
        properties: {
          direction: 'Inbound'
          access: 'Allow'
          priority: 100
          protocol: 'Tcp'
          sourceAddressPrefixes: given.allowedAddresses
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          // The balancer hands on to a port of the second range.
          destinationPortRanges: [string(smtpPort), '30000-32767']
        }
      }
      {
        name: 'healthOfTheBalancer'
        properties: {
          direction: 'Inbound'
          access: 'Allow'
          priority: 110
          protocol: 'Tcp'
          sourceAddressPrefix: 'AzureLoadBalancer'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '30000-32767'
        }
      }
    ]
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
        name: 'environment'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 0)
          networkSecurityGroup: { id: environmentGroup.id }
          // By this the app's address rules recognise the intake, and the share its client.
          serviceEndpoints: [{ service: 'Microsoft.Web' }, { service: 'Microsoft.Storage' }]
          delegations: [
            { name: 'containerApps', properties: { serviceName: 'Microsoft.App/environments' } }
          ]
        }
      }
    ]
  }

  resource environmentSubnet 'subnets' existing = { name: 'environment' }
}

// ---- spool -----------------------------------------------------------------------------------------------

// NFS knows no encryption in transit here, hence no "secure transfer"; only the intake's own subnet reaches it.
resource spool 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: 'sti${token}'
  location: location
  tags: tags
  kind: 'FileStorage'
  sku: { name: shareSku }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: false
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: 'Deny'
      virtualNetworkRules: [{ id: network::environmentSubnet.id, action: 'Allow' }]
    }
  }

  resource files 'fileServices' = {
    name: 'default'
    // Handed-on mail is deleted from the spool, and is gone then.
    properties: { shareDeleteRetentionPolicy: { enabled: false } }

    resource share 'shares' = {
      name: 'spool'
      properties: { enabledProtocols: 'NFS', rootSquash: 'NoRootSquash', shareQuota: 100 }
    }
  }
}

// ---- the program -----------------------------------------------------------------------------------------

resource managedEnvironment 'Microsoft.App/managedEnvironments@2025-07-01' = {
  name: 'cae-${name}-${token}'
  location: location
  tags: tags
  properties: {
    appLogsConfiguration: { destination: 'azure-monitor' }
    vnetConfiguration: { infrastructureSubnetId: network::environmentSubnet.id, internal: false }
    workloadProfiles: [{ name: 'Consumption', workloadProfileType: 'Consumption' }]
  }

  resource spoolShare 'storages' = {
    name: 'spool'
    properties: {
      nfsAzureFile: {
        server: '${spool.name}.file.${environment().suffixes.storage}'
        shareName: '/${spool.name}/${spool::files::share.name}'
        accessMode: 'ReadWrite'
      }
    }
  }
}

resource environmentLog 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'log'
  scope: managedEnvironment
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'ContainerAppConsoleLogs', enabled: true }
      { category: 'ContainerAppSystemLogs', enabled: true }
    ]
  }
}

// It can't start without its secrets, and these have no place before this deployment has made the vault.
resource program 'Microsoft.App/containerApps@2025-07-01' = if (given.start) {
  name: 'ca-${name}'
  location: location
  tags: tags
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    environmentId: managedEnvironment.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: given.?registry == null ? [] : [{ server: given.registry!, identity: identity.id }]
      secrets: concat(
        [{ name: 'settings', value: string(settings) }],
        map(secretNames, secret => {
          name: secret
          keyVaultUrl: '${vault.properties.vaultUri}secrets/intake-${secret}'
          identity: identity.id
        })
      )
      ingress: {
        external: true
        transport: 'tcp'
        exposedPort: smtpPort
        targetPort: listenPort
        ipSecurityRestrictions: map(given.allowedAddresses, (address, index) => {
          name: 'allowed-${index + 1}'
          action: 'Allow'
          ipAddressRange: address
        })
      }
    }
    template: {
      containers: [
        {
          name: 'intake'
          image: given.image
          args: ['${secretFolder}/settings']
          resources: { cpu: json('0.5'), memory: '1Gi' }
          volumeMounts: [
            { volumeName: 'secrets', mountPath: secretFolder }
            { volumeName: 'spool', mountPath: spoolFolder }
          ]
          probes: [
            { type: 'Startup', tcpSocket: { port: listenPort }, periodSeconds: 5, failureThreshold: 24 }
            { type: 'Liveness', tcpSocket: { port: listenPort }, periodSeconds: 30, failureThreshold: 5 }
          ]
        }
      ]
      scale: { minReplicas: 1, maxReplicas: 1 }
      // A mail that is being taken is taken to its end.
      terminationGracePeriodSeconds: 60
      volumes: [
        {
          name: 'secrets'
          storageType: 'Secret'
          secrets: map(concat(['settings'], secretNames), secret => { secretRef: secret, path: secret })
        }
        { name: 'spool', storageType: 'NfsAzureFile', storageName: managedEnvironment::spoolShare.name }
      ]
    }
  }
  dependsOn: [readsSecrets]
}

output address string = managedEnvironment.properties.staticIp
output vaultName string = vault.name
output identityPrincipalId string = identity.properties.principalId
