// The app registration, its permissions and who may use it, in Microsoft Graph. What the deployer needs for
// it: Application Developer (or Application Administrator), and for the grants Cloud Application Administrator
// (these are permissions of Exchange; only those of Microsoft Graph's own app roles would need more).
//
// Whose registration it is: uniqueName is how Graph finds it again at the next deployment. It is made of the
// name and the resource group, so two deployments in one tenant never write to the same one.
//
// Nothing here is deleted when it leaves the template: Graph's extension only creates and updates.

extension microsoftGraphV1

import { mailbox } from 'modules/types.bicep'

@description('What the registration is called in the portal.')
param displayName string

@description('Immutable key by which a later deployment finds the registration again.')
param uniqueName string

@description('The host name of the Function App. Given, not read, or the app and the registration would wait for each other.')
param hostName string

@description('ESM\'s own redirect addresses, where ESM signs in with this registration too.')
param esmRedirectUris string[]

@description('Object id of the managed identity: the registration\'s only credential.')
param identityPrincipalId string

param mailboxes mailbox[]

@description('Grants the permissions for the whole tenant. Off: an administrator opens adminConsentUrl.')
param grantAdminConsent bool

@description('Gives the roles below. Off where Graph refuses a second deployment with "EntitlementGrant entry already exists"; what was given stays.')
param assignRoles bool = true

@description('Object ids of the users or groups that may use the administrator\'s page.')
param adminPrincipalIds string[]

@description('Object ids of the users or groups that may see states and counts.')
param viewerPrincipalIds string[] = []

@description('Object id of the service principal that submits mail; empty: nobody.')
param senderPrincipalId string = ''

@description('Object id of the service principal that takes events and notices; empty: nobody.')
param consumerPrincipalId string = ''

var exchangeOnlineAppId = '00000002-0000-0ff1-ce00-000000000000'
var graphAppId = '00000003-0000-0000-c000-000000000000'

// ---- which permissions -----------------------------------------------------------------------------------

// Only what the mailboxes need. IMAP even where the bridge only sends: a message in doubt is looked for in Sent Items.
var byApplication = filter(mailboxes, one => one.signIn == 'application')
var byDelegation = filter(mailboxes, one => one.signIn == 'delegated')
var applicationPermissions = concat(
  empty(byApplication) ? [] : ['IMAP.AccessAsApp'],
  empty(filter(byApplication, one => one.?send ?? true)) ? [] : ['SMTP.SendAsApp']
)
var mailScopes = empty(byDelegation) ? [] : ['IMAP.AccessAsUser.All', 'SMTP.Send']
var signInScopes = ['openid', 'profile', 'email', 'offline_access']

resource exchangeOnline 'Microsoft.Graph/servicePrincipals@v1.0' existing = { appId: exchangeOnlineAppId }

resource graph 'Microsoft.Graph/servicePrincipals@v1.0' existing = { appId: graphAppId }

// By name, never by a pinned id. A permission that is not there ends the deployment with a sentence: a filter
// that finds nothing would otherwise leave a registration that looks complete and can do nothing.
func permissionId(known object[], name string, resourceName string) string =>
  length(filter(known, one => one.value == name)) == 1
    ? filter(known, one => one.value == name)[0].id
    : fail('${resourceName} in this tenant has no permission "${name}". Without an Exchange Online licence a tenant has none of the mail permissions.')

// ---- the registration ------------------------------------------------------------------------------------

// An enabled role or scope can be neither changed nor removed, so each has an id that never changes: made of the name
// and a number, which goes up when the role does change.
var roles = [
  {
    value: 'MailBridge.Administrator'
    displayName: 'Mail bridge administrator'
    description: 'Connects mailboxes, and sees and settles what became of messages.'
    principalIds: adminPrincipalIds
  }
  {
    value: 'MailBridge.Viewer'
    displayName: 'Mail bridge viewer'
    description: 'Sees states and counts, no message and no correspondent.'
    principalIds: viewerPrincipalIds
  }
  {
    value: 'MailBridge.Sender'
    displayName: 'Mail bridge sender'
    description: 'Submits mail.'
    principalIds: empty(senderPrincipalId) ? [] : [senderPrincipalId]
  }
  {
    value: 'MailBridge.Receiver'
    displayName: 'Mail bridge receiver'
    description: 'Takes events and notices.'
    principalIds: empty(consumerPrincipalId) ? [] : [consumerPrincipalId]
  }
]
var roleGeneration = 2
func roleId(uniqueName string, value string, generation int) string => guid(uniqueName, value, string(generation))
var scopeId = guid(uniqueName, 'MailBridge.Use')
var assignments = flatten(map(
  roles,
  role =>
    map(role.principalIds, principalId => {
      principalId: principalId
      roleId: roleId(uniqueName, role.value, roleGeneration)
    })
))

// The same in every tenant: the Azure CLI, with whose login the commands ask for a token.
var azureCliAppId = '04b07795-8ddb-461a-bbee-02f9e1bf7b46'

resource registration 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: uniqueName
  displayName: displayName
  signInAudience: 'AzureADMyOrg'
  // What a caller asks a token for. Version 2 tokens carry the client id as audience whatever the caller asked for; and
  // only a registration for them may have an address that is not made of the tenant or the client id.
  identifierUris: ['api://${hostName}']
  api: {
    requestedAccessTokenVersion: 2
    oauth2PermissionScopes: [
      {
        id: scopeId
        value: 'MailBridge.Use'
        type: 'User'
        isEnabled: true
        adminConsentDisplayName: 'Use the mail bridge'
        adminConsentDescription: 'Uses the mail bridge as the person who is signed in, with that person\'s roles.'
        userConsentDisplayName: 'Use the mail bridge'
        userConsentDescription: 'Uses the mail bridge as you, with your roles.'
      }
    ]
    preAuthorizedApplications: [{ appId: azureCliAppId, delegatedPermissionIds: [scopeId] }]
  }
  // Says of each token whether a person or an application has it.
  optionalClaims: {
    accessToken: [{ name: 'idtyp', essential: false, additionalProperties: ['include_user_token'] }]
  }
  web: {
    // "web" and not "spa": a refresh token for a page in the browser would end after 24 hours.
    redirectUris: concat(
      ['https://${hostName}/api/oauth/callback', 'https://${hostName}/.auth/login/aad/callback'],
      esmRedirectUris
    )
    // The platform's sign-in asks for a code and an ID token at once.
    implicitGrantSettings: { enableIdTokenIssuance: true, enableAccessTokenIssuance: false }
  }
  appRoles: map(roles, role => {
    id: roleId(uniqueName, role.value, roleGeneration)
    value: role.value
    displayName: role.displayName
    description: role.description
    allowedMemberTypes: ['User', 'Application']
    isEnabled: true
  })
  // Grants nothing; it is what the portal and the consent screen show.
  requiredResourceAccess: concat(
    empty(mailScopes) && empty(applicationPermissions)
      ? []
      : [
          {
            resourceAppId: exchangeOnlineAppId
            resourceAccess: concat(
              map(mailScopes, name => {
                id: permissionId(exchangeOnline.oauth2PermissionScopes, name, 'Exchange Online')
                type: 'Scope'
              }),
              map(applicationPermissions, name => {
                id: permissionId(exchangeOnline.appRoles, name, 'Exchange Online')
                type: 'Role'
              })
            )
          }
        ],
    [
      {
        resourceAppId: graphAppId
        resourceAccess: map(signInScopes, name => {
          id: permissionId(graph.oauth2PermissionScopes, name, 'Microsoft Graph')
          type: 'Scope'
        })
      }
    ]
  )

  resource identity 'federatedIdentityCredentials@v1.0' = {
    name: '${registration.uniqueName}/identity'
    description: 'The app signs in as this registration with its managed identity: no secret, nothing that ends.'
    issuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
    subject: identityPrincipalId
    audiences: ['api://AzureADTokenExchange']
  }
}

// No assignment is required to sign in: mailboxes are signed in by their own accounts, which nobody assigns.
resource enterpriseApp 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: registration.appId
  appRoleAssignmentRequired: false
}

// ---- the grants ------------------------------------------------------------------------------------------

resource applicationGrants 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for name in applicationPermissions: if (grantAdminConsent) {
    principalId: enterpriseApp.id
    resourceId: exchangeOnline.id
    appRoleId: permissionId(exchangeOnline.appRoles, name, 'Exchange Online')
  }
]

resource mailGrant 'Microsoft.Graph/oauth2PermissionGrants@v1.0' = if (grantAdminConsent && !empty(mailScopes)) {
  clientId: enterpriseApp.id
  resourceId: exchangeOnline.id
  consentType: 'AllPrincipals'
  scope: join(mailScopes, ' ')
}

resource signInGrant 'Microsoft.Graph/oauth2PermissionGrants@v1.0' = if (grantAdminConsent) {
  clientId: enterpriseApp.id
  resourceId: graph.id
  consentType: 'AllPrincipals'
  scope: join(signInScopes, ' ')
}

resource roleHolders 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for assignment in assignments: if (assignRoles) {
    principalId: assignment.principalId
    resourceId: enterpriseApp.id
    appRoleId: assignment.roleId
  }
]

output clientId string = registration.appId
@description('What a caller asks a token for: this, with /.default behind it.')
output identifierUri string = 'api://${hostName}'
@description('Object id of the enterprise application: the one that Exchange Online wants, not the registration\'s.')
output enterpriseAppObjectId string = enterpriseApp.id
output adminConsentUrl string = '${environment().authentication.loginEndpoint}${tenant().tenantId}/adminconsent?client_id=${registration.appId}'
