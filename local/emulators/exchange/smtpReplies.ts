// Exchange Online's SMTP replies, verbatim if known from logs.

const site = 'eurprd01.prod.outlook.com';

export interface Names {
  /** The front end that greets. */
  readonly frontEnd: string;
  /** The mailbox server behind it, as in `[Hostname=…]`. */
  readonly hostname: string;
}

export function serverNames(seed: string): Names {
  const server = `AM0PR01MB${seed}`;
  return { frontEnd: `AM0PR01CA${seed}.outlook.office365.com`, hostname: `${server}.${site}` };
}

/** The trailer of front-end refusals. */
export function trailer(names: Names, now: number, session: string): string {
  return `[${names.frontEnd.replace('.outlook.office365.com', `.${site}`)} ${new Date(now).toISOString()} ${session}]`;
}

/** EHLO as Exchange prints it: STARTTLS in clear, AUTH inside TLS. */
export function ehloLines(
  names: Names,
  client: string,
  secure: boolean,
  messageBytes: number,
): readonly string[] {
  return [
    `${names.frontEnd} Hello [${client}]`,
    `SIZE ${messageBytes}`,
    'PIPELINING',
    'DSN',
    'ENHANCEDSTATUSCODES',
    secure ? 'AUTH LOGIN XOAUTH2' : 'STARTTLS',
    '8BITMIME',
    'BINARYMIME',
    'CHUNKING',
    'SMTPUTF8',
  ];
}

export const replies = {
  authenticated: '235 2.7.0 Authentication successful',
  authFailed: (tail: string) => `535 5.7.3 Authentication unsuccessful ${tail}`,
  authOffMailbox: (tail: string) =>
    `535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information. ${tail}`,
  authOffTenant: (tail: string) =>
    `535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. ${tail}`,
  authBasic: (tail: string) =>
    `535 5.7.139 Authentication unsuccessful, basic authentication is disabled. ${tail}`,
  authAlready: '503 5.5.2 Already authenticated',
  authUnknown: '504 5.7.4 Unrecognized authentication type',
  notAuthenticated: (tail: string) => `530 5.7.57 Client not authenticated to send mail. ${tail}`,
  senderOk: '250 2.1.0 Sender OK',
  recipientOk: '250 2.1.5 Recipient OK',
  data: '354 Start mail input; end with <CRLF>.<CRLF>',
  reset: '250 2.0.0 Resetting',
  ok: '250 2.0.0 OK',
  startTls: '220 2.0.0 SMTP server ready',
  bye: '221 2.0.0 Service closing transmission channel',
  idle: '421 4.4.1 Connection timed out',
  unknown: '500 5.3.3 Unrecognized command',
  lineTooLong: '500 5.5.2 Line too long',
  arguments: '501 5.5.4 Invalid arguments',
  badAddress: '501 5.1.3 Invalid address',
  helloFirst: '503 5.5.2 Send hello first',
  mailFirst: '503 5.5.2 Need mail command',
  mailTwice: '503 5.5.2 Sender already specified',
  rcptFirst: '503 5.5.2 Need rcpt command',
  tooLarge: '552 5.3.4 Message size exceeds fixed maximum message size',
  tooManyRecipients: '452 4.5.3 Too many recipients (AS780090)',
  noRecipient: (address: string) =>
    `550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ${address} not found by SMTP address lookup`,
  deferredRecipient: '450 4.2.1 The recipient mailbox is busy; try again later',
  bareLineEnd:
    '550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds, which cannot be sent via DATA',
  tooManyConnections: (names: Names) =>
    `432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded [Hostname=${names.hostname}]`,
  tooManyConnectionsAtAuth:
    '432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information.',
  tooFast: (names: Names) =>
    `432 4.3.2 STOREDRV.ClientSubmit; message rate limit exceeded [Hostname=${names.hostname}]`,
  quota: (names: Names) =>
    storeException(
      names,
      'SubmissionQuotaExceededException',
      "The message cannot be submitted because the sender's submission quota was exceeded.",
    ),
  sendAsDenied: (names: Names) =>
    storeException(names, 'SendAsDeniedException.MapiExceptionSendAsDenied', 'Cannot submit message.'),
  mailboxFull: (names: Names) =>
    `554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; Failed to process message due to a permanent exception with message Cannot submit message. [Hostname=${names.hostname}]`,
  accepted: (names: Names, serverId: string) => `250 2.0.0 OK <${serverId}> [Hostname=${names.hostname}]`,
} as const;

function storeException(names: Names, name: string, detail: string): string {
  return `554 5.2.0 STOREDRV.Submission.Exception:${name}; Failed to process message due to a permanent exception with message ${detail} [Hostname=${names.hostname}]`;
}
