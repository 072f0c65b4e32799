// The people that an address field names. The field is split into entries first and decoded afterwards (RFC 2047 6.2),
// so that a comma or a bracket inside an encoded name makes no second address. A domain keeps the form in which it came.
import addressparser from 'nodemailer/lib/addressparser';
import { decodedField } from '../classify/decodeText.ts';
import { addressBytes } from '../mail/address.ts';
import { fieldsNamed, type HeaderBlock } from '../mail/headers.ts';
import { boundedText } from '../mail/text.ts';
import type { MailAddress } from '../inbound/parsedMail.ts';

/** Recipients of one field that a notice names. */
const peopleLimit = 1_000;
const nameCharacters = 500;

export interface People {
  readonly people: readonly MailAddress[];
  /** Entries beyond the limit, and those without an address or with one that is longer than an address can be. */
  readonly remarks: readonly string[];
}

/** All fields of that name, groups resolved; `bodyCharset` is the guess for octets above 127. Never throws. */
export function peopleIn(block: HeaderBlock, name: string, bodyCharset: string): People {
  const found = fieldsNamed(block, name).flatMap((value) => entriesOf(value));
  const usable = found
    .map(({ name: label, address }) => personOf(label, address, bodyCharset))
    .filter((one) => one !== undefined);
  const people = usable.slice(0, peopleLimit);
  const remarks: string[] = [];
  if (usable.length > people.length) {
    remarks.push(
      `${name}: ${people.length} of ${usable.length} addresses are named; the raw message has all.`,
    );
  }
  const long = usable.length < found.filter(({ address }) => address !== '').length;
  if (long) remarks.push(`${name}: what is longer than an address can be was left out.`);
  return { people, remarks };
}

function entriesOf(value: string): readonly { readonly name: string; readonly address: string }[] {
  const flat = addressparser(value, { flatten: true });
  return flat.map(({ name, address }) => ({ name, address }));
}

/** Undefined for an entry without an address, or with one that no grammar allows. */
function personOf(label: string, address: string, bodyCharset: string): MailAddress | undefined {
  const name = decodedField(label, bodyCharset);
  // Some programs encode the address along with the name; a plain one in brackets is certain.
  const inName =
    address === '' ? /^([^<>"@]{0,500})<([^\s<>"@]{1,64}@[^\s<>"@]{1,255})>$/.exec(name.trim()) : null;
  const [shown, found] = inName === null ? [name, decodedField(address)] : [inName[1] ?? '', inName[2] ?? ''];
  if (found === '' || found.length > addressBytes + 'mailto:'.length) return undefined;
  return { name: boundedText(shown, nameCharacters), address: found.trim() };
}
