// In doubt: the final dot may have been sent and the reply is not known. Such a message is never resent blindly. The
// copy that Exchange files in Sent Items proves that it was accepted, if its private header names exactly this
// attempt. A missing copy proves nothing, so there are two lookups, some time apart, and then the policy decides. A
// lookup that failed counts as none. A lookup may take minutes: it runs beside the work and delivers its results.
import { messageOf } from '../../mail/foreign.ts';
import { deadline } from '../../deadline.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import { foundInSentItems, notInSentItems, postponeLookup } from '../policy/transitions.ts';
import type { SoughtCopy } from '../ports.ts';
import { inDoubtRange } from '../records/keys.ts';
import { indexRow } from '../records/messageRow.ts';
import type { Message } from '../records/message.ts';
import type { LeaseSession, ReadMessage } from './leaseSession.ts';
import { bridgeIdOf } from '../records/messageIds.ts';

/** Messages looked up together. */
const mostAtOnce = 40;

type Answer =
  { readonly kind: 'found'; readonly messageId?: string } | { readonly kind: 'absent' | 'failed' };

/** What one lookup said about one message in doubt. */
export interface LookupResult extends ReadMessage {
  readonly answer: Answer;
}

/** Looks up every message whose lookup is due. Changes nothing; never throws. */
export async function lookUpInDoubt(session: LeaseSession): Promise<readonly LookupResult[]> {
  try {
    const due = await readDue(session);
    const results: LookupResult[] = [];
    for (const mailbox of new Set(due.map(({ message }) => message.mailbox))) {
      const ofMailbox = due.filter(({ message }) => message.mailbox === mailbox);
      const answers = await search(mailbox, ofMailbox, session);
      results.push(...ofMailbox.map((read) => ({ ...read, answer: answers(read.message) })));
    }
    return results;
  } catch (error) {
    const detail = messageOf(error);
    session.dependencies.log(
      outboundEvents.storageFailed({ account: session.key, operation: 'lookup', detail }),
    );
    return [];
  }
}

async function readDue(session: LeaseSession): Promise<readonly ReadMessage[]> {
  const { key, transactions, dependencies } = session;
  const { generation } = transactions;
  const range = inDoubtRange(dependencies.time.earliest());
  const rows = await dependencies.rows.query(key, { ...range, limit: mostAtOnce });
  const due: ReadMessage[] = [];
  for (const row of rows) {
    const message = await session.readListed(row.key);
    if (message?.indexEntry.kind === 'inDoubt') due.push({ message, generation });
  }
  return due;
}

async function search(
  address: string,
  messages: readonly ReadMessage[],
  session: LeaseSession,
): Promise<(message: Message) => Answer> {
  const { key, account, dependencies } = session;
  const { sentItems, clock, numbers, log } = dependencies;
  const mailbox = session.mailboxOf(address);
  if (account === undefined || mailbox === undefined) return () => ({ kind: 'failed' });
  const wanted = messages.map(({ message }) => soughtCopy(key, message));
  const answer = await sentItems.search(account, mailbox, wanted, deadline(clock, numbers.lookupMs));
  if (answer.kind !== 'searched') {
    log(outboundEvents.sentItemsSearchFailed({ account: key, detail: answer.detail }));
    return () => ({ kind: 'failed' });
  }
  const { found } = answer;
  log(outboundEvents.sentItemsSearched({ account: key, wantedCount: wanted.length, foundCount: found.size }));
  return (message) => {
    const copy = found.get(bridgeIdOf(key, message.id, message.attempt));
    return copy === undefined ? { kind: 'absent' } : { kind: 'found', ...copy };
  };
}

const soughtCopy = (account: string, message: Message): SoughtCopy => ({
  bridgeId: bridgeIdOf(account, message.id, message.attempt),
  notBefore: message.indexEntry.kind === 'inDoubt' ? message.indexEntry.claimedAt : message.changedAt,
});

/** Writes what lookups said, for the messages that are still in the state that was looked up. Throws StorageTrouble. */
export async function applyLookups(results: readonly LookupResult[], session: LeaseSession): Promise<void> {
  const { time, numbers } = session.dependencies;
  await session.applyTransitions('concludeLookup', results, (message) => {
    const result = results.find((other) => other.message.id === message.id);
    if (result === undefined || indexRow(message)?.key !== indexRow(result.message)?.key) return undefined;
    const at = time.earliest();
    switch (result.answer.kind) {
      case 'found':
        return foundInSentItems(message, at, numbers, result.answer.messageId);
      case 'absent':
        return notInSentItems(message, at, numbers);
      case 'failed':
        return postponeLookup(message, at + numbers.lookupRetryMs);
    }
  });
}
