// multipart/form-data, read whole. The only file that imports busboy: it reports a broken part, where others drop it, and
// a dropped part is a lost attachment. The body is in memory and bounded, so the parse ends; a deadline guards against a
// parser that emits nothing.
import busboy from 'busboy';
import type { Clock } from '../clock.ts';
import { messageOf } from '../mail/foreign.ts';

export interface Part {
  readonly name: string;
  readonly bytes: Buffer;
}

export type MultipartAnswer =
  | { readonly kind: 'parts'; readonly parts: readonly Part[] }
  /** The end of a sentence. */
  | { readonly kind: 'refused'; readonly detail: string };

const partsMost = 260;
const deadlineMs = 20_000;

/** Never rejects. */
export async function readMultipart(
  body: Uint8Array,
  contentType: string,
  clock: Clock,
): Promise<MultipartAnswer> {
  const done = new AbortController();
  const late = clock
    .sleep(deadlineMs, done.signal)
    .then((): MultipartAnswer => ({ kind: 'refused', detail: 'has parts that can’t be read' }));
  try {
    return await Promise.race([parse(body, contentType), late]);
  } finally {
    done.abort();
  }
}

function parse(body: Uint8Array, contentType: string): Promise<MultipartAnswer> {
  return new Promise((resolve) => {
    const refuse = (detail: string): void => {
      resolve({ kind: 'refused', detail });
    };
    const parts: Part[] = [];
    try {
      const parser = busboy({
        headers: { 'content-type': contentType },
        defParamCharset: 'utf8',
        limits: {
          fieldNameSize: 200,
          fieldSize: body.length,
          fileSize: body.length,
          parts: partsMost,
          headerPairs: 50,
        },
      });
      parser.on('file', (name, stream) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('error', (error: Error) => {
          refuse(`has a part that can’t be read (${error.message})`);
        });
        stream.on('end', () => parts.push({ name, bytes: Buffer.concat(chunks) }));
      });
      parser.on('field', (name, value, { nameTruncated, valueTruncated }) => {
        if (nameTruncated || valueTruncated) refuse('has a part with too long a name');
        parts.push({ name, bytes: Buffer.from(value) });
      });
      parser.on('partsLimit', () => {
        refuse(`has more than ${partsMost} parts`);
      });
      parser.on('error', (error) => {
        refuse(`has parts that can’t be read (${messageOf(error)})`);
      });
      parser.on('close', () => {
        resolve({ kind: 'parts', parts });
      });
      parser.end(body);
    } catch (error) {
      refuse(`can’t be read (${messageOf(error)})`);
    }
  });
}
