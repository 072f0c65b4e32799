// Production, public form: store and vault answer on the internet, to those with a role. The store survives the loss
// of a zone.
// Indented comments are examples: take the slashes away and write your own values.
using 'main.bicep'

param name = 'mail-prod'
param tags = { environment: 'prod' }
param network = 'public'

// Who may call the app: the administrator's page, the API, the sign-in of mailboxes. Empty: every address.
param allowedAddresses = [
  // '203.0.113.0/24'
]

// The first example is a mailbox of ESM's own: signed in by the app itself, read and sent from. The second is a
// shared mailbox that a delegate sends for while ESM keeps reading it; ESM's own mail shares the delegate's
// limits, so it is left a third of them.
param mailboxes = [
  // {
  //   address: 'servicedesk@contoso.example'
  //   signIn: 'application'
  //   send: true
  //   receive: true
  //   folder: 'INBOX'
  //   afterFetch: 'move:Processed'
  // }
  // {
  //   address: 'hr@contoso.example'
  //   signIn: 'delegated'
  //   smtpUser: 'mail.delegate@contoso.example'
  //   send: true
  //   receive: false
  //   limits: { messagesPerMinute: 20, recipientsPerDay: 6500, connections: 2 }
  // }
]

// Who is told of alerts.
param alertEmails = [
  // 'servicedesk-admins@contoso.example'
]

// Object ids of the identities that submit to the queue, and that take events and notices from the queues
// (az ad sp show --id CLIENT_ID --query id --output tsv). Empty: nobody does.
param senderPrincipalId = ''
param consumerPrincipalId = ''

// Object ids of the people or groups who may use the administrator's page; left out, it is who deploys.
// param adminPrincipalIds = ['OBJECT_ID']

// On: the permissions are granted by this deployment, whose deployer then is Cloud Application Administrator.
param grantAdminConsent = false

// Turn it on when the deployment is to stay. It can never be turned off again.
param purgeProtection = false

// Refuses to delete store and vault until their lock is removed. The deployer then is Owner.
param deleteLock = false

param storageSku = 'Standard_ZRS'
param logRetentionDays = 90
param availabilityTest = true

// A budget that warns. The first day is that of the month of the first deployment, and stays.
// param monthlyBudget = { amount: 150, startDate: '2026-12-01' }

// sendMail is warm: the first mail after a quiet night leaves at once.
param alwaysReadyInstances = { http: 0, sendMail: 1 }
