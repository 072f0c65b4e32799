// Every number of Entra's and every text of Exchange Online's that is known from the field has a sentence: what
// happened, and what to do. The lists are written out here, so that a text that is lost is missed.
import { describe, expect, test } from '@jest/globals';
import { judgeImap } from '../../shared/exchange/imapTrouble.ts';
import type { ImapFailure } from '../../shared/exchange/imapTrouble.ts';
import { parseReply } from '../../shared/mail/reply.ts';
import { explainTokenError } from '../../shared/oauth/tokenErrors.ts';
import { imapCauses, smtpCauses } from '../../shared/ops/causes.ts';
import { mailbox } from '../oauth/world.ts';

const circumstances = { mailbox: mailbox('support@example.test'), now: 0 };

describe('Entra', () => {
  const numbers = [
    ...[700082, 70008, 50173, 50132, 50133, 70043, 700084, 50076, 50079, 50072, 50074, 50078],
    ...[53000, 53001, 53002, 53003, 530032, 530035, 50053, 50055, 50144, 50057, 50034, 50020, 51004],
    ...[50105, 65001, 65004, 90094, 650056, 650057, 500011, 700016, 7000112, 70001, 90002, 50194],
    ...[7000215, 7000222, 7000218, 700025, 700027, 50012, 50011, 900971, 54005, 501481, 70011, 28002],
    ...[700022, 700023, 900144, 50196, 90055, 90033, 90006, 50033, 90024, 90012],
  ];
  test(`each of ${numbers.length} numbers says what happened and what to do, the number beside it`, () => {
    const unknown = explainTokenError({ error: 'invalid_grant', code: 1 }).replace('AADSTS1)', '');
    for (const code of numbers) {
      const detail = explainTokenError({ error: 'invalid_grant', code, correlationId: 'c' });
      expect(detail).toMatch(new RegExp(`^[A-Z].+[.:] [A-Z].+\\. \\(AADSTS${code}, correlation id c\\)$`));
      expect(detail).not.toContain(unknown.slice(0, 30));
    }
  });

  test.each([
    'invalid_grant',
    'interaction_required',
    'consent_required',
    'login_required',
    'temporarily_unavailable',
    'invalid_client',
    'access_denied',
  ])('%s without a number', (error) => {
    expect(explainTokenError({ error })).toMatch(new RegExp(`^[A-Z].+\\. [A-Z].+\\. \\(${error}\\)$`));
  });
});

describe('IMAP', () => {
  const texts: readonly (readonly [text: string, failure: Partial<ImapFailure>, cause: string])[] = [
    ['AUTHENTICATE failed.', { authenticationFailed: true, responseStatus: 'NO' }, 'policy refuses IMAP'],
    ['User is authenticated but not connected.', { responseStatus: 'BAD' }, 'IMAP is switched off'],
    [
      'Request is throttled. Suggested Backoff Time: 92415 milliseconds',
      { responseStatus: 'BAD' },
      'throttling',
    ],
    [
      'Request is throttled. Suggested Backoff Time: 299961 milliseconds',
      { responseStatus: 'NO' },
      'throttling',
    ],
    [
      'Session invalidated - AccessTokenExpired',
      { reason: 'Session invalidated - AccessTokenExpired' },
      'token expired',
    ],
    ['Connection is closed. 13', { reason: 'Connection is closed. 13' }, 'closed the connection'],
    ['Connection closed. 14', { reason: 'Connection closed. 14' }, 'closed the connection'],
    ['Server Unavailable. 15', { responseStatus: 'BAD' }, 'temporary fault'],
    ['Command Error. 10', { responseStatus: 'BAD' }, 'refuses a command'],
    ['Command Argument Error. 11', { responseStatus: 'BAD' }, 'refuses a command'],
    ['Command Error. 12', { responseStatus: 'BAD' }, 'refuses a command'],
    ['Command received in Invalid state.', { responseStatus: 'BAD' }, 'refuses a command'],
  ];
  test.each(texts)('%s', (text, failure, says) => {
    const trouble = judgeImap({ message: 'Command failed', responseText: text, ...failure });
    const [first] = imapCauses(trouble, circumstances);
    expect(first?.cause).toContain(says);
    expect(first?.remedy).toMatch(/^[A-Z].+\.$/);
    expect(first?.evidence).not.toBe('');
  });
});

describe('SMTP', () => {
  const replies = [
    '421 4.3.2 Service not active',
    '421 4.4.2 Connection dropped',
    '430 4.2.0 STOREDRV; mailbox logon failure; MapiExceptionLogonFailed',
    '432 4.3.2 Concurrent connections limit exceeded',
    '432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded',
    '432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded',
    '451 4.7.0 Temporary server error. Please try again later. PRX2',
    '451 4.3.111 Temporary server error. Please try again later. MRH1',
    '451 4.7.500 Server busy (AS77712301)',
    '535 5.7.3 Authentication unsuccessful',
    '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.',
    '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.',
    '535 5.7.139 Authentication unsuccessful, basic authentication is disabled.',
    '535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully.',
    '535 5.7.139 Authentication unsuccessful, user is locked by your organization’s security defaults policy.',
    '530 5.7.57 Client not authenticated to send mail',
    '550 5.7.57 Client was not authenticated to send anonymous mail',
    '550 5.7.60 SMTP; Client does not have permissions to send as this sender',
    '554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied',
    '550 5.2.251 Sender throttled due to continuous mailbox full errors',
    '550 5.2.252 Sender throttled due to continuous send as denied errors',
    '550 5.2.253 Sender throttled',
    '550 5.2.254 Sender throttled due to continuous too many recipients errors',
    '550 5.2.255 Sender throttled due to continuous invalid recipients errors',
    '554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException',
    '550 5.1.90 Your message can’t be sent because you’ve reached your daily limit',
    '550 5.2.2 Submission quota exceeded',
    '554 5.2.2 mailbox full',
    '554 5.2.0 STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded',
    '550 5.7.232 Your message can’t be sent because your trial tenant has exceeded its limit',
    '550 5.7.233 Your message can’t be sent because your tenant exceeded its daily limit',
    '550 5.2.121 Recipient exceeded its receive limit',
    '550 5.2.122 The recipient has exceeded their limit',
    '550 5.1.8 Access denied, bad outbound sender AS(42004)',
    '550 5.7.501 Access denied, spam abuse detected',
    '550 5.7.511 Access denied, banned sender',
    '550 5.7.705 Access denied, tenant has exceeded threshold',
    '550 5.7.708 Access denied, traffic not accepted from this IP',
    '550 5.7.750 Client blocked from sending from unregistered domains',
    '550 5.7.509 Access denied, sending domain does not pass DMARC verification',
    '550 5.7.512 Access denied, message must have a valid From header',
    '550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal',
    '550 5.1.1 RecipNotFound; not found',
    '550 5.1.10 RESOLVER.ADR.RecipientNotFound',
    '550 5.4.1 Recipient address rejected: Access denied',
    '554 5.4.14 Hop count exceeded - possible mail loop',
  ];
  test.each(replies)('%s', (wire) => {
    const reply = parseReply(wire);
    if (reply === undefined) throw new Error('no reply');
    const phase = wire.startsWith('535') ? 'auth' : 'mail';
    const [first] = smtpCauses({ phase, reply, detail: 'refused' }, circumstances);
    // What is said of a reply that nobody knows.
    const unknown = smtpCauses(
      {
        phase,
        reply: { ...reply, code: wire.startsWith('4') ? 450 : 550, enhanced: '5.99.99', text: 'new' },
        detail: 'refused',
      },
      circumstances,
    )[0];
    expect(first?.cause).toMatch(/^[A-Z].{15,}\.$/);
    expect(first?.cause).not.toBe(unknown?.cause);
    expect(first?.remedy).toMatch(/^[A-Z].{5,}\.$/);
    expect(first?.evidence).toContain(wire.slice(0, 9));
  });
});
