// Complaints: feedback reports (RFC 5965), and the older form that some providers still send without the part.
import type { BounceRecipient } from '../contract/classification.ts';
import { field, readHeaders } from '../mail/headers.ts';
import { decodedField, decodedText, walk, type MimePart } from './mimeTree.ts';

export interface Complaint {
  readonly feedbackType: string;
  readonly recipients: readonly BounceRecipient[];
  readonly because: string;
}

export function readComplaint(root: MimePart): Complaint | undefined {
  for (const part of walk(root)) {
    if (part.contentType !== 'message/feedback-report') continue;
    const { fields } = readHeaders(decodedText(part).replace(/^\s+/, ''));
    const block = { fields };
    const address =
      /[^\s<>,;"()]{1,120}@[^\s<>,;"()]{1,250}/.exec(field(block, 'original-rcpt-to'))?.[0] ?? '';
    return {
      feedbackType: (field(block, 'feedback-type').toLowerCase() || 'abuse').slice(0, 40),
      recipients: address === '' ? [] : [complainant(address)],
      because: 'feedback-report part',
    };
  }
  const type = field(root, 'content-type').toLowerCase();
  if (type.includes('report-type') && type.includes('feedback-report')) {
    return { feedbackType: 'abuse', recipients: [], because: 'feedback report without its part' };
  }
  if (/^true/i.test(field(root, 'x-apple-unsubscribe'))) {
    return { feedbackType: 'opt-out', recipients: [], because: 'X-Apple-Unsubscribe' };
  }
  return olderForm(root);
}

/** Microsoft's junk mail reports, and providers that write "complaint about message from". */
function olderForm(root: MimePart): Complaint | undefined {
  const from = field(root, 'from').toLowerCase();
  const subject = decodedField(field(root, 'subject')).toLowerCase();
  const microsoft = from.includes('staff@hotmail.com') && subject.startsWith('complaint about message from');
  const loop = /^complaint about message from|^\[?(?:abuse|feedback) (?:report|loop)/.test(subject);
  const daemon = /feedback|abuse|complaint|fbl|postmaster|staff@/.test(from);
  const inner = [...walk(root)].find((part) => part.contentType === 'message/rfc822')?.parts[0];
  const returned = inner !== undefined && field(inner, 'x-hmxmroriginalrecipient') !== '';
  if (!microsoft && !returned && !(loop && daemon)) return undefined;
  const address = inner === undefined ? '' : field(inner, 'x-hmxmroriginalrecipient').trim();
  return {
    feedbackType: 'abuse',
    recipients: address === '' ? [] : [complainant(address)],
    because: 'complaint of the older form',
  };
}

/** Who complained: the mail was delivered, and is not wanted. */
function complainant(address: string): BounceRecipient {
  return {
    address: address.slice(0, 320),
    status: '',
    replyCode: '',
    hard: false,
    reason: 'undefined',
    action: 'delivered',
    diagnostic: '',
  };
}
