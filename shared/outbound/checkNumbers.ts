// The box row must hold its counts whatever happens; a set of numbers that it could not hold is refused at start.
import type { Account } from '../mail/mailbox.ts';
import type { OutboundNumbers } from './numbers.ts';

/** One count of a second or a bucket: `[1764061234,10000],`. */
const countCharacters = 19;
const holdCharacters = 1_500;
const openCharacters = 500;
/** Of the row's 1 MiB, at two bytes a character, leaving room. */
const boxCharacters = 400_000;
/** Of one part, which is at most 16 properties. */
const partCharacters = 16 * 32_000;

/** Every problem, in words; none where the numbers fit. */
export function checkNumbers(numbers: OutboundNumbers, accounts: readonly Account[]): readonly string[] {
  const reachMs = numbers.attemptMs + numbers.graceMs;
  const seconds = Math.ceil((reachMs + numbers.periodMs + numbers.guardMs) / 1_000) + 60;
  const buckets = Math.ceil((numbers.dayMs + reachMs) / numbers.dayBucketMs) + 2;
  const counts = (seconds + buckets) * countCharacters;
  const problems: string[] = [];
  if (Math.max(seconds, buckets) * countCharacters > partCharacters || counts > boxCharacters / 2) {
    problems.push(
      'The limits need more counts than a row holds: use a longer day bucket, or shorter attempts.',
    );
  }
  for (const { user, mailboxes, limits } of accounts) {
    const holds = (mailboxes.length + 1) * holdCharacters;
    if (counts + holds + 40 * openCharacters > boxCharacters) {
      problems.push(`${user} has too many mailboxes (${mailboxes.length}) for one account's row.`);
    }
    if (limits.messagesPerMinute < 1 || limits.recipientsPerDay < 1 || limits.connections < 1) {
      problems.push(`${user} has a limit below 1, so nothing could ever be sent.`);
    }
  }
  if (numbers.leaseMarginMs * 2 >= numbers.leaseMs) problems.push('The lease is too short for its margin.');
  if (numbers.attemptMs + numbers.drainBudgetMs >= numbers.functionMs) {
    problems.push(
      'The last attempt of a drain would outlive the function: shorten the drain or the attempt.',
    );
  }
  return problems;
}
