// The body of a queue message, as the host reads it before it hands it to the worker.
import type { TypedData } from './coreModule.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * With `none` the text is passed on unchanged, also if it is base64. With `base64` it is decoded: bytes that are no
 * UTF-8 go on as bytes, and a text that is no base64 at all is undefined (the host moves it to the poison queue
 * without a try).
 */
export function decodeMessage(text: string, encoding: 'base64' | 'none'): TypedData | undefined {
  if (encoding === 'none') return { string: text };
  if (!base64.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  try {
    return { string: utf8.decode(bytes) };
  } catch {
    return { bytes };
  }
}
