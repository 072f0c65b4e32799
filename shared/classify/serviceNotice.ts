// Bounces that cloud mail services report as JSON in the body of a mail: Amazon SES through SNS, SparkPost, Mailgun,
// SendGrid, Postmark, Mandrill, Brevo, Azure Communication Services. Their documents differ in the names of a dozen
// values; the values are the same: an address, what happened, a status, a reply, a sentence.
import { reportedAddress } from './bounceAddress.ts';
import { codesIn } from './bounceCodes.ts';
import { judgeRefusal } from './bounceReason.ts';
import type { BounceReason, BounceRecipient } from '../contract/classification.ts';
import { decodedText, type MimePart } from './mimeTree.ts';

const textLimit = 200_000;
const nodeLimit = 5_000;
const depthLimit = 12;
export const serviceRecipientLimit = 200;

/** The recipients of a body that is such a document; undefined for any other mail. */
export function readServiceNotice(root: MimePart): readonly BounceRecipient[] | undefined {
  const part = root.parts.find(({ contentType }) => contentType === 'text/plain') ?? root;
  if (part.parts.length > 0) return undefined;
  const text = decodedText(part).slice(0, textLimit).trim();
  if (!/^[[{]\s*["{[]/.test(text)) return undefined;
  const document = parsed(text);
  if (document === undefined) return undefined;
  const found = collected(document);
  return found.length > 0 ? found : undefined;
}

/** SNS appends how to unsubscribe, and lines may have been folded inside a string. */
function parsed(text: string): unknown {
  const last = Math.max(text.lastIndexOf('}'), text.lastIndexOf(']'));
  const body = text.slice(0, last + 1);
  for (const one of [body, body.replace(/\n\s*/g, ' ')]) {
    try {
      return JSON.parse(one);
    } catch {
      // The next form.
    }
  }
  return undefined;
}

interface Context {
  /** What happened, in lower case: of this object or one around it. */
  readonly event: string;
  readonly facts: ReadonlyMap<string, string>;
}

const eventNames = [
  'notificationtype',
  'eventtype',
  'event',
  'recordtype',
  'type',
  'status',
  'bouncetype',
  'deliverystatus',
];
const addressNames = ['emailaddress', 'email', 'recipient', 'rcpt_to', 'recipientaddress', 'rcpt'];
const factNames = new Set([
  ...[
    'status',
    'diagnosticcode',
    'reason',
    'rawreason',
    'raw_reason',
    'description',
    'details',
    'message',
    'diag',
  ],
  ...[
    'bounce_description',
    'bouncetype',
    'bouncesubtype',
    'severity',
    'code',
    'error_code',
    'smtp_code',
    'statusmessage',
  ],
  ...[
    'enhanced-code',
    'enhanced_code',
    'bounce_type',
    'response',
    'smtpresponse',
    'bounce_class',
    'errorcode',
  ],
]);
const bounced =
  /bounce|fail|reject|undeliver|suppress|dropped|hard_?bounce|soft_?bounce|quarantin|filteredspam/;

/** All recipients in a document, in order; at most so many, from at most so many values. */
function collected(document: unknown): readonly BounceRecipient[] {
  const found: BounceRecipient[] = [];
  let nodes = 0;
  const visit = (value: unknown, context: Context, depth: number): void => {
    nodes += 1;
    if (nodes > nodeLimit || depth > depthLimit || found.length >= serviceRecipientLimit) return;
    if (typeof value === 'string') {
      // SNS puts the document of SES into a string.
      if (/^\s*\{\s*"/.test(value)) visit(parsed(value), context, depth + 1);
    } else if (Array.isArray(value)) {
      for (const one of value.slice(0, 1_000)) visit(one, context, depth + 1);
    } else if (typeof value === 'object' && value !== null) {
      const entries = entriesOf(value);
      const here = contextOf(entries, context);
      const address = addressAmong(entries);
      if (address !== undefined && bounced.test(here.event)) found.push(recipientOf(address, here));
      else for (const [, one] of entries) visit(one, here, depth + 1);
    }
  };
  visit(document, { event: '', facts: new Map() }, 0);
  return found;
}

function entriesOf(value: object): Entries {
  return Object.entries(value)
    .slice(0, 200)
    .map(([name, one]: [string, unknown]) => [name.toLowerCase(), one]);
}

function addressAmong(entries: Entries): string | undefined {
  for (const [name, one] of entries) {
    if (addressNames.includes(name) && typeof one === 'string' && one.includes('@')) return one;
  }
  return undefined;
}

type Entries = readonly (readonly [string, unknown])[];

/** The facts may stand beside the address, around it, or in an object beside it (Mailgun's `delivery-status`). */
function contextOf(entries: Entries, outer: Context): Context {
  const facts = new Map(outer.facts);
  const events: string[] = [];
  const read = (some: Entries): void => {
    for (const [name, one] of some) {
      if (typeof one !== 'string' && typeof one !== 'number') continue;
      const text = String(one).slice(0, 2_000);
      if (eventNames.includes(name)) events.push(text.toLowerCase());
      if (factNames.has(name) && text !== '') facts.set(name, text);
    }
  };
  for (const [, one] of entries) {
    if (typeof one !== 'object' || one === null || Array.isArray(one)) continue;
    const inner = entriesOf(one);
    read(inner.filter(([name]) => factNames.has(name) && !eventNames.includes(name)));
  }
  read(entries);
  const said = events.join(' ');
  return { event: bounced.test(said) || outer.event === '' ? said : outer.event, facts };
}

function recipientOf(address: string, { facts, event }: Context): BounceRecipient {
  const fact = (...names: readonly string[]): string =>
    names.map((name) => facts.get(name) ?? '').find((one) => one !== '') ?? '';
  const words = [...facts]
    .filter(([name]) => !codeNames.has(name))
    .map(([, one]) => one)
    .join(' ');
  const diagnostic = (
    fact(
      'diagnosticcode',
      'diag',
      'reason',
      'raw_reason',
      'rawreason',
      'statusmessage',
      'smtpresponse',
      'response',
      'details',
      'message',
      'description',
    ) || event
  ).replace(/^(?:smtp|x-[\w-]{1,30}); ?/i, '');
  const found = codesIn(diagnostic);
  const status =
    [fact('status', 'enhanced-code', 'enhanced_code'), found.status].find((one) =>
      /^[245]\.\d{1,3}\.\d{1,3}$/.test(one),
    ) ?? '';
  const replyCode =
    found.replyCode !== ''
      ? found.replyCode
      : (/^[45]\d\d$/.exec(fact('code', 'error_code', 'smtp_code', 'errorcode'))?.[0] ?? '');
  // A service that calls a bounce permanent has asked the server of the recipient.
  const permanent = /permanent|hard/i.test(`${fact('bouncetype', 'severity', 'bounce_type')} ${event}`);
  const refusal = { text: diagnostic, status, replyCode, command: permanent ? 'rcpt' : '' } as const;
  const plain = judgeRefusal(refusal);
  const silent = plain.reason === 'undefined' || plain.reason === 'onhold';
  const { reason, hard } = silent ? judgeRefusal({ ...refusal, text: words }) : plain;
  return {
    address: reportedAddress(address),
    status,
    replyCode,
    hard: hard && !isTransient(facts, event) && !isSuppressed(words),
    reason: isSuppressed(words) ? suppressedReason : reason,
    action: 'failed',
    diagnostic,
  };
}

const codeNames = new Set([
  'status',
  'code',
  'error_code',
  'smtp_code',
  'errorcode',
  'enhanced-code',
  'enhanced_code',
  'bounce_class',
]);
const suppressedReason: BounceReason = 'suspend';

/** The service says itself that it was for now only. */
function isTransient(facts: ReadonlyMap<string, string>, event: string): boolean {
  const kind = `${facts.get('bouncetype') ?? ''} ${facts.get('severity') ?? ''} ${facts.get('bounce_type') ?? ''} ${event}`;
  return /transient|temporary|\bsoft/i.test(kind);
}

/** The service did not even try: its own list of refused addresses, not what the server says now. */
function isSuppressed(words: string): boolean {
  return /suppress/i.test(words);
}
