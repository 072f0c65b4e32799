// One identity for each message, from what travels with it.
//
// Exchange rebuilds MIME when a message is fetched: boundaries, encodings and the order of fields may differ from
// one fetch to the next, and RFC822.SIZE is an estimate. So the id comes from fields that last: Message-ID, Date,
// the oldest Received (a redelivery adds newer ones on top), and Exchange's own network message id. Two different
// messages may agree in all of these; they are told apart by their header and content fingerprints.
import { fingerprintOf } from '../mail/fingerprint.ts';
import { field, fieldsNamed, type HeaderBlock } from '../mail/headers.ts';

export interface Identity {
  /** 32 characters of lower-case hex; the ledger adds `-2` and so on if two messages share it. */
  readonly baseId: string;
  readonly headerFingerprint: string;
}

const networkId = 'x-ms-exchange-organization-network-message-id';
/** What a mail client shows and threads by; everything that a server adds on the way is left out. */
const lasting = ['from', 'sender', 'reply-to', 'to', 'cc', 'subject', 'in-reply-to', 'references'];

/** Never fails: a message without any of the fields gets its id from the bytes that were read. */
export function identify(mailboxKey: string, block: HeaderBlock, head: Uint8Array): Identity {
  const travelling = [
    field(block, 'message-id'),
    field(block, 'date'),
    fieldsNamed(block, 'received').at(-1) ?? '',
    field(block, networkId),
  ].map(squeezed);
  const values = [...travelling, ...lasting.map((name) => squeezed(fieldsNamed(block, name).join('\n')))];
  const hasOwnId = travelling[0] !== '' || travelling[3] !== '';
  // Without an id of its own a message is known by everything that lasts; without even that, by its bytes.
  const basis = hasOwnId
    ? travelling
    : values.some((value) => value !== '')
      ? values
      : [fingerprintOf([latin1(head)])];
  return {
    baseId: fingerprintOf([mailboxKey, ...basis]).slice(0, 32),
    headerFingerprint: fingerprintOf(values).slice(0, 32),
  };
}

function squeezed(value: string): string {
  return value.replace(/\s+/g, ' ').trim();
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
