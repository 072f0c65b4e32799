// The ids that we give a message name its account and its submission, so that a reply, a bounce or a copy in Sent
// Items that mentions one leads to one row, without an index and however many accounts there are.
//
//   Message-ID          <UNGUESSABLE.ACCOUNT.SUBMISSION@domain>   the same in every attempt
//   X-Mail-Bridge-Id    SUBMISSION.ATTEMPT.ACCOUNT                names one attempt
//   X-Mail-Bridge-Tag   HMAC-SHA-256 of X-Mail-Bridge-Id          proves that the bridge wrote it
//
// A Message-ID alone proves nothing: anyone who has seen our mail can write it, so it is compared with the row's
// own, which has a part that cannot be guessed. ACCOUNT is a digest: the login stays private.
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { Random } from '../../clock.ts';
import { submissionId } from '../../contract/submissionSchema.ts';

/** A submission as one of our ids names it; `account` is a digest of the account's key. */
export interface NamedSubmission {
  readonly account: string;
  readonly id: string;
}

/** Twelve characters of base64url: 72 bits. */
export const accountDigest = (account: string): string => hash('sha256', account, 'base64url').slice(0, 12);

export const makeMessageId = (account: string, id: string, domain: string, random: Random): string =>
  `<${random.id()}.${accountDigest(account)}.${Buffer.from(id).toString('base64url')}@${domain}>`;

/** Undefined for a Message-ID that is not ours. */
export function parseMessageId(messageId: string): NamedSubmission | undefined {
  const parts = /^<[0-9a-f]{32}\.([\w-]{12})\.([\w-]{1,172})@[^@<>]+>$/.exec(messageId);
  const [, account, name] = parts ?? [];
  if (account === undefined || name === undefined) return undefined;
  const id = Buffer.from(name, 'base64url').toString();
  // Anyone can write a Message-ID of this form: what it names must be an id, and encode back to the same text.
  if (!submissionId.test(id) || Buffer.from(id).toString('base64url') !== name) return undefined;
  return { account, id };
}

/** Value of X-Mail-Bridge-Id. It names the attempt: a copy of attempt 1 in Sent Items must not prove attempt 2. */
export const bridgeIdOf = (account: string, id: string, attempt: number): string =>
  `${id}.${attempt}.${accountDigest(account)}`;

/** Undefined for a value that is not ours. */
export function parseBridgeId(bridgeId: string): NamedSubmission | undefined {
  const [, id, account] = /^(.{1,128})\.[0-9]{1,9}\.([\w-]{12})$/.exec(bridgeId) ?? [];
  return id === undefined || account === undefined || !submissionId.test(id) ? undefined : { account, id };
}

/** Value of X-Mail-Bridge-Tag: lower-case hex. */
export const bridgeTagOf = (bridgeId: string, key: Uint8Array): string =>
  createHmac('sha256', key).update(bridgeId).digest('hex');

/** Whether `tag` is the one of `bridgeId`, in constant time. */
export function isBridgeTag(bridgeId: string, tag: string, key: Uint8Array): boolean {
  const expected = Buffer.from(bridgeTagOf(bridgeId, key));
  const given = Buffer.from(tag);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** Ids that Exchange Online gives end with the name of the server that made them; other servers replace nothing. */
export const isExchangeId = (messageId: string): boolean =>
  /\.(?:outlook\.(?:com|cn)|office365\.us)>$/i.test(messageId);
