// The reply table against replies as they were seen or as Microsoft prints them, in every phase. The real SMTP
// connections that deliver them are in the relay's tests; here it is the judgement alone.
import { describe, expect, test } from '@jest/globals';
import { parseReply, type Reply } from '../../shared/mail/reply.ts';
import type { Judgement } from '../../shared/outbound/policy/judgement.ts';
import type { HoldReason } from '../../shared/contract/holdReason.ts';
import { judgeFailure, judgeRecipient, rowFor } from '../../shared/outbound/policy/judgeReply.ts';
import type { Phase, RelayFailure } from '../../shared/outbound/ports.ts';
import { replyTable } from '../../shared/outbound/policy/replyTable.ts';

const before: readonly Phase[] = ['token', 'connect', 'tls', 'greeting', 'auth'];
const within: readonly Phase[] = ['mail', 'rcpt', 'data', 'body', 'dot'];
const phases: readonly Phase[] = [...before, ...within];

function reply(wire: string): Reply {
  const parsed = parseReply(wire);
  if (parsed === undefined) throw new Error(`no reply: ${wire}`);
  return parsed;
}

function judge(wire: string, phase: Phase): Judgement {
  return judgeFailure({ phase, reply: reply(wire), detail: 'refused' }, phase === 'dot');
}

/** `configuration account signIn`, or the bare decision. */
function brief(judgement: Judgement): string {
  return 'scope' in judgement ? `${judgement.do} ${judgement.scope} ${judgement.reason}` : judgement.do;
}

const hold = (reason: HoldReason, scope = 'account'): string => `hold ${scope} ${reason}`;
const tell = (reason: HoldReason, scope = 'account'): string => `configuration ${scope} ${reason}`;

/** Every reply of the catalogue: as it comes over the wire, the row it must find, what must be done. */
const catalogue: readonly (readonly [wire: string, row: string, expected: string])[] = [
  [
    '550 5.7.1 Client does not have permissions to send as this sender',
    'noPermissionInWords',
    tell('sendAs', 'mailbox'),
  ],
  ['550 5.7.606 Access denied, banned sending IP [192.0.2.1]', 'addressBlocked', tell('blocked')],
  ['550 5.7.649 Access denied', 'addressBlocked', tell('blocked')],
  ['552 5.3.4 Header size exceeds fixed maximum size', 'headerTooLarge', 'deadLetter'],
  [
    "554 5.6.211 Invalid MIME Content: Single text value size (33061) exceeded allowed maximum (32768) for the 'To' header.",
    'headerFieldTooLarge',
    'deadLetter',
  ],
  ['554 5.6.3 Conversion required but not supported', 'conversionNeeded', 'deadLetter'],
  [
    '554 5.2.0 STOREDRV.Submission.Exception:MessageSubmissionExceededException.MapiExceptionMaxSubmissionExceeded; Message size exceeds maximum size limit.',
    'submissionTooLarge',
    'deadLetter',
  ],
  ['421 4.3.2 Service not active', 'serviceNotAvailable', 'retry'],
  ['421 4.3.2 Service not available, closing transmission channel', 'serviceNotAvailable', 'retry'],
  ['421 4.4.2 Connection dropped due to SocketError', 'connectionDropped', 'retry'],
  [
    '421 4.4.2 Message submission rate for this client has exceeded the configured limit',
    'connectionDropped',
    'retry',
  ],
  [
    '430 4.2.0 STOREDRV; mailbox logon failure; mailbox unavailable; MapiExceptionLogonFailed',
    'mailboxLogonFailure',
    hold('configuration'),
  ],
  [
    '432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information. [Hostname=X]',
    'connectionLimit',
    'reconnect',
  ],
  ['432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded', 'senderThreadLimit', 'reconnect'],
  ['432 4.3.2 Something new about connections', 'connectionLimit', 'reconnect'],
  ['432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded', 'recipientThreadLimit', 'retry'],
  [
    '451 4.7.0 Temporary server error. Please try again later. PRX2 [X.prod.outlook.com]',
    'temporaryServerError',
    'retry',
  ],
  ['451 4.3.111 Temporary server error. Please try again later. MRH1', 'temporaryServerError', 'retry'],
  ['451 4.7.500 Server busy (AS77712301)', 'greyListed', 'retry'],
  ['451 4.7.650 The mail server has been temporarily rate limited', 'greyListed', 'retry'],
  ['451 4.7.699 Server busy', 'greyListed', 'retry'],
  ['452 4.5.3 Too many recipients', 'tooManyRecipientsForNow', 'retry'],
  [
    '535 5.7.3 Authentication unsuccessful [X.prod.exchangelabs.com]',
    'authenticationUnsuccessful',
    tell('signIn'),
  ],
  [
    '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled',
    'smtpAuthOffTenant',
    tell('signIn'),
  ],
  [
    '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled',
    'smtpAuthOffMailbox',
    tell('signIn'),
  ],
  [
    '535 5.7.139 Authentication unsuccessful, basic authentication is disabled.',
    'basicAuthOff',
    tell('signIn'),
  ],
  [
    "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. user is locked by your organization's security defaults policy.",
    'securityDefaults',
    tell('signIn'),
  ],
  [
    '535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully.',
    'conditionalAccess',
    tell('signIn'),
  ],
  [
    '530 5.7.57 Client not authenticated to send mail. Error: 535 5.7.139',
    'notAuthenticated',
    tell('signIn'),
  ],
  [
    '550 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM',
    'notAuthenticated',
    tell('signIn'),
  ],
  ['550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain', 'relayDenied', tell('signIn')],
  [
    '550 5.7.60 SMTP; Client does not have permissions to send as this sender',
    'noPermissionForSender',
    tell('sendAs', 'mailbox'),
  ],
  [
    '554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message',
    'sendAsDenied',
    tell('sendAs', 'mailbox'),
  ],
  [
    '554 5.2.252 SendAsDenied; a@x.test not allowed to send as b@x.test; STOREDRV.Submission.Exception',
    'sendAsDenied',
    tell('sendAs', 'mailbox'),
  ],
  ['550 5.2.251 Sender throttled due to continuous mailbox full errors', 'throttled251', tell('throttled')],
  ['550 5.2.252 Sender throttled due to continuous send as denied errors', 'throttled252', tell('throttled')],
  [
    '550 5.2.253 Sender throttled due to continuous invalid license errors',
    'throttled253',
    tell('throttled'),
  ],
  [
    '550 5.2.254 Sender throttled due to continuous too many recipients errors',
    'throttled254',
    tell('throttled'),
  ],
  [
    '550 5.2.255 Sender throttled due to continuous invalid recipients errors',
    'throttled255',
    tell('throttled'),
  ],
  ['554 5.2.253 Sender throttled', 'throttledOther', tell('throttled')],
  [
    '554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message',
    'submissionQuota',
    hold('quota'),
  ],
  ['550 5.2.2 Submission quota exceeded', 'submissionQuota', hold('quota')],
  [
    "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
    'dailyRecipients',
    hold('quota'),
  ],
  [
    '554 5.2.2 STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded',
    'mailboxFull',
    tell('mailboxFull'),
  ],
  [
    '554 5.2.0 STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionQuotaExceeded',
    'mailboxFull',
    tell('mailboxFull'),
  ],
  [
    "550 5.7.232 Your message can't be sent because your trial tenant has exceeded its limit",
    'tenantExternalTrial',
    hold('quota'),
  ],
  [
    "550 5.7.233 Your message can't be sent because your tenant exceeded its daily limit for sending email to external recipients",
    'tenantExternal',
    hold('quota'),
  ],
  ['450 4.2.121 Recipient exceeded limit', 'recipientReceiveLimit', 'retry'],
  ["550 5.2.121 Recipient's per hour message receive limit exceeded", 'recipientReceiveLimit', 'retry'],
  [
    "550 5.2.122 Recipient's per hour message receive limit from specific sender exceeded",
    'recipientReceiveLimit',
    'retry',
  ],
  ['550 5.1.8 Access denied, bad outbound sender AS(42004)', 'badOutboundSender', tell('blocked')],
  [
    '554 5.2.0 STOREDRV.Submission.Exception:OutboundSpamException; WASCL UserAction verdict is not None.',
    'outboundSpam',
    tell('blocked'),
  ],
  ['550 5.7.501 Access denied, spam abuse detected', 'accountBanned', tell('blocked')],
  ['550 5.7.502 Access denied, banned sender', 'accountBanned', tell('blocked')],
  ['550 5.7.503 Access denied, banned sender', 'accountBanned', tell('blocked')],
  ['550 5.7.511 Access denied, banned sender', 'accountBanned', tell('blocked')],
  ['550 5.7.705 Access denied, tenant has exceeded threshold', 'tenantBlocked', tell('blocked')],
  ['550 5.7.708 Access denied, traffic not accepted from this IP', 'tenantBlocked', tell('blocked')],
  ['550 5.7.750 Client blocked from sending from unregistered domains', 'tenantBlocked', tell('blocked')],
  [
    '550 5.7.509 Access denied, sending domain does not pass DMARC verification',
    'dmarc',
    tell('configuration', 'mailbox'),
  ],
  ['550 5.7.512 Access denied, message must have a valid From header', 'noValidFrom', 'deadLetter'],
  ['550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal', 'bareLineFeed', 'deadLetter'],
  ['552 5.3.4 Message size exceeds fixed maximum message size', 'tooLarge', 'deadLetter'],
  ['550 5.5.3 Too many recipients', 'tooManyRecipients', 'deadLetter'],
  ['550 5.1.1 RESOLVER.ADR.RecipNotFound; not found', 'noSuchRecipient', 'deadLetter'],
  [
    '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup',
    'noSuchRecipient',
    'deadLetter',
  ],
  ['550 5.4.1 Recipient address rejected: Access denied. AS(201806281)', 'noSuchRecipient', 'deadLetter'],
  ['554 5.4.14 Hop count exceeded - possible mail loop ATTR34', 'loop', 'deadLetter'],
];

/** What must become of a 5xx that would blame a message before there is one. */
const insteadOfBlame = (phase: Phase): string => (phase === 'auth' ? tell('signIn') : hold('unreachable'));

describe('a known reply', () => {
  test('has a row of its own for every row there is', () => {
    const named = new Set(catalogue.map(([, row]) => row));
    const byPhase = [
      'accountDisabled',
      'recipientMailboxFull',
      'recipientMailboxFullInWords',
      'senderMailboxFull',
      'tooLargeAtMail',
    ];
    expect(replyTable.map(({ name }) => name).filter((name) => !named.has(name))).toEqual(byPhase);
    expect(new Set(replyTable.map(({ name }) => name)).size).toBe(replyTable.length);
  });

  test.each(
    catalogue.flatMap(([wire, row, expected]) =>
      phases.map((phase) => [wire, phase, row, expected] as const),
    ),
  )('%s at %s', (wire, phase, row, expected) => {
    const isBlame = expected === 'deadLetter' && before.includes(phase);
    expect(rowFor(reply(wire), phase)?.name).toBe(row);
    expect(brief(judge(wire, phase))).toBe(isBlame ? insteadOfBlame(phase) : expected);
  });

  test.each(replyTable.map((row) => [row.name, row] as const))('%s: its own sample finds it', (name, row) => {
    for (const phase of row.phases ?? phases) {
      expect(rowFor(reply(row.sample), phase)?.name).toBe(name);
    }
  });

  test('of a full mailbox or a size means the sender within the message, and the recipient at RCPT', () => {
    for (const phase of within) {
      expect(brief(judge('554 5.2.2 mailbox full', phase))).toBe(
        phase === 'rcpt' ? 'deadLetter' : tell('mailboxFull'),
      );
      expect(brief(judge('552 Message size exceeds limit', phase))).toBe('deadLetter');
    }
    expect(rowFor(reply('552 x'), 'mail')?.name).toBe('tooLargeAtMail');
    expect(rowFor(reply('552 x'), 'rcpt')).toBeUndefined();
  });

  test('carries its code and status, words, and a cure where a person has to act', () => {
    for (const [wire] of catalogue) {
      for (const phase of phases) {
        const judgement = judge(wire, phase);
        const { code, enhanced } = reply(wire);
        expect(judgement).toMatchObject({ code, enhanced });
        expect(judgement.detail).toMatch(/^[A-Z].{10,}\.$/);
        if (judgement.do !== 'hold' && judgement.do !== 'configuration') continue;
        expect(judgement.remedy).toMatch(/^[A-Z].{3,}\.$/);
        expect(judgement.firstProbeMs).toBeGreaterThanOrEqual(60_000);
      }
    }
  });

  test('asks for patience where trying sooner is useless', () => {
    expect(judge('550 5.2.121 x', 'dot')).toMatchObject({ do: 'retry', minDelayMs: 900_000 });
    expect(judge('421 4.3.2 x', 'dot')).not.toHaveProperty('minDelayMs');
  });

  test('names the exact step where one is known', () => {
    const remedies = (wire: string): string => {
      const judgement = judge(wire, 'auth');
      return 'remedy' in judgement ? judgement.remedy : '';
    };
    expect(remedies('535 5.7.139 SmtpClientAuthentication is disabled for the Mailbox')).toContain(
      'Set-CASMailbox -Identity ADDRESS -SmtpClientAuthenticationDisabled $false',
    );
    expect(remedies('550 5.7.60 x')).toContain(
      'Add-RecipientPermission -Identity ADDRESS -Trustee SMTP_USER -AccessRights SendAs',
    );
    expect(remedies('550 5.1.8 x')).toContain('Restricted entities');
  });

  test('is found by its status and not by a longer or shorter one', () => {
    expect(rowFor(reply('550 5.1.100 x'), 'dot')).toBeUndefined();
    expect(rowFor(reply('550 5.7.5 x'), 'dot')).toBeUndefined();
    expect(rowFor(reply('451 4.7.499 x'), 'dot')).toBeUndefined();
    expect(rowFor(reply('451 4.7.700 x'), 'dot')).toBeUndefined();
    expect(rowFor(reply('550 5.2.256 x'), 'dot')).toBeUndefined();
  });
});

describe('an unknown reply', () => {
  test.each(phases)('4xx at %s is transient', (phase) => {
    for (const wire of ['400 x', '450 4.9.9 x', '499 x', '454 4.7.0 Temporary authentication failure']) {
      expect(brief(judge(wire, phase))).toBe('retry');
    }
  });

  test.each([
    ...(['token', 'connect', 'tls', 'greeting'] as const).map(
      (phase) => [phase, hold('unreachable')] as const,
    ),
    ['auth', tell('signIn')],
    ['mail', tell('configuration', 'mailbox')],
    ['rcpt', 'deadLetter'],
    ['data', 'unexplained'],
    ['body', 'unexplained'],
    ['dot', 'unexplained'],
  ] as const)('5xx at %s is %s', (phase, expected) => {
    for (const wire of ['550 5.9.9 x', '554 Transaction failed', '599 x']) {
      expect(brief(judge(wire, phase))).toBe(expected);
    }
  });

  test.each(['500 x', '502 x', '504 5.0.0 x', '521 x', '530 x', '555 x', '550 5.5.2 x', '554 5.7.1 x'])(
    '%s to RCPT need not be about the recipient',
    (wire) => {
      expect(brief(judge(wire, 'rcpt'))).toBe('unexplained');
    },
  );

  test.each(['541 x', '551 x', '553 5.1.3 x', '550 5.2.9 x', '554 5.4.4 x', '550 5.17.5 x'])(
    '%s to RCPT is about the recipient',
    (wire) => {
      expect(brief(judge(wire, 'rcpt'))).toBe('deadLetter');
    },
  );

  // What public reports say, and forms of the same that they do not have.
  test.each([
    ['dot', '550 5.7.1 Client does not have permissions to send as this sender', tell('sendAs', 'mailbox')],
    ['mail', '550 5.7.1 Client was not authorized to send as this sender', 'configuration'],
    [
      'dot',
      '554 5.7.1 user@example.com is not allowed to send as desk@example.com',
      tell('sendAs', 'mailbox'),
    ],
    ['rcpt', '550 5.7.606 Access denied, banned sending IP [192.0.2.1]', tell('blocked')],
    ['mail', '550 5.7.649 Access denied', tell('blocked')],
    [
      'dot',
      '554 5.2.0 STOREDRV.Submission.Exception:AccountDisabledException.MapiExceptionAccountDisabled; x',
      tell('configuration'),
    ],
    ['data', '554 5.2.0 MapiExceptionAccountDisabled', tell('configuration')],
    ['rcpt', '554 5.2.0 STOREDRV.Deliver.Exception:AccountDisabledException; x', 'deadLetter'],
    ['dot', '552 5.3.4 Header size exceeds fixed maximum size', 'deadLetter'],
    [
      'dot',
      '554 5.6.211 Invalid MIME Content: Single text value size (33061) exceeded allowed maximum (32768) for the To header.',
      'deadLetter',
    ],
    [
      'dot',
      '554 5.2.0 STOREDRV.Submission.Exception:MessageSubmissionExceededException.MapiExceptionMaxSubmissionExceeded; Message size exceeds maximum size limit.',
      'deadLetter',
    ],
    [
      'rcpt',
      '552 5.2.2 STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; mailbox full',
      'deadLetter',
    ],
    ['rcpt', '554 5.2.0 STOREDRV.Deliver.Exception:QuotaExceededException; x', 'deadLetter'],
    ['rcpt', '552 Mailbox full', 'deadLetter'],
    ['rcpt', '452 4.2.2 Mailbox full', 'retry'],
  ] as const)('at %s: %s', (phase, wire, expected) => {
    expect(brief(judge(wire, phase)).startsWith(expected)).toBe(true);
  });

  test('a size is explained by what is too large', () => {
    const detail = (wire: string): string => judge(wire, 'dot').detail;
    expect(detail('552 5.3.4 Header size exceeds fixed maximum size')).toContain('header is too large');
    expect(detail('552 5.3.4 Headers too long')).toContain('header is too large');
    expect(detail('554 5.6.211 Invalid MIME Content')).toContain('One header field');
    expect(detail('552 5.3.4 Message size exceeds fixed maximum message size')).toContain(
      'message is larger',
    );
    expect(detail('554 5.2.0 MapiExceptionMaxSubmissionExceeded')).toContain('message is larger');
    expect(judge('552 Mailbox full', 'rcpt').detail).toContain(
      'recipient’s mailbox is full'.replace('’', "'"),
    );
  });

  test('that is neither 4xx nor 5xx counts as none', () => {
    for (const code of [200, 250, 334, 354, 600, 0]) {
      const failure: RelayFailure = { phase: 'dot', reply: { code, text: 'x' }, detail: 'A strange reply.' };
      expect(judgeFailure(failure, true)).toEqual({ do: 'inDoubt', detail: 'A strange reply.', code });
      expect(judgeFailure({ ...failure, phase: 'data' }, false)).toEqual({
        do: 'retry',
        detail: 'A strange reply.',
        code,
      });
    }
  });
});

describe('no reply', () => {
  test.each(phases)('at %s is transient, and in doubt once the dot was sent', (phase) => {
    const failure: RelayFailure = { phase, detail: 'The connection was cut.' };
    expect(judgeFailure(failure, false)).toEqual({ do: 'retry', detail: failure.detail, code: 0 });
    expect(judgeFailure(failure, true)).toEqual({ do: 'inDoubt', detail: failure.detail, code: 0 });
  });

  test.each([
    ['needsConsent', tell('consent')],
    ['configuration', tell('signIn')],
    ['unavailable', hold('noToken')],
  ] as const)('for want of a token (%s) is %s', (token, expected) => {
    const judgement = judgeFailure({ phase: 'token', detail: 'Because.', token }, false);
    expect(brief(judgement)).toBe(expected);
    expect(judgement).toMatchObject({ detail: 'Because.', code: 0, remedy: expect.any(String) });
  });
});

describe('a recipient', () => {
  test.each([
    ['250 2.1.5 Recipient OK', 'accepted'],
    ['251 User not local; will forward', 'accepted'],
    ['252 Cannot verify', 'accepted'],
    ['550 5.1.1 No such user', 'deadLetter'],
    ['550 5.1.10 No such user', 'deadLetter'],
    ['553 Mailbox name not allowed', 'deadLetter'],
    ['552 5.2.2 Mailbox full', 'deadLetter'],
    ['450 4.2.1 Mailbox busy', 'retry'],
    ['452 4.5.3 Too many recipients', 'retry'],
    ['421 4.3.2 Service not available', 'retry'],
    ['432 4.3.2 Concurrent connections limit exceeded', 'retry'],
    ['550 5.2.122 Too many for this hour', 'retry'],
    ['550 5.7.233 Tenant limit', hold('quota')],
    ['550 5.1.90 Daily limit', hold('quota')],
    ['550 5.7.60 Not permitted', tell('sendAs', 'mailbox')],
    ['354 Strange', 'retry'],
  ])('with %s is %s', (wire, expected) => {
    const judgement = judgeRecipient(reply(wire));
    expect(
      'scope' in judgement ? `${judgement.do} ${judgement.scope} ${judgement.reason}` : judgement.do,
    ).toBe(expected);
    expect(judgement.code).toBe(reply(wire).code);
  });
});
