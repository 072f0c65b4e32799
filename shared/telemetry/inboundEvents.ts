// What the inbound room says in the log. A mailbox is named by a hash of its key, a message by its stable id;
// words are our own sentences or a server's, never content.
import type { LogEvent } from './log.ts';

export function passEnded(of: {
  readonly mailbox: string;
  readonly announcedCount: number;
  readonly duplicateCount: number;
  readonly unparsedCount: number;
  readonly actedCount: number;
  readonly owedCount: number;
  readonly leftover: boolean;
  readonly durationMs: number;
}): LogEvent {
  return { name: 'inbound.passEnded', level: 'info', fields: of };
}

export function passFailed(of: {
  readonly mailbox: string;
  readonly trouble: string;
  readonly detail: string;
  readonly failureCount: number;
  readonly pausedForMs: number;
}): LogEvent {
  return { name: 'inbound.passFailed', level: 'warn', fields: of };
}

/** Somebody else works on this mailbox, or took the lease from us. */
export function passYielded(of: { readonly mailbox: string }): LogEvent {
  return { name: 'inbound.passYielded', level: 'info', fields: of };
}

export function announced(of: {
  readonly mailbox: string;
  readonly id: string;
  readonly kind: string;
  readonly because: string;
  readonly sizeBytes: number;
  readonly related: boolean;
}): LogEvent {
  return { name: 'inbound.announced', level: 'info', fields: of };
}

export function duplicateFound(of: { readonly mailbox: string; readonly id: string }): LogEvent {
  return { name: 'inbound.duplicateFound', level: 'info', fields: of };
}

/** Two different mails with one identity; both are kept. */
export function identityShared(of: { readonly mailbox: string; readonly id: string }): LogEvent {
  return { name: 'inbound.identityShared', level: 'warn', fields: of };
}

export function unparsed(of: {
  readonly mailbox: string;
  readonly id: string;
  readonly detail: string;
}): LogEvent {
  return { name: 'inbound.unparsed', level: 'warn', fields: of };
}

export function uidOwed(of: {
  readonly mailbox: string;
  readonly uid: number;
  readonly tries: number;
  readonly detail: string;
}): LogEvent {
  return { name: 'inbound.uidOwed', level: 'warn', fields: of };
}

/** UIDVALIDITY changed or is 0: everything in the folder is looked at again. */
export function rescanBegun(of: {
  readonly mailbox: string;
  readonly uidValidity: number;
  readonly formerUidValidity: number;
}): LogEvent {
  return { name: 'inbound.rescanBegun', level: 'warn', fields: of };
}

export function actionFailed(of: {
  readonly mailbox: string;
  readonly action: string;
  readonly detail: string;
}): LogEvent {
  return { name: 'inbound.actionFailed', level: 'warn', fields: of };
}

/** Messages came and went between two passes: another program (ESM's own MailTask?) or a rule empties the folder. */
export function otherReader(of: { readonly mailbox: string; readonly vanishedCount: number }): LogEvent {
  return { name: 'inbound.otherReader', level: 'warn', fields: of };
}

/** A bounce claims to be about a message of ours and cannot prove it. */
export function forgedBounce(of: { readonly mailbox: string; readonly id: string }): LogEvent {
  return { name: 'inbound.forgedBounce', level: 'warn', fields: of };
}
