// What a report may change in the bridge. Anybody who got a mail of ours can copy its private header into a report that
// he writes himself, so that the header alone proves only that the returned text is ours.
import type { Bounce } from '../contract/classification.ts';
import { addressOf } from './origin.ts';
import { field, fieldsNamed, type HeaderField } from '../mail/headers.ts';
import { structuredField } from './decodeText.ts';

/**
 * Whether our own Exchange made a report: the report is the root of the message, From is Exchange's report address at
 * one of our domains, and Exchange marked the message as internal. It removes that mark from mail that comes from
 * outside. Only such a report may put a mailbox on hold.
 */
export function isReportOfOwnExchange(
  mail: { readonly fields: readonly HeaderField[] },
  ownDomains: readonly string[],
): boolean {
  const { value, parameters } = structuredField(field(mail, 'content-type'));
  const atRoot =
    value === 'multipart/report' &&
    /^(?:global-)?delivery-status$/i.test(parameters.get('report-type') ?? '');
  const [from, ...others] = fieldsNamed(mail, 'from').map(addressOf);
  const [local = '', domain = ''] = from?.split('@') ?? [];
  const internal = fieldsNamed(mail, 'x-ms-exchange-organization-authas').some((one) =>
    /^internal$/i.test(one.trim()),
  );
  return (
    atRoot &&
    internal &&
    others.length === 0 &&
    /^microsoftexchange[0-9a-f]{32}$/.test(local) &&
    ownDomains.some((own) => own.toLowerCase() === domain)
  );
}

/**
 * Whether a bounce is about a recipient that the submission had: the address, or the original one, in any case of
 * letters. Without that a bounce that carries our tag is somebody else's, such as that of a redirect.
 */
export function concernsRecipient({ recipients }: Bounce, submitted: readonly string[]): boolean {
  const known = new Set(submitted.map((address) => address.toLowerCase()));
  return recipients.some(
    ({ address, original }) => known.has(address.toLowerCase()) || known.has((original ?? '').toLowerCase()),
  );
}
