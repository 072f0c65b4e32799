// Addresses out of header fields, as far as a mail server needs them. Decoding is nodemailer's parser.
import addressparser from 'nodemailer/lib/addressparser';
import type { GroupAddress } from 'nodemailer/lib/addressparser';
import type { HeaderField } from './content.ts';
import { headerValue } from './content.ts';

export interface NamedAddress {
  readonly kind: 'address';
  readonly name: string;
  readonly address: string;
}

export interface Group {
  readonly kind: 'group';
  readonly name: string;
  readonly members: readonly NamedAddress[];
}

/** The mailboxes and groups of an address field. */
export function parseAddresses(value: string): readonly (NamedAddress | Group)[] {
  return addressparser(value).map((entry) =>
    entry.group === undefined
      ? { kind: 'address', name: entry.name, address: entry.address }
      : { kind: 'group', name: entry.name, members: members(entry) },
  );
}

/** Groups within groups are no syntax (RFC 5322 3.4): what the parser makes of them is left out. */
function members({ group }: GroupAddress): readonly NamedAddress[] {
  return group.flatMap(({ name, address }) =>
    address === undefined ? [] : [{ kind: 'address', name, address }],
  );
}

/** The address in From, or undefined if there is none. */
export function headerFrom(fields: readonly HeaderField[]): string | undefined {
  const value = headerValue(fields, 'From');
  const [first] = value === undefined ? [] : parseAddresses(value);
  return first?.kind === 'address' && first.address !== '' ? first.address : undefined;
}
