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
  const problems = [
    ...mailboxProblems(shape.data, mailbox),
    ...recipientProblems(shape.data, context),
    ...rawProblems(shape.data),
    ...headerProblems(shape.data),
    ...attachmentProblems(shape.data, context),
    ...timeProblems(shape.data),
    ...correlationProblems(shape.data),
  ];
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

function mailboxProblems(
  written: WrittenSubmission,
  mailbox: Mailbox | undefined,
): readonly SubmissionProblem[] {
  if (mailbox === undefined) {
    return [
      problem(
        'mailbox',
        `names ${quoteBriefly(written.mailbox)}, which the bridge does not serve; correct it, or have the mailbox added to MAILBOXES`,
      ),
    ];
  }
  if (!mailbox.send) {
    return [
      problem(
        'mailbox',
        'names a mailbox that is served for reading only; use another, or have "send" set to true in MAILBOXES',
      ),
    ];
  }
  // A wrong sender would be refused by Exchange for the whole mailbox, not for this message (550 5.2.252).
  if (written.from !== undefined && senderIn(written.from, mailbox) === undefined) {
    return [
      problem(
        'from',
        `is not the address of the mailbox, nor one of its aliases; leave it out, write one of: ${sendersOf(mailbox).slice(0, 10).join(', ')}; or have it added to "aliases" of the mailbox in MAILBOXES`,
      ),
    ];
  }
  return [];
}

/** As the settings write it. */
const senderIn = (written: WrittenPerson, mailbox: Mailbox): string | undefined =>
  sendersOf(mailbox).find((one) => sameAddress(one, addressOf(written)));

function recipientProblems(
  written: WrittenSubmission,
  context: SubmissionContext,
): readonly SubmissionProblem[] {
  const count = recipientsOf({
    to: peopleOf(written.to),
    cc: peopleOf(written.cc),
    bcc: peopleOf(written.bcc),
  }).length;
  const { recipientsCount } = context.maxima;
  if (count > recipientsCount) {
    return [
      problem(
        'to',
        `has, with cc and bcc, ${count} recipients; at most ${recipientsCount} are allowed: split the message`,
      ),
    ];
  }
  if (count === 0 && written.raw === undefined) {
    return [problem('to', 'has no recipients, nor do cc and bcc; write at least one address')];
  }
  return [];
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
function rawProblems(written: WrittenSubmission): readonly SubmissionProblem[] {
  if (written.raw === undefined) return [];
  return composedFields
    .filter((field) => written[field] !== undefined)
    .map((field) =>
      problem(field, 'cannot be combined with "raw", whose message has its own; remove one of them'),
    );
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

function headerProblems(written: WrittenSubmission): readonly SubmissionProblem[] {
  const names = Object.keys(written.headers ?? {});
  const seen = new Set<string>();
  const problems: SubmissionProblem[] = [];
  if (names.length > fieldMaxima.headersCount) {
    problems.push(
      problem('headers', `has ${names.length} fields; at most ${fieldMaxima.headersCount} are allowed`),
    );
  }
  for (const name of names.slice(0, fieldMaxima.headersCount)) {
    const lower = name.toLowerCase();
    const expected = headerValueTrouble(lower, written.headers?.[name] ?? '');
    if (expected !== undefined) problems.push(problem(joinPath('headers', name), expected));
    if (lower.startsWith('x-mail-bridge-')) {
      problems.push(
        problem(joinPath('headers', name), "is one of the bridge's own header fields; remove it"),
      );
    } else if (seen.has(lower)) {
      problems.push(problem(joinPath('headers', name), 'is there twice, in another case; keep one'));
    }
    seen.add(lower);
  }
  return problems;
}

function attachmentProblems(
  written: WrittenSubmission,
  context: SubmissionContext,
): readonly SubmissionProblem[] {
  const problems: SubmissionProblem[] = [];
  const contentIds = new Set<string>();
  let inlineBytes = Buffer.byteLength(written.text ?? '') + Buffer.byteLength(written.html ?? '');
  for (const [index, attachment] of (written.attachments ?? []).entries()) {
    const field = `attachments[${index}]`;
    const { content, blob, contentId } = attachment;
    if ((content === undefined) === (blob === undefined)) {
      problems.push(problem(field, 'needs either "content" (base64) or "blob", and not both'));
    }
    const trouble = blob === undefined ? undefined : blobTrouble(blob, context.uploadContainer);
    if (trouble !== undefined) problems.push(problem(`${field}.blob`, trouble));
    if (contentId !== undefined && contentIds.has(contentId)) {
      problems.push(problem(`${field}.contentId`, 'is that of another attachment too; give each its own'));
    }
    if (contentId !== undefined) contentIds.add(contentId);
    inlineBytes += content?.length ?? 0;
  }
  const trouble =
    written.raw === undefined ? undefined : blobTrouble(written.raw.blob, context.uploadContainer);
  if (trouble !== undefined) problems.push(problem('raw.blob', trouble));
  if (inlineBytes > context.maxima.contentBytes) {
    problems.push(
      problem(
        'attachments',
        `and texts have ${inlineBytes} bytes as sent; at most ${context.maxima.contentBytes} are allowed`,
      ),
    );
  }
  return problems;
}

const blobTrouble = (reference: string, uploadContainer: string): string | undefined => {
  const read = readBlobReference(reference, uploadContainer);
  return read.kind === 'refused' ? read.detail : undefined;
};

const earliestAt = Date.UTC(2000, 0, 1);
const latestAt = Date.UTC(2200, 0, 1);

function timeProblems(written: WrittenSubmission): readonly SubmissionProblem[] {
  const problems = (['sendAt', 'expiresAt'] as const).flatMap((field) => {
    const at = instantOf(written[field]);
    const ok = at === undefined || (at >= earliestAt && at < latestAt);
    return ok ? [] : [problem(field, 'is not between the years 2000 and 2200; correct it')];
  });
  const sendAt = instantOf(written.sendAt);
  const expiresAt = instantOf(written.expiresAt);
  if (problems.length === 0 && sendAt !== undefined && expiresAt !== undefined && sendAt >= expiresAt) {
    problems.push(
      problem('sendAt', 'is not before "expiresAt", so the message could never be sent; correct one of them'),
    );
  }
  return problems;
}

function correlationProblems({ correlation }: WrittenSubmission): readonly SubmissionProblem[] {
  if (correlation === undefined) return [];
  if (hasUnsafeNumber(correlation)) {
    return [
      problem('correlation', 'has an integer too large to come back unchanged (over 2^53); write it as text'),
    ];
  }
  const { length } = canonicalJson(correlation);
  if (length <= fieldMaxima.correlationCharacters) return [];
  return [
    problem(
      'correlation',
      `has ${length} characters as JSON; at most ${fieldMaxima.correlationCharacters} are allowed`,
    ),
  ];
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

function problem(field: string, detail: string): SubmissionProblem {
  return { field, detail: `${field} ${detail}.` };
}
