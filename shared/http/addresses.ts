import { mailboxAt } from '../mail/accounts.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { HttpDependencies } from './dependencies.ts';

/** The mailbox that a caller names, if the bridge serves it. */
export const findMailbox = (address: string, mailboxes: readonly Mailbox[]): Mailbox | undefined =>
  mailboxAt(mailboxes, address.trim());

export const addressOf = (written: unknown): string => (typeof written === 'string' ? written : '');

/** A path of ours as callers reach it. */
export const hrefOf = (path: string, { publicUrl }: Pick<HttpDependencies, 'publicUrl'>): string =>
  `${publicUrl ?? ''}${path}`;
