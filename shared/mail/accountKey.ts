// The partition of an SMTP account's rows.

const plain = /[a-z0-9.@_+'-]/;

/** `smtpUser` in lower case, every other byte as =HH: printable, without the characters that a table key forbids (/ \ # ?). */
export function accountKey(smtpUser: string): string {
  let key = '';
  for (const byte of new TextEncoder().encode(smtpUser.toLowerCase())) {
    const character = String.fromCharCode(byte);
    key += plain.test(character) ? character : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return key;
}
