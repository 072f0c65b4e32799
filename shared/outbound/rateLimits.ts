// The law of one account: its settings and the protocol's numbers. An account that no mailbox names sends nothing.
import type { Law } from '../limits/window.ts';
import type { Account } from '../mail/mailbox.ts';
import type { Dependencies } from './dependencies.ts';

export const accountOf = (key: string, { accounts }: Pick<Dependencies, 'accounts'>): Account | undefined =>
  accounts.find((account) => account.key === key);

export function lawOf(key: string, doors: Pick<Dependencies, 'accounts' | 'numbers'>): Law {
  const limits = accountOf(key, doors)?.limits;
  const { periodMs, guardMs, dayMs, dayBucketMs } = doors.numbers;
  return {
    messagesPerMinute: limits?.messagesPerMinute ?? 0,
    recipientsPerDay: limits?.recipientsPerDay ?? 0,
    periodMs,
    guardMs,
    dayMs,
    dayBucketMs,
  };
}
