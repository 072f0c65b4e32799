// What a reader of the notice would not see in its texts and parts: content that is encrypted or wrapped, files inside of
// the text, an answer to an invitation, parts that the HTML names by their address.
import { field } from '../mail/headers.ts';
import { walk, type MimePart } from './mimeTree.ts';

/** Each as a sentence, each once. */
export function contentRemarks(root: MimePart): readonly string[] {
  const remarks = new Set<string>();
  for (const part of outerParts(root)) {
    if (/^application\/(?:x-)?pkcs7-mime$/.test(part.contentType)) {
      remarks.add('The content is an S/MIME envelope (application/pkcs7-mime): it was not opened.');
    }
    if (part.contentType === 'application/pgp-encrypted') remarks.add('The content is encrypted (PGP).');
    if (part.contentType.startsWith('text/') && uuencoded.test(part.body)) {
      remarks.add('A file is uuencoded within a text and was left there.');
    }
    const method = methodOf(part);
    if (method !== '') remarks.add(`A calendar part has the method ${method}.`);
    if (field(part, 'content-location') !== '' && field(part, 'content-id') === '' && part !== root) {
      remarks.add('The HTML may name a part by its Content-Location, which only the raw message has.');
    }
    if (part.contentType === 'message/partial')
      remarks.add('It is one fragment of a message (message/partial).');
    if (part.contentType === 'message/external-body') remarks.add('A part only says where its content lies.');
  }
  return [...remarks];
}

const uuencoded = /(?:^|\n)begin [0-7]{3,4} [^\s][^\n]{0,200}\nM[\x20-\x60]{10,80}\n/;

/** The parts of this message; not those of attached messages. */
function* outerParts(part: MimePart): Iterable<MimePart> {
  yield part;
  if (part.contentType.startsWith('message/')) return;
  for (const one of part.parts) yield* outerParts(one);
}

/** RFC 6047 2.4: the method stands in the Content-Type, and in the calendar itself (RFC 5546). */
function methodOf(part: MimePart): string {
  if (part.contentType !== 'text/calendar') return '';
  const inside = /(?:^|\n)METHOD:([A-Za-z-]{1,40})/i.exec(part.body.slice(0, 20_000))?.[1];
  return (part.parameters.get('method') ?? inside ?? '')
    .replace(/[^A-Za-z-]/g, '')
    .toUpperCase()
    .slice(0, 40);
}

/** The charset that the body declares: the best guess for header fields with octets above 127. */
export function bodyCharsetOf(root: MimePart): string {
  for (const part of walk(root)) {
    const charset = part.parameters.get('charset');
    if (charset !== undefined && part.contentType.startsWith('text/')) return charset;
  }
  return '';
}
