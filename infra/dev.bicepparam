// A deployment to try things with: small, cheap, gone without a trace when its resource group is.
// Indented comments are examples: take the slashes away and write your own values.
using 'main.bicep'

param name = 'mail-dev'
param tags = { environment: 'dev' }
param network = 'public'

param mailboxes = [
  // {
  //   address: 'servicedesk-dev@contoso.example'
  //   signIn: 'delegated'
  //   afterFetch: 'seen'
  //   limits: { messagesPerMinute: 10, recipientsPerDay: 500 }
  // }
]

param alertEmails = [
  // 'servicedesk-admins@contoso.example'
]
