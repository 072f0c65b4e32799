import type { Mailbox } from '../mail/mailbox.ts';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** The lanes of the outbox. */
export type Priority = 'high' | 'normal' | 'bulk';

/** Somebody in a header: a plain addr-spec, with a display name where the submission gave one. */
export interface Person {
  readonly address: string;
  readonly name?: string;
}

export interface Attachment {
  readonly filename: string;
  readonly contentType: string;
  /** Without angle brackets; set for inline images. */
  readonly contentId?: string;
  readonly content:
    | { readonly kind: 'inline'; readonly base64: string }
    /** `container/name` in the upload container. */
    | { readonly kind: 'blob'; readonly reference: string };
}

interface Common {
  readonly id: string;
  /** The mailbox's address as the settings write it. */
  readonly mailbox: string;
  readonly priority: Priority;
  /** UTC milliseconds. */
  readonly sendAt?: number;
  readonly expiresAt?: number;
  /** Comes back in every event. */
  readonly correlation?: Json;
  readonly from: Person;
  readonly to: readonly Person[];
  readonly cc: readonly Person[];
  readonly bcc: readonly Person[];
}

/** A request to send, checked and normalised. Absent lists are empty, absent text is absent. */
export type Submission = Common &
  (
    | {
        readonly kind: 'composed';
        readonly replyTo: readonly Person[];
        readonly subject: string;
        readonly text?: string;
        readonly html?: string;
        /** With angle brackets, as are the references. */
        readonly inReplyTo?: string;
        readonly references: readonly string[];
        readonly headers: readonly { readonly name: string; readonly value: string }[];
        readonly attachments: readonly Attachment[];
      }
    /** A complete message in a blob. `to`, `cc` and `bcc` are its envelope; all empty: its own To, Cc and Bcc headers. */
    | { readonly kind: 'raw'; readonly blob: string }
  );

export interface SubmissionContext {
  readonly mailboxes: readonly Mailbox[];
  readonly maxima: { readonly recipientsCount: number; readonly contentBytes: number };
  readonly uploadContainer: string;
}

export interface SubmissionProblem {
  /** `to[2]`, `attachments[0].filename`, or empty for the whole. */
  readonly field: string;
  /** A sentence: what is wrong, and what to write instead. Printable ASCII. */
  readonly words: string;
}

export type SubmissionAnswer =
  | { readonly kind: 'ok'; readonly submission: Submission }
  | {
      readonly kind: 'rejected';
      /** Where it could be read and is a valid one. */
      readonly id?: string;
      readonly mailbox?: string;
      readonly problems: readonly [SubmissionProblem, ...SubmissionProblem[]];
    };
