// Every reply of Exchange Online that is known to mean something in particular, as data. The first row that
// fits decides; what no row fits is judged by class and phase in judgeReply.ts. docs/replies.md is this table.
//
// Two thoughts are behind it. A 5xx need not be the message's fault: the day's quota, a full mailbox, a missing
// licence all come as one, and a day of mail must not be filed as undeliverable for it. And trying a hopeless
// message again is not harmless: Exchange throttles a mailbox for continuous errors (5.2.251 to 5.2.255).
//
// Sources: learn.microsoft.com, "Continuous error throttling for SMTP AUTH submissions", "Improvements in the
// SMTP AUTH client submission protocol", "Non-delivery reports in Exchange Online"; RFC 3463, RFC 5321 4.2.
import { exchangeWait, exchangeWaitAfterChange } from '../../mail/exchangeWait.ts';
import { present } from '../../mail/omit.ts';
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
  ...present({ minDelayMs }),
});

const retry = (minDelayMs?: number): ReplyRow['decision'] => ({ do: 'retry', ...present({ minDelayMs }) });

const hold =
  (act: HoldJudgement['do']) =>
  (
    scope: HoldJudgement['scope'],
    reason: HoldJudgement['reason'],
    firstProbeMs: number,
    remedy: string,
  ): ReplyRow['decision'] => ({ do: act, scope, reason, firstProbeMs, remedy });

const stop = hold('configuration');
const pause = hold('hold');

const deadLetter: ReplyRow['decision'] = { do: 'deadLetter' };

const quotaCure =
  'Nothing need be done: places come free as the sends of the last 24 hours grow old. If other programs send with this account, or the outbound spam policy in Defender (Policies > Anti-spam > outbound) allows less than 10,000, lower "recipientsPerDay" of the mailbox in MAILBOXES.';
const blockedCure =
  'Find out what was sent, then unblock the mailbox in the Defender portal (Email & collaboration > Review > Restricted entities); it takes up to some hours to work.';
const smtpAuthMailbox = `In Exchange Online PowerShell: Set-CASMailbox -Identity ADDRESS -SmtpClientAuthenticationDisabled $false. ${exchangeWait}`;
const sendAsCure = `In Exchange Online PowerShell: Add-RecipientPermission -Identity ADDRESS -Trustee SMTP_USER -AccessRights SendAs (for application sign-in also with the service principal as trustee). ${exchangeWait}`;

const known = (
  name: string,
  sample: string,
  match: Pick<ReplyRow, 'codes' | 'enhanced' | 'text' | 'phases'>,
  detail: string,
  decision: ReplyRow['decision'],
): ReplyRow => ({ name, sample, ...match, detail, decision });

const throttled = (last: number, what: string, remedy: string): ReplyRow =>
  known(
    `throttled${last}`,
    `550 5.2.${last} Mailbox throttled after continuous ${what} errors`,
    { codes: [550], enhanced: [`5.2.${last}`] },
    `Exchange has throttled the mailbox after continuous "${what}" errors.`,
    stop('account', 'throttled', longMs, remedy),
  );

/** In the order in which they are tried. */
export const replyTable: readonly ReplyRow[] = [
  // ---- the front end and its limits
  known(
    'senderThreadLimit',
    '432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded [Hostname=AM0PR01MB0000.eurprd01.prod.exchangelabs.com]',
    { codes: [432], text: /sender thread limit/i },
    "The account has more than three connections open, by the server's count.",
    { do: 'reconnect' },
  ),
  known(
    'recipientThreadLimit',
    '432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded',
    { codes: [432], text: /recipient thread limit/i },
    "The recipient's mailbox is busy with other deliveries.",
    retryRecipient(),
  ),
  known(
    'connectionLimit',
    '432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information.',
    { codes: [432] },
    "The account has more than three connections open, by the server's count.",
    { do: 'reconnect' },
  ),
  known(
    'serviceNotAvailable',
    '421 4.3.2 Service not available, closing transmission channel',
    { codes: [421], enhanced: ['4.3.2'] },
    "The server's front end is busy and closed the connection.",
    retry(),
  ),
  known(
    'connectionDropped',
    '421 4.4.2 Connection dropped due to TimeoutException',
    { codes: [421], enhanced: ['4.4.2'] },
    'The server dropped the connection.',
    retry(),
  ),
  known(
    'mailboxLogonFailure',
    '430 4.2.0 STOREDRV; mailbox logon failure; mailbox unavailable; MapiExceptionLogonFailed',
    { codes: [430] },
    "The server could not open the account's mailbox.",
    pause(
      'account',
      'configuration',
      5 * minuteMs,
      'It often clears by itself. If it stays for an hour, application sign-in lacks its right on the mailbox; in Exchange Online PowerShell: Add-MailboxPermission -Identity ADDRESS -User SERVICE_PRINCIPAL -AccessRights FullAccess.',
    ),
  ),
  known(
    'greyListed',
    '451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719) (AS77712301)',
    { codes: [451], enhanced: ['4.7.500-699'] },
    'The server is slowing down this address on the Internet (grey-listing).',
    retry(longMs),
  ),
  known(
    'temporaryServerError',
    '451 4.7.0 Temporary server error. Please try again later. PRX5',
    { codes: [451], enhanced: ['4.7.0', '4.3.111'] },
    'The server has trouble of its own (PRX, MRH1). It usually clears; if it stays for hours, ask Microsoft support with the code.',
    retry(),
  ),
  known(
    'tooManyRecipientsForNow',
    '452 4.5.3 Too many recipients',
    { codes: [452], enhanced: ['4.5.3'] },
    'The server takes no more recipients in this message for now.',
    retry(),
  ),
  known(
    'recipientReceiveLimit',
    '450 4.2.121 Recipient has exceeded their limit on the number of messages they can receive per hour',
    { enhanced: ['4.2.121-122', '5.2.121-122'] },
    'The recipient has reached the number of messages that a mailbox may receive in an hour.',
    retryRecipient(longMs),
  ),

  // ---- signing in
  known(
    'smtpAuthOffTenant',
    '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.',
    { enhanced: ['5.7.139'], text: /SmtpClientAuthentication is disabled for the Tenant/i },
    'SMTP AUTH is switched off for the whole tenant, and the mailbox makes no exception.',
    stop(
      'account',
      'signIn',
      5 * minuteMs,
      `${smtpAuthMailbox} The mailbox's own setting overrides the tenant's, which may stay off.`,
    ),
  ),
  known(
    'smtpAuthOffMailbox',
    '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information.',
    { enhanced: ['5.7.139'], text: /SmtpClientAuthentication is disabled/i },
    'SMTP AUTH is switched off for the mailbox.',
    stop('account', 'signIn', 5 * minuteMs, smtpAuthMailbox),
  ),
  known(
    'basicAuthOff',
    '535 5.7.139 Authentication unsuccessful, basic authentication is disabled.',
    { enhanced: ['5.7.139'], text: /basic authentication is disabled/i },
    'The server took the sign-in for a password sign-in, which is switched off.',
    stop(
      'account',
      'signIn',
      longMs,
      'Check that SMTP_SERVER is smtp.office365.com:587, and run the doctor: the token must be for the Outlook resource.',
    ),
  ),
  known(
    'securityDefaults',
    "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator.",
    { enhanced: ['5.7.139'], text: /security defaults/i },
    "The tenant's security defaults lock SMTP AUTH.",
    stop(
      'account',
      'signIn',
      longMs,
      'In the Entra admin center (Overview > Properties > Manage security defaults) replace security defaults by Conditional Access policies that allow this app.',
    ),
  ),
  known(
    'conditionalAccess',
    '535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator.',
    { enhanced: ['5.7.139'] },
    'A policy of the tenant (Conditional Access, an authentication policy) refuses the sign-in.',
    stop(
      'account',
      'signIn',
      longMs,
      'Look at the failed sign-in in the Entra admin center (Monitoring > Sign-in logs); allow this app in the policy named there.',
    ),
  ),
  known(
    'authenticationUnsuccessful',
    '535 5.7.3 Authentication unsuccessful [AM0PR01CA0000.eurprd01.prod.exchangelabs.com]',
    { codes: [535] },
    'Exchange refused the token for this mailbox.',
    stop(
      'account',
      'signIn',
      5 * minuteMs,
      `Run the doctor for the mailbox. The usual causes: SMTP AUTH is off for it (Set-CASMailbox -Identity ADDRESS -SmtpClientAuthenticationDisabled $false); "smtpUser" is a shared mailbox and must be the user who signed in; for application sign-in, New-ServicePrincipal was given the registration's object id instead of the enterprise application's. ${exchangeWaitAfterChange}`,
    ),
  ),
  known(
    'notAuthenticated',
    '530 5.7.57 Client not authenticated to send mail. [AM0PR01CA0000.eurprd01.prod.exchangelabs.com]',
    { codes: [530, 550, 535], enhanced: ['5.7.57'] },
    'The server holds the session for one that never signed in.',
    stop(
      'account',
      'signIn',
      longMs,
      'Check that SMTP_SERVER is smtp.office365.com:587; if it is, run the doctor for the mailbox and report what it says.',
    ),
  ),
  known(
    'relayDenied',
    '550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain',
    { codes: [550, 554], text: /unable to relay/i },
    'The server relays for nobody who has not signed in.',
    stop(
      'account',
      'signIn',
      longMs,
      'Check that SMTP_SERVER is smtp.office365.com:587 and not an MX of the tenant.',
    ),
  ),

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
  known(
    'sendAsDenied',
    '554 5.2.252 SendAsDenied; user@example.com not allowed to send as desk@example.com; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied',
    { text: /SendAsDenied/i },
    'The account may not send as this mailbox.',
    stop('mailbox', 'sendAs', longMs, sendAsCure),
  ),
  known(
    'noPermissionForSender',
    '550 5.7.60 SMTP; Client does not have permissions to send as this sender',
    { enhanced: ['5.7.60'] },
    'The account may not send as this mailbox.',
    stop('mailbox', 'sendAs', longMs, sendAsCure),
  ),
  known(
    'noPermissionInWords',
    '550 5.7.1 Client does not have permissions to send as this sender',
    { text: /permissions? to (?:send|submit) as this sender|not (?:allowed|authori[sz]ed) to send as/i },
    'The account may not send as this mailbox.',
    stop('mailbox', 'sendAs', longMs, sendAsCure),
  ),
  known(
    'accountDisabled',
    '554 5.2.0 STOREDRV.Submission.Exception:AccountDisabledException.MapiExceptionAccountDisabled; Failed to process message due to a permanent exception with message Cannot submit message.',
    { text: /AccountDisabled/i, phases: ['mail', 'data', 'body', 'dot'] },
    'The sending account is disabled, or its mailbox is.',
    stop(
      'account',
      'configuration',
      longMs,
      'Look at the account in the Microsoft 365 admin center (Users > Active users): allow its sign-in, and give it a licence that includes Exchange Online. A shared mailbox that sends by itself needs a licence or a delegate as "smtpUser".',
    ),
  ),
  known(
    'throttledOther',
    '554 5.2.253 Mailbox throttled',
    { enhanced: ['5.2.251-255'] },
    'Exchange has throttled the mailbox after continuous errors.',
    stop(
      'account',
      'throttled',
      longMs,
      'See learn.microsoft.com, "Continuous error throttling for SMTP AUTH submissions": mend the error named there; the throttle ends by itself some time after.',
    ),
  ),
  known(
    'submissionQuota',
    "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a permanent exception with message The message can't be submitted because the sender's submission quota was exceeded.",
    { text: /SubmissionQuotaExceeded|submission quota/i },
    "By the server's count the account has reached its recipients of the day, or of its policy.",
    pause('account', 'quota', longMs, quotaCure),
  ),
  known(
    'dailyRecipients',
    "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
    { enhanced: ['5.1.90'] },
    "By the server's count the account has reached its recipients of the day.",
    pause('account', 'quota', longMs, quotaCure),
  ),
  known(
    'recipientMailboxFull',
    '552 5.2.2 STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; mailbox full',
    { codes: [550, 552, 554], text: /STOREDRV\.Deliver.*QuotaExceeded/i, phases: ['rcpt'] },
    "The recipient's mailbox is full.",
    deadLetter,
  ),
  known(
    'recipientMailboxFullInWords',
    '552 Mailbox full',
    {
      codes: [550, 552, 554],
      text: /^(?!.*STOREDRV\.Submission).*mailbox (?:is )?(?:full|over quota)/i,
      phases: ['rcpt'],
    },
    "The recipient's mailbox is full.",
    deadLetter,
  ),
  known(
    'submissionTooLarge',
    '554 5.2.0 STOREDRV.Submission.Exception:MessageSubmissionExceededException.MapiExceptionMaxSubmissionExceeded; Message size exceeds maximum size limit.',
    { text: /M(?:ax|essage)SubmissionExceeded/i },
    'The message is larger than the mailbox may send (35 MB as sent, unless Set-Mailbox -MaxSendSize says otherwise).',
    deadLetter,
  ),
  known(
    'mailboxFull',
    '554 5.2.2 STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; Failed to process message due to a permanent exception with message Cannot submit message.',
    { text: /(?:Shutoff)?QuotaExceeded/i },
    'The sending mailbox itself is full, most often its Sent Items.',
    stop(
      'account',
      'mailboxFull',
      longMs,
      "Make room in the account's mailbox; a retention policy on Sent Items (Microsoft Purview > Data lifecycle management) keeps it so. Sent copies can be switched off: Set-Mailbox -Identity ADDRESS -MessageCopyForSMTPClientSubmissionEnabled $false, but then an attempt in doubt can not be looked up.",
    ),
  ),
  known(
    'senderMailboxFull',
    '554 5.2.2 mailbox full',
    { enhanced: ['5.2.2'], phases: ['mail', 'data', 'body', 'dot'] },
    'The sending mailbox itself is full, most often its Sent Items.',
    stop(
      'account',
      'mailboxFull',
      longMs,
      "Make room in the account's mailbox; a retention policy on Sent Items (Microsoft Purview > Data lifecycle management) keeps it so.",
    ),
  ),
  known(
    'tenantExternalTrial',
    "550 5.7.232 Your message can't be sent because your trial tenant has exceeded its daily limit for sending email to external recipients (tenant external recipient rate limit)",
    { enhanced: ['5.7.232'] },
    'The trial tenant has reached its external recipients of the day (5,000); internal recipients would still be served.',
    pause('account', 'quota', longMs, 'Wait, or move to a paid subscription.'),
  ),
  known(
    'tenantExternal',
    "550 5.7.233 Your message can't be sent because your tenant has exceeded its daily limit for sending email to external recipients (tenant external recipient rate limit)",
    { enhanced: ['5.7.233'] },
    'The tenant has reached its external recipients of the day; internal recipients would still be served.',
    pause(
      'account',
      'quota',
      longMs,
      'Wait; the limit is 500 x licences^0.7 + 9,500 in 24 hours. See the Exchange admin center, Reports > Mail flow > Tenant outbound external recipients.',
    ),
  ),
  known(
    'outboundSpam',
    '554 5.2.0 STOREDRV.Submission.Exception:OutboundSpamException; Failed to process message due to a permanent exception with message WASCL UserAction verdict is not None. Actual verdict is Suspend',
    { text: /OutboundSpamException|WASCL/i },
    'The mailbox is blocked as a sender of spam.',
    stop('account', 'blocked', longMs, blockedCure),
  ),
  known(
    'badOutboundSender',
    '550 5.1.8 Access denied, bad outbound sender AS(42004)',
    { enhanced: ['5.1.8'] },
    'The mailbox is blocked as a sender of spam.',
    stop('account', 'blocked', longMs, blockedCure),
  ),
  known(
    'accountBanned',
    '550 5.7.501 Access denied, spam abuse detected',
    { enhanced: ['5.7.501-503', '5.7.511'] },
    'The sending account is banned for spam.',
    stop('account', 'blocked', longMs, blockedCure),
  ),
  known(
    'addressBlocked',
    '550 5.7.606 Access denied, banned sending IP [192.0.2.1]',
    { enhanced: ['5.7.606-649'] },
    'Microsoft has banned the address on the Internet from which the bridge sends.',
    stop(
      'account',
      'blocked',
      longMs,
      'Ask for its removal at https://sender.office.com with the address that the reply names; a NAT gateway with an address of its own keeps others from getting it banned.',
    ),
  ),
  known(
    'tenantBlocked',
    '550 5.7.705 Access denied, tenant has exceeded threshold',
    { enhanced: ['5.7.705', '5.7.708', '5.7.750'] },
    'The tenant is blocked as a sender (threshold exceeded, new tenant, or a domain that is not registered).',
    stop(
      'account',
      'blocked',
      longMs,
      'Verify the sending domain in the Microsoft 365 admin center (Settings > Domains), make sure that no account sends spam, then open a request with Microsoft support.',
    ),
  ),
  known(
    'dmarc',
    '550 5.7.509 Access denied, sending domain example.com does not pass DMARC verification and has a DMARC policy of reject',
    { enhanced: ['5.7.509'] },
    "The sender's domain fails its own DMARC policy.",
    stop(
      'mailbox',
      'configuration',
      longMs,
      'Publish SPF (include:spf.protection.outlook.com) and switch DKIM on for the domain in the Defender portal (Policies > Email authentication settings > DKIM).',
    ),
  ),

  // ---- the message or a recipient
  known(
    'noValidFrom',
    '550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant and have a valid From header',
    { enhanced: ['5.7.512'] },
    'The server finds no valid From header in the message.',
    deadLetter,
  ),
  known(
    'bareLineFeed',
    '550 5.6.11 Invalid characters: bare line feed',
    { enhanced: ['5.6.11'] },
    'The server finds a bare line feed in the message.',
    deadLetter,
  ),
  known(
    'headerTooLarge',
    '552 5.3.4 Header size exceeds fixed maximum size',
    {
      codes: [550, 552, 554],
      text: /header size|headers? (?:is |are )?too (?:large|long|big)|too many headers/i,
    },
    "The message's header is too large: too many or too long recipients, references or header fields. Send it in parts, or shorten them.",
    deadLetter,
  ),
  known(
    'headerFieldTooLarge',
    "554 5.6.211 Invalid MIME Content: Single text value size (33061) exceeded allowed maximum (32768) for the 'To' header.",
    { enhanced: ['5.6.211'] },
    'One header field of the message is too large (Exchange takes 32 KB of text in one): send it to fewer recipients at a time, or shorten the field that the server names.',
    deadLetter,
  ),
  known(
    'conversionNeeded',
    '554 5.6.3 Conversion required but not supported',
    { enhanced: ['5.6.3'] },
    'The message has bytes outside ASCII, which the server does not accept; encode it as quoted-printable or base64.',
    deadLetter,
  ),
  known(
    'tooLarge',
    '552 5.3.4 Message size exceeds fixed maximum message size',
    { enhanced: ['5.3.4', '5.2.3'] },
    'The message is larger than the mailbox may send (35 MB as sent, unless Set-Mailbox -MaxSendSize says otherwise).',
    deadLetter,
  ),
  known(
    'tooLargeAtMail',
    '552 Message size exceeds maximum permitted',
    { codes: [552], phases: ['mail', 'data', 'body', 'dot'] },
    'The message is larger than the mailbox may send (35 MB as sent, unless Set-Mailbox -MaxSendSize says otherwise).',
    deadLetter,
  ),
  known(
    'tooManyRecipients',
    '550 5.5.3 Too many recipients',
    { enhanced: ['5.5.3'] },
    'The message has more recipients than the mailbox allows in one (RecipientLimits of Get-Mailbox).',
    deadLetter,
  ),
  known(
    'noSuchRecipient',
    '550 5.1.1 RESOLVER.ADR.RecipNotFound; not found',
    { enhanced: ['5.1.1', '5.1.10', '5.4.1'] },
    'There is no such recipient.',
    deadLetter,
  ),
  known(
    'loop',
    '554 5.4.14 Hop count exceeded - possible mail loop ATTR34',
    { enhanced: ['5.4.14'] },
    "The message went round in a loop. Check forwarding rules and connectors of the recipient's domain before it is sent again.",
    deadLetter,
  ),
];
