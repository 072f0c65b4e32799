// The thread behind mimeParser.ts: parses one message at a time, as a stream. Small parts are returned in memory, larger
// ones as files in the run's folder.
import { MailParser, type AttachmentStream, type Headers, type MessageText } from 'mailparser';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { parentPort } from 'node:worker_threads';
import { classifyMail } from '../classify/classifyMail.ts';
import { fingerprintOf } from '../mail/fingerprint.ts';
import { field, fieldsNamed, mailText, readHeaders, threadOf, type HeaderBlock } from '../mail/headers.ts';
import { dateOf } from '../classify/mailDate.ts';
import type { MailAddress, MailPart, ParsedMail, PartContent } from '../inbound/parsedMail.ts';
import type { ParseAnswer, RawMail } from '../inbound/ports.ts';
import type { ParseJob } from './mimeParser.ts';

/** Classification looks at this much of a message: a bounce puts its report before the returned message. */
const headBytes = 2 * 1024 * 1024;
const smallPartBytes = 64 * 1024;
/** Parts kept in memory, all together. */
const inMemoryBytes = 4 * 1024 * 1024;
const addressCountLimit = 1_000;

parentPort?.on('message', (job: ParseJob) => {
  void parseJob(job).then((answer) => parentPort?.postMessage(answer));
});

async function parseJob(job: ParseJob): Promise<ParseAnswer> {
  try {
    const head = await headOf(job.raw);
    const text = mailText(head);
    const block = readHeaders(text);
    const classification = classifyMail(text);
    const mail = await readMail(job, block, head);
    return { kind: 'parsed', mail, classification };
  } catch (error) {
    const detail = error instanceof Error ? error.message.slice(0, 200) : 'unknown';
    return { kind: 'unparsed', detail: `The message cannot be parsed: ${detail}` };
  }
}

async function readMail(job: ParseJob, block: HeaderBlock, head: Uint8Array): Promise<ParsedMail> {
  const parser = new MailParser({
    skipHtmlToText: true,
    skipTextToHtml: true,
    skipTextLinks: true,
    skipImageLinks: true,
    keepDeliveryStatus: true,
    ignoreEmbedded: true,
    checksumAlgo: false,
  });
  let headers: Headers = new Map();
  let body: MessageText | undefined;
  const parts: MailPart[] = [];
  const memory = { remainingBytes: inMemoryBytes };
  parser.on('headers', (found: Headers) => {
    headers = found;
  });
  const { raw, memoryBytes } = job;
  const bareCr = head.includes(0x0d) && !head.includes(0x0a);
  if (raw.kind === 'bytes' && raw.bytes.byteLength <= chunkBytes) {
    // Most messages: streaming them in would cost a good part of what parsing does. Starts once the loop below reads.
    queueMicrotask(() => parser.end(withLf(raw.bytes, bareCr)));
  } else {
    const source = Readable.from(normalised(raw, bareCr, memoryBytes));
    source.on('error', (error) => parser.destroy(error));
    source.pipe(parser);
  }
  for await (const item of parser as AsyncIterable<AttachmentStream | MessageText>) {
    if (item.type === 'text') {
      body = item;
    } else {
      parts.push(await readAttachment(item, `${job.filePrefix}${parts.length + 1}`, memory));
      item.release?.();
    }
  }
  const mail = {
    ...threadOf(block),
    from: addresses(headers, 'from'),
    sender: addresses(headers, 'sender'),
    replyTo: addresses(headers, 'reply-to'),
    to: addresses(headers, 'to'),
    cc: addresses(headers, 'cc'),
    subject: subjectOf(headers),
    dateMs: dateOf(field(block, 'date')),
    text: body?.text,
    html: body?.html,
    parts,
    remarks: remarks(block),
  };
  return { ...mail, contentFingerprint: contentFingerprint(mail) };
}

/** The same after a server has rebuilt the MIME structure. */
function contentFingerprint(mail: Omit<ParsedMail, 'contentFingerprint'>): string {
  const people = [mail.from, mail.to, mail.cc].map((list) => list.map(({ address }) => address).join(','));
  const said = [mail.text, mail.html].map((body) => (body ?? '').replace(/\s+/g, ' ').trim());
  const attached = mail.parts.map(({ sha256 }) => sha256).sort();
  return fingerprintOf([...people, mail.subject, ...said, ...attached]).slice(0, 32);
}

async function readAttachment(
  item: AttachmentStream,
  path: string,
  memory: { remainingBytes: number },
): Promise<MailPart> {
  const { content, sizeBytes, sha256 } = await drained(item.content, path, memory);
  const contentType = item.contentType.toLowerCase();
  return {
    filename: (item.filename ?? '').slice(0, 500),
    contentType,
    disposition: item.contentDisposition === 'inline' || item.related === true ? 'inline' : 'attachment',
    contentId: (item.cid ?? '').slice(0, 500),
    sizeBytes,
    sha256,
    role: roleOf(contentType),
    content,
  };
}

function roleOf(contentType: string): MailPart['role'] {
  if (contentType === 'text/calendar' || contentType === 'application/ics') return 'calendar';
  if (contentType === 'message/rfc822' || contentType === 'message/global') return 'message';
  if (contentType === 'application/ms-tnef' || contentType === 'application/vnd.ms-tnef') return 'tnef';
  return 'file';
}

/** Reads to the end; a file is created only if the part outgrows memory. */
async function drained(
  stream: AsyncIterable<unknown>,
  path: string,
  memory: { remainingBytes: number },
): Promise<{ content: PartContent; sizeBytes: number; sha256: string }> {
  const hash = createHash('sha256');
  const kept: Uint8Array[] = [];
  let sizeBytes = 0;
  let file: Awaited<ReturnType<typeof open>> | undefined;
  try {
    for await (const chunk of stream) {
      if (!(chunk instanceof Uint8Array)) continue;
      hash.update(chunk);
      sizeBytes += chunk.byteLength;
      if (file === undefined && (sizeBytes > smallPartBytes || sizeBytes > memory.remainingBytes)) {
        file = await open(path, 'wx');
        for (const early of kept.splice(0)) await file.write(early);
      }
      if (file === undefined) kept.push(chunk);
      else await file.write(chunk);
    }
  } finally {
    await file?.close();
  }
  const sha256 = hash.digest('hex');
  if (file !== undefined) return { content: { kind: 'file', path, sizeBytes, sha256 }, sizeBytes, sha256 };
  memory.remainingBytes -= sizeBytes;
  return { content: { kind: 'bytes', bytes: new Uint8Array(Buffer.concat(kept)) }, sizeBytes, sha256 };
}

/**
 * The raw bytes; if the message has only bare CR, with LF instead. The limits are checked here, between two chunks: the
 * engine's own limit on a thread's heap is the last resort, because beyond it one large allocation ends the process.
 */
async function* normalised(raw: RawMail, bareCr: boolean, memoryBytes: number): AsyncIterable<Uint8Array> {
  let sizeBytes = 0;
  let lineCount = 0;
  for await (const original of chunksOf(raw)) {
    const chunk = withLf(original, bareCr);
    const { arrayBuffers, heapUsed } = process.memoryUsage();
    if (arrayBuffers > memoryBytes || heapUsed > memoryBytes / 2) {
      throw new Error('it needs more memory than is allowed');
    }
    sizeBytes += chunk.byteLength;
    lineCount += linesIn(chunk);
    if (lineCount > lineCountLimit && sizeBytes / lineCount < shortLineBytes) {
      throw new Error('it has more lines than a mail can have');
    }
    yield chunk;
  }
}

function withLf(bytes: Uint8Array, bareCr: boolean): Buffer {
  const lines = bareCr ? bytes.map((byte) => (byte === 0x0d ? 0x0a : byte)) : bytes;
  return Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength);
}

/** Every line costs the parser objects; base64 has 78 bytes in each, and text rarely fewer than ten. */
const lineCountLimit = 2_000_000;
const shortLineBytes = 10;
/** Small, so that the objects made from one chunk stay far below the limit. */
const chunkBytes = 64 * 1024;

function linesIn(chunk: Uint8Array): number {
  let count = 0;
  for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, at + 1)) count += 1;
  return count;
}

async function* chunksOf(raw: RawMail): AsyncIterable<Uint8Array> {
  if (raw.kind === 'file') {
    for await (const chunk of createReadStream(raw.path, { highWaterMark: chunkBytes })) {
      if (chunk instanceof Uint8Array) yield chunk;
    }
    return;
  }
  for (let at = 0; at < raw.bytes.byteLength; at += chunkBytes) {
    yield Buffer.from(raw.bytes.subarray(at, at + chunkBytes));
  }
}

async function headOf(raw: RawMail): Promise<Uint8Array> {
  if (raw.kind === 'bytes') return raw.bytes.subarray(0, headBytes);
  const file = await open(raw.path);
  try {
    const head = Buffer.alloc(Math.min(headBytes, raw.sizeBytes));
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function addresses(headers: Headers, name: string): readonly MailAddress[] {
  const found: MailAddress[] = [];
  for (const value of [headers.get(name)].flat()) {
    if (typeof value !== 'object' || !('value' in value) || !Array.isArray(value.value)) continue;
    for (const one of value.value.flatMap((entry) => entry.group ?? [entry])) {
      if (found.length >= addressCountLimit) return found;
      if (one.address !== undefined && one.address !== '') {
        found.push({ name: one.name.slice(0, 500), address: one.address.slice(0, 320) });
      }
    }
  }
  return found;
}

function subjectOf(headers: Headers): string {
  const subject = headers.get('subject');
  return typeof subject === 'string' ? subject.slice(0, 2_000) : '';
}

/** Fields that may occur once and occur more often: readers disagree about such a message. */
function remarks(block: HeaderBlock): readonly string[] {
  return [
    'from',
    'sender',
    'to',
    'subject',
    'date',
    'message-id',
    'content-type',
    'content-transfer-encoding',
  ]
    .filter((name) => fieldsNamed(block, name).length > 1)
    .map((name) => `${name} occurs more than once`);
}
