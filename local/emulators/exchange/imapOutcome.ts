// What an IMAP command comes to: what is told before, and the tagged answer.
import { textOf } from './imapSyntax.ts';
import type { Token } from './imapSyntax.ts';

export interface Outcome {
  /** Untagged answers, without `* `. */
  readonly told: readonly string[];
  /** The tagged answer, without its tag. */
  readonly answer: string;
}

/** An outcome with nothing told before. */
export function plainly(answer: string): Outcome {
  return { told: [], answer };
}

export const argumentError = plainly('BAD Command Argument Error. 11');
export const readOnlyFolder = plainly('NO The folder is read-only.');
export const messagesGone = 'NO Some of the requested messages no longer exist.';
export const invalidState = 'BAD Command received in Invalid state.';

/** What Exchange says of a folder that is not there. */
export function noFolder(name: Token | undefined): string {
  return `NO ${textOf(name) ?? ''} doesn't exist.`;
}

/** The same where making the folder first would help (RFC 3501 6.3.11, 6.4.7). */
export function noTarget(name: Token | undefined): Outcome {
  return plainly(`NO [TRYCREATE] ${textOf(name) ?? ''} doesn't exist.`);
}
