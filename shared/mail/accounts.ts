// The accounts of the settings' mailboxes.
import { accountKey } from './accountKey.ts';
import { sameAddress } from './address.ts';
import type { Account, Limits, Mailbox } from './mailbox.ts';

/**
 * The mailboxes that send, grouped by SMTP login (`smtpUser`, without regard to case), in the order of their first
 * mailbox. An account has the lowest of its mailboxes' limits: Exchange counts per login.
 */
export function groupAccounts(mailboxes: readonly Mailbox[]): readonly Account[] {
  const accounts = new Map<string, Account>();
  for (const mailbox of mailboxes) {
    if (!mailbox.send) continue;
    const key = accountKey(mailbox.smtpUser);
    const known = accounts.get(key);
    accounts.set(
      key,
      known === undefined
        ? { key, user: mailbox.smtpUser, mailboxes: [mailbox], limits: mailbox.limits }
        : {
            ...known,
            mailboxes: [...known.mailboxes, mailbox],
            limits: lowest(known.limits, mailbox.limits),
          },
    );
  }
  return [...accounts.values()];
}

/** The mailbox of that address; Exchange compares without regard to case. */
export function mailboxAt(mailboxes: Iterable<Mailbox>, address: string): Mailbox | undefined {
  return [...mailboxes].find((mailbox) => sameAddress(mailbox.address, address));
}

function lowest(one: Limits, other: Limits): Limits {
  return {
    messagesPerMinute: Math.min(one.messagesPerMinute, other.messagesPerMinute),
    recipientsPerDay: Math.min(one.recipientsPerDay, other.recipientsPerDay),
    connections: Math.min(one.connections, other.connections),
  };
}

/** The addresses that From may have: its own and its aliases. */
export const sendersOf = ({ address, aliases }: Mailbox): readonly string[] => [address, ...(aliases ?? [])];
