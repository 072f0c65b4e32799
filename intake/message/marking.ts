// Notifications say that a machine wrote them, so that no out-of-office answer comes back (RFC 3834 5).
import { decodedField } from '../../shared/classify/decodeText.ts';
import { valueOf, type Field } from './headerFields.ts';

/** Which mail is a notification: all that is given must match. */
export interface MarkingRule {
  /** The mailbox that it is sent from, in lower case. */
  readonly mailbox?: string;
  /** A subject in which `*` stands for any text; without regard to case. */
  readonly subject?: string;
}

/** `OOF, AutoReply` and not `All`, which would silence non-delivery reports too (MS-OXCMAIL 2.1.3.2.20). */
export const markingFields = 'Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: OOF, AutoReply\r\n';

/**
 * Whether the fields are added. Never to an answer: an agent's reply is written by a person (RFC 3834 5.1), and
 * it names the message that it answers. Never to mail that already says what it is.
 */
export function isNotification(
  fields: readonly Field[],
  mailbox: string,
  rules: readonly MarkingRule[],
): boolean {
  const has = (name: string): boolean => valueOf(fields, name) !== undefined;
  if (has('in-reply-to') || has('references') || has('auto-submitted') || has('x-auto-response-suppress')) {
    return false;
  }
  const subject = decodedField(valueOf(fields, 'subject') ?? '');
  return rules.some(
    (rule) =>
      (rule.mailbox === undefined || rule.mailbox === mailbox.toLowerCase()) &&
      (rule.subject === undefined || matches(subject, rule.subject)),
  );
}

/** Linear in the text for each piece between two stars. */
function matches(text: string, pattern: string): boolean {
  const subject = text.toLowerCase();
  const [first = '', ...pieces] = pattern.toLowerCase().split('*');
  if (!subject.startsWith(first)) return false;
  let at = first.length;
  const last = pieces.pop();
  if (last === undefined) return subject === first;
  for (const piece of pieces) {
    const found = subject.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return subject.length - last.length >= at && subject.endsWith(last);
}
