// The stored content of a message: the submission and the copies of what it refers to, as sorted JSON. The submission
// names the copies, not what its caller named: an upload that was made again under another name is the same content.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../../contract/canonicalJson.ts';
import { omit } from '../../mail/omit.ts';
import type { Submission } from '../../contract/submission.ts';

export interface Content {
  readonly submission: Submission;
  readonly blobs: readonly BlobCopy[];
}

export const encodeContent = (content: Content): Uint8Array => Buffer.from(canonicalJson(content));

/** The SHA-256 by which two submissions under one id are the same content, wherever their bytes are kept. */
export const identityOf = ({ submission, blobs }: Content): string =>
  createHash('sha256')
    .update(canonicalJson({ submission, blobs: blobs.map((blob) => omit(blob, 'base64')) }))
    .digest('hex');

const stored = z.object({
  // Written by encodeContent from a submission that was checked when it was accepted; its hash is in the row.
  submission: z.custom<Submission>((value) => typeof value === 'object' && value !== null && 'kind' in value),
  blobs: z.array(
    z.object({
      reference: z.string(),
      name: z.string(),
      sha256: z.string(),
      sizeBytes: z.number(),
      base64: z.string().exactOptional(),
    }),
  ),
});

export const decodeContent = (bytes: Uint8Array): Content =>
  stored.parse(JSON.parse(Buffer.from(bytes).toString()));

export interface BlobCopy {
  /** As the stored submission has it: `container/name`. */
  readonly reference: string;
  /** Its name in our store. */
  readonly name: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** The bytes themselves, if they came in a request and are few: then there is no blob. */
  readonly base64?: string;
}
