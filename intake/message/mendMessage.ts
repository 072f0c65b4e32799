// The message as it is handed on, made from the message as it came.
import { readFields } from './headerFields.ts';
import { mendBody, planBody, planFields } from './mendBody.ts';
import { mendHeader, type HeaderDecisions } from './mendHeader.ts';

export interface SpooledContent {
  /** Header lines without their ends, one character a byte. */
  readonly headerLines: readonly string[];
  readonly bodyIsClean: boolean;
  readonly bodyBytes: number;
  /** The body from its first byte, as often as it is asked for. */
  body(): AsyncIterable<Buffer>;
}

export interface OutgoingMessage {
  /** Of header and body together. */
  readonly sizeBytes: number;
  /** The header block, ASCII, without its empty line. */
  readonly header: string;
  readonly remarks: readonly string[];
  /** Header, empty line and body; the same bytes each time it is asked for. */
  bytes(): AsyncIterable<Buffer>;
}

/** Reads the body only if something in it must be mended. */
export async function mendMessage(
  content: SpooledContent,
  decisions: HeaderDecisions,
): Promise<OutgoingMessage> {
  const { fields, rest } = readFields(content.headerLines);
  const remarks =
    rest.length > 0 ? ['The header had a line that is no field; the body was begun there.'] : [];
  const isMended = !content.bodyIsClean || rest.length > 0;
  const body = (): AsyncIterable<Buffer> =>
    rest.length === 0 ? content.body() : after(rest, content.body());
  const plan = isMended ? await planBody(fields, body()) : undefined;
  const mended = mendHeader(plan === undefined ? fields : planFields(fields, plan), decisions);
  const head = Buffer.from(`${mended.text}\r\n`, 'latin1');
  const outBody = (): AsyncIterable<Buffer> => (plan === undefined ? body() : mendBody(fields, body(), plan));
  let bodyBytes = content.bodyBytes;
  if (isMended) {
    bodyBytes = 0;
    for await (const chunk of outBody()) bodyBytes += chunk.length;
  }
  return {
    sizeBytes: head.length + bodyBytes,
    header: mended.text,
    remarks: [...remarks, ...(plan?.remarks ?? []), ...mended.remarks],
    bytes: () => before(head, outBody()),
  };
}

async function* after(lines: readonly string[], body: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  yield Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  yield* body;
}

async function* before(head: Buffer, body: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  yield head;
  yield* body;
}
