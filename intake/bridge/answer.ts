// What the bridge's answer to a submission means. The only place that decides it.
import { idInUseType, problemAnswer, type ProblemAnswer } from './contract.ts';

export type HandOnResult =
  | { readonly kind: 'accepted' }
  /** Final for this message. Sentences. */
  | { readonly kind: 'refused'; readonly status: number; readonly details: readonly string[] }
  /** Later. `all` means that no other message would fare better. */
  | {
      readonly kind: 'later';
      readonly scope: 'message' | 'all';
      readonly detail: string;
      /** From Retry-After. */
      readonly retryAfterMs?: number;
      /** The body was above what one request may have: to be uploaded. */
      readonly useUpload?: boolean;
    };

export interface Answer {
  readonly status: number;
  /** As text, at most 64 KB. */
  readonly body: string;
  readonly retryAfter?: string | undefined;
}

const retryAfterMostMs = 3_600_000;

/** `wasUpload`: the message was not in the request itself, so 413 is about the message. */
export function judgeAnswer(answer: Answer, wasUpload: boolean, nowMs: number): HandOnResult {
  const { status } = answer;
  if (status === 200 || status === 202) return { kind: 'accepted' };
  const problem = readProblem(answer.body);
  if (status === 422 && problem?.type === idInUseType) return { kind: 'accepted' };
  const detail = `The bridge answered ${status}${problem?.detail === undefined ? '' : `: ${problem.detail}`}`;
  if (status === 413 && !wasUpload)
    return { kind: 'later', scope: 'message', detail, retryAfterMs: 0, useUpload: true };
  if (status === 400 || status === 413 || status === 415 || status === 422) {
    return { kind: 'refused', status, details: sentences(problem, detail) };
  }
  const retryAfterMs = readRetryAfter(answer.retryAfter, nowMs);
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  // 409: the first request with this id is still at work. 500: perhaps only this message.
  if (status === 409 || status === 500) return { kind: 'later', scope: 'message', detail, ...wait };
  return { kind: 'later', scope: 'all', detail: `${detail}${remedyFor(status)}`, ...wait };
}

export function readProblem(body: string): ProblemAnswer | undefined {
  try {
    const read = problemAnswer.safeParse(JSON.parse(body));
    return read.success ? read.data : undefined;
  } catch {
    return undefined;
  }
}

function sentences(problem: ProblemAnswer | undefined, otherwise: string): readonly string[] {
  const found = (problem?.problems ?? []).map(({ detail, remedy }) =>
    remedy === undefined ? detail : `${detail} ${remedy}`,
  );
  if (found.length > 0) return found;
  return [problem?.remedy === undefined ? otherwise : `${otherwise} ${problem.remedy}`];
}

/** Seconds or an HTTP date (RFC 9110 10.2.3); never more than an hour. */
export function readRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(value.trim()) ? Number(value) * 1_000 : Date.parse(value) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), retryAfterMostMs) : undefined;
}

function remedyFor(status: number): string {
  if (status === 401) return '; check the key in the settings';
  if (status === 403) return '; give the key the right to send for this mailbox';
  if (status === 404) return '; check the address in the settings';
  return '';
}
