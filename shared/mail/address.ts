// One entry, one recipient.
//
// Mail libraries parse an address field as a small language: lists, groups, comments, routes, quoted parts, encoded
// words, DSN parameters. One string can then become two RCPT commands, or another person's address. So an address here is
// a plain addr-spec and nothing else: a dot-atom, one at-sign, a domain of A-labels (RFC 5322 3.2.3 and 3.4.1,
// RFC 5321 4.5.3.1). A domain in U-labels, as people write it and readers of mail show it, means one domain only and is
// converted (UTS 46). Everything else is refused, never repaired.
import { domainToASCII } from 'node:url';

/** Longest local part and longest address, in octets (RFC 5321 4.5.3.1.1 to 4.5.3.1.3). */
export const localPartBytes = 64;
export const addressBytes = 254;

const atom = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+$/;
const label = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

export type AddressAnswer =
  /** The domain in lower case and in A-labels, the local part as it was written (RFC 5321 2.4: only its host may change it). */
  | { readonly kind: 'ok'; readonly address: string }
  /** The end of a sentence: what is wrong and what to write instead. */
  | { readonly kind: 'refused'; readonly detail: string };

/** Parses one plain addr-spec. Never throws; takes time linear in the text. */
export function parseAddress(text: string): AddressAnswer {
  if (text === '') return refused('is empty; write one address such as user@example.com');
  if (text.length > 1_000)
    return refused(`has ${text.length} characters; an address has at most ${addressBytes}`);
  const trouble = strangeCharacter(text);
  if (trouble !== undefined) return refused(trouble);
  const at = text.lastIndexOf('@');
  if (at < 0) return refused('has no @; write one address such as user@example.com');
  const local = text.slice(0, at);
  const domain = asciiDomain(text.slice(at + 1));
  if (local.includes('@')) return refused('has more than one @; write one address in each entry');
  const detail = localPartTrouble(local) ?? domainTrouble(domain);
  if (detail !== undefined) return refused(detail);
  const address = `${local}@${domain.toLowerCase()}`;
  if (address.length > addressBytes) {
    return refused(`has ${address.length} characters; an address has at most ${addressBytes}`);
  }
  return { kind: 'ok', address };
}

/** The same mailbox for Exchange, which compares without regard to case. */
export function sameAddress(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** One RCPT each: exact repeats once, and the domain's case does not matter; the local part's does (RFC 5321 2.4). */
export function eachOnce(addresses: readonly string[]): readonly string[] {
  const folded = (address: string): string => {
    const at = address.lastIndexOf('@');
    return address.slice(0, at) + address.slice(at).toLowerCase();
  };
  return [...new Map(addresses.map((address) => [folded(address), address])).values()];
}

/**
 * ASCII as it is, and so what has more of ASCII than letters, digits, dots and hyphens: the conversion reads a host as a
 * browser does, and would decode `%41`, rewrite numbers and end at a slash.
 */
const asciiDomain = (domain: string): string =>
  /^[\x20-\x7e]*$/.test(domain) || /[\x20-,/:-@[-`{-\x7e]/.test(domain) ? domain : domainToASCII(domain);

function refused(detail: string): AddressAnswer {
  return { kind: 'refused', detail };
}

/** Pasted along unseen. UTS 46 would drop some of them, and another reader would not. */
const invisible: readonly (readonly [first: number, last: number, name: string])[] = [
  [0x80, 0x9f, 'a control character'],
  [0xa0, 0xa0, 'a no-break space'],
  [0xad, 0xad, 'a soft hyphen'],
  [0x34f, 0x34f, 'an invisible character'],
  [0x61c, 0x61c, 'a mark of text direction'],
  [0x1680, 0x1680, 'a space'],
  [0x180b, 0x180f, 'an invisible character'],
  [0x2000, 0x200a, 'a space'],
  [0x200b, 0x200b, 'a zero-width space'],
  [0x200c, 0x200d, 'a zero-width joiner or non-joiner'],
  [0x200e, 0x200f, 'a mark of text direction'],
  [0x2028, 0x2029, 'a line separator'],
  [0x202a, 0x202e, 'a mark of text direction'],
  [0x202f, 0x202f, 'a narrow no-break space'],
  [0x205f, 0x205f, 'a space'],
  [0x2060, 0x2064, 'an invisible character'],
  [0x2066, 0x2069, 'a mark of text direction'],
  [0x3000, 0x3000, 'an ideographic space'],
  [0xd800, 0xdfff, 'half of a character'],
  [0xfe00, 0xfe0f, 'an invisible character'],
  [0xfeff, 0xfeff, 'a zero-width no-break space (byte order mark)'],
  [0xfff9, 0xfffd, 'a character that stands for none'],
  [0xe0000, 0xe0fff, 'an invisible character'],
];
const quotes: ReadonlySet<number> = new Set([0x2018, 0x2019, 0x201a, 0x201b, 0x201c, 0x201d, 0x201e, 0x2032]);

/** Any character that no dot-atom and no domain can contain, with the most helpful reason. */
function strangeCharacter(text: string): string | undefined {
  const at = text.lastIndexOf('@');
  let position = 0;
  let units = 0;
  for (const character of text) {
    position += 1;
    units += character.length;
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || code === 0x7f) return 'has a control character or a line break; remove it';
    if (code <= 0x7e) continue;
    const place = `(U+${code.toString(16).toUpperCase().padStart(4, '0')}) at position ${position}`;
    const name = invisible.find(([first, last]) => code >= first && code <= last)?.[2];
    if (name !== undefined) return `has ${name} ${place}; remove it`;
    if (quotes.has(code)) return `has a typographic quotation mark ${place}; write ' or remove it`;
    if (at < 0 || units <= at) {
      return `has a character outside ASCII ${place}, before the @; write the local part in ASCII`;
    }
  }
  if (/[,;]/.test(text)) return 'looks like a list; write each address as an entry of its own';
  if (/[<>]/.test(text)) {
    return 'has angle brackets; write the bare address, and a display name as {"address": "...", "name": "..."}';
  }
  if (/[()]/.test(text)) return 'has a comment in parentheses; write the bare address';
  if (text.includes('"')) return 'has a quoted part; write a plain address without quotation marks';
  if (text.includes(' ')) return 'has a space; write the bare address, without a name or parameters';
  if (/[[\]]/.test(text)) return 'has a numeric host in brackets; write a domain name';
  if (text.includes('\\')) return 'has a backslash; write a plain address';
  if (text.includes(':')) return 'has a colon (a group, a route or a link); write the bare address';
  return undefined;
}

function localPartTrouble(local: string): string | undefined {
  if (local === '') return 'has nothing before the @; write one address such as user@example.com';
  if (local.length > localPartBytes) {
    return `has ${local.length} characters before the @; at most ${localPartBytes} are allowed`;
  }
  // An encoded word (RFC 2047) is made of atom characters, and some readers decode it into another address.
  if (local.includes('=?')) return 'has an encoded word; write the address itself';
  if (!local.split('.').every((part) => atom.test(part))) {
    return 'has a dot at the start or end of its local part, or two in a row; remove it';
  }
  return undefined;
}

function domainTrouble(domain: string): string | undefined {
  if (domain === '') return 'has nothing usable after the @; write one address such as user@example.com';
  const labels = domain.split('.');
  if (!labels.every((part) => label.test(part))) {
    return 'has an invalid domain (letters, digits and hyphens between single dots, at most 63 each); correct it';
  }
  if (labels.length < 2) return 'has a domain without a dot; write the full domain name';
  // RFC 3696 2: no top-level domain is all digits; such a name is an IPv4 address.
  if (/^[0-9]+$/.test(labels.at(-1) ?? '')) return 'has a number for a domain; write a domain name';
  return undefined;
}
