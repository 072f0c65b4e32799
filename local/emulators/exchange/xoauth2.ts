/**
 * The SASL XOAUTH2 client response: base64 of `user=` address, 0x01, `auth=Bearer ` token, 0x01, 0x01.
 * Undefined if it is anything else.
 * Source: Microsoft, "Authenticate an IMAP, POP or SMTP connection using OAuth", SASL XOAUTH2 encoding.
 */
export function parseXoauth2(
  response: string,
): { readonly user: string; readonly token: string } | undefined {
  const text = Buffer.from(response, 'base64').toString('utf8');
  const found = /^user=([^\x01]*)\x01auth=Bearer ([^\x01]+)\x01\x01$/.exec(text);
  const [, user, token] = found ?? [];
  return user === undefined || token === undefined ? undefined : { user, token };
}
