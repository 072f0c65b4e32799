// Messages suspended while their mailbox is on hold. The account's state lists the mailboxes that have some; the end
// of the hold resumes them in batches, and a probe of the hold resumes one.
import { resumeMessage } from '../policy/transitions.ts';
import type { AccountState } from '../records/accountState.ts';
import { suspendedRange } from '../records/keys.ts';
import type { LeaseSession, ReadMessage } from './leaseSession.ts';

/** A mailbox that has suspended messages and no hold any more. */
export const mailboxToResume = (
  state: AccountState,
  isServed: (address: string) => boolean,
): string | undefined =>
  state.suspendedMailboxes.find(
    (mailbox) => isServed(mailbox) && !state.holds.some((hold) => hold.mailbox === mailbox),
  );

/** Resumes one batch of messages whose hold has ended; false if there is none. Throws StorageTrouble. */
export async function resumeSuspended(session: LeaseSession): Promise<boolean> {
  const mailbox = mailboxToResume(session.state, (address) => session.mailboxOf(address) !== undefined);
  if (mailbox === undefined) return false;
  if (await resume(mailbox, session.dependencies.numbers.settleMostCount, session)) return true;
  return session.ifOwner<boolean>('resume', false, (state) => {
    if (!state.suspendedMailboxes.includes(mailbox)) return { result: false };
    const suspendedMailboxes = state.suspendedMailboxes.filter((other) => other !== mailbox);
    return { state: { ...state, suspendedMailboxes }, result: true };
  });
}

/** Resumes the message that has waited longest, to probe the hold with it. False if none is suspended. */
export const resumeOneForProbe = (mailbox: string, session: LeaseSession): Promise<boolean> =>
  session.state.suspendedMailboxes.includes(mailbox) ? resume(mailbox, 1, session) : Promise.resolve(false);

async function resume(mailbox: string, limit: number, session: LeaseSession): Promise<boolean> {
  const { transactions, dependencies } = session;
  const { generation } = transactions;
  const rows = await dependencies.rows.query(session.key, { ...suspendedRange({ mailbox }), limit });
  const messages: ReadMessage[] = [];
  for (const { key } of rows) {
    const message = await session.readListed(key);
    if (message !== undefined) messages.push({ message, generation });
  }
  const resumed = await session.applyTransitions('resume', messages, (message) =>
    message.state === 'held' &&
    message.indexEntry.kind === 'suspended' &&
    typeof message.indexEntry.group !== 'string'
      ? resumeMessage(message, dependencies.time.earliest())
      : undefined,
  );
  // Those that can't be read are set aside first, and then the next batch is resumed.
  return resumed.length > 0 || session.unreadable.size > 0;
}
