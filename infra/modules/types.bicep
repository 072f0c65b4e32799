// What the parameters may hold. A mailbox has the shape that the app's MAILBOXES setting has, so that what is
// written in a parameter file comes out as the app reads it, and a misspelt property fails before deployment.

@export()
@sealed()
@description('What Exchange Online allows one account, or less by choice (30 a minute, 10,000 in any 24 hours, 3).')
type limits = {
  @minValue(1)
  @maxValue(30)
  messagesPerMinute: int?

  @minValue(1)
  @maxValue(10000)
  @description('Recipients in any 24 hours.')
  recipientsPerDay: int?

  @minValue(1)
  @maxValue(3)
  connections: int?
}

@export()
@sealed()
@description('A mailbox that the bridge serves. What is left out has the app\'s default (docs/settings.md).')
type mailbox = {
  @minLength(3)
  @maxLength(254)
  address: string

  @description('delegated: a person connects it once in a browser. application: the app signs in by itself.')
  signIn: 'delegated' | 'application'

  @description('Who logs in to IMAP; the address where nothing is said.')
  imapUser: string?

  @description('Who logs in to SMTP; the address where nothing is said. A shared mailbox names its delegate here.')
  smtpUser: string?

  send: bool?

  receive: bool?

  @description('The folder that is fetched; INBOX where nothing is said.')
  folder: string?

  @description('What happens to a message once its content and its notice are durable: none, seen, delete, or move:<folder>.')
  afterFetch: string?

  limits: limits?
}

@export()
@sealed()
@description('Instances that are kept warm, and paid for while they idle.')
type alwaysReady = {
  @minValue(0)
  @description('For the HTTP functions: the administrator\'s page, the sign-in of mailboxes, POST /api/mail.')
  http: int

  @minValue(0)
  @description('For sendMail: the first message after a quiet time then need not wait for an instance.')
  sendMail: int
}
