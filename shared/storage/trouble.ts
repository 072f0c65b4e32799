import { boundedText } from '../mail/reply.ts';

const wordsCharacters = 300;

/** What went wrong in a call to the store, for a log or a person: status and code, never a URL or a body. */
export function troubleWords(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'something that is no error was thrown';
  const status: unknown = Reflect.get(error, 'statusCode');
  const code: unknown = Reflect.get(error, 'code');
  const name: unknown = Reflect.get(error, 'name');
  if (name === 'AbortError' || name === 'TimeoutError') return 'no answer in time';
  const parts = [
    typeof status === 'number' ? `HTTP ${status}` : undefined,
    typeof code === 'string' ? code : undefined,
  ].filter((part) => part !== undefined);
  return boundedText(
    parts.length > 0 ? parts.join(' ') : typeof name === 'string' ? name : 'error',
    wordsCharacters,
  );
}
