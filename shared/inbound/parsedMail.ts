// A message taken apart, as far as the notice tells it. Texts are decoded to Unicode.
export interface MailAddress {
  readonly name: string;
  readonly address: string;
}

/** Where the decoded bytes of a part are: in memory when small, else in a file of the pass's folder. */
export type PartContent =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly sizeBytes: number;
      readonly sha256: string;
    };

export interface MailPart {
  /** By RFC 2231 and RFC 2047; '' where there is none. */
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
  /** UTC ms, undefined where there is none that can be read. */
  readonly dateMs: number | undefined;
  readonly text: string | undefined;
  readonly html: string | undefined;
  readonly parts: readonly MailPart[];
  /** What was ambiguous or cut: two From fields, two Content-Types, a text that was cut. */
  readonly remarks: readonly string[];
  /** Hash of what the message says; survives a server that rebuilds MIME. */
  readonly contentPrint: string;
}
