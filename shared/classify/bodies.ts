// The text and the HTML of a message, each whole: whoever reads one of the two gets all of it.
//
// A multipart/mixed may hold a text part with the message and an HTML part with the disclaimer, or the other way round.
// Where a message has HTML at all, its text parts go into the HTML as well, and the HTML parts, without tags, into the
// text. Of a multipart/alternative each body takes its own kind. Attached messages and files are left out. Nothing is
// lost without a remark.
import { decodedBody, type MimePart } from './mimeTree.ts';
import { field } from '../mail/headers.ts';
import { structuredField } from './decodeText.ts';
import { withoutTags } from './noticeText.ts';

export interface Bodies {
  readonly text?: string;
  readonly html?: string;
  /** What was guessed, repaired or left out, each once. */
  readonly remarks: readonly string[];
}

const remarkLimit = 20;
/** Characters of one text; more than any reader of a ticket takes in. */
const textLimit = 4 * 1024 * 1024;

/** `root` comes from `readMimeTree`. */
export function bodiesOf(root: MimePart): Bodies {
  const remarks = new Set<string>();
  const pieces = [...piecesOf(root, remarks)];
  const hasHtml = pieces.some(({ kind, html }) => kind === 'html' || html !== undefined);
  const hasText = pieces.some(({ kind }) => kind === 'text');
  const shown = [...remarks].slice(0, remarkLimit);
  return {
    ...(hasText ? { text: pieces.map(asText).join('\n') } : {}),
    ...(hasHtml ? { html: pieces.map(asHtml).join('\n') } : {}),
    remarks: shown,
  };
}

/** A text, an HTML text, or both as alternatives of each other. */
interface Piece {
  readonly kind: 'text' | 'html';
  readonly text: string;
  readonly html?: string;
}

function* piecesOf(part: MimePart, remarks: Set<string>): Iterable<Piece> {
  for (const repair of part.repairs) remarks.add(repair);
  if (part.contentType === 'multipart/alternative' && part.parts.length > 0) {
    const inside = part.parts.flatMap((one) => [...piecesOf(one, remarks)]);
    const text = inside.filter(({ kind }) => kind === 'text');
    const html = inside.filter((one) => one.kind === 'html' || one.html !== undefined);
    if (text.length > 0 && html.length > 0) {
      yield { kind: 'text', text: text.map((one) => one.text).join('\n'), html: html.map(asHtml).join('\n') };
    } else {
      yield* inside;
    }
    return;
  }
  if (part.contentType.startsWith('message/')) return;
  if (part.parts.length > 0) {
    for (const one of part.parts) yield* piecesOf(one, remarks);
    return;
  }
  if (!isBody(part)) return;
  const { text, remarks: said } = decodedBody(part, textLimit);
  for (const one of said) remarks.add(one);
  if (text.trim() === '') return;
  yield { kind: part.contentType === 'text/html' ? 'html' : 'text', text };
}

/** Text that is shown, and the body of a multipart that has no parts. */
export function isBody(part: MimePart): boolean {
  const { value, parameters } = structuredField(field(part, 'content-disposition'));
  if (value === 'attachment' || parameters.has('filename') || part.parameters.has('name')) return false;
  return /^(?:text\/(?:plain|html|enriched|richtext)|multipart\/.+)$/.test(part.contentType);
}

function asText({ kind, text }: Piece): string {
  return kind === 'text' ? text : withoutTags(text);
}

function asHtml({ kind, text, html }: Piece): string {
  if (html !== undefined) return html;
  if (kind === 'html') return text;
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `<div style="white-space: pre-wrap">${escaped}</div>`;
}
