/** An SMTP answer (RFC 5321 4.2), with its enhanced status (RFC 3463) where the server gave one. */
export interface Reply {
  readonly code: number;
  /** `5.7.3`, or absent. */
  readonly enhanced?: string;
  /** The server's words, all lines joined by a space, at most 1,000 characters, without control characters. */
  readonly text: string;
}
