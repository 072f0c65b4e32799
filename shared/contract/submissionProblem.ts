/** One fault of a submission, for its author. */
export interface SubmissionProblem {
  /** `to[2]`, `attachments[0].filename`, or empty for the whole. */
  readonly field: string;
  /** A sentence: what is wrong, and what to write instead. Printable ASCII. */
  readonly detail: string;
}
