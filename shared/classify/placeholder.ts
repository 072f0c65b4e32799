// Exchange's text in place of a message that it cannot convert to MIME, or that a scanner still holds.
import { field, type HeaderField } from '../mail/headers.ts';

/**
 * `Retrieval using the IMAP4 protocol failed for the following message: 20004`, from `Microsoft Exchange Server 2010`
 * without an address. The mail itself is still in the mailbox. A person who quotes the text is no placeholder.
 */
export function isPlaceholder(mail: { readonly fields: readonly HeaderField[] }): boolean {
  const subject = field(mail, 'subject').replace(/\s+/g, ' ');
  return (
    /^retrieval using the (?:imap4|pop3) protocol failed for the following message: ?\d+$/i.test(subject) &&
    /^"?microsoft exchange server/i.test(field(mail, 'from')) &&
    !field(mail, 'from').includes('@')
  );
}
