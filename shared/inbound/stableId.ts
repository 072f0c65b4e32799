// One identity for each message, from what travels with it.
//
// Exchange rebuilds MIME when a message is fetched: boundaries, encodings and the order of fields may differ from
// one fetch to the next, and RFC822.SIZE is an estimate. So the id comes from fields that stay: Message-ID, Date,
// the oldest Received (a redelivery adds newer ones on top), and Exchange's own network message id. Two different
// mails may agree in all of these; they are told apart by `headerPrint` and by what they say.
import { createHash } from 'node:crypto';
import { field, fieldsNamed, type HeaderBlock } from '../mail/headers.ts';

export interface Identity {
  /** 32 characters of lower-case hex; the ledger adds `-2` and so on where two mails share it. */
  readonly baseId: string;
  readonly headerPrint: string;
}

const networkId = 'x-ms-exchange-organization-network-message-id';
/** What a mail client shows and threads by; everything a server adds on the way is left out. */
const lasting = ['from', 'sender', 'reply-to', 'to', 'cc', 'subject', 'in-reply-to', 'references'];

/** Never fails: a message without any of the fields gets its id from the bytes that were read. */
export function identify(mailboxKey: string, block: HeaderBlock, head: Uint8Array): Identity {
  const travelling = [
    field(block, 'message-id'),
    field(block, 'date'),
    fieldsNamed(block, 'received').at(-1) ?? '',
    field(block, networkId),
  ].map(squeezed);
  const print = [...travelling, ...lasting.map((name) => squeezed(fieldsNamed(block, name).join('\n')))];
  const named = travelling[0] !== '' || travelling[3] !== '';
  // Without an id of its own a message is known by everything that lasts; without even that, by its bytes.
  const basis = named ? travelling : print.some((value) => value !== '') ? print : [digest([latin1(head)])];
  return { baseId: digest([mailboxKey, ...basis]).slice(0, 32), headerPrint: digest(print).slice(0, 32) };
}

/** SHA-256 (hex) of the list; lengths keep two lists with the same joined text apart. */
export function digest(values: readonly string[]): string {
  const hash = createHash('sha256');
  for (const value of values) hash.update(`${value.length}:`).update(value);
  return hash.digest('hex');
}

function squeezed(value: string): string {
  return value.replace(/\s+/g, ' ').trim();
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
