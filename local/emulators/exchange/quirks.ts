// Limits, switches for behaviour that Microsoft does not document, and rules for mail to an address.

import type { MessageRecord } from './serverLog.ts';

export interface ExchangeLimits {
  /** Messages per account in any period; 30. */
  readonly messagesPerPeriod: number;
  /** Recipients per account in any day; 10,000. */
  readonly recipientsPerDay: number;
  /** SMTP connections per account at one time; 3. */
  readonly connections: number;
  /** Recipients of one message; 500. */
  readonly recipientsPerMessage: number;
  /** What EHLO announces, and the largest message of all; 157,286,400. */
  readonly messageBytes: number;
  /** IMAP connections per mailbox; 16, Exchange 2013's default. */
  readonly imapConnections: number;
  /** A longer IMAP command line is `BAD Command Error. 10`; 10,240 bytes. */
  readonly imapLineBytes: number;
}

/** Behaviour over a limit, and other undocumented behaviour. May be changed while the server runs. */
export interface SmtpQuirks {
  /** Over the minute's limit: the reply waits for its turn (newer text) or is a refusal (older text). */
  overRate: 'delay' | 'refuse';
  /** Over the connections: refused after the final dot (as seen most), or at once after AUTH. */
  overConnections: 'dot' | 'auth';
  /** What the copy in Sent Items is like. */
  sentItems: {
    /** `authenticated`: the mailbox that logged in; `from`: the one in MAIL FROM; `none`: no copy. */
    mailbox: 'authenticated' | 'from' | 'none';
    /** How long after acceptance it appears. */
    delayMs: number;
    /** Message-ID is replaced and the old one kept in X-Microsoft-Original-Message-ID. */
    replaceMessageId: boolean;
  };
  /**
   * What a transport rule or a gateway makes of a message before it is filed or delivered: other bytes, or undefined
   * if it drops the message.
   */
  rewrite?:
    | ((message: MessageRecord, content: Buffer, place: 'sentItems' | 'inbox') => Buffer | undefined)
    | undefined;
}

/** Deviations from RFC 3501. May be changed while the server runs. */
export interface ImapQuirks {
  /** RFC822.SIZE is the true size; an estimate unless set, as by default in Exchange. */
  exactSize: boolean;
  /** Messages are rebuilt for each session: other MIME boundaries than those stored. */
  rebuild: boolean;
  /** BODYSTRUCTURE of a multipart comes with NIL where a body should be. */
  malformedBodyStructure: boolean;
  /** SEARCH HEADER finds nothing, whatever is there. */
  headerSearchFindsNothing: boolean;
  /** What RFC822.SIZE says of every message; its estimate or size unless set. */
  toldSize?: number;
  /** `BODY[]<0.n>` is answered with the whole message, as by servers that know no partial FETCH. */
  ignoresPartial: boolean;
  /** Answers to a partial FETCH that are too short. */
  partFaults: PartFault[];
  /** UIDs that SEARCH leaves out although they are there. */
  hiddenFromSearch: Set<number>;
}

/** What a partial FETCH of a message from `start` on gives: so many bytes at most, or NIL. */
export interface PartFault {
  readonly uid: number;
  readonly start: number;
  readonly gives: number | 'nil';
}

/** How mail to an address is handled. */
export type RecipientRule =
  | { readonly kind: 'usual' }
  /** Refused at RCPT; 550 5.1.10 by default. */
  | { readonly kind: 'refuse'; readonly reply?: string }
  /** Deferred at RCPT that many times (without end unless set); 450 4.2.1 by default. */
  | { readonly kind: 'defer'; readonly reply?: string; readonly times?: number }
  /** Taken, then returned: a non-delivery report in the sender's inbox. */
  | {
      readonly kind: 'bounce';
      readonly status?: string;
      readonly diagnostic?: string;
      readonly afterMs?: number;
    }
  /** Taken, and answered automatically. */
  | { readonly kind: 'outOfOffice'; readonly text?: string; readonly afterMs?: number };

export const defaultLimits: ExchangeLimits = {
  messagesPerPeriod: 30,
  recipientsPerDay: 10_000,
  connections: 3,
  recipientsPerMessage: 500,
  messageBytes: 157_286_400,
  imapConnections: 16,
  imapLineBytes: 10_240,
};
