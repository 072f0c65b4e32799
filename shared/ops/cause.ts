/** One possible reason, with what to do and what it was concluded from. */
export interface Cause {
  readonly cause: string;
  readonly cure: string;
  readonly evidence: string;
}
