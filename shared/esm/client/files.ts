// Files of a card, streamed in both directions.
import type { EsmConnection } from './connection.ts';
import { ok, type EsmAnswer } from './failure.ts';

export interface FileOf {
  readonly cardId: string;
  readonly attribute: string;
}

export interface UploadedFile {
  /** With an extension, which ESM needs. */
  readonly name: string;
  /** Opened again if the upload is repeated with a new token. */
  readonly open: () => AsyncIterable<Uint8Array>;
  /** A string of which the content has no copy; 32 random characters will do. */
  readonly boundary: string;
}

const transferMs = 300_000;

/** `tooLarge` above the instance's limit; `inDoubt` where the file may have been stored. */
export async function uploadFile(
  esm: EsmConnection,
  template: string,
  { cardId, attribute }: FileOf,
  { name, open, boundary }: UploadedFile,
): Promise<EsmAnswer<undefined>> {
  // RFC 7578 4.2, and the escapes of the HTML standard, which servers expect in a file name.
  const quoted = name.replaceAll('"', '%22').replace(/[\r\n]/g, ' ');
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="fileName"\r\n\r\n${name.replace(/[\r\n]/g, ' ')}\r\n--${boundary}\r\nContent-Disposition: form-data; name="fileUpload"; filename="${quoted}"\r\nContent-Type: application/octet-stream\r\n\r\n`;
  async function* body(): AsyncIterable<Uint8Array> {
    yield Buffer.from(head);
    yield* open();
    yield Buffer.from(`\r\n--${boundary}--\r\n`);
  }
  const answer = await esm.call({
    method: 'POST',
    path: `${pathOf(template, { cardId, attribute })}/file`,
    stream: { contentType: `multipart/form-data; boundary=${boundary}`, open: body },
    timeoutMs: transferMs,
  });
  return answer.kind === 'ok' ? ok(undefined) : answer;
}

/** The bytes as they come; the iterable throws if they are cut. `location` is that of the attribute's value. */
export async function downloadFile(
  esm: EsmConnection,
  template: string,
  file: FileOf,
  location: string,
): Promise<EsmAnswer<AsyncIterable<Uint8Array>>> {
  const answer = await esm.call({
    method: 'GET',
    path: `${pathOf(template, file)}/file/${encodeURIComponent(location)}`,
    timeoutMs: transferMs,
  });
  return answer.kind === 'ok' ? ok(answer.value.bytes()) : answer;
}

const pathOf = (template: string, { cardId, attribute }: FileOf): string =>
  `/dc/${encodeURIComponent(template)}/data/${encodeURIComponent(cardId)}/${encodeURIComponent(attribute)}`;
