// Bounces without a delivery-status part: what the families of servers write for people.
//
//  address on a line of its own, words below      Exim, qmail, Gmail, GMX, Yahoo, Notes, m-FILTER, X2, X3 …
//  `address: words` on one line                   Postfix, OpenSMTPD, MXLogic
//  `550 5.1.1 address... words`, with a transcript sendmail and its children
//  `could not deliver … to address`               DragonFly, IMail, MailFoundry, KDDI, InterScan, Mimecast …
//  `address on <date>`, words below               Exchange 5.5 to 2003
//
// First the notice is cut off from the returned message, then the shapes are tried in that order.

export interface TextRecipient {
  readonly address: string;
  /** What is said about it. */
  readonly detail: string;
  /** The address that was written to, where an alias led on. */
  readonly original?: string;
  /** It stands as programs write it: on a line of its own, or at the beginning of one. People name it in a sentence. */
  readonly listed: boolean;
}

export const textRecipientLimit = 200;
/** A notice of more lines than these is none; what follows is the returned message in any case. */
const noticeLineLimit = 3_000;
const address = String.raw`(?:"[^"\s]{1,100}"|[^\s<>()[\]:;,"'|\\@（）：，。「」【】]{1,120})@[a-z0-9\[][a-z0-9.\[\]:_-]{0,250}`;
const bare = new RegExp(address, 'i');

/** Where the returned message begins; the notice is what stands before. */
const returnedMarks: readonly RegExp[] = [
  /^[ \t>]*-{2,}.{0,60}(?:copy of (?:the|your) message|original (?:message|mail)|unsent message|returned (?:message|mail)|non-?delivered (?:message|mail)|header of the|below this line|message header|enclosed is|message follows|message text follows|undelivered message)/i,
  /^[ \t>]*(?:the )?(?:original )?(?:message|message headers?|mail) follows?\b/i,
  /^[ \t>]*(?:below|included|enclosed|attached|following) (?:is|are) (?:a |the )?(?:copy|header|original|first|message)/i,
  /^[ \t>]*(?:original message|message) headers?:?\s*$/i,
  /^[ \t>]*(?:the )?(?:first|header) .{0,40}(?:lines? )?of the (?:original )?message (?:follow|is)/i,
  /^[ \t>]*={4,}\s*original/i,
  /^[ \t>]*original mail as follows/i,
];

/** The notice of a bounce: its text up to the returned message. */
export function noticeOfText(text: string): string {
  const lines = text.slice(0, 200_000).split('\n', noticeLineLimit);
  const quoted = lines.filter((line) => line.startsWith('>')).length > lines.length / 3;
  const plain = quoted ? lines.map((line) => line.replace(/^> ?/, '')) : lines;
  let end = plain.length;
  for (const [index, line] of plain.entries()) {
    const header = index > 1 && /^(?:received: (?:from|by|\()|return-path: ?<)/i.test(line);
    if (header || (index > 0 && returnedMarks.some((mark) => mark.test(line.slice(0, 200))))) {
      end = index;
      break;
    }
  }
  return plain.slice(0, end).join('\n');
}

/** What stands behind the mark, which may be the returned message or its header. */
export function returnedOfText(text: string): string {
  return text.slice(noticeOfText(text).length);
}

/** The recipients that the notice names, with what it says about each. Empty where none is found. */
export function recipientsInText(notice: string, own: ReadonlySet<string>): readonly TextRecipient[] {
  return named(notice, own).map((one) => {
    const original = expandedFrom.exec(one.detail.slice(0, 2_000))?.[1];
    return original === undefined || sameText(original, one.address) ? one : { ...one, original };
  });
}

/** sendmail, Postfix. */
const expandedFrom = new RegExp(String.raw`\(expanded from:? ?<?(${address})`, 'i');

function named(notice: string, own: ReadonlySet<string>): readonly TextRecipient[] {
  const lines = notice.split('\n').slice(0, 2_000);
  for (const shape of shapes) {
    const found = marked(lines, shape, own);
    if (found.length === 0) continue;
    const listed = shape === transcript || shape === alone || shape === labelled;
    return (shape === transcript ? withDialog(lines, found) : withWords(lines, found)).map((one) => ({
      ...one,
      listed,
    }));
  }
  const quoted = marked(lines, headerLine, own, headerLines);
  if (quoted.length > 0) return withWords(lines, quoted).map((one) => ({ ...one, listed: false }));
  // Somebody wrote to himself.
  const toOneself = marked(lines, alone, new Set());
  return withWords(lines, toOneself).map((one) => ({ ...one, listed: true }));
}

type Said = Omit<TextRecipient, 'listed'>;

interface Mark {
  readonly address: string;
  readonly line: number;
  /** The address was named before: it ends the words of the one above, and begins none. */
  readonly again: boolean;
}

type Shape = (line: string, lines: readonly string[], index: number) => string | undefined;

const ownLine = new RegExp(
  String.raw`^[ \t]{0,8}(?:[*>-]{1,4}[ \t]{1,4}|\d\.[ \t])?["'<]?(${address})["'>]?[ \t]*(?:<(?:mailto:)?${address}>)?[ \t]*[:.]?[ \t]*(?:\[[^\]]{1,200}\]|\([^()]{1,200}\))?[ \t]*$`,
  'i',
);
const colonLine = new RegExp(
  String.raw`^[ \t]{0,8}["'<]?(${address})["'>]?[ \t]*(?:\([^()]{1,300}\))?[ \t]*:[ \t]{1,4}\S`,
  'i',
);
const onDate = new RegExp(
  String.raw`^[ \t]{0,12}["'<]?(${address})["'>]? (?:on|am|den|le|il|el|op|em|dnia|kl\.?|klo|d\.) (?:[a-zäåø]{2,3}\.?,? )?\d`,
  'i',
);
const sendmail = new RegExp(
  String.raw`^[45]\d\d[ -](?:[45]\.\d{1,3}\.\d{1,3} )?<?(${address})>?(?:\.\.\.|,|:) `,
  'i',
);
const dots = new RegExp(String.raw`^<?(${address})>?\.\.\. `, 'i');
const toward = new RegExp(
  String.raw`(?:deliver\w*|undeliverable|attempts?|allowed size|unknown user|recipients?|rejected recipient|affected|errors?|mailbox|failed|sent|address)\b[^\n@<]{0,80}?(?:\bto\b|:|\bfor\b|recipient)[ \t]*(?:address(?:es)?:?[ \t]*)?["'<]?(${address})`,
  'i',
);
const dialog = new RegExp(String.raw`rcpt to:[ \t]*<?(${address})`, 'i');

const transcript: Shape = (line) => sendmail.exec(line)?.[1];
const alone: Shape = (line) =>
  ownLine.exec(line)?.[1] ?? onDate.exec(line)?.[1] ?? colonLine.exec(line)?.[1] ?? dots.exec(line)?.[1];

/** `Failed Recipient: user@example.com`, and no line of a signature. */
const labelled: Shape = (line) => (signature.test(line) ? undefined : labelLine.exec(line)?.[1]);
const labelLine = new RegExp(
  String.raw`^[ \t]{0,8}[a-z][a-z() -]{3,40}:[ \t]{1,8}["'<]?(${address})["'>]?[ \t]*$`,
  'i',
);
const signature =
  /^\s*(?:(?:business |work )?e-?mail|mail(?:to)?|from|to|cc|bcc|reply-to|sender|sent|web|contact|s[äa]hk|e-?post|courriel|skype|teams)\b/i;

const shapes: readonly Shape[] = [
  transcript,
  alone,
  labelled,
  (line, lines, index) => toward.exec(line)?.[1] ?? toward.exec(`${line} ${lines[index + 1] ?? ''}`)?.[1],
  (line) => dialog.exec(line)?.[1],
  (line) => bare.exec(line)?.[0],
];

/** The header of the returned message, as part of the notice: the last resort. */
const headerLine: Shape = (line) => quotedTo.exec(line)?.[1];
const quotedTo = new RegExp(
  String.raw`^[ \t>]{0,8}(?:to|an|till|til|vastaanottaja|à|do):[ \t].{0,200}?(${address})`,
  'i',
);
const headerLines = /^(?!)/;

/** Lines that name somebody to write to, not somebody who was not reached. */
const notRecipients =
  /contact\b|for (?:further )?assistance|(?:support|help|helpdesk|info|abuse)@|postmaster@.{0,40}(?:help|problem)|mails? from \S{1,120}@|^\s*(?:from|to|cc|reply-to|sender|sent|return-path|original sender|generating server|message-id|subject|mail from)\s*:/i;

function marked(
  lines: readonly string[],
  shape: Shape,
  own: ReadonlySet<string>,
  excluded: RegExp = notRecipients,
): readonly Mark[] {
  const seen = new Set<string>();
  const marks: Mark[] = [];
  for (const [index, raw] of lines.entries()) {
    const line = raw.slice(0, 600);
    if (/^(?:reporting-mta|final-recipient|arrival-date) *:/i.test(line)) break;
    if (!line.includes('@') && !(lines[index + 1] ?? '').includes('@')) continue;
    if (excluded.test(line)) continue;
    const hit = shape(line, lines, index)
      ?.replace(/[.:>\]]+$/, '')
      .replace(/^(?:.{0,80}:)?(?:smtp|mailto|rfc822)[=:]/i, '');
    if (hit === undefined || own.has(hit.toLowerCase())) continue;
    marks.push({ address: hit, line: index, again: seen.has(hit.toLowerCase()) });
    seen.add(hit.toLowerCase());
    if (marks.length >= textRecipientLimit) break;
  }
  return marks;
}

/** Each recipient's words run to the next recipient; a list of addresses shares what stands below it. */
function withWords(lines: readonly string[], marks: readonly Mark[]): readonly Said[] {
  const reportAt = lines.findIndex((line) => /^(?:reporting-mta|arrival-date) *:/i.test(line));
  const end = reportAt < 0 ? lines.length : reportAt;
  const lastLine = marks.at(-1)?.line ?? 0;
  const tail = lines.slice(lastLine, end).join('\n');
  // Each address costs one look at these: a notice has few lines with an address, or few addresses.
  const naming = lines.slice(0, end).flatMap((line, index) => (line.includes('@') ? [{ line, index }] : []));
  return marks.flatMap((mark, n) => {
    if (mark.again) return [];
    const until = marks.slice(n + 1).find((other) => !sameText(other.address, mark.address))?.line ?? end;
    const mine = lines.slice(mark.line, until).join('\n');
    const mentions = naming
      .filter(({ line, index }) => (index < mark.line || index >= until) && line.includes(mark.address))
      .map(({ line }) => line)
      .join('\n');
    const listed =
      until - mark.line <= 1 && n < marks.length - 1 && !/[45]\d\d|:\s*\S.{5}|\([^()]{4}/.test(mine);
    const before = lines.slice(Math.max(0, mark.line - 6), mark.line).join('\n');
    const detail = [mine, mentions, listed ? tail : '', saysNothing(mine) ? before : ''].filter(
      (one) => one !== '',
    );
    return [{ address: mark.address, detail: detail.join('\n') }];
  });
}

function sameText(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** In a transcript the dialog stands above the line that names the recipient. */
function withDialog(lines: readonly string[], marks: readonly Mark[]): readonly Said[] {
  return marks.flatMap((mark, n) => {
    if (mark.again) return [];
    let until = mark.line + 1;
    while (until < lines.length && /^[ \t]+\S/.test(lines[until] ?? '')) until += 1;
    const detail = lines.slice((marks[n - 1]?.line ?? -1) + 1, until);
    const last = detail.findLastIndex((line) => /while talking to|session follows/i.test(line));
    return [{ address: mark.address, detail: detail.slice(last + 1).join('\n') }];
  });
}

/** Nothing but the address: the reason stands above it (EZweb, Notes, KDDI). */
function saysNothing(detail: string): boolean {
  return detail.replace(bare, '').replace(/[^a-z0-9\u0080-\uffff]+/gi, '').length < 12;
}

export type Moment = 'connect' | 'helo' | 'mail' | 'rcpt' | 'data' | '';

/** How servers tell which command was refused; the last mention counts, because it stands beside the refusal. */
const moments: readonly RegExp[] = [
  // sendmail, Courier: `>>> DATA`; MDaemon: `--> RCPT To:`; Exim: `after pipelined RCPT TO`; Postfix: `in reply to end of DATA`.
  /(?:>>> |--> ?|after |sent: |command:? |in reply to |following |to )(?:the )?(?:pipelined )?(?:end of |sending )?(data|rcpt|mail|helo|ehlo)\b/g,
  // IMail.
  /\b(data|rcpt|mail|helo|ehlo|body)(?: to| from| of message)? generated (?:the )?following response/g,
  // Yahoo, X3, m-FILTER.
  /(?:\[|smtp:)(rcpt|mail|data|body)(?:_to|_from)?\b/g,
  /-smtp command\s+(data|rcpt|mail)/g,
  /\bour (rcpt|mail)\b/g,
  // X6: `refused to accept your message (DATA)`.
  /refused to accept your message \((data|rcpt|mail)/g,
];

/** The same in words, without the command's name. */
const momentsInWords: readonly (readonly [RegExp, Moment])[] = [
  [/initial connection|greeting failed|refused to talk to me|initial server greeting/g, 'connect'],
  // qmail.
  [/my name was rejected/g, 'helo'],
  [/(?:but )?sender was rejected/g, 'mail'],
  [/does not like recipient/g, 'rcpt'],
  [/end of data|failed after i sent the message|failed on data|final data/g, 'data'],
  // Gmail's states of its own dialog, before 2016.
  [/\(state 14\)/g, 'rcpt'],
  [/\(state 1[5-8]\)/g, 'data'],
];

/** Where the dialog stood, from the words around the refusal. */
export function commandIn(text: string): Moment {
  const lower = text.slice(0, 8_000).toLowerCase();
  const found: { readonly at: number; readonly moment: Moment }[] = [];
  for (const pattern of moments) {
    for (const match of lower.matchAll(pattern)) found.push({ at: match.index, moment: momentOf(match[1]) });
  }
  for (const [pattern, moment] of momentsInWords) {
    for (const match of lower.matchAll(pattern)) found.push({ at: match.index, moment });
  }
  return found.reduce<(typeof found)[number]>((last, one) => (one.at >= last.at ? one : last), {
    at: -1,
    moment: '',
  }).moment;
}

function momentOf(command: string | undefined): Moment {
  switch (command) {
    case 'data':
    case 'body':
      return 'data';
    case 'rcpt':
    case 'mail':
      return command;
    case 'helo':
    case 'ehlo':
      return 'helo';
    case undefined:
    default:
      return '';
  }
}
