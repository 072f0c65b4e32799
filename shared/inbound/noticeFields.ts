// What a notice says of a message itself, whatever mailbox it came to: also what `inspect` shows.
import { answerable } from '../contract/answerable.ts';
import type { WholeNotice } from '../contract/notice.ts';
import type { ParseAnswer } from './ports.ts';
import { outlineOf, type Outline } from './unparsedOutline.ts';

export interface MessageFields {
  readonly fields: Pick<
    WholeNotice,
    | 'messageId'
    | 'inReplyTo'
    | 'references'
    | 'from'
    | 'sender'
    | 'replyTo'
    | 'to'
    | 'cc'
    | 'subject'
    | 'date'
  >;
  /** What was ambiguous, guessed, cut or left out, as sentences. */
  readonly remarks: readonly string[];
}

/** `head` is the header block at least; it is read if the message could not be parsed. */
export function messageFields(answer: ParseAnswer, head: Uint8Array): MessageFields {
  const outline: Outline = answer.kind === 'parsed' ? answer.mail : outlineOf(head);
  const { part, remarks } = answerable(outline);
  return {
    fields: {
      messageId: part.messageId,
      inReplyTo: [...part.inReplyTo],
      references: [...part.references],
      from: [...part.from],
      sender: [...part.sender],
      replyTo: [...part.replyTo],
      to: [...part.to],
      cc: [...part.cc],
      subject: part.subject,
      date: outline.dateMs === undefined ? null : new Date(outline.dateMs).toISOString(),
    },
    remarks: [
      ...outline.remarks,
      ...remarks,
      ...(answer.kind === 'parsed' ? (answer.classification.remarks ?? []) : [answer.detail]),
    ],
  };
}
