// Addresses out of header fields, as far as a mail server needs them. Decoding is nodemailer's parser.
import addressparser from 'nodemailer/lib/addressparser';
import type { HeaderField } from './content.ts';
import { headerValue } from './content.ts';

export interface NamedAddress {
  readonly name: string;
  readonly address: string;
}

/** The mailboxes of an address field, members of groups included. */
export function parseAddresses(value: string): readonly NamedAddress[] {
  return addressparser(value, { flatten: true }).map(({ name, address }) => ({ name, address }));
}

/** The address in From, or undefined where there is none. */
export function headerFrom(fields: readonly HeaderField[]): string | undefined {
  const value = headerValue(fields, 'From');
  const [first] = value === undefined ? [] : parseAddresses(value);
  return first?.address === '' ? undefined : first?.address;
}
