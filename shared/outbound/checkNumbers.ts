// An account's row must be able to hold its counts and holds in every case; numbers and mailboxes that it could not hold
// are problems of the settings.
import type { Account } from '../mail/mailbox.ts';
import type { OutboundNumbers } from './numbers.ts';

/** One count of a second or a bucket: `[1764061234,10000],`. */
const countCharacters = 19;
const holdCharacters = 1_500;
const attemptCharacters = 500;
/** Of the row's 1 MiB, at two bytes a character, leaving room. */
const rowCharacters = 400_000;
/** Of one part, which is at most 16 properties. */
const partCharacters = 16 * 32_000;

export interface NumbersProblem {
  /** The setting that must be changed. */
  readonly setting: 'MAILBOXES' | 'OUTBOUND_NUMBERS';
  readonly detail: string;
}

/** Every problem; none if the numbers fit. */
export function checkNumbers(
  numbers: OutboundNumbers,
  accounts: readonly Account[],
): readonly NumbersProblem[] {
  const reachMs = numbers.attemptMs + numbers.graceMs;
  const seconds = Math.ceil((reachMs + numbers.periodMs + numbers.guardMs) / 1_000) + 60;
  const buckets = Math.ceil((numbers.dayMs + reachMs) / numbers.dayBucketMs) + 2;
  const counts = (seconds + buckets) * countCharacters;
  const problems: NumbersProblem[] = [];
  const add = (setting: NumbersProblem['setting'], detail: string): void => {
    problems.push({ setting, detail });
  };
  const countsFit =
    Math.max(seconds, buckets) * countCharacters <= partCharacters && counts <= rowCharacters / 2;
  if (!countsFit) {
    add(
      'OUTBOUND_NUMBERS',
      'The limits need more counts than a row holds: use a longer day bucket, or shorter attempts.',
    );
  }
  for (const { user, mailboxes, limits } of accounts) {
    const holds = (mailboxes.length + 1) * holdCharacters;
    if (countsFit && counts + holds + 40 * attemptCharacters > rowCharacters) {
      add(
        'MAILBOXES',
        `The account ${user} has too many mailboxes (${mailboxes.length}): give some of them another smtpUser.`,
      );
    }
    if (limits.messagesPerMinute < 1 || limits.recipientsPerDay < 1 || limits.connections < 1) {
      add('MAILBOXES', `The account ${user} has a limit below 1, so nothing could ever be sent.`);
    }
  }
  if (numbers.leaseMarginMs * 2 >= numbers.leaseMs)
    add('OUTBOUND_NUMBERS', 'The lease is too short for its margin.');
  if (numbers.attemptMs + numbers.drainBudgetMs >= numbers.functionMs) {
    add(
      'OUTBOUND_NUMBERS',
      'The last attempt of a drain would outlive the function: shorten the drain or the attempt.',
    );
  }
  return problems;
}
