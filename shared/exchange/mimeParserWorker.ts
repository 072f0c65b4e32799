// The thread behind mimeParser.ts: parses one message at a time, as a stream. Small parts are returned in memory, larger
// ones as files in the run's folder.
import { bufferOf } from '../mail/foreign.ts';
import { MailParser, type AttachmentStream, type MessageText } from 'mailparser';
import { createHash, hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { parentPort } from 'node:worker_threads';
import { bodiesOf, isBody } from '../classify/bodies.ts';
import { classifyMail } from '../classify/classifyMail.ts';
import { bodyCharsetOf, contentRemarks } from '../classify/contentRemarks.ts';
import { decodedField, decodeTransfer, structuredField } from '../classify/decodeText.ts';
import { fingerprintOf } from '../mail/fingerprint.ts';
import { field, fieldsNamed, mailText, readHeaders, threadOf, type HeaderBlock } from '../mail/headers.ts';
import { boundedText } from '../mail/text.ts';
import { dateOf } from '../classify/mailDate.ts';
import { readMimeTree, type MimePart } from '../classify/mimeTree.ts';
import type { MailPart, ParsedMail, PartContent } from '../inbound/parsedMail.ts';
import type { ParseAnswer, RawMail } from '../inbound/ports.ts';
import type { ParseJob, ThreadMessage } from './mimeParser.ts';
import { peopleIn } from './people.ts';

/** Classification looks at this much of a message: a bounce puts its report before the returned message. */
const headBytes = 2 * 1024 * 1024;
const smallPartBytes = 64 * 1024;
/** Parts kept in memory, all together. */
const inMemoryBytes = 4 * 1024 * 1024;
const subjectCharacters = 2_000;
/** A file name, and a Content-ID. */
const nameCharacters = 500;

parentPort?.on('message', (job: ParseJob) => {
  void parseJob(job).then((answer) => {
    post(answer);
  });
});
post({ kind: 'ready' });

function post(message: ThreadMessage): void {
  parentPort?.postMessage(message);
}

/** One message; never throws. For the fuzzer, which counts what is reached in its own thread. */
export async function parseJob(job: ParseJob): Promise<ParseAnswer> {
  try {
    const head = await headOf(job.raw);
    const text = mailText(head);
    const block = readHeaders(text);
    const classification = classifyMail(text);
    const mail = await readMail(job, { block, head, root: readMimeTree(text) });
    return { kind: 'parsed', mail, classification };
  } catch (error) {
    const detail = error instanceof Error ? error.message.slice(0, 200) : 'unknown';
    return { kind: 'unparsed', detail: `The message cannot be parsed: ${detail}` };
  }
}

interface Beginning {
  readonly head: Uint8Array;
  readonly block: HeaderBlock;
  /** Of the head. */
  readonly root: MimePart;
}

/**
 * The texts are those of the lenient tree, which loses nothing of a damaged multipart; the parts are streamed. Of a message
 * longer than the head the library's text is taken where it found more.
 */
async function readMail(job: ParseJob, beginning: Beginning): Promise<ParsedMail> {
  const { block, head, root } = beginning;
  const { body: streamed, parts: found } = await streamParts(job, head);
  const bodies = bodiesOf(root);
  const isLong = head.byteLength < sizeOf(job.raw);
  const { text, html } = isLong && lengthOf(streamed) > lengthOf(bodies) * 1.1 ? streamed : bodies;
  const repaired = isLong ? found : withPartsOf(root, found);
  const parts = named(root, repaired);
  const bodyCharset = bodyCharsetOf(root);
  const subject = decodedField(field(block, 'subject'), bodyCharset);
  const people = {
    from: peopleIn(block, 'from', bodyCharset),
    sender: peopleIn(block, 'sender', bodyCharset),
    replyTo: peopleIn(block, 'reply-to', bodyCharset),
    to: peopleIn(block, 'to', bodyCharset),
    cc: peopleIn(block, 'cc', bodyCharset),
  };
  const nothing =
    [text ?? '', html ?? ''].every((one) => one.trim() === '') && parts.length === 0 && hasBody(root);
  const mail = {
    ...threadOf(block),
    from: people.from.people,
    sender: people.sender.people,
    replyTo: people.replyTo.people,
    to: people.to.people,
    cc: people.cc.people,
    subject: boundedText(subject, subjectCharacters),
    dateMs: dateOf(field(block, 'date')),
    text,
    html,
    parts,
    remarks: [
      ...remarks(block),
      ...(subject.length > subjectCharacters
        ? [`The subject was cut to ${subjectCharacters} characters.`]
        : []),
      ...Object.values(people).flatMap((one) => one.remarks),
      ...bodies.remarks,
      ...contentRemarks(root),
      ...(nothing ? ['The body has content that could not be shown as text; the raw message has it.'] : []),
    ],
  };
  return { ...mail, contentFingerprint: contentFingerprint(mail) };
}

const sizeOf = (raw: RawMail): number => (raw.kind === 'bytes' ? raw.bytes.byteLength : raw.sizeBytes);

const lengthOf = ({ text = '', html = '' }: Pick<Partial<MessageText>, 'text' | 'html'>): number =>
  text.length + html.length;

/** Anything that a reader would see. */
function hasBody(part: MimePart): boolean {
  return part.parts.length === 0 ? /[^\s-]/.test(part.body.slice(0, 64 * 1024)) : part.parts.some(hasBody);
}

async function streamParts(
  job: ParseJob,
  head: Uint8Array,
): Promise<{
  readonly body: Pick<Partial<MessageText>, 'text' | 'html'>;
  readonly parts: readonly MailPart[];
}> {
  const parser = new MailParser({
    skipHtmlToText: true,
    skipTextToHtml: true,
    skipTextLinks: true,
    skipImageLinks: true,
    keepDeliveryStatus: true,
    ignoreEmbedded: true,
    checksumAlgo: false,
  });
  let body: Pick<Partial<MessageText>, 'text' | 'html'> = {};
  const parts: MailPart[] = [];
  const memory = { remainingBytes: inMemoryBytes };
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
  return { body, parts };
}

/** The parts of a multipart that only the lenient tree could read. */
function withPartsOf(root: MimePart, streamed: readonly MailPart[]): readonly MailPart[] {
  if (root.repairs.length === 0) return streamed;
  const found = filesOf(root);
  return found.length > streamed.length ? found.map(partOf) : streamed;
}

/** What is neither text to show nor a container, in order. */
function filesOf(part: MimePart): readonly MimePart[] {
  if (part.contentType.startsWith('message/')) return [part];
  if (part.parts.length > 0) return part.parts.flatMap(filesOf);
  return isBody(part) ? [] : [part];
}

function partOf(part: MimePart): MailPart {
  const { bytes } = decodeTransfer(part.body, field(part, 'content-transfer-encoding'));
  const disposition = structuredField(field(part, 'content-disposition'));
  const name = disposition.parameters.get('filename') ?? part.parameters.get('name') ?? '';
  return {
    filename: boundedText(decodedField(name), nameCharacters),
    contentType: part.contentType,
    disposition: disposition.value === 'inline' ? 'inline' : 'attachment',
    contentId: boundedText(field(part, 'content-id').replace(/^<|>$/g, ''), nameCharacters),
    sizeBytes: bytes.byteLength,
    sha256: hash('sha256', bytes),
    role: roleOf(part.contentType),
    content: { kind: 'bytes', bytes: new Uint8Array(bytes) },
  };
}

/** A part without a name gets one from its Content-Location, or from the subject of the message that it holds. */
function named(root: MimePart, parts: readonly MailPart[]): readonly MailPart[] {
  if (parts.every(({ filename }) => filename !== '')) return parts;
  const files = filesOf(root);
  if (files.length !== parts.length) return parts;
  return parts.map((part, at) => {
    const file = files[at];
    if (part.filename !== '' || file?.contentType !== part.contentType) return part;
    return { ...part, filename: boundedText(nameOf(file), nameCharacters) };
  });
}

function nameOf(file: MimePart): string {
  const location =
    field(file, 'content-location')
      .split(/[?#]/)[0]
      ?.split(/[/\\:]/)
      .at(-1) ?? '';
  if (location !== '') return decodedField(location);
  const [inner] = file.parts;
  const subject =
    inner === undefined ? '' : decodedField(field(inner, 'subject')).replace(/[\\/:*?"<>|]+/g, ' ');
  return subject.trim() === '' ? '' : `${subject.trim().slice(0, nameCharacters - 4)}.eml`;
}

/** The same after a server has rebuilt the MIME structure. */
function contentFingerprint(mail: Omit<ParsedMail, 'contentFingerprint'>): string {
  const people = [mail.from, mail.to, mail.cc].map((list) => list.map(({ address }) => address).join(','));
  // Two alerts may share the text "This message needs an HTML reader.".
  const said = [mail.text, mail.html].map((one) => (one ?? '').replace(/\s+/g, ' ').trim());
  const attached = mail.parts.map(({ sha256 }) => sha256).sort();
  return fingerprintOf([...people, mail.subject, ...said, ...attached]).slice(0, 32);
}

async function readAttachment(
  item: AttachmentStream,
  path: string,
  memory: { remainingBytes: number },
): Promise<MailPart> {
  const { content, sizeBytes, sha256 } = await drained(item.content, path, memory);
  const contentType = boundedText(item.contentType.toLowerCase(), 200);
  return {
    filename: boundedText(item.filename ?? '', nameCharacters),
    contentType,
    disposition: item.contentDisposition === 'inline' || item.related === true ? 'inline' : 'attachment',
    contentId: boundedText(item.cid ?? '', nameCharacters),
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
  const running = createHash('sha256');
  const kept: Uint8Array[] = [];
  let sizeBytes = 0;
  let file: Awaited<ReturnType<typeof open>> | undefined;
  try {
    for await (const chunk of stream) {
      if (!(chunk instanceof Uint8Array)) continue;
      running.update(chunk);
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
  const sha256 = running.digest('hex');
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
  return bufferOf(lines);
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
