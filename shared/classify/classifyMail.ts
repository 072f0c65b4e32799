// What a message is: complaint, delivery report, receipt, automatic reply, or a message. Standards first (RFC 5965,
// 3464, 8098, 3834), then the customs of servers. Pure; takes the text of `mailText`.
import { autoReplySign, faintAutoReplySign, isList, loopGuardOf } from './autoReply.ts';
import { noticeText, readBounce } from './bounce.ts';
import type { Bounce, BounceRecipient, Classification, Kind } from '../contract/classification.ts';
import { readComplaint } from './complaint.ts';
import { field } from '../mail/headers.ts';
import { readMimeTree, walk, type MimePart } from './mimeTree.ts';
import { returnedHeaders, returnedOf } from './returnedMail.ts';

export function classifyMail(text: string): Classification {
  const root = readMimeTree(text);
  const returned = returnedHeaders(root);
  const verdict = verdictOf(root, returned);
  return {
    list: isList(root),
    ...verdict,
    // An ordinary mail may carry another as an attachment: that is no return of ours.
    returned: verdict.kind === 'message' || verdict.kind === 'autoReply' ? {} : returnedOf(returned),
    loopGuard: loopGuardOf(root, verdict.kind),
  };
}

interface Verdict {
  readonly kind: Kind;
  readonly because: string;
  readonly bounce?: Bounce;
  readonly recipients?: readonly BounceRecipient[];
  readonly feedbackType?: string;
}

function verdictOf(root: MimePart, returned: ReturnType<typeof returnedHeaders>): Verdict {
  const complaint = readComplaint(root);
  if (complaint !== undefined) return { kind: 'complaint', ...complaint };
  if (isReadReceipt(root)) return { kind: 'receipt', because: 'disposition notification' };
  const sign = autoReplySign(root);
  const report = readBounce(root, returned);
  // Exchange marks its bounces auto-replied: a report with its own part is a report all the same.
  if (report !== undefined && (sign === undefined || sign === 'Auto-Submitted')) {
    return report.kind === 'receipt'
      ? { kind: 'receipt', because: report.because, recipients: report.bounce.recipients }
      : { kind: 'bounce', because: report.because, bounce: report.bounce };
  }
  const marked = sign ?? faintAutoReplySign(root, noticeText(root).slice(0, 1_000));
  if (marked !== undefined) return { kind: 'autoReply', because: marked };
  return { kind: 'message', because: isList(root) ? 'list mail' : 'nothing else' };
}

/** RFC 8098: somebody's program says that the message was displayed, or deleted. */
function isReadReceipt(root: MimePart): boolean {
  const type = field(root, 'content-type').toLowerCase();
  const named = type.includes('report-type') && type.includes('disposition-notification');
  const part = [...walk(root)].find(({ contentType }) =>
    ['message/rfc822', 'message/disposition-notification'].includes(contentType),
  );
  if (!named && part?.contentType !== 'message/disposition-notification') return false;
  // Dovecot tells in this form that a Sieve script or the quota refused the message.
  return !/automatically rejected/i.test(`${field(root, 'subject')} ${noticeText(root).slice(0, 1_000)}`);
}
