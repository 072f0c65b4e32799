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

  @description('Other addresses of the mailbox that a submission may send from; none where nothing is said.')
  aliases: string[]?

  @description('The display name of From where a submission gives none.')
  fromName: string?

  @description('Who logs in to IMAP; the address where nothing is said.')
  imapUser: string?

  @description('Who logs in to SMTP; the address where nothing is said. A shared mailbox names its delegate here.')
  smtpUser: string?

  send: bool?

  receive: bool?

  @description('The folder that is fetched; INBOX where nothing is said.')
  folder: string?

  @description('What happens to a message once its content and its notice are durable: none, seen, delete, or move:<folder>. A text, or an object with one for each kind: message, autoReply, bounce, complaint, receipt, unparsed.')
  #disable-next-line no-explicit-any
  afterFetch: any?

  @description('now: mail that comes after the first fetch. all: every mail that is in the folder, which is then announced, and marked, moved or deleted as afterFetch says. Or a date, as 2026-11-27. now where nothing is said.')
  fetchFrom: string?

  // A union of a word and an object is no type of a template; the app checks both fields.
  @description('Safe mode: \'hold\', or { redirect: \'tester@example.com\', allow: [\'@example.com\'] }. Live where nothing is said.')
  #disable-next-line no-explicit-any
  deliver: any?

  @description('Where failure reports go: \'off\', or { folder: \'INBOX\', autoSubmitted: true }, which is so where nothing is said.')
  #disable-next-line no-explicit-any
  failureReports: any?

  limits: limits?
}

@export()
@sealed()
@description('Instances that are kept warm, and paid for while they idle.')
type alwaysReady = {
  @minValue(0)
  @description('For the HTTP functions: the administrator\'s page, the sign-in of mailboxes, what callers ask for.')
  http: int

  @minValue(0)
  @description('For sendMail: the first message after a quiet time then need not wait for an instance.')
  sendMail: int
}

@export()
@sealed()
@description('A budget of the resource group, which warns and stops nothing.')
type budget = {
  @minValue(1)
  @description('A month, in the currency of the subscription.')
  amount: int

  @minLength(10)
  @maxLength(10)
  @description('First day of the month of the first deployment, as 2026-12-01. Azure refuses to change it later.')
  startDate: string
}

@export()
@sealed()
@description('The SMTP intake, hosted in Container Apps for an ESM in the cloud.')
type intake = {
  @description('Image of the intake program, with its digest: REGISTRY/NAME@sha256:...')
  image: string

  @description('Registry of the image where it asks for a login; the intake\'s identity then needs AcrPull there.')
  registry: string?

  @description('Name that ESM connects to. A DNS record of yours points it at the address of the output intakeAddress, and the certificate is for it.')
  hostName: string

  @minLength(1)
  @description('Who may connect: IPv4 ranges as 203.0.113.7/32. They are the only guard before the login, since the program sees the proxy\'s address only.')
  allowedAddresses: string[]

  @description('Off for the first deployment, which makes the vault that the three secrets go into; then on.')
  start: bool

  @description('Whether who comes from an allowed address is trusted, so that ESM\'s OAuth token is accepted unread. Off: login with a user and password of the settings.')
  trustAllowed: bool

  @description('Users and the hashes of their passwords, as "intake password" prints them.')
  users: { *: string }?

  @minLength(9)
  @maxLength(18)
  @description('Addresses of the intake\'s own network, at least /24; 10.91.0.0/24 where nothing is said.')
  addressPrefix: string?
}
