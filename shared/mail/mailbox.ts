// A mailbox that the bridge serves, and the SMTP account that mailboxes may share.
import type { Deliver } from './deliver.ts';

/** What Exchange Online allows one account (30, 10,000, 3), or less by setting. */
export interface Limits {
  readonly messagesPerMinute: number;
  /** Recipients in any 24 hours. */
  readonly recipientsPerDay: number;
  /** Open SMTP connections at one time. */
  readonly connections: number;
}

/** What happens to a message in the mailbox once its content and its notice are durable. */
export type AfterFetch =
  | { readonly kind: 'none' }
  | { readonly kind: 'seen' }
  | { readonly kind: 'move'; readonly folder: string }
  | { readonly kind: 'delete' };

/** Which of the messages that a mailbox holds are fetched, by when it got them (INTERNALDATE). */
export type FetchFrom =
  /** What came after the first run that knew the mailbox, whether that run could sign in or not. */
  | { readonly kind: 'now' }
  | { readonly kind: 'all' }
  /** UTC ms. */
  | { readonly kind: 'date'; readonly at: number };

/** Kinds whose mail may have an action of its own. */
export const sortedKinds = ['autoReply', 'bounce', 'complaint', 'receipt', 'unparsed'] as const;
export type SortedKind = (typeof sortedKinds)[number];

/** Reports of mail that came by SMTP and failed, for whoever reads the mailbox. */
export type FailureReports =
  | 'off'
  | {
      readonly folder: string;
      /** Whether they have `Auto-Submitted: auto-replied`. */
      readonly autoSubmitted: boolean;
    };

export interface Mailbox {
  /** The address as the administrator wrote it, domain in lower case. Compared without regard to case. */
  readonly address: string;
  /** Other addresses that From may have: its proxy addresses, or those that it may send as. As written; absent: none. */
  readonly aliases?: readonly string[];
  /** The display name of From if a submission gives none. */
  readonly fromName?: string;
  readonly signIn: 'delegated' | 'application';
  /** The IMAP login; the address if not set. */
  readonly imapUser: string;
  /** The SMTP login; the address if not set. */
  readonly smtpUser: string;
  readonly send: boolean;
  readonly receive: boolean;
  /** The IMAP folder that is fetched. */
  readonly folder: string;
  /** Of persons' mail, and of every kind that `afterFetchByKind` does not name. */
  readonly afterFetch: AfterFetch;
  /** Other actions, by the kind of the message. */
  readonly afterFetchByKind?: Readonly<Partial<Record<SortedKind, AfterFetch>>>;
  readonly fetchFrom: FetchFrom;
  /** Safe mode; absent: live. */
  readonly deliver?: Exclude<Deliver, 'live'>;
  /** Where failure reports go; absent: INBOX, marked. */
  readonly failureReports?: FailureReports;
  readonly limits: Limits;
}

/** One SMTP login with the mailboxes that send through it. Exchange counts its limits per account. */
export interface Account {
  /** The partition of its rows: `smtpUser` in lower case, bytes outside a-z0-9.@_+'- as =HH. */
  readonly key: string;
  readonly user: string;
  /** Never empty; the first one's grant opens the connections. */
  readonly mailboxes: readonly [Mailbox, ...Mailbox[]];
  /** The lowest of its mailboxes' limits. */
  readonly limits: Limits;
}

/** What happens to a message of this kind. A kind that is not known is treated as persons' mail. */
export function actionFor(
  { afterFetch, afterFetchByKind = {} }: Pick<Mailbox, 'afterFetch' | 'afterFetchByKind'>,
  kind: string,
): AfterFetch {
  const sorted = sortedKinds.find((one) => one === kind);
  return (sorted === undefined ? undefined : afterFetchByKind[sorted]) ?? afterFetch;
}

/** Whether anything at all is changed in the folder. */
export function hasActions(mailbox: Pick<Mailbox, 'afterFetch' | 'afterFetchByKind'>): boolean {
  return ['message', ...sortedKinds].some((kind) => actionFor(mailbox, kind).kind !== 'none');
}
