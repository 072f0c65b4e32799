// One entry, one recipient.
//
// Mail libraries parse an address field as a small language: lists, groups, comments, routes, quoted parts, encoded
// words, DSN parameters. One string can then become two RCPT commands, or another person's address. So an address here is
// a plain addr-spec and nothing else: a dot-atom, one at-sign, a domain of A-labels (RFC 5322 3.2.3 and 3.4.1,
// RFC 5321 4.5.3.1). Everything else is refused, never repaired.

/** Longest local part and longest address, in octets (RFC 5321 4.5.3.1.1 to 4.5.3.1.3). */
export const localPartBytes = 64;
export const addressBytes = 254;

const atom = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+$/;
const label = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

export type AddressAnswer =
  /** The domain in lower case, the local part as it was written (RFC 5321 2.4: only its host may change it). */
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
  const domain = text.slice(at + 1);
  if (local.includes('@')) return refused('has more than one @; write one address in each entry');
  const detail = localPartTrouble(local) ?? domainTrouble(domain);
  if (detail !== undefined) return refused(detail);
  if (text.length > addressBytes) {
    return refused(`has ${text.length} characters; an address has at most ${addressBytes}`);
  }
  return { kind: 'ok', address: `${local}@${domain.toLowerCase()}` };
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

function refused(detail: string): AddressAnswer {
  return { kind: 'refused', detail };
}

/** Any character that no dot-atom and no domain can contain, with the most helpful reason. */
function strangeCharacter(text: string): string | undefined {
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || code === 0x7f) return 'has a control character or a line break; remove it';
    if (code > 0x7e) {
      return 'has a character outside ASCII; write the domain in its xn-- form and the local part in ASCII';
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
  if (domain === '') return 'has nothing after the @; write one address such as user@example.com';
  const labels = domain.split('.');
  if (!labels.every((part) => label.test(part))) {
    return 'has an invalid domain (letters, digits and hyphens between single dots, at most 63 each); correct it';
  }
  if (labels.length < 2) return 'has a domain without a dot; write the full domain name';
  // RFC 3696 2: no top-level domain is all digits; such a name is an IPv4 address.
  if (/^[0-9]+$/.test(labels.at(-1) ?? '')) return 'has a number for a domain; write a domain name';
  return undefined;
}
