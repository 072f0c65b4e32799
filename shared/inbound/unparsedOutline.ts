// What can be said of a message that could not be parsed: its header block, read leniently.
import { dateOf } from '../classify/mailDate.ts';
import { decodedField } from '../classify/mimeTree.ts';
import { field, mailText, readHeaders, threadOf, type HeaderBlock } from '../mail/headers.ts';
import { boundedText } from '../mail/text.ts';
import type { MailAddress, ParsedMail } from './parsedMail.ts';

export type Outline = Omit<ParsedMail, 'text' | 'html' | 'parts' | 'contentFingerprint'>;

export function outlineOf(head: Uint8Array): Outline {
  const block = readHeaders(mailText(head));
  return {
    ...threadOf(block),
    from: addressesIn(block, 'from'),
    sender: addressesIn(block, 'sender'),
    replyTo: addressesIn(block, 'reply-to'),
    to: addressesIn(block, 'to'),
    cc: addressesIn(block, 'cc'),
    subject: boundedText(decodedField(field(block, 'subject')), 2_000),
    dateMs: dateOf(field(block, 'date')),
    remarks: [],
  };
}

/** Anything that looks like an address, at most 100; display names are not worth the risk here. */
function addressesIn(block: HeaderBlock, name: string): readonly MailAddress[] {
  const value = field(block, name).slice(0, 20_000);
  const found = [...value.matchAll(/[^\s<>,;:"()[\]@]{1,64}@[a-z0-9.-]{1,253}/gi)];
  return found.slice(0, 100).map(([address]) => ({ name: '', address }));
}
