// Mail as a service desk gets it: persons' mail, and each kind that a machine writes. The subject of each is its own, so
// that a test can say where every one of them is.
import { mail } from './rig.ts';

export interface MixedMail {
  readonly subject: string;
  readonly kind: 'message' | 'autoReply' | 'bounce' | 'complaint' | 'receipt';
  readonly text: string;
}

/** By their number: of ten, six are persons'. */
export function mixedMail(number: number): MixedMail {
  const make = makers[number % makers.length] ?? person;
  return make(number);
}

function person(number: number): MixedMail {
  const subject = `person ${String(number)}`;
  const text = mail({ Subject: subject, 'Message-ID': `<${String(number)}@fabrikam.test>` });
  return { subject, kind: 'message', text };
}

/** A person who answers and quotes, through a mailing list. */
function listed(number: number): MixedMail {
  const subject = `list ${String(number)}`;
  const fields = {
    Subject: subject,
    'Message-ID': `<${String(number)}@list.fabrikam.test>`,
    'In-Reply-To': '<other@contoso.test>',
    'List-Id': '<printers.fabrikam.test>',
  };
  return { subject, kind: 'message', text: mail(fields, 'As I said:\r\n\r\n> It could not be delivered.') };
}

function absence(number: number): MixedMail {
  const subject = `Automatic reply: absence ${String(number)}`;
  const fields = {
    Subject: subject,
    'Message-ID': `<${String(number)}.absence@fabrikam.test>`,
    'Auto-Submitted': 'auto-replied',
    'X-Auto-Response-Suppress': 'All',
  };
  return { subject, kind: 'autoReply', text: mail(fields, 'I am back on Monday.') };
}

function report(
  number: number,
  { name, type, from, part }: { name: string; type: string; from: string; part: readonly string[] },
): { readonly subject: string; readonly text: string } {
  const subject = `${name} ${String(number)}`;
  const fields = {
    From: from,
    Subject: subject,
    'Message-ID': `<${String(number)}.${type}@fabrikam.test>`,
    'MIME-Version': '1.0',
    'Content-Type': `multipart/report; report-type=${type}; boundary=part`,
  };
  const body = [
    '--part',
    'Content-Type: text/plain',
    '',
    'About your message.',
    '--part',
    `Content-Type: message/${type}`,
    '',
    ...part,
    '--part',
    'Content-Type: message/rfc822',
    '',
    'From: desk@contoso.test',
    'Subject: The printer',
    'Message-ID: <sent@contoso.test>',
    '',
    'Hello.',
    '--part--',
  ].join('\r\n');
  return { subject, text: mail(fields, body) };
}

function bounce(number: number): MixedMail {
  const part = [
    'Reporting-MTA: dns; mx.fabrikam.test',
    '',
    'Final-Recipient: rfc822; nobody@fabrikam.test',
    'Action: failed',
    'Status: 5.1.1',
    'Diagnostic-Code: smtp; 550 5.1.1 No such user',
    '',
  ];
  const from = 'Mail Delivery System <MAILER-DAEMON@fabrikam.test>';
  return { kind: 'bounce', ...report(number, { name: 'Undelivered', type: 'delivery-status', from, part }) };
}

function receipt(number: number): MixedMail {
  const part = [
    'Final-Recipient: rfc822; kim@fabrikam.test',
    'Original-Message-ID: <sent@contoso.test>',
    'Disposition: manual-action/MDN-sent-manually; displayed',
    '',
  ];
  const more = { name: 'Read', type: 'disposition-notification', from: 'Kim <kim@fabrikam.test>', part };
  return { kind: 'receipt', ...report(number, more) };
}

function complaint(number: number): MixedMail {
  const part = ['Feedback-Type: abuse', 'User-Agent: FeedbackLoop/1', 'Version: 1', ''];
  const from = 'Feedback <feedback@isp.test>';
  return { kind: 'complaint', ...report(number, { name: 'Complaint', type: 'feedback-report', from, part }) };
}

const makers = [
  person,
  absence,
  person,
  bounce,
  listed,
  person,
  receipt,
  person,
  listed,
  complaint,
] satisfies readonly ((number: number) => MixedMail)[];
