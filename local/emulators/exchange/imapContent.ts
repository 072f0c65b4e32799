// What a session gets to see of a stored message: the stored bytes, or what Exchange makes of them. Exchange
// keeps items, not MIME; every fetch is a new conversion.
import { Content } from './content.ts';
import type { StoredMessage } from './mailStore.ts';

/** The message as session number `session` sees it. */
export function contentFor(message: StoredMessage, session: number, rebuild: boolean): Content {
  switch (message.unreadable) {
    case 'placeholder':
      return placeholder(message);
    case 'empty':
    case 'emptyString':
    case 'nil':
      return Content.of('');
    case 'lineEnd':
      return Content.of('\r\n');
    case 'truncated':
      return message.content.part(0, Math.floor(message.content.sizeBytes / 3));
    case 'refused':
    case undefined:
      break;
  }
  return rebuild ? rebuilt(message.content, session) : message.content;
}

/** Exchange's own text for an item that it cannot convert. */
function placeholder(message: StoredMessage): Content {
  return Content.of(
    [
      'From: "Microsoft Exchange Server" <>',
      'Subject: Retrieval using the IMAP4 protocol failed for the following message: ' + String(message.uid),
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset="us-ascii"',
      '',
      "The server couldn't retrieve the following message:",
      '',
      'The message has been retained in the mailbox. Please contact your administrator.',
      '',
    ].join('\r\n'),
  );
}

/** The same message with other MIME boundaries, of another length. */
function rebuilt(content: Content, session: number): Content {
  let text = content.buffer().toString('latin1');
  const found = [...text.matchAll(/^content-type:\s*multipart\/[^\r\n]*(?:\r\n[ \t][^\r\n]*)*/gim)];
  const boundaries = new Set(
    found
      .flatMap(([field]) => /boundary\s*=\s*(?:"([^"\r\n]+)"|([^\s;]+))/i.exec(field)?.slice(1) ?? [])
      .filter(Boolean),
  );
  // The longest first: one boundary may begin with another.
  const longestFirst = [...boundaries].sort((a, b) => b.length - a.length);
  for (const [at, boundary] of longestFirst.entries()) {
    text = text.replaceAll(boundary, `_${String(at).padStart(3, '0')}_rebuilt${session}EURPRD01_`);
  }
  return new Content([Buffer.from(text, 'latin1')]);
}
