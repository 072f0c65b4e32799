// POST /api/uploads: an address that takes one blob, for what is too large for a request. The name holds the caller's and
// cannot be guessed; a submission of a key may refer to uploads of its own caller alone.
import type { Caller } from './callers.ts';
import type { HttpDependencies } from './dependencies.ts';
import { jsonAnswer, type HttpAnswer, type HttpRequest, type Problem } from './httpMessage.ts';
import { addressMs } from './numbers.ts';
import { readSmallJson } from './requestBody.ts';
import { uploadRequest } from './routes.ts';

/** What references to a caller's uploads begin with. */
export const uploadPrefix = (
  { name }: Caller,
  { uploadContainer }: Pick<HttpDependencies, 'uploadContainer'>,
): string => `${uploadContainer}/http/${encodeURIComponent(name).replaceAll('%', '=')}/`;

export async function createUpload(
  request: HttpRequest,
  caller: Caller,
  dependencies: HttpDependencies,
): Promise<HttpAnswer | Problem> {
  const { maxima, blobs, clock, random, uploadContainer } = dependencies;
  const read = await readSmallJson(
    request,
    uploadRequest,
    'Write {"id": "the submission’s id", "sizeBytes": 12345678}.',
  );
  if ('name' in read) return read;
  const { sizeBytes } = read.value;
  if (sizeBytes > maxima.contentBytes)
    return {
      name: 'too-large',
      status: 413,
      detail: `A message may have ${maxima.contentBytes} bytes as sent, and this alone has ${sizeBytes}.`,
      remedy: 'Send less, or a link.',
    };
  const blob = `${uploadPrefix(caller, dependencies)}${random.id()}`;
  const expiresAt = clock.now() + addressMs;
  const url = await blobs.forUpload(blob.slice(uploadContainer.length + 1), expiresAt);
  return jsonAnswer(201, { url, blob, expiresAt: new Date(expiresAt).toISOString() });
}
