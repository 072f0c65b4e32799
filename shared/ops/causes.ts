// From what failed to why, the likeliest cause first, each with its remedy. Exchange Online gives the same answer to
// different mistakes ("User is authenticated but not connected" has five causes, 535 5.7.3 as many), so a cause is
// chosen by what else is known: the token's claims, whether the other protocol accepted the same token, and how old
// the sign-in is.
import { exchangeWait, exchangeWaitMs } from '../mail/exchangeWait.ts';
import type { ImapTrouble } from '../inbound/ports.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import { withNames } from '../outbound/policy/judgement.ts';
import { judgeFailure } from '../outbound/policy/judgeReply.ts';
import type { RelayFailure } from '../outbound/ports.ts';
import type { Cause } from './cause.ts';
import type { TokenClaims } from './claims.ts';

/** What is known besides the failure itself. */
export interface Circumstances {
  readonly mailbox: Mailbox;
  readonly claims?: TokenClaims;
  /** When a person signed in (UTC ms). */
  readonly consentedAt?: number;
  /** Whether the other protocol accepted the same token; undefined if it was not tried. */
  readonly otherWorked?: boolean;
  readonly now: number;
}

const powerShell = 'In Exchange Online PowerShell:';

const because = (cause: string, remedy: string, evidence: string): Cause => ({ cause, remedy, evidence });

/** IMAP: login or SELECT. */
export function imapCauses(trouble: ImapTrouble, known: Circumstances): readonly Cause[] {
  const { mailbox } = known;
  const evidence = trouble.detail;
  switch (trouble.kind) {
    case 'throttled':
      return [
        because(
          'Exchange is throttling this mailbox at the moment.',
          'Wait some minutes and try again; look for other programs that read the mailbox.',
          evidence,
        ),
      ];
    case 'folderMissing':
      return [
        because(
          `The mailbox has no folder ${mailbox.folder}.`,
          'Correct "folder" in MAILBOXES. Names are those of the mailbox’s language; INBOX always exists.',
          evidence,
        ),
      ];
    case 'notConnected':
      return [...recentConsent(known, evidence), ...notConnectedCauses(known, evidence)];
    case 'signInRefused':
      return [...recentConsent(known, evidence), ...refusedCauses(known, evidence, 'IMAP')];
    case 'tokenExpired':
      return [
        because(
          'The access token expired during the session.',
          'Nothing needs to be done: the next connection uses a new one.',
          evidence,
        ),
      ];
    case 'needsConsent':
    case 'configuration':
      return [
        because(
          'There was no access token for IMAP.',
          'See the step "token"; run the doctor again if that one succeeded.',
          evidence,
        ),
      ];
    case 'unavailable':
      return [transientCause(trouble)];
  }
}

/** Failures that no setting can correct, unless the server was never reached. */
function transientCause({ detail, commandRefused }: ImapTrouble): Cause {
  const evidence = detail;
  if (commandRefused === true) {
    return because(
      'The mail server refuses a command of the bridge.',
      'No setting can correct this; the fetch is retried. If it persists, report the server’s reply as a bug of the bridge.',
      evidence,
    );
  }
  if (/(?:unavailable|not available)/i.test(detail)) {
    return because(
      'The mail server has a temporary fault.',
      'Nothing needs to be done: it is retried. See https://status.cloud.microsoft if it lasts.',
      evidence,
    );
  }
  if (/connection (?:is )?closed/i.test(detail)) {
    return because(
      'The mail server closed the connection.',
      'Nothing needs to be done: the next fetch connects again. If it persists, look for other programs that read the mailbox.',
      evidence,
    );
  }
  return unreachable('IMAP_SERVER', evidence);
}

function notConnectedCauses(known: Circumstances, evidence: string): readonly Cause[] {
  const { mailbox, claims, otherWorked } = known;
  const imapOff: Cause = because(
    'IMAP is switched off for the mailbox.',
    `${powerShell} Set-CASMailbox -Identity ${mailbox.imapUser} -ImapEnabled $true. ${exchangeWait}`,
    evidence,
  );
  const otherName: Cause = because(
    'The login name is not the mailbox’s user principal name.',
    `Set imapUser in MAILBOXES to the UserPrincipalName. ${powerShell} Get-Mailbox -Identity ${mailbox.imapUser} | Format-List UserPrincipalName.`,
    evidence,
  );
  if (mailbox.signIn === 'application') {
    const noAccess: Cause = because(
      'The app’s service principal has no Full Access to the mailbox, or was made with the wrong object id.',
      `${powerShell} Get-ServicePrincipal (its ObjectId must be that of the enterprise application, not of the app registration), then Add-MailboxPermission -Identity ${mailbox.imapUser} -User OBJECT_ID -AccessRights FullAccess. ${exchangeWait}`,
      evidence,
    );
    return otherWorked === true ? [imapOff, otherName, noAccess] : [noAccess, otherName, imapOff];
  }
  if (claims !== undefined && claims.user.toLowerCase() !== mailbox.imapUser.toLowerCase()) {
    return [
      {
        cause: 'The account that signed in has no Full Access to the mailbox.',
        remedy: `${powerShell} Add-MailboxPermission -Identity ${mailbox.imapUser} -User ${mailbox.smtpUser} -AccessRights FullAccess. ${exchangeWait}`,
        evidence: `${evidence} The token is of ${claims.user}, the mailbox is ${mailbox.imapUser}.`,
      },
      imapOff,
      otherName,
    ];
  }
  return [imapOff, otherName];
}

function refusedCauses(known: Circumstances, evidence: string, protocol: 'IMAP' | 'SMTP'): readonly Cause[] {
  const { mailbox, claims, otherWorked } = known;
  const user = protocol === 'IMAP' ? mailbox.imapUser : mailbox.smtpUser;
  if (mailbox.signIn === 'application') {
    const lacksRole: Cause = {
      cause: `The app lacks the permission ${protocol === 'IMAP' ? 'IMAP.AccessAsApp' : 'SMTP.SendAsApp'}.`,
      remedy: `Add it to the app registration (Entra admin center → App registrations → API permissions → Office 365 Exchange Online → Application permissions) and grant admin consent${protocol === 'SMTP' ? '; or give the App RBAC role Application SMTP.SendAsApp' : ''}.`,
      evidence: `${evidence} The token’s roles are ${claims?.roles.join(' ') ?? 'not known'}.`,
    };
    const noPrincipal: Cause = because(
      'Exchange does not know the app’s service principal for this mailbox.',
      `${powerShell} New-ServicePrincipal -AppId CLIENT_ID -ObjectId OBJECT_ID (of the enterprise application, not of the app registration), then Add-MailboxPermission -Identity ${user} -User OBJECT_ID -AccessRights FullAccess. ${exchangeWait}`,
      evidence,
    );
    const role = protocol === 'IMAP' ? 'IMAP.AccessAsApp' : 'SMTP.SendAsApp';
    return claims?.roles.includes(role) === true ? [noPrincipal, lacksRole] : [lacksRole, noPrincipal];
  }
  const sharedMailbox: Cause = {
    cause: 'The account is a shared mailbox, which cannot log in to SMTP with a delegated token.',
    remedy: `Set smtpUser in MAILBOXES to a delegate, connect the mailbox as that delegate, and ${powerShell} Add-RecipientPermission -Identity ${mailbox.address} -Trustee DELEGATE -AccessRights SendAs. Or use application sign-in.`,
    evidence: `${evidence}${otherWorked === true ? ' IMAP took the same token.' : ''}`,
  };
  const securityDefaults: Cause = because(
    'The tenant’s security defaults keep SMTP AUTH off.',
    'Entra admin center → Properties → Manage security defaults; replace them by Conditional Access.',
    evidence,
  );
  const policy: Cause = because(
    `A policy refuses ${protocol} with modern authentication to the account.`,
    `${powerShell} Get-AuthenticationPolicy and Get-ClientAccessRule; in Entra admin center → Sign-in logs the entry names the policy.`,
    evidence,
  );
  return protocol === 'SMTP' ? [sharedMailbox, securityDefaults, policy] : [policy];
}

/** SMTP: from connecting to RCPT. */
export function smtpCauses(failure: RelayFailure, known: Circumstances): readonly Cause[] {
  const { phase, reply, detail } = failure;
  const evidence =
    reply === undefined ? detail : `${reply.code} ${reply.enhanced ?? ''} ${reply.text}`.trim();
  if (phase === 'connect' || phase === 'tls' || phase === 'greeting')
    return [unreachable('SMTP_SERVER', evidence)];
  const judgement = judgeFailure(failure, false);
  const table: Cause = because(
    judgement.detail,
    'remedy' in judgement
      ? withNames(judgement.remedy, known.mailbox)
      : 'Try again in some minutes; if it persists, ask Microsoft support and quote the server’s reply.',
    evidence,
  );
  const ambiguous = phase === 'auth' && reply?.code === 535 && reply.enhanced === '5.7.3';
  return ambiguous ? [...recentConsent(known, evidence), ...refusedCauses(known, evidence, 'SMTP')] : [table];
}

/** A sign-in made minutes ago may not have reached every server yet. */
function recentConsent({ mailbox, consentedAt, now }: Circumstances, evidence: string): readonly Cause[] {
  if (mailbox.signIn !== 'delegated' || consentedAt === undefined || now - consentedAt >= exchangeWaitMs)
    return [];
  const until = new Date(consentedAt + exchangeWaitMs).toISOString().slice(0, 16).replace('T', ' ');
  return [
    {
      cause: 'The mailbox was connected a short while ago, and Exchange may not know its permissions yet.',
      remedy: `Wait until ${until} UTC before changing anything.`,
      evidence: `${evidence} Connected ${Math.floor((now - consentedAt) / 60_000)} minutes ago.`,
    },
  ];
}

function unreachable(setting: string, evidence: string): Cause {
  return because(
    'The mail server cannot be reached.',
    `Check ${setting}, and that the network lets the program out to it (firewall, virtual network, DNS).`,
    evidence,
  );
}
