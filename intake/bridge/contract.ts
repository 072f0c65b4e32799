// What the intake says to the bridge and what it expects back. docs/intakeContract.md is this file in prose; the
// suite tests/intake/contract runs it against any bridge.
import * as z from 'zod';

/** Header names; the key never stands in an address. */
export const requestHeaders = {
  key: 'x-bridge-key',
  /** The submission id, as a quoted string (draft-ietf-httpapi-idempotency-key-header). */
  idempotencyKey: 'idempotency-key',
  mailbox: 'x-mail-mailbox',
  /** Plain addresses separated by commas: the envelope, Bcc recipients included. */
  recipients: 'x-mail-recipients',
  /** What the intake mended: a JSON array of sentences in ASCII. */
  remarks: 'x-mail-remarks',
  /** `yes`: what fails later is reported into the mailbox. */
  reportFailures: 'x-mail-report-failures',
} as const;

/** Longer envelopes go by upload: servers bound a request's headers, Node's at 16 KiB. */
export const recipientsHeaderMostBytes = 6_000;
export const remarksHeaderMostBytes = 2_000;

/** Until the bridge says otherwise. */
export const defaultMaxima = {
  requestBytes: 8_000_000,
  messageBytes: 36_700_160,
  recipientsCount: 500,
} as const;

/** The answer to GET /api/mailboxes, as far as the intake reads it; other fields are allowed. */
export const mailboxesAnswer = z.looseObject({
  mailboxes: z
    .array(
      z.looseObject({
        address: z.string().min(3).max(320),
        aliases: z.array(z.string().min(3).max(320)).max(1_000).default([]),
        /** Absent: true. */
        send: z.boolean().default(true),
      }),
    )
    .max(10_000),
  maxima: z
    .looseObject({
      /** Body of one POST /api/mail. */
      requestBytes: z.int().min(100_000).max(200_000_000).default(defaultMaxima.requestBytes),
      /** One message, header and body. */
      messageBytes: z.int().min(100_000).max(200_000_000).default(defaultMaxima.messageBytes),
      /** Recipients of one message. */
      recipientsCount: z.int().min(1).max(10_000).default(defaultMaxima.recipientsCount),
    })
    .default(defaultMaxima),
});
export type MailboxesAnswer = z.infer<typeof mailboxesAnswer>;

/** The answer to POST /api/uploads: where to PUT the message, and what to call it in the submission. */
export const uploadAnswer = z.looseObject({
  /** An address that allows one blob to be created, for a short time. */
  url: z.url().max(4_096),
  /** `container/name`, for `raw.blob`. */
  blob: z.string().min(3).max(1_088),
});

/** RFC 9457, with the bridge's own members. */
export const problemAnswer = z.looseObject({
  type: z.string().max(500).optional(),
  title: z.string().max(2_000).optional(),
  detail: z.string().max(4_000).optional(),
  remedy: z.string().max(4_000).optional(),
  problems: z
    .array(
      z.looseObject({
        field: z.string().max(500).default(''),
        detail: z.string().max(4_000),
        remedy: z.string().max(4_000).optional(),
      }),
    )
    .max(1_000)
    .optional(),
});
export type ProblemAnswer = z.infer<typeof problemAnswer>;

/**
 * The `type` of the 422 for an id that is in use with other content. The intake's ids are made from the content, so
 * there it means that the bridge has the message, mended by another version of the intake: it counts as accepted.
 */
export const idInUseType = 'urn:esm-mail-bridge:problem:id-in-use';

/** Body of POST /api/intake/NAME/failures: mail that got its 250 and will not be sent, wholly or in part. */
export interface FailureReport {
  /** The submission's id. One report for each id and set of recipients; a repeat does nothing. */
  readonly id: string;
  readonly mailbox: string;
  /** RFC 3339, when the 250 was said. */
  readonly receivedAt: string;
  /** `recipients`: some recipients could not be used, the others were submitted. `message`: the bridge refused it. */
  readonly kind: 'recipients' | 'message';
  /** Whom the message will not reach, as the client wrote them, each with a sentence. */
  readonly recipients: readonly { readonly recipient: string; readonly detail: string }[];
  /** The message's header fields in ASCII, at most 64 KB, for its subject and Message-ID. */
  readonly header: string;
}

/** Of `FailureReport.header`; what is longer is cut at a line's end. */
export const failureHeaderMostBytes = 65_536;

/** Body of PUT /api/intake/NAME, each minute. */
export interface Heartbeat {
  readonly version: string;
  /** Random, new at each start: two values in turn mean that two intakes have one name. */
  readonly instance: string;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly node: string;
  readonly spool: {
    readonly count: number;
    readonly bytes: number;
    /** Of the message that waits longest; 0 if none waits. */
    readonly oldestAgeSeconds: number;
    readonly freeBytes: number;
    readonly damagedCount: number;
  };
  readonly rejectedCount: number;
  /** RFC 3339; absent before the first. */
  readonly lastHandedOnAt?: string;
  /** The last reason why something waits; absent if nothing does. */
  readonly waitingFor?: string;
  /** Absent if no listener has a certificate. */
  readonly certificateDaysLeft?: number;
  /** Whether mail is taken; false while it is drained. */
  readonly accepting: boolean;
}
