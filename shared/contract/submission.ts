// Parsing a submission. The input may be anything; the result is a Submission, or a list of sentences that say what
// is wrong with it and what to write instead.
//
// The order: size, depth and names before anything is parsed (payload.ts); the shape, strictly, every field named
// (submissionSchema.ts); then what needs two fields or the settings (here). Nothing is repaired on the way:
// a value that could be read in two ways is refused, because another reader further on will read it the other way.
// The only things normalised are those that mean the same by definition: the domain's case, an entry written
// alone or in a list, repeated recipients, absent lists.
import { memberOf } from '../mail/foreign.ts';
import { present } from '../mail/omit.ts';
import { z } from 'zod';
import { mailboxAt, sendersOf } from '../mail/accounts.ts';
import { eachOnce, parseAddress, sameAddress } from '../mail/address.ts';
import { readBlobReference } from '../mail/blobReference.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import { parseMessageIds, shortenReferences } from '../mail/messageId.ts';
import { joinPath, quoteBriefly } from '../mail/quote.ts';
import { canonicalJson } from './canonicalJson.ts';
import { contentIdsIn } from './contentIds.ts';
import { readPayload } from './payload.ts';
import type { SubmissionProblem } from './submissionProblem.ts';
import {
  fieldMaxima,
  submissionId,
  submissionSchema,
  type WrittenPerson,
  type WrittenSubmission,
} from './submissionSchema.ts';
import { problemsOf, problemsShown } from './submissionProblems.ts';

export type { SubmissionProblem } from './submissionProblem.ts';

/** Whatever JSON can hold. */
export type Json = z.infer<ReturnType<typeof z.json>>;

/** The lanes of the outbox. */
export type Priority = 'high' | 'normal' | 'bulk';

/** Somebody in a header: a plain addr-spec, with a display name where the submission gave one. */
export interface Person {
  readonly address: string;
  readonly name?: string;
}

export interface Attachment {
  readonly filename: string;
  readonly contentType: string;
  /** Without angle brackets; set for inline images. */
  readonly contentId?: string;
  readonly content:
    | { readonly kind: 'inline'; readonly base64: string }
    /** `container/name` in the upload container. */
    | { readonly kind: 'blob'; readonly reference: string };
}

interface Common {
  readonly id: string;
  /** The mailbox's address as the settings write it. */
  readonly mailbox: string;
  readonly priority: Priority;
  /** UTC milliseconds. */
  readonly sendAt?: number;
  readonly expiresAt?: number;
  /** Comes back in every event. */
  readonly correlation?: Json;
  readonly from: Person;
  readonly to: readonly Person[];
  readonly cc: readonly Person[];
  readonly bcc: readonly Person[];
}

/** A request to send, checked and normalised. Absent lists are empty, absent text is absent. */
export type Submission = Common &
  (
    | {
        readonly kind: 'composed';
        readonly replyTo: readonly Person[];
        readonly subject: string;
        readonly text?: string;
        readonly html?: string;
        /** With angle brackets, as are the references. */
        readonly inReplyTo?: string;
        readonly references: readonly string[];
        readonly headers: readonly { readonly name: string; readonly value: string }[];
        readonly attachments: readonly Attachment[];
      }
    /** A complete message in a blob. `to`, `cc` and `bcc` are its envelope; all empty: its own To, Cc and Bcc headers. */
    | { readonly kind: 'raw'; readonly blob: string }
  );

export interface SubmissionContext {
  readonly mailboxes: readonly Mailbox[];
  readonly maxima: { readonly recipientsCount: number; readonly contentBytes: number };
  readonly uploadContainer: string;
}

export type SubmissionAnswer =
  | { readonly kind: 'ok'; readonly submission: Submission }
  | {
      readonly kind: 'rejected';
      /** Where it could be read and is a valid one. */
      readonly id?: string;
      readonly mailbox?: string;
      readonly correlation?: Json;
      readonly problems: readonly [SubmissionProblem, ...SubmissionProblem[]];
    };

/** Reads what a queue message, a request or a replay holds. Never throws; time is bounded by the payload's size. */
export function parseSubmission(payload: unknown, context: SubmissionContext): SubmissionAnswer {
  const read = readPayload(payload);
  if (read.kind === 'refused') return rejected(identifyLoosely(payload), [read.problem]);
  const known = identify(read.value);
  const shape = submissionSchema.safeParse(read.value);
  if (!shape.success) return rejected(known, problemsOf(shape.error.issues, read.value));
  const mailbox = mailboxAt(context.mailboxes, addressOf(shape.data.mailbox));
  const problems: SubmissionProblem[] = [];
  const add: Add = (field, detail) => {
    problems.push({ field, detail: `${field} ${detail}.` });
  };
  checkMailbox(shape.data, mailbox, add);
  checkRecipients(shape.data, context, add);
  checkRaw(shape.data, add);
  checkHeaders(shape.data, add);
  checkAttachments(shape.data, context, add);
  checkTimes(shape.data, add);
  checkCorrelation(shape.data, add);
  if (problems.length > 0 || mailbox === undefined) return rejected(known, problems);
  return { kind: 'ok', submission: normalise(shape.data, mailbox) };
}

/** What is accepted and may not be what was meant; for the event `mail.accepted`. */
export function remarksOf(submission: Submission): readonly string[] {
  if (submission.kind === 'raw' || submission.html === undefined) return [];
  const attached = new Set(submission.attachments.map(({ contentId }) => contentId));
  const missing = [...contentIdsIn(submission.html)].filter((id) => !attached.has(id));
  return missing
    .slice(0, 5)
    .map(
      (id) =>
        `The HTML refers to cid:${quoteBriefly(id)}, which no attachment has; readers show nothing there.`,
    );
}

/** Every recipient once, in the order of to, cc and bcc: the envelope, and what the limiter counts. */
export function recipientsOf(submission: Pick<Submission, 'to' | 'cc' | 'bcc'>): readonly string[] {
  const { to, cc, bcc } = submission;
  return eachOnce([...to, ...cc, ...bcc].map(({ address }) => address));
}

/** The id and mailbox of something that is going to be refused, as far as they are usable. */
function identify(value: Readonly<Record<string, unknown>>): Known {
  const { id, mailbox, correlation } = value;
  const read = isSmallJson(correlation) ? z.json().safeParse(correlation) : undefined;
  const address = typeof mailbox === 'string' ? parseAddress(mailbox) : undefined;
  return {
    ...(typeof id === 'string' && submissionId.test(id) ? { id } : {}),
    ...(address?.kind === 'ok' ? { mailbox: address.address } : {}),
    ...(read?.success === true ? { correlation: read.data } : {}),
  };
}

interface Known {
  readonly id?: string;
  readonly mailbox?: string;
  readonly correlation?: Json;
}

/** Bounded before it is walked: the payload may be anything that was within bounds as a whole. */
function isSmallJson(value: unknown): boolean {
  if (value === undefined) return false;
  try {
    return JSON.stringify(value).length <= fieldMaxima.correlationCharacters;
  } catch {
    return false;
  }
}

/** Of a payload that is refused as a whole: its members if it was parsed, else what its text seems to say. */
function identifyLoosely(payload: unknown): Known {
  if (typeof payload === 'string' || ArrayBuffer.isView(payload)) {
    const bytes =
      typeof payload === 'string'
        ? Buffer.from(payload.slice(0, looseCharacters))
        : Buffer.from(payload.buffer, payload.byteOffset, Math.min(payload.byteLength, looseCharacters));
    const text = bytes.toString('utf8');
    const member = (name: string): string | undefined =>
      new RegExp(`"${name}"\\s*:\\s*"([^"\\\\]{1,320})"`).exec(text)?.[1];
    return identify({ id: member('id'), mailbox: member('mailbox') });
  }
  return identify({ id: memberOf(payload, 'id'), mailbox: memberOf(payload, 'mailbox') });
}

const looseCharacters = 65_536;

function rejected(known: Known, problems: readonly SubmissionProblem[]): SubmissionAnswer {
  const [first = unreadable, ...others] = problems;
  const more = 1 + others.length > problemsShown;
  return {
    kind: 'rejected',
    ...known,
    problems: [first, ...(more ? [...others.slice(0, problemsShown - 2), theRest] : others)],
  };
}

const unreadable = {
  field: '',
  detail: 'The submission cannot be read; write it as docs/schemas/submission.json describes it.',
};
const theRest = { field: '', detail: 'There are more problems; correct these first.' };

/** Notes a problem; `detail` continues the sentence that `field` begins. */
type Add = (field: string, detail: string) => void;

function checkMailbox(written: WrittenSubmission, mailbox: Mailbox | undefined, add: Add): void {
  if (mailbox === undefined) {
    add(
      'mailbox',
      `names ${quoteBriefly(written.mailbox)}, which the bridge does not serve; correct it, or have the mailbox added to MAILBOXES`,
    );
  } else if (!mailbox.send) {
    add(
      'mailbox',
      'names a mailbox that is served for reading only; use another, or have "send" set to true in MAILBOXES',
    );
  } else if (written.from !== undefined && senderIn(written.from, mailbox) === undefined) {
    // A wrong sender would be refused by Exchange for the whole mailbox, not for this message (550 5.2.252).
    add(
      'from',
      `is not the address of the mailbox, nor one of its aliases; leave it out, write one of: ${sendersOf(mailbox).slice(0, 10).join(', ')}; or have it added to "aliases" of the mailbox in MAILBOXES`,
    );
  }
}

/** As the settings write it. */
const senderIn = (written: WrittenPerson, mailbox: Mailbox): string | undefined =>
  sendersOf(mailbox).find((one) => sameAddress(one, addressOf(written)));

function checkRecipients(written: WrittenSubmission, { maxima }: SubmissionContext, add: Add): void {
  const { to, cc, bcc } = written;
  const count = recipientsOf({ to: peopleOf(to), cc: peopleOf(cc), bcc: peopleOf(bcc) }).length;
  if (count > maxima.recipientsCount)
    add(
      'to',
      `has, with cc and bcc, ${count} recipients; at most ${maxima.recipientsCount} are allowed: split the message`,
    );
  else if (count === 0 && written.raw === undefined)
    add('to', 'has no recipients, nor do cc and bcc; write at least one address');
}

const composedFields = [
  'from',
  'replyTo',
  'subject',
  'text',
  'html',
  'inReplyTo',
  'references',
  'headers',
  'attachments',
] as const;

/** A raw message says all of this itself; two answers to one question would be one too many. */
function checkRaw(written: WrittenSubmission, add: Add): void {
  if (written.raw === undefined) return;
  for (const field of composedFields)
    if (written[field] !== undefined)
      add(field, 'cannot be combined with "raw", whose message has its own; remove one of them');
}

/** Values that are registered: another one is not understood, and an automatic answer comes back after all. */
const headerValues: Readonly<Record<string, RegExp>> = {
  'auto-submitted': /^(?:no|auto-generated|auto-replied|auto-notified)(?:\s*;.*)?$/i,
  precedence: /^(?:bulk|list|junk|first-class|special-delivery|normal)$/i,
  importance: /^(?:high|normal|low)$/i,
  priority: /^(?:normal|urgent|non-urgent)$/i,
  sensitivity: /^(?:personal|private|company-confidential|normal)$/i,
};

function headerValueTrouble(name: string, value: string): string | undefined {
  const expected = Object.hasOwn(headerValues, name) ? headerValues[name] : undefined;
  if (expected === undefined || expected.test(value.trim())) return undefined;
  const values = expected.source.replace(/^\^\(\?:([^)]*)\).*$/, '$1').replaceAll('|', ', ');
  return `has a value that nobody understands there; write one of: ${values}`;
}

function checkHeaders(written: WrittenSubmission, add: Add): void {
  const names = Object.keys(written.headers ?? {});
  const seen = new Set<string>();
  if (names.length > fieldMaxima.headersCount)
    add('headers', `has ${names.length} fields; at most ${fieldMaxima.headersCount} are allowed`);
  for (const name of names.slice(0, fieldMaxima.headersCount)) {
    const lower = name.toLowerCase();
    const field = joinPath('headers', name);
    const expected = headerValueTrouble(lower, written.headers?.[name] ?? '');
    if (expected !== undefined) add(field, expected);
    if (lower.startsWith('x-mail-bridge-')) add(field, "is one of the bridge's own header fields; remove it");
    else if (seen.has(lower)) add(field, 'is there twice, in another case; keep one');
    seen.add(lower);
  }
}

function checkAttachments(written: WrittenSubmission, context: SubmissionContext, add: Add): void {
  const contentIds = new Set<string>();
  const checkBlob = (field: string, reference: string): void => {
    const read = readBlobReference(reference, context.uploadContainer);
    if (read.kind === 'refused') add(field, read.detail);
  };
  let inlineBytes = Buffer.byteLength(written.text ?? '') + Buffer.byteLength(written.html ?? '');
  for (const [index, { content, blob, contentId }] of (written.attachments ?? []).entries()) {
    const field = `attachments[${index}]`;
    if ((content === undefined) === (blob === undefined))
      add(field, 'needs either "content" (base64) or "blob", and not both');
    if (blob !== undefined) checkBlob(`${field}.blob`, blob);
    if (contentId !== undefined && contentIds.has(contentId))
      add(`${field}.contentId`, 'is that of another attachment too; give each its own');
    if (contentId !== undefined) contentIds.add(contentId);
    inlineBytes += content?.length ?? 0;
  }
  if (written.raw !== undefined) checkBlob('raw.blob', written.raw.blob);
  const { contentBytes } = context.maxima;
  if (inlineBytes > contentBytes)
    add('attachments', `and texts have ${inlineBytes} bytes as sent; at most ${contentBytes} are allowed`);
}

const earliestAt = Date.UTC(2000, 0, 1);
const latestAt = Date.UTC(2200, 0, 1);

function checkTimes(written: WrittenSubmission, add: Add): void {
  const isUsable = (field: 'sendAt' | 'expiresAt'): boolean => {
    const at = instantOf(written[field]);
    const isWithin = at === undefined || (at >= earliestAt && at < latestAt);
    if (!isWithin) add(field, 'is not between the years 2000 and 2200; correct it');
    return isWithin;
  };
  const areUsable = [isUsable('sendAt'), isUsable('expiresAt')].every(Boolean);
  const sendAt = instantOf(written.sendAt);
  const expiresAt = instantOf(written.expiresAt);
  if (areUsable && sendAt !== undefined && expiresAt !== undefined && sendAt >= expiresAt)
    add('sendAt', 'is not before "expiresAt", so the message could never be sent; correct one of them');
}

function checkCorrelation({ correlation }: WrittenSubmission, add: Add): void {
  if (correlation === undefined) return;
  const { length } = canonicalJson(correlation);
  if (hasUnsafeNumber(correlation))
    add('correlation', 'has an integer too large to come back unchanged (over 2^53); write it as text');
  else if (length > fieldMaxima.correlationCharacters)
    add(
      'correlation',
      `has ${length} characters as JSON; at most ${fieldMaxima.correlationCharacters} are allowed`,
    );
}

/** Recursion is safe: the payload's depth was bounded before it was parsed. */
function hasUnsafeNumber(value: Json): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some((member: Json) => hasUnsafeNumber(member));
}

function normalise(written: WrittenSubmission, mailbox: Mailbox): Submission {
  const sendAt = instantOf(written.sendAt);
  const expiresAt = instantOf(written.expiresAt);
  const common = {
    id: written.id,
    mailbox: mailbox.address,
    priority: written.priority ?? 'normal',
    ...present({ sendAt, expiresAt, correlation: written.correlation }),
    from: {
      ...(written.from === undefined ? {} : personOf(written.from)),
      address: (written.from && senderIn(written.from, mailbox)) ?? mailbox.address,
    },
    to: peopleOf(written.to),
    cc: peopleOf(written.cc),
    bcc: peopleOf(written.bcc),
  };
  if (written.raw !== undefined) return { ...common, kind: 'raw', blob: written.raw.blob };
  return {
    ...common,
    kind: 'composed',
    replyTo: peopleOf(written.replyTo),
    subject: written.subject ?? '',
    ...present({ text: written.text, html: written.html, inReplyTo: written.inReplyTo }),
    references: shortenReferences(
      typeof written.references === 'string'
        ? (parseMessageIds(written.references) ?? [])
        : (written.references ?? []),
    ),
    headers: Object.entries(written.headers ?? {}).map(([name, value]) => ({ name, value })),
    attachments: (written.attachments ?? []).map((attachment) => ({
      filename: attachment.filename,
      contentType: attachment.contentType ?? 'application/octet-stream',
      ...present({ contentId: attachment.contentId }),
      content:
        attachment.blob === undefined
          ? { kind: 'inline', base64: attachment.content ?? '' }
          : { kind: 'blob', reference: attachment.blob },
    })),
  };
}

/** Each address once, as it was first written. */
function peopleOf(written: WrittenPerson | readonly WrittenPerson[] | undefined): readonly Person[] {
  if (written === undefined) return [];
  const list: readonly WrittenPerson[] = isList(written) ? written : [written];
  const people = new Map<string, Person>();
  for (const person of list.map(personOf)) {
    if (!people.has(person.address)) people.set(person.address, person);
  }
  return [...people.values()];
}

function isList(written: WrittenPerson | readonly WrittenPerson[]): written is readonly WrittenPerson[] {
  return Array.isArray(written);
}

function personOf(written: WrittenPerson): Person {
  const name = typeof written === 'string' ? undefined : written.name;
  return { address: addressOf(written), ...(name === undefined || name === '' ? {} : { name }) };
}

function addressOf(written: WrittenPerson): string {
  const text = typeof written === 'string' ? written : written.address;
  const answer = parseAddress(text);
  return answer.kind === 'ok' ? answer.address : text;
}

function instantOf(written: string | undefined): number | undefined {
  return written === undefined ? undefined : Date.parse(written);
}
