// The Message-ID that we give names its submission: a reply or a bounce that mentions it leads back to the row
// without an index. It proves nothing: whoever has seen our mail can write it, so what it leads to is compared
// with the row's own Message-ID, which has a part that cannot be guessed.
import type { Random } from '../../clock.ts';

/** `<UNGUESSABLE.NAME@domain>`, the name being the submission's id as base64url. */
export const makeMessageId = (id: string, domain: string, random: Random): string =>
  `<${random.id()}.${Buffer.from(id).toString('base64url')}@${domain}>`;

/** The submission's id in a Message-ID of ours; undefined for anybody else's. */
export function submissionOf(messageId: string): string | undefined {
  const name = /^<[0-9a-f]{32}\.([A-Za-z0-9_-]{1,172})@[^@<>]+>$/.exec(messageId)?.[1];
  return name === undefined ? undefined : Buffer.from(name, 'base64url').toString();
}

/** Ids that Exchange Online gives end with the name of the server that made them; with others nothing is replaced. */
export const isExchangeId = (messageId: string): boolean =>
  /\.(?:outlook\.(?:com|cn)|office365\.us)>$/i.test(messageId);
