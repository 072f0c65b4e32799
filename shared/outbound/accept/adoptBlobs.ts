// What a submission refers to is copied into our own store before it is accepted, named by its hash: ESM may
// delete its blobs after `mail.accepted`, and two submissions can't get each other's content. The stored submission names
// the copies: the same bytes under the same id are the same content, whatever their upload was called.
import { present } from '../../mail/omit.ts';
import type { BlobCopy } from '../store/content.ts';
import type { Dependencies } from '../dependencies.ts';
import {
  recipientsOf,
  remarksOf,
  type Submission,
  type SubmissionProblem,
} from '../../contract/submission.ts';
import { eachOnce } from '../../mail/address.ts';
import type { Deliver } from '../../mail/deliver.ts';
import { bufferOf } from '../../mail/foreign.ts';
import { sha256 } from '../../mail/fingerprint.ts';

/** What comes with a submission besides its JSON, if a request hands it over. */
export interface Handover {
  /** Content that came in the request, by the reference that the submission has. */
  readonly given?: ReadonlyMap<string, Uint8Array>;
  /** The caller's name, for the events and the log. */
  readonly caller?: string;
  /** The caller's safe mode; absent: live. */
  readonly deliver?: Deliver;
  /** Whether its failure is to be reported into the mailbox. */
  readonly reportsFailures?: boolean;
  /** What was mended on the way, in sentences for the event. */
  readonly remarks?: readonly string[];
  /** Whether the caller may refer to this blob of the upload container. Absent: to any. */
  readonly mayRefer?: (reference: string) => boolean;
}

export interface Adopted {
  readonly kind: 'adopted';
  /** The submission with the copies' names in place of what it referred to. */
  readonly submission: Submission;
  readonly blobs: readonly BlobCopy[];
  /** Plain addresses, each once. */
  readonly recipients: readonly string[];
  /** Of a raw message that has its own. */
  readonly messageId?: string;
  readonly subject?: string;
  /** What was accepted and may not be what was meant. */
  readonly remarks: readonly string[];
}

type AdoptAnswer = Adopted | { readonly kind: 'rejected'; readonly problems: readonly SubmissionProblem[] };

/** In base64, with a submission of some kilobytes, it fits the message's row: no blob is written for it. */
const givenInRowBytes = 40_000;

/** Copies every blob once; for a raw message also reads who it is for. Throws StorageTrouble. */
export async function adoptBlobs(
  submission: Submission,
  handover: Handover,
  dependencies: Dependencies,
): Promise<AdoptAnswer> {
  const { contents, numbers } = dependencies;
  /** The copies by the reference as the caller wrote it. */
  const copies = new Map<string, BlobCopy>();
  const problems: SubmissionProblem[] = [];
  let leftBytes = Math.min(numbers.blobMostBytes, dependencies.submissions.maxima.contentBytes);
  for (const { field, reference } of references(submission)) {
    if (copies.has(reference)) continue;
    const given = handover.given?.get(reference);
    const answer =
      given !== undefined
        ? await keepGiven(given, leftBytes, dependencies)
        : handover.mayRefer?.(reference) === false
          ? ({ kind: 'notYours' } as const)
          : await contents.adopt(reference, leftBytes);
    if (answer.kind === 'adopted') {
      const { name, sha256: hash, sizeBytes, base64 } = { base64: undefined, ...answer };
      const copy = { reference: contents.reference(name), name, sha256: hash, sizeBytes };
      copies.set(reference, { ...copy, ...present({ base64 }) });
      leftBytes -= sizeBytes;
    } else problems.push({ field, detail: `${field} ${detail[answer.kind]}` });
  }
  if (problems.length > 0) return { kind: 'rejected', problems };
  const stored = withReferences(submission, copies);
  const blobs = [...new Map([...copies.values()].map((copy) => [copy.name, copy])).values()];
  const told = handover.remarks ?? [];
  if (stored.kind !== 'raw') {
    const remarks = [...told, ...remarksOf(stored)];
    return {
      kind: 'adopted',
      submission: stored,
      blobs,
      recipients: recipientsOf(stored),
      remarks,
      subject: stored.subject,
    };
  }
  const [only] = blobs;
  const bytes =
    submission.kind === 'raw' && handover.given?.has(submission.blob) === true
      ? handover.given.get(submission.blob)
      : await contents.get(only?.name ?? '');
  if (bytes === undefined)
    return { kind: 'rejected', problems: [{ field: 'raw.blob', detail: `raw.blob ${detail.absent}` }] };
  const read = await dependencies.rawMessages.inspect(stored, bytes);
  if (read.kind === 'rejected') return read;
  const { messageId, subject, remarks = [] } = read;
  const recipients = eachOnce(read.recipients);
  const said = [...told, ...remarks];
  return {
    kind: 'adopted',
    submission: stored,
    blobs,
    recipients,
    remarks: said,
    ...present({ messageId, subject }),
  };
}

async function keepGiven(
  bytes: Uint8Array,
  mostBytes: number,
  { contents }: Dependencies,
): Promise<
  | {
      readonly kind: 'adopted';
      readonly name: string;
      readonly sha256: string;
      readonly sizeBytes: number;
      readonly base64?: string;
    }
  | { readonly kind: 'tooLarge' }
> {
  const sizeBytes = bytes.length;
  if (sizeBytes > mostBytes) return { kind: 'tooLarge' };
  const name = sha256(bytes);
  const adopted = { kind: 'adopted', name, sha256: name, sizeBytes } as const;
  if (sizeBytes <= givenInRowBytes) return { ...adopted, base64: bufferOf(bytes).toString('base64') };
  await contents.put(name, bytes);
  return adopted;
}

const detail = {
  absent: 'is not there; upload it before the submission, and leave it until mail.accepted.',
  forbidden: 'is not in the upload container; put it there.',
  notYours: 'was not uploaded by this caller; ask for an address with POST /api/uploads.',
  tooLarge: 'makes the message larger than a message may be; send less, or a link.',
} as const;

function references(
  submission: Submission,
): readonly { readonly field: string; readonly reference: string }[] {
  if (submission.kind === 'raw') return [{ field: 'raw.blob', reference: submission.blob }];
  return submission.attachments.flatMap(({ content }, index) =>
    content.kind === 'blob' ? [{ field: `attachments[${index}].blob`, reference: content.reference }] : [],
  );
}

function withReferences(submission: Submission, copies: ReadonlyMap<string, BlobCopy>): Submission {
  const named = (reference: string): string => copies.get(reference)?.reference ?? reference;
  if (submission.kind === 'raw') return { ...submission, blob: named(submission.blob) };
  const attachments = submission.attachments.map((attachment) =>
    attachment.content.kind === 'blob'
      ? { ...attachment, content: { ...attachment.content, reference: named(attachment.content.reference) } }
      : attachment,
  );
  return { ...submission, attachments };
}
