// Complaints: feedback reports (RFC 5965), and the older form that some providers still send without the part.
import type { BounceRecipient } from '../contract/classification.ts';
import { field, readHeaders } from '../mail/headers.ts';
import { reportedAddress } from './bounceAddress.ts';
import { isReport } from './bounceSigns.ts';
import { decodedText, type MimePart } from './mimeTree.ts';
import type { Origin } from './origin.ts';

export interface Complaint {
  readonly feedbackType: string;
  readonly recipients: readonly BounceRecipient[];
  readonly because: string;
}

/**
 * A report at the root of the message; below another root only from a machine. What a person attaches or writes about
 * abuse is a message.
 */
export function readComplaint(root: MimePart, origin: Origin): Complaint | undefined {
  const atRoot = isReport(root, 'feedback-report') || root.contentType === 'message/feedback-report';
  if (atRoot || (origin.machine && !origin.person)) {
    const part = [root, ...root.parts].find(({ contentType }) => contentType === 'message/feedback-report');
    if (part !== undefined) return fromPart(part);
  }
  if (atRoot) return { feedbackType: 'abuse', recipients: [], because: 'feedback report without its part' };
  if (/^true/i.test(field(root, 'x-apple-unsubscribe'))) {
    return { feedbackType: 'opt-out', recipients: [], because: 'X-Apple-Unsubscribe' };
  }
  return olderForm(root, origin);
}

function fromPart(part: MimePart): Complaint {
  const block = readHeaders(decodedText(part).replace(/^\s+/, ''));
  const address = reportedAddress(field(block, 'original-rcpt-to'));
  const type = /[a-z][a-z-]{0,39}/.exec(field(block, 'feedback-type').toLowerCase())?.[0];
  return {
    feedbackType: type ?? 'abuse',
    recipients: address.includes('@') ? [complainant(address)] : [],
    because: 'feedback-report part',
  };
}

/** Microsoft's junk mail reports, and providers that write "complaint about message from" and return the message. */
function olderForm(root: MimePart, origin: Origin): Complaint | undefined {
  const inner = root.parts.find(({ contentType }) => contentType === 'message/rfc822')?.parts[0];
  if (inner === undefined || origin.person) return undefined;
  const complainer = reportedAddress(field(inner, 'x-hmxmroriginalrecipient'));
  const says = origin.subjects.some((subject) => /^complaint about message from\b/i.test(subject));
  if (complainer === '' && !says) return undefined;
  return {
    feedbackType: 'abuse',
    recipients: complainer === '' ? [] : [complainant(complainer)],
    because: 'complaint of the older form',
  };
}

/** Who complained: the mail was delivered, and is not wanted. */
function complainant(address: string): BounceRecipient {
  return {
    address,
    status: '',
    replyCode: '',
    hard: false,
    reason: 'undefined',
    action: 'delivered',
    diagnostic: '',
  };
}
