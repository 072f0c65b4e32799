// A made mail, as the classifier gets it.
import { classifyMail } from '../../shared/classify/classifyMail.ts';
import type { Classification } from '../../shared/contract/classification.ts';
import { mailText } from '../../shared/mail/headers.ts';

export interface Made {
  /** From. A person where it is absent. */
  readonly from?: string;
  readonly subject?: string;
  /** Further header fields, without line ends. */
  readonly more?: readonly string[];
  readonly body?: string;
}

export function rawOf({
  from = 'Kim <kim@fabrikam.test>',
  subject = 'Ticket',
  more = [],
  body = 'Hi',
}: Made): string {
  const head = [`From: ${from}`, 'To: desk@contoso.test', `Subject: ${subject}`, ...more];
  return `${head.join('\n')}\n\n${body}\n`;
}

export function classified(made: Made): Classification {
  return classifyMail(mailText(Buffer.from(rawOf(made))));
}

/** The fields of a multipart with the boundary b, and its body. */
export function multipart(
  type: string,
  ...parts: readonly (readonly [head: string, body: string])[]
): {
  readonly field: string;
  readonly body: string;
} {
  const inside = parts.map(([head, body]) => `--b\nContent-Type: ${head}\n\n${body}\n`).join('');
  return { field: `Content-Type: multipart/${type}; boundary=b`, body: `${inside}--b--` };
}
