// Production. The vault can't be purged, the store survives the loss of a zone, and somebody is told of alerts.
using 'main.bicep'

param name = 'mail-prod'
param tags = { environment: 'prod' }

param mailboxes = [
  // ESM's own mailbox: signed in by the app itself, read and sent from.
  {
    address: 'servicedesk@contoso.example'
    signIn: 'application'
    send: true
    receive: true
    folder: 'INBOX'
    afterFetch: 'move:Processed'
  }
  // A shared mailbox that a delegate sends for; ESM keeps reading it.
  {
    address: 'hr@contoso.example'
    signIn: 'delegated'
    smtpUser: 'mail.delegate@contoso.example'
    send: true
    receive: false
    // ESM's own mail shares the delegate's limits: leave it a third.
    limits: { messagesPerMinute: 20, recipientsPerDay: 6500, connections: 2 }
  }
]

// Object ids (az ad sp show --id CLIENT_ID --query id). Empty where ESM uses POST /api/mail alone.
param senderPrincipalId = '11111111-1111-4111-8111-111111111111'
param consumerPrincipalId = '22222222-2222-4222-8222-222222222222'
param adminPrincipalIds = ['33333333-3333-4333-8333-333333333333']
param alertEmails = ['servicedesk-admins@contoso.example']
param esmRedirectUris = ['https://esm.contoso.example/oauth/callback']

param grantAdminConsent = true
param purgeProtection = true
param storageSku = 'Standard_ZRS'
param logRetentionDays = 90
// sendMail is warm: the first mail after a quiet night leaves at once.
param alwaysReadyInstances = { http: 0, sendMail: 1 }
