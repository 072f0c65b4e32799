// A spooled message: one file. First the content as it came, then a record of what was decided about it, then the
// end mark with the lengths of both and a hash over both.
//
// The end mark, not the file's name, says that a file counts. A power failure can leave a file with its final name
// and half of its content, or a complete file with its temporary name (on Windows, where a rename can't be made
// durable); with the mark both are judged rightly.
import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { OpenFile } from './files.ts';

const badRecipient = z.strictObject({ recipient: z.string(), detail: z.string() });

/** What was decided when the message was taken; a change of settings does not change it. */
const recordShape = z.strictObject({
  /** The submission's id. */
  id: z.string(),
  mailbox: z.string(),
  mailFrom: z.string(),
  recipients: z.array(z.string()).min(1),
  badRecipients: z.array(badRecipient),
  rewriteFrom: z.boolean(),
  mark: z.boolean(),
  /** UTC milliseconds. */
  arrivedAt: z.number(),
  repeatKey: z.string(),
  headerLines: z.array(z.string()),
  bodyAt: z.number(),
  bodyIsClean: z.boolean(),
  /** Who sent it, for the operator: the client's address and the name it logged in with. */
  client: z.string(),
});

export type EntryRecord = z.infer<typeof recordShape>;

const mark = /^\nEND-OF-MAIL 1 (\d{12}) (\d{12}) ([0-9a-f]{64})\n$/;
/** Of the end mark. */
export const markBytes = '\nEND-OF-MAIL 1 '.length + 12 + 1 + 12 + 1 + 64 + 1;
const recordMostBytes = 4 * 1024 * 1024;

export interface Tail {
  readonly record: EntryRecord;
  readonly contentBytes: number;
  /** Over content and record, hex. */
  readonly sha256: string;
}

/** The record and the end mark, to be written behind the content that `hash` has seen. */
export function tailOf(
  record: EntryRecord,
  contentBytes: number,
  hash: ReturnType<typeof createHash>,
): Buffer {
  const bytes = Buffer.from(JSON.stringify(record));
  hash.update(bytes);
  const count = (value: number): string => String(value).padStart(12, '0');
  const line = `\nEND-OF-MAIL 1 ${count(contentBytes)} ${count(bytes.length)} ${hash.digest('hex')}\n`;
  return Buffer.concat([bytes, Buffer.from(line)]);
}

/** Reads the tail, or undefined if the file is not complete. The content is not read. */
export async function readTail(file: OpenFile): Promise<Tail | undefined> {
  if (file.sizeBytes < markBytes) return undefined;
  const line = (await file.read(file.sizeBytes - markBytes, markBytes)).toString('latin1');
  const found = mark.exec(line);
  if (found === null) return undefined;
  const contentBytes = Number(found[1]);
  const recordBytes = Number(found[2]);
  if (contentBytes + recordBytes + markBytes !== file.sizeBytes || recordBytes > recordMostBytes)
    return undefined;
  try {
    const text = (await file.read(contentBytes, recordBytes)).toString('utf8');
    const record = recordShape.parse(JSON.parse(text));
    return { record, contentBytes, sha256: found[3] ?? '' };
  } catch {
    return undefined;
  }
}

/** Whether content and record are what was written. Reads all of it. */
export async function isIntact(file: OpenFile, tail: Tail): Promise<boolean> {
  const hash = createHash('sha256');
  for await (const chunk of readRange(file, 0, file.sizeBytes - markBytes)) hash.update(chunk);
  return hash.digest('hex') === tail.sha256;
}

const chunkBytes = 64 * 1024;

export async function* readRange(file: OpenFile, from: number, to: number): AsyncIterable<Buffer> {
  for (let at = from; at < to; at += chunkBytes) {
    const chunk = await file.read(at, Math.min(chunkBytes, to - at));
    if (chunk.length === 0) throw new Error('The file became shorter while it was read');
    yield chunk;
  }
}
