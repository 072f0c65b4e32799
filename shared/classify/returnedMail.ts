// The returned message inside a bounce or complaint: its header says which submission it was.
import { field, readHeaders, type HeaderBlock } from '../mail/headers.ts';
import { decodedText, walk, type MimePart } from './mimeTree.ts';
import { returnedOfText } from './bounceText.ts';
import type { Returned } from '../contract/classification.ts';
import { bridgeIdMostCharacters } from '../contract/sentMessage.ts';

/** The header block of the returned message, undefined where nothing was returned. */
export function returnedHeaders(root: MimePart): HeaderBlock | undefined {
  for (const part of walk(root)) {
    if (part === root) continue;
    if (part.contentType === 'message/rfc822' || part.contentType === 'message/global') {
      const inner = part.parts[0];
      if (inner !== undefined && inner.fields.length > 0) return { fields: inner.fields, bodyAt: 0 };
    }
    if (part.contentType === 'text/rfc822-headers' || part.contentType === 'message/global-headers') {
      return readHeaders(decodedText(part).replace(/^\s+/, ''));
    }
  }
  for (const part of walk(root)) {
    if (part.parts.length > 0 || !part.contentType.startsWith('text/')) continue;
    const rest = returnedOfText(decodedText(part));
    const at = /^(?:received|return-path|message-id|from|x-[\w-]+|date|subject|dkim-signature): /im.exec(
      rest,
    )?.index;
    if (at === undefined) continue;
    const block = readHeaders(rest, at);
    if (block.fields.length >= 3) return block;
  }
  return undefined;
}

export function returnedOf(block: HeaderBlock | undefined): Returned {
  if (block === undefined) return {};
  const messageId = /<[^<>\s]{1,900}>/.exec(field(block, 'message-id'))?.[0];
  const bridgeId = field(block, 'x-mail-bridge-id');
  const bridgeTag = field(block, 'x-mail-bridge-tag');
  return {
    ...(messageId === undefined ? {} : { messageId }),
    // Bounded, because a part of it becomes a key.
    ...(bridgeId.length <= bridgeIdMostCharacters && /^[A-Za-z0-9][A-Za-z0-9._:@+-]*$/.test(bridgeId)
      ? { bridgeId }
      : {}),
    ...(/^[A-Za-z0-9_=+/-]{16,200}$/.test(bridgeTag) ? { bridgeTag } : {}),
  };
}
