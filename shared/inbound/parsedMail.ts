// A parsed message, as far as the notice carries it. Texts are decoded to Unicode.
export interface MailAddress {
  readonly name: string;
  readonly address: string;
}

/** The decoded bytes of a part: in memory if small, else in a file of the run's folder. */
export type PartContent =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly sizeBytes: number;
      readonly sha256: string;
    };

export interface MailPart {
  /** By RFC 2231 and RFC 2047; empty if there is none. */
  readonly filename: string;
  readonly contentType: string;
  readonly disposition: 'attachment' | 'inline';
  /** Without angle brackets. */
  readonly contentId: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Calendar parts are marked because they are worth more than a file. */
  readonly role: 'file' | 'calendar' | 'message' | 'tnef';
  readonly content: PartContent;
}

export interface ParsedMail {
  readonly messageId: string;
  readonly inReplyTo: readonly string[];
  readonly references: readonly string[];
  readonly from: readonly MailAddress[];
  readonly sender: readonly MailAddress[];
  readonly replyTo: readonly MailAddress[];
  readonly to: readonly MailAddress[];
  readonly cc: readonly MailAddress[];
  readonly subject: string;
  /** UTC ms; undefined if there is no readable Date. */
  readonly dateMs: number | undefined;
  readonly text: string | undefined;
  readonly html: string | undefined;
  readonly parts: readonly MailPart[];
  /** What was ambiguous or cut: two From fields, two Content-Types, a text that was cut. */
  readonly remarks: readonly string[];
  /** Hash of the addresses, subject, text and attachments; the same after a server has rebuilt the MIME structure. */
  readonly contentFingerprint: string;
}
