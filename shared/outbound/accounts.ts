// Finding an account and its mailboxes in the settings. Addresses are compared without regard to case.
import type { RateLimits } from '../limits/limiter.ts';
import { mailboxAt } from '../mail/accounts.ts';
import type { Deliver } from '../mail/deliver.ts';
import type { Account, Mailbox } from '../mail/mailbox.ts';
import type { Dependencies } from './dependencies.ts';

type Accounts = Pick<Dependencies, 'accounts'>;

/** Undefined if no mailbox of the settings names the account any more. */
export const accountOf = (key: string, { accounts }: Accounts): Account | undefined =>
  accounts.find((account) => account.key === key);

/** The account's mailbox of that address. */
export const mailboxIn = (account: Account | undefined, address: string): Mailbox | undefined =>
  account && mailboxAt(account.mailboxes, address);

/** The account that sends for a mailbox. */
export const accountSendingFor = (address: string, { accounts }: Accounts): Account | undefined =>
  accounts.find((account) => mailboxIn(account, address) !== undefined);

/** The safe modes that count for a message: its mailbox's now, and its caller's as it was accepted. */
export const modesOf = (
  mailbox: Mailbox | undefined,
  { deliver }: { readonly deliver?: Deliver },
): readonly Deliver[] => [mailbox?.deliver ?? 'live', deliver ?? 'live'];

/** An account that no mailbox names sends nothing. */
export function rateLimitsOf(
  key: string,
  dependencies: Pick<Dependencies, 'accounts' | 'numbers'>,
): RateLimits {
  const limits = accountOf(key, dependencies)?.limits;
  const { periodMs, guardMs, dayMs, dayBucketMs } = dependencies.numbers;
  return {
    messagesPerMinute: limits?.messagesPerMinute ?? 0,
    recipientsPerDay: limits?.recipientsPerDay ?? 0,
    periodMs,
    guardMs,
    dayMs,
    dayBucketMs,
  };
}
