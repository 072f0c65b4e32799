// Every reply of Exchange Online that is known to mean something in particular, as data. The first row that
// fits decides; what no row fits is judged by class and phase in judgeReply.ts. docs/replies.md is this table.
//
// Two thoughts are behind it. A 5xx need not be the message's fault: the day's quota, a full mailbox, a missing
// licence all come as one, and a day of mail must not be filed as undeliverable for it. And trying a hopeless
// message again is not harmless: Exchange throttles a mailbox for continuous errors (5.2.251 to 5.2.255).
//
// Sources: learn.microsoft.com, "Continuous error throttling for SMTP AUTH submissions", "Improvements in the
// SMTP AUTH client submission protocol", "Non-delivery reports in Exchange Online"; RFC 3463, RFC 5321 4.2.
import type { HoldJudgement, Judgement, Verdict } from './judgement.ts';
import type { Phase } from '../ports.ts';

const minuteMs = 60_000;
/** The longest between two probes, and of a delay: what waits is sent soon after the server is in order. */
const longMs = 15 * minuteMs;

type Decision<Kind> = Kind extends Verdict ? Omit<Kind, keyof Verdict> : never;

export interface ReplyRow {
  /** What it is called in tests and on the page. */
  readonly name: string;
  /** A reply as it was seen, or as Microsoft prints it. */
  readonly sample: string;
  readonly codes?: readonly number[];
  /** Whole (`5.7.139`) or a range of the last part (`4.7.500-699`). */
  readonly enhanced?: readonly string[];
  readonly text?: RegExp;
  /** Where it can come; absent: anywhere. */
  readonly phases?: readonly Phase[];
  readonly detail: string;
  readonly decision: Decision<Exclude<Judgement, { readonly do: 'inDoubt' }>>;
}

/** About one recipient, in whatever phase it comes. */
const retryRecipient = (minDelayMs?: number): ReplyRow['decision'] => ({
  do: 'retry',
  about: 'recipient',
  ...(minDelayMs === undefined ? {} : { minDelayMs }),
});

const retry = (minDelayMs?: number): ReplyRow['decision'] =>
  minDelayMs === undefined ? { do: 'retry' } : { do: 'retry', minDelayMs };

const stop = (
  scope: HoldJudgement['scope'],
  reason: HoldJudgement['reason'],
  firstProbeMs: number,
  remedy: string,
): ReplyRow['decision'] => ({ do: 'configuration', scope, reason, firstProbeMs, remedy });

const pause = (
  scope: HoldJudgement['scope'],
  reason: HoldJudgement['reason'],
  firstProbeMs: number,
  remedy: string,
): ReplyRow['decision'] => ({ do: 'hold', scope, reason, firstProbeMs, remedy });

const deadLetter: ReplyRow['decision'] = { do: 'deadLetter' };

const quotaCure =
  'Nothing need be done: places come free as the sends of the last 24 hours grow old. If other programs send with this account, or the outbound spam policy in Defender (Policies > Anti-spam > outbound) allows less than 10,000, lower "recipientsPerDay" of the mailbox in MAILBOXES.';
const blockedCure =
  'Find out what was sent, then unblock the mailbox in the Defender portal (Email & collaboration > Review > Restricted entities); it takes up to some hours to work.';
const smtpAuthMailbox =
  'In Exchange Online PowerShell: Set-CASMailbox -Identity ADDRESS -SmtpClientAuthenticationDisabled $false. It takes up to an hour to work.';
const sendAsCure =
  'In Exchange Online PowerShell: Add-RecipientPermission -Identity ADDRESS -Trustee SMTP_USER -AccessRights SendAs (for application sign-in also with the service principal as trustee). It takes up to an hour to work.';

const throttled = (last: number, what: string, remedy: string): ReplyRow => ({
  name: `throttled${last}`,
  sample: `550 5.2.${last} Mailbox throttled after continuous ${what} errors`,
  codes: [550],
  enhanced: [`5.2.${last}`],
  detail: `Exchange has throttled the mailbox after continuous "${what}" errors.`,
  decision: stop('account', 'throttled', longMs, remedy),
});

/** In the order in which they are tried. */
export const replyTable: readonly ReplyRow[] = [
  // ---- the front end and its limits
  {
    name: 'senderThreadLimit',
    sample:
      '432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded [Hostname=AM0PR01MB0000.eurprd01.prod.exchangelabs.com]',
    codes: [432],
    text: /sender thread limit/i,
    detail: "The account has more than three connections open, by the server's count.",
    decision: { do: 'reconnect' },
  },
  {
    name: 'recipientThreadLimit',
    sample: '432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded',
    codes: [432],
    text: /recipient thread limit/i,
    detail: "The recipient's mailbox is busy with other deliveries.",
    decision: retryRecipient(),
  },
  {
    name: 'connectionLimit',
    sample:
      '432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information.',
    codes: [432],
    detail: "The account has more than three connections open, by the server's count.",
    decision: { do: 'reconnect' },
  },
  {
    name: 'serviceNotAvailable',
    sample: '421 4.3.2 Service not available, closing transmission channel',
    codes: [421],
    enhanced: ['4.3.2'],
    detail: "The server's front end is busy and closed the connection.",
    decision: retry(),
  },
  {
    name: 'connectionDropped',
    sample: '421 4.4.2 Connection dropped due to TimeoutException',
    codes: [421],
    enhanced: ['4.4.2'],
    detail: 'The server dropped the connection.',
    decision: retry(),
  },
  {
    name: 'mailboxLogonFailure',
    sample: '430 4.2.0 STOREDRV; mailbox logon failure; mailbox unavailable; MapiExceptionLogonFailed',
    codes: [430],
    detail: "The server could not open the account's mailbox.",
    decision: pause(
      'account',
      'configuration',
      5 * minuteMs,
      'It often clears by itself. If it stays for an hour, application sign-in lacks its right on the mailbox; in Exchange Online PowerShell: Add-MailboxPermission -Identity ADDRESS -User SERVICE_PRINCIPAL -AccessRights FullAccess.',
    ),
  },
  {
    name: 'greyListed',
    sample: '451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719) (AS77712301)',
    codes: [451],
    enhanced: ['4.7.500-699'],
    detail: 'The server is slowing down this address on the Internet (grey-listing).',
    decision: retry(longMs),
  },
  {
    name: 'temporaryServerError',
    sample: '451 4.7.0 Temporary server error. Please try again later. PRX5',
    codes: [451],
    enhanced: ['4.7.0', '4.3.111'],
    detail:
      'The server has trouble of its own (PRX, MRH1). It usually clears; if it stays for hours, ask Microsoft support with the code.',
    decision: retry(),
  },
  {
    name: 'tooManyRecipientsForNow',
    sample: '452 4.5.3 Too many recipients',
    codes: [452],
    enhanced: ['4.5.3'],
    detail: 'The server takes no more recipients in this message for now.',
    decision: retry(),
  },
  {
    name: 'recipientReceiveLimit',
    sample:
      '450 4.2.121 Recipient has exceeded their limit on the number of messages they can receive per hour',
    enhanced: ['4.2.121-122', '5.2.121-122'],
    detail: 'The recipient has reached the number of messages that a mailbox may receive in an hour.',
    decision: retryRecipient(longMs),
  },

  // ---- signing in
  {
    name: 'smtpAuthOffTenant',
    sample:
      '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.',
    enhanced: ['5.7.139'],
    text: /SmtpClientAuthentication is disabled for the Tenant/i,
    detail: 'SMTP AUTH is switched off for the whole tenant, and the mailbox makes no exception.',
    decision: stop(
      'account',
      'signIn',
      5 * minuteMs,
      `${smtpAuthMailbox} The mailbox's own setting overrides the tenant's, which may stay off.`,
    ),
  },
  {
    name: 'smtpAuthOffMailbox',
    sample:
      '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information.',
    enhanced: ['5.7.139'],
    text: /SmtpClientAuthentication is disabled/i,
    detail: 'SMTP AUTH is switched off for the mailbox.',
    decision: stop('account', 'signIn', 5 * minuteMs, smtpAuthMailbox),
  },
  {
    name: 'basicAuthOff',
    sample: '535 5.7.139 Authentication unsuccessful, basic authentication is disabled.',
    enhanced: ['5.7.139'],
    text: /basic authentication is disabled/i,
    detail: 'The server took the sign-in for a password sign-in, which is switched off.',
    decision: stop(
      'account',
      'signIn',
      longMs,
      'Check that SMTP_SERVER is smtp.office365.com:587, and run the doctor: the token must be for the Outlook resource.',
    ),
  },
  {
    name: 'securityDefaults',
    sample:
      "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator.",
    enhanced: ['5.7.139'],
    text: /security defaults/i,
    detail: "The tenant's security defaults lock SMTP AUTH.",
    decision: stop(
      'account',
      'signIn',
      longMs,
      'In the Entra admin center (Overview > Properties > Manage security defaults) replace security defaults by Conditional Access policies that allow this app.',
    ),
  },
  {
    name: 'conditionalAccess',
    sample:
      '535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator.',
    enhanced: ['5.7.139'],
    detail: 'A policy of the tenant (Conditional Access, an authentication policy) refuses the sign-in.',
    decision: stop(
      'account',
      'signIn',
      longMs,
      'Look at the failed sign-in in the Entra admin center (Monitoring > Sign-in logs); allow this app in the policy named there.',
    ),
  },
  {
    name: 'authenticationUnsuccessful',
    sample: '535 5.7.3 Authentication unsuccessful [AM0PR01CA0000.eurprd01.prod.exchangelabs.com]',
    codes: [535],
    detail: 'Exchange refused the token for this mailbox.',
    decision: stop(
      'account',
      'signIn',
      5 * minuteMs,
      'Run the doctor for the mailbox. The usual causes: SMTP AUTH is off for it (Set-CASMailbox -Identity ADDRESS -SmtpClientAuthenticationDisabled $false); "smtpUser" is a shared mailbox and must be the user who signed in; for application sign-in, New-ServicePrincipal was given the registration\'s object id instead of the enterprise application\'s. After a change wait up to two hours.',
    ),
  },
  {
    name: 'notAuthenticated',
    sample:
      '530 5.7.57 Client not authenticated to send mail. [AM0PR01CA0000.eurprd01.prod.exchangelabs.com]',
    codes: [530, 550, 535],
    enhanced: ['5.7.57'],
    detail: 'The server holds the session for one that never signed in.',
    decision: stop(
      'account',
      'signIn',
      longMs,
      'Check that SMTP_SERVER is smtp.office365.com:587; if it is, run the doctor for the mailbox and report what it says.',
    ),
  },
  {
    name: 'relayDenied',
    sample: '550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain',
    codes: [550, 554],
    text: /unable to relay/i,
    detail: 'The server relays for nobody who has not signed in.',
    decision: stop(
      'account',
      'signIn',
      longMs,
      'Check that SMTP_SERVER is smtp.office365.com:587 and not an MX of the tenant.',
    ),
  },

  // ---- the mailbox is throttled for continuous errors: before the causes themselves, which may be quoted in it
  throttled(
    251,
    'mailbox full',
    "Make room in the account's mailbox (a retention policy on Sent Items helps); the throttle ends by itself some time after.",
  ),
  throttled(252, 'send as denied', sendAsCure),
  throttled(
    253,
    'invalid licence',
    'Give the account a licence that includes Exchange Online in the Microsoft 365 admin center; the throttle ends by itself some time after.',
  ),
  throttled(
    254,
    'too many recipients',
    'Find out who submits messages with more recipients than the mailbox allows (Get-Mailbox ADDRESS | fl RecipientLimits), and lower MAX_RECIPIENTS accordingly.',
  ),
  throttled(
    255,
    'invalid recipients',
    'Find out which submissions name recipients that do not exist, and correct the addresses in ESM.',
  ),

  // ---- the account may not send as this, not now, or not at all
  {
    name: 'sendAsDenied',
    sample:
      '554 5.2.252 SendAsDenied; user@example.com not allowed to send as desk@example.com; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied',
    text: /SendAsDenied/i,
    detail: 'The account may not send as this mailbox.',
    decision: stop('mailbox', 'sendAs', longMs, sendAsCure),
  },
  {
    name: 'noPermissionForSender',
    sample: '550 5.7.60 SMTP; Client does not have permissions to send as this sender',
    enhanced: ['5.7.60'],
    detail: 'The account may not send as this mailbox.',
    decision: stop('mailbox', 'sendAs', longMs, sendAsCure),
  },
  {
    name: 'noPermissionInWords',
    sample: '550 5.7.1 Client does not have permissions to send as this sender',
    text: /permissions? to (?:send|submit) as this sender|not (?:allowed|authori[sz]ed) to send as/i,
    detail: 'The account may not send as this mailbox.',
    decision: stop('mailbox', 'sendAs', longMs, sendAsCure),
  },
  {
    name: 'accountDisabled',
    sample:
      '554 5.2.0 STOREDRV.Submission.Exception:AccountDisabledException.MapiExceptionAccountDisabled; Failed to process message due to a permanent exception with message Cannot submit message.',
    text: /AccountDisabled/i,
    phases: ['mail', 'data', 'body', 'dot'],
    detail: 'The sending account is disabled, or its mailbox is.',
    decision: stop(
      'account',
      'configuration',
      longMs,
      'Look at the account in the Microsoft 365 admin center (Users > Active users): allow its sign-in, and give it a licence that includes Exchange Online. A shared mailbox that sends by itself needs a licence or a delegate as "smtpUser".',
    ),
  },
  {
    name: 'throttledOther',
    sample: '554 5.2.253 Mailbox throttled',
    enhanced: ['5.2.251-255'],
    detail: 'Exchange has throttled the mailbox after continuous errors.',
    decision: stop(
      'account',
      'throttled',
      longMs,
      'See learn.microsoft.com, "Continuous error throttling for SMTP AUTH submissions": mend the error named there; the throttle ends by itself some time after.',
    ),
  },
  {
    name: 'submissionQuota',
    sample:
      "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a permanent exception with message The message can't be submitted because the sender's submission quota was exceeded.",
    text: /SubmissionQuotaExceeded|submission quota/i,
    detail: "By the server's count the account has reached its recipients of the day, or of its policy.",
    decision: pause('account', 'quota', longMs, quotaCure),
  },
  {
    name: 'dailyRecipients',
    sample:
      "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
    enhanced: ['5.1.90'],
    detail: "By the server's count the account has reached its recipients of the day.",
    decision: pause('account', 'quota', longMs, quotaCure),
  },
  {
    name: 'recipientMailboxFull',
    sample:
      '552 5.2.2 STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; mailbox full',
    phases: ['rcpt'],
    codes: [550, 552, 554],
    text: /STOREDRV\.Deliver.*QuotaExceeded/i,
    detail: "The recipient's mailbox is full.",
    decision: deadLetter,
  },
  {
    name: 'recipientMailboxFullInWords',
    sample: '552 Mailbox full',
    phases: ['rcpt'],
    text: /^(?!.*STOREDRV\.Submission).*mailbox (?:is )?(?:full|over quota)/i,
    codes: [550, 552, 554],
    detail: "The recipient's mailbox is full.",
    decision: deadLetter,
  },
  {
    name: 'submissionTooLarge',
    sample:
      '554 5.2.0 STOREDRV.Submission.Exception:MessageSubmissionExceededException.MapiExceptionMaxSubmissionExceeded; Message size exceeds maximum size limit.',
    text: /M(?:ax|essage)SubmissionExceeded/i,
    detail:
      'The message is larger than the mailbox may send (35 MB as sent, unless Set-Mailbox -MaxSendSize says otherwise).',
    decision: deadLetter,
  },
  {
    name: 'mailboxFull',
    sample:
      '554 5.2.2 STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; Failed to process message due to a permanent exception with message Cannot submit message.',
    text: /(?:Shutoff)?QuotaExceeded/i,
    detail: 'The sending mailbox itself is full, most often its Sent Items.',
    decision: stop(
      'account',
      'mailboxFull',
      longMs,
      "Make room in the account's mailbox; a retention policy on Sent Items (Microsoft Purview > Data lifecycle management) keeps it so. Sent copies can be switched off: Set-Mailbox -Identity ADDRESS -MessageCopyForSMTPClientSubmissionEnabled $false, but then an attempt in doubt can not be looked up.",
    ),
  },
  {
    name: 'senderMailboxFull',
    sample: '554 5.2.2 mailbox full',
    enhanced: ['5.2.2'],
    phases: ['mail', 'data', 'body', 'dot'],
    detail: 'The sending mailbox itself is full, most often its Sent Items.',
    decision: stop(
      'account',
      'mailboxFull',
      longMs,
      "Make room in the account's mailbox; a retention policy on Sent Items (Microsoft Purview > Data lifecycle management) keeps it so.",
    ),
  },
  {
    name: 'tenantExternalTrial',
    sample:
      "550 5.7.232 Your message can't be sent because your trial tenant has exceeded its daily limit for sending email to external recipients (tenant external recipient rate limit)",
    enhanced: ['5.7.232'],
    detail:
      'The trial tenant has reached its external recipients of the day (5,000); internal recipients would still be served.',
    decision: pause('account', 'quota', longMs, 'Wait, or move to a paid subscription.'),
  },
  {
    name: 'tenantExternal',
    sample:
      "550 5.7.233 Your message can't be sent because your tenant has exceeded its daily limit for sending email to external recipients (tenant external recipient rate limit)",
    enhanced: ['5.7.233'],
    detail:
      'The tenant has reached its external recipients of the day; internal recipients would still be served.',
    decision: pause(
      'account',
      'quota',
      longMs,
      'Wait; the limit is 500 x licences^0.7 + 9,500 in 24 hours. See the Exchange admin center, Reports > Mail flow > Tenant outbound external recipients.',
    ),
  },
  {
    name: 'outboundSpam',
    sample:
      '554 5.2.0 STOREDRV.Submission.Exception:OutboundSpamException; Failed to process message due to a permanent exception with message WASCL UserAction verdict is not None. Actual verdict is Suspend',
    text: /OutboundSpamException|WASCL/i,
    detail: 'The mailbox is blocked as a sender of spam.',
    decision: stop('account', 'blocked', longMs, blockedCure),
  },
  {
    name: 'badOutboundSender',
    sample: '550 5.1.8 Access denied, bad outbound sender AS(42004)',
    enhanced: ['5.1.8'],
    detail: 'The mailbox is blocked as a sender of spam.',
    decision: stop('account', 'blocked', longMs, blockedCure),
  },
  {
    name: 'accountBanned',
    sample: '550 5.7.501 Access denied, spam abuse detected',
    enhanced: ['5.7.501-503', '5.7.511'],
    detail: 'The sending account is banned for spam.',
    decision: stop('account', 'blocked', longMs, blockedCure),
  },
  {
    name: 'addressBlocked',
    sample: '550 5.7.606 Access denied, banned sending IP [192.0.2.1]',
    enhanced: ['5.7.606-649'],
    detail: 'Microsoft has banned the address on the Internet from which the bridge sends.',
    decision: stop(
      'account',
      'blocked',
      longMs,
      'Ask for its removal at https://sender.office.com with the address that the reply names; a NAT gateway with an address of its own keeps others from getting it banned.',
    ),
  },
  {
    name: 'tenantBlocked',
    sample: '550 5.7.705 Access denied, tenant has exceeded threshold',
    enhanced: ['5.7.705', '5.7.708', '5.7.750'],
    detail:
      'The tenant is blocked as a sender (threshold exceeded, new tenant, or a domain that is not registered).',
    decision: stop(
      'account',
      'blocked',
      longMs,
      'Verify the sending domain in the Microsoft 365 admin center (Settings > Domains), make sure that no account sends spam, then open a request with Microsoft support.',
    ),
  },
  {
    name: 'dmarc',
    sample:
      '550 5.7.509 Access denied, sending domain example.com does not pass DMARC verification and has a DMARC policy of reject',
    enhanced: ['5.7.509'],
    detail: "The sender's domain fails its own DMARC policy.",
    decision: stop(
      'mailbox',
      'configuration',
      longMs,
      'Publish SPF (include:spf.protection.outlook.com) and switch DKIM on for the domain in the Defender portal (Policies > Email authentication settings > DKIM).',
    ),
  },

  // ---- the message or a recipient
  {
    name: 'noValidFrom',
    sample:
      '550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant and have a valid From header',
    enhanced: ['5.7.512'],
    detail: 'The server finds no valid From header in the message.',
    decision: deadLetter,
  },
  {
    name: 'bareLineFeed',
    sample: '550 5.6.11 Invalid characters: bare line feed',
    enhanced: ['5.6.11'],
    detail: 'The server finds a bare line feed in the message.',
    decision: deadLetter,
  },
  {
    name: 'headerTooLarge',
    sample: '552 5.3.4 Header size exceeds fixed maximum size',
    codes: [550, 552, 554],
    text: /header size|headers? (?:is |are )?too (?:large|long|big)|too many headers/i,
    detail:
      "The message's header is too large: too many or too long recipients, references or header fields. Send it in parts, or shorten them.",
    decision: deadLetter,
  },
  {
    name: 'headerFieldTooLarge',
    sample:
      "554 5.6.211 Invalid MIME Content: Single text value size (33061) exceeded allowed maximum (32768) for the 'To' header.",
    enhanced: ['5.6.211'],
    detail:
      'One header field of the message is too large (Exchange takes 32 KB of text in one): send it to fewer recipients at a time, or shorten the field that the server names.',
    decision: deadLetter,
  },
  {
    name: 'conversionNeeded',
    sample: '554 5.6.3 Conversion required but not supported',
    enhanced: ['5.6.3'],
    detail:
      'The message has bytes outside ASCII, which the server does not accept; encode it as quoted-printable or base64.',
    decision: deadLetter,
  },
  {
    name: 'tooLarge',
    sample: '552 5.3.4 Message size exceeds fixed maximum message size',
    enhanced: ['5.3.4', '5.2.3'],
    detail:
      'The message is larger than the mailbox may send (35 MB as sent, unless Set-Mailbox -MaxSendSize says otherwise).',
    decision: deadLetter,
  },
  {
    name: 'tooLargeAtMail',
    sample: '552 Message size exceeds maximum permitted',
    codes: [552],
    phases: ['mail', 'data', 'body', 'dot'],
    detail:
      'The message is larger than the mailbox may send (35 MB as sent, unless Set-Mailbox -MaxSendSize says otherwise).',
    decision: deadLetter,
  },
  {
    name: 'tooManyRecipients',
    sample: '550 5.5.3 Too many recipients',
    enhanced: ['5.5.3'],
    detail:
      'The message has more recipients than the mailbox allows in one (Get-Mailbox ADDRESS | fl RecipientLimits).',
    decision: deadLetter,
  },
  {
    name: 'noSuchRecipient',
    sample: '550 5.1.1 RESOLVER.ADR.RecipNotFound; not found',
    enhanced: ['5.1.1', '5.1.10', '5.4.1'],
    detail: 'There is no such recipient.',
    decision: deadLetter,
  },
  {
    name: 'loop',
    sample: '554 5.4.14 Hop count exceeded - possible mail loop ATTR34',
    enhanced: ['5.4.14'],
    detail:
      "The message went round in a loop. Check forwarding rules and connectors of the recipient's domain before it is sent again.",
    decision: deadLetter,
  },
];
