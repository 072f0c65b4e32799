// The outcome of an IMAP command: untagged responses, then the tagged one.
import { textOf } from './imapSyntax.ts';
import type { Token } from './imapSyntax.ts';

export interface Outcome {
  /** Untagged answers, without `* `. */
  readonly untagged: readonly string[];
  /** The tagged answer, without its tag. */
  readonly answer: string;
}

/** An outcome without untagged responses. */
export function plainly(answer: string): Outcome {
  return { untagged: [], answer };
}

export const argumentError = plainly('BAD Command Argument Error. 11');
export const readOnlyFolder = plainly('NO The folder is read-only.');
export const messagesGone = 'NO Some of the requested messages no longer exist.';
export const invalidState = 'BAD Command received in Invalid state.';

/** Exchange's response if a folder does not exist. */
export function noFolder(name: Token | undefined): string {
  return `NO ${textOf(name) ?? ''} doesn't exist.`;
}

/** The same where making the folder first would help (RFC 3501 6.3.11, 6.4.7). */
export function noTarget(name: Token | undefined): Outcome {
  return plainly(`NO [TRYCREATE] ${textOf(name) ?? ''} doesn't exist.`);
}
