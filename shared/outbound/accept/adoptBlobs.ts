// What a submission refers to is copied into our own store before it is accepted, named by its hash: ESM may
// delete its blobs after `mail.accepted`, and two submissions can't get each other's content.
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

export interface Adopted {
  readonly kind: 'adopted';
  readonly blobs: readonly BlobCopy[];
  /** Plain addresses, each once. */
  readonly recipients: readonly string[];
  /** Of a raw message that has its own. */
  readonly messageId?: string;
  /** What was accepted and may not be what was meant. */
  readonly remarks: readonly string[];
}

type AdoptAnswer = Adopted | { readonly kind: 'rejected'; readonly problems: readonly SubmissionProblem[] };

/** Copies every blob once; for a raw message also reads who it is for. Throws StorageTrouble. */
export async function adoptBlobs(submission: Submission, dependencies: Dependencies): Promise<AdoptAnswer> {
  const { contents, numbers } = dependencies;
  const blobs: BlobCopy[] = [];
  const problems: SubmissionProblem[] = [];
  let leftBytes = Math.min(numbers.blobMostBytes, dependencies.submissions.maxima.contentBytes);
  for (const { field, reference } of references(submission)) {
    if (blobs.some((copy) => copy.reference === reference)) continue;
    const answer = await contents.adopt(reference, leftBytes);
    if (answer.kind === 'adopted') {
      const { name, sha256, sizeBytes } = answer;
      blobs.push({ reference, name, sha256, sizeBytes });
      leftBytes -= sizeBytes;
    } else problems.push({ field, detail: `${field} ${detail[answer.kind]}` });
  }
  if (problems.length > 0) return { kind: 'rejected', problems };
  if (submission.kind !== 'raw') {
    return { kind: 'adopted', blobs, recipients: recipientsOf(submission), remarks: remarksOf(submission) };
  }
  const bytes = await contents.get(blobs[0]?.name ?? '');
  if (bytes === undefined)
    return { kind: 'rejected', problems: [{ field: 'raw.blob', detail: `raw.blob ${detail.absent}` }] };
  const read = await dependencies.rawMessages.inspect(submission, bytes);
  if (read.kind === 'rejected') return read;
  const { messageId, remarks = [] } = read;
  const recipients = eachOnce(read.recipients);
  return { kind: 'adopted', blobs, recipients, remarks, ...present({ messageId }) };
}

const detail = {
  absent: 'is not there; upload it before the submission, and leave it until mail.accepted.',
  forbidden: 'is not in the upload container; put it there.',
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
