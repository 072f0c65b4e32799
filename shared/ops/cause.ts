/** One possible reason, with what to do and what it was concluded from. */
export interface Cause {
  readonly cause: string;
  readonly remedy: string;
  readonly evidence: string;
}
