// What the commands show of accounts and messages: read live, every list bounded. All functions throw StorageTrouble.
import { numberIn, textIn } from '../../mail/foreign.ts';
import type { Dependencies } from '../dependencies.ts';
import type { AccountState } from '../records/accountState.ts';
import { idAtEnd, inDoubtRange, messageRange, suspendedRange } from '../records/keys.ts';
import type { Message, State } from '../records/message.ts';
import { decodeSummary, summaryColumns, type MessageSummary } from '../records/messageRow.ts';
import { readIfReadable, readState } from '../store/accountTransaction.ts';
import { readHead } from '../store/accountHead.ts';
import { countBacklog, type Backlog } from '../store/backlog.ts';
import { scan } from '../store/scan.ts';

/** A message as a list shows it. */
export interface Listed extends Omit<MessageSummary, 'state'> {
  readonly state: State | 'sending';
}

/** A message in the quarantine, as a list shows it. */
export interface UnreadableMessage {
  readonly id: string;
  readonly mailbox: string;
  readonly at: number;
  readonly detail: string;
}

export interface AccountView {
  readonly state: AccountState;
  readonly backlog: Backlog;
}

export async function readAccount(account: string, dependencies: Dependencies): Promise<AccountView> {
  const head = await readHead(account, dependencies);
  return { state: head.state, backlog: await countBacklog(account, dependencies, { head }) };
}

/** Rows that are read to find the newest messages. */
const recentMost = 5_000;

/** The newest of the account's first messages, by their last change. */
export async function listRecent(
  account: string,
  limit: number,
  dependencies: Dependencies,
): Promise<readonly Listed[]> {
  const { activeAttempts } = await readState(account, dependencies);
  const active = new Set(activeAttempts.map(({ id }) => id));
  const listed: Listed[] = [];
  await scan(
    account,
    messageRange,
    { select: summaryColumns, mostCount: recentMost },
    (page) => {
      for (const row of page) {
        const one = decodeSummary(row);
        // Deleted by a person: only the idempotency record is left.
        if (one?.reason === 'deleted') continue;
        if (one !== undefined) listed.push(active.has(one.id) ? { ...one, state: 'sending' } : one);
      }
    },
    dependencies,
  );
  return listed.sort((one, other) => other.changedAt - one.changedAt).slice(0, limit);
}

/** Dead letters, or what is in doubt, for a person to decide. */
export async function listForPerson(
  account: string,
  which: 'failed' | 'unresolved' | 'inDoubt',
  limit: number,
  dependencies: Dependencies,
): Promise<readonly Message[]> {
  const range =
    which === 'inDoubt' ? inDoubtRange() : suspendedRange(which === 'failed' ? 'failed' : 'inDoubt');
  const most = Math.min(limit, 1_000);
  const rows = await dependencies.rows.query(account, { ...range, limit: most }, ['attempt']);
  const messages: Message[] = [];
  for (const { key } of rows) {
    const message = await readIfReadable(account, idAtEnd(key), dependencies);
    if (message !== undefined) messages.push(message);
  }
  return messages;
}

/** One message with its history; `sending` while an attempt is active. */
export async function readSubmission(
  account: string,
  id: string,
  dependencies: Dependencies,
): Promise<{ readonly message: Message; readonly sending: boolean } | undefined> {
  const message = await readIfReadable(account, id, dependencies);
  if (message === undefined) return undefined;
  const { activeAttempts } = await readState(account, dependencies);
  return { message, sending: activeAttempts.some((active) => active.id === id) };
}

/** Messages whose rows can't be read, and that were set aside for it. */
export async function listUnreadable(
  account: string,
  limit: number,
  { rows }: Dependencies,
): Promise<readonly UnreadableMessage[]> {
  const range = suspendedRange('unreadable');
  const listed = await rows.query(account, { ...range, limit: Math.min(limit, 1_000) });
  return listed.map(({ key, fields }) => ({
    id: idAtEnd(key),
    mailbox: textIn(fields, 'mailbox'),
    detail: textIn(fields, 'detail'),
    at: numberIn(fields, 'at'),
  }));
}
