// Addresses as reports write them: with a type in front, in quotation marks, encoded.
import { withoutComments } from '../mail/comments.ts';

/** RFC 5321 4.5.3.1.3. What is longer is no address. */
export const addressCharacters = 254;

/**
 * The address of `rfc822; user@example.com`, `utf-8; pel\x{E9}@example.com` (RFC 6533 3) or `"kim doe"@example.com`.
 * What is no address (a path, a mailbox's name) is returned as it is; '' for what only Exchange understands
 * (`IMCEAEX-_O=…`) and for what is longer than 254 characters.
 */
export function reportedAddress(value: string): string {
  const bare = decodedUnicode(value.slice(0, 4_000).replace(/^\s*[\w.-]{1,40}\s*;\s*/, ''))
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim();
  const found =
    /"(?:[^"\\]|\\.){1,200}"@[^\s<>,;"()]{1,255}/.exec(bare)?.[0] ??
    /<\s?([^<>\s]{1,400})\s?>/.exec(bare)?.[1] ??
    /[^\s<>,;"()]{1,300}@[^\s<>,;"()]{1,255}/.exec(bare)?.[0] ??
    withoutComments(bare).trim();
  const address = unwrapped(found.replace(/^(?:smtp|mailto|rfc822)[=:]/i, '').replace(/^<|>$/g, ''));
  const plain = /^(["'])[^"']*\1$/.test(address) ? address.slice(1, -1) : address.replace(/^'|'$/g, '');
  return plain.length > addressCharacters ? '' : plain.toWellFormed();
}

/** RFC 6533 3: `\x{E9}` is U+00E9. */
function decodedUnicode(value: string): string {
  return value.replace(/\\x\{([0-9a-f]{1,6})\}/gi, (whole, hex: string) => {
    const code = Number.parseInt(hex, 16);
    return code > 0x1f && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/**
 * Exchange writes addresses of other kinds into an SMTP address (MS-OXCMAIL 2.1.1): `IMCEASMTP-kim+40example+2Ecom@…`.
 * One of the kind EX is a name in its directory.
 */
function unwrapped(address: string): string {
  const wrapped = /^imcea([a-z0-9]{1,20})-([^@]{1,400})@/i.exec(address);
  if (wrapped === null) return address;
  const [, kind = '', inner = ''] = wrapped;
  const decoded = inner.replace(/\+([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return kind.toLowerCase() !== 'ex' && /^[^\s@/=]{1,64}@[a-z0-9.-]{1,255}$/i.test(decoded) ? decoded : '';
}
