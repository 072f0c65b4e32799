// Whether a message is cut can be seen of a multipart: it ends with its closing boundary (RFC 2046 5.1.1).
import { field, type HeaderField } from '../mail/headers.ts';
import { structuredField } from './decodeText.ts';

/** A footer may follow the end of a multipart. */
export const multipartTailBytes = 8 * 1024;

/**
 * True for a multipart whose closing boundary is not in its last bytes. Some senders forget it: by itself it is a reason to
 * ask again, and no proof.
 */
export function lacksMultipartEnd(
  mail: { readonly fields: readonly HeaderField[] },
  tail: Uint8Array,
): boolean {
  const { value, parameters } = structuredField(field(mail, 'content-type'));
  const boundary = parameters.get('boundary') ?? '';
  if (!value.startsWith('multipart/') || boundary === '') return false;
  const end = `--${boundary}--`;
  return !Buffer.from(tail.buffer, tail.byteOffset, tail.byteLength)
    .subarray(-multipartTailBytes - end.length)
    .includes(end, 0, 'latin1');
}
