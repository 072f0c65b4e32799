// What a message is: complaint, delivery report, receipt, automatic reply, or a message. Standards first (RFC 5965,
// 3464, 8098, 3834), then the customs of servers. Pure; takes the text of `mailText`.
//
// Content alone decides nothing: whoever wrote it comes first (origin.ts). A report decides if it is the root of the
// message. Reports further inside, and words, count only from a machine.
import { autoReplySign, faintAutoReplySign } from './autoReply.ts';
import { readBounce } from './bounce.ts';
import { isReport } from './bounceSigns.ts';
import type { Bounce, BounceRecipient, Classification, Kind } from '../contract/classification.ts';
import { readComplaint } from './complaint.ts';
import { isList, loopGuardOf } from './loopGuard.ts';
import { readMimeTree, type MimePart } from './mimeTree.ts';
import { noticeText } from './noticeText.ts';
import { originOf, type Origin } from './origin.ts';
import { isPlaceholder } from './placeholder.ts';
import { returnedHeaders, returnedOf } from './returnedMail.ts';

export function classifyMail(text: string): Classification {
  const root = readMimeTree(text);
  const origin = originOf(root);
  const returned = returnedHeaders(root);
  const verdict = verdictOf(root, origin, returned);
  return {
    list: isList(root),
    ...verdict,
    // An ordinary mail may carry another as an attachment: that is no return of ours.
    returned: verdict.kind === 'message' || verdict.kind === 'autoReply' ? {} : returnedOf(returned),
    loopGuard: loopGuardOf(root, verdict.kind, origin),
  };
}

interface Verdict {
  readonly kind: Kind;
  readonly because: string;
  readonly bounce?: Bounce;
  readonly recipients?: readonly BounceRecipient[];
  readonly feedbackType?: string;
  readonly remarks?: readonly string[];
}

function verdictOf(root: MimePart, origin: Origin, returned: ReturnType<typeof returnedHeaders>): Verdict {
  if (isPlaceholder(root)) return { kind: 'unparsed', because: "Exchange's text in place of the message" };
  const complaint = readComplaint(root, origin);
  if (complaint !== undefined) return { kind: 'complaint', ...complaint };
  if (isReadReceipt(root, origin)) return { kind: 'receipt', because: 'disposition notification' };
  const sign = autoReplySign(root, origin);
  const report = readBounce(root, origin, returned);
  // Exchange marks its bounces auto-replied: a report with its own part is a report all the same.
  if (report !== undefined && (sign === undefined || sign === 'Auto-Submitted')) {
    const { because, bounce, isCut } = report;
    const remarks = isCut ? { remarks: [cutRemark(bounce.recipients.length)] } : {};
    return report.kind === 'receipt'
      ? { kind: 'receipt', because, recipients: bounce.recipients, ...remarks }
      : { kind: 'bounce', because, bounce, ...remarks };
  }
  const marked = sign ?? faintAutoReplySign(root, origin, noticeText(root).slice(0, 1_000));
  if (marked !== undefined) return { kind: 'autoReply', because: marked };
  return { kind: 'message', because: isList(root) ? 'list mail' : 'nothing else' };
}

function cutRemark(count: number): string {
  return `The report names more recipients than the first ${count}, which are listed; the raw message has all of them.`;
}

/** RFC 8098: somebody's program says that the message was displayed, or deleted. */
function isReadReceipt(root: MimePart, origin: Origin): boolean {
  const atRoot =
    isReport(root, 'disposition-notification') || root.contentType === 'message/disposition-notification';
  const below = root.parts.some(({ contentType }) => contentType === 'message/disposition-notification');
  if (!atRoot && !(below && origin.machine && !origin.person)) return false;
  // Dovecot tells in this form that a Sieve script or the quota refused the message.
  return !/automatically rejected/i.test(`${origin.subjects[0] ?? ''} ${noticeText(root).slice(0, 1_000)}`);
}
