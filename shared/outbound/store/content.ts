// The stored content of a message: the submission and the copies of what it refers to, as sorted JSON. Its hash
// is the identity of the content.
import { z } from 'zod';
import { canonicalJson } from '../../contract/canonicalJson.ts';
import type { Submission } from '../../contract/submission.ts';

export interface Content {
  readonly submission: Submission;
  readonly blobs: readonly BlobCopy[];
}

export const encodeContent = (content: Content): Uint8Array => Buffer.from(canonicalJson(content));

const stored = z.object({
  // Written by encodeContent from a submission that was checked when it was accepted; its hash is in the row.
  submission: z.custom<Submission>((value) => typeof value === 'object' && value !== null && 'kind' in value),
  blobs: z.array(
    z.object({ reference: z.string(), name: z.string(), sha256: z.string(), sizeBytes: z.number() }),
  ),
});

export const decodeContent = (bytes: Uint8Array): Content =>
  stored.parse(JSON.parse(Buffer.from(bytes).toString()));

export interface BlobCopy {
  /** As the submission has it: `container/name`. */
  readonly reference: string;
  /** Its name in our store. */
  readonly name: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}
