// The text for people of a report, without the returned message.
import { noticeOfText } from './bounceText.ts';
import { decodedText, type MimePart } from './mimeTree.ts';

const noticeLimit = 200_000;

/** Of all text parts outside of attached messages; the body of a multipart without parts. At most 200,000 characters. */
export function noticeText(root: MimePart): string {
  const texts: string[] = [];
  const visit = (part: MimePart, depth: number): void => {
    if (part.contentType.startsWith('message/') && depth > 0) return;
    const empty = part.parts.length === 0 && part.contentType.startsWith('multipart/');
    if (
      part.parts.length === 0 &&
      (empty || part.contentType === 'text/plain' || part.contentType === 'text/html')
    ) {
      const text = decodedText(part);
      texts.push(noticeOfText(part.contentType === 'text/html' ? withoutTags(text) : text));
    }
    for (const child of part.parts) visit(child, depth + 1);
  };
  visit(root, 0);
  if (texts.length === 0 && root.parts.length === 0) texts.push(noticeOfText(decodedText(root)));
  return texts.join('\n').slice(0, noticeLimit);
}

/** An HTML text as lines; addresses in angle brackets stay. */
export function withoutTags(html: string): string {
  return html
    .slice(0, 400_000)
    .replace(/<(?:style|script|title)\b[^<>]{0,500}>[^<]{0,20000}/gi, ' ')
    .replace(/<(?:br|p|div|tr|li|h\d)\b[^<>]{0,500}>/gi, '\n')
    .replace(/<(?![^<>@]{0,200}@)[^<>]{0,1000}>/g, '')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&nbsp;/g, ' ')
    .replace(/&quot;|&#34;/g, '"')
    .replace(/&#39;|&apos;/g, "'")
    .replace(/&amp;/g, '&');
}
