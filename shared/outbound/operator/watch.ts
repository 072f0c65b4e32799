// What the page and the commands show: read live, every list bounded.
import { decodeBox, emptyBox } from '../records/accountState.ts';
import type { Box } from '../records/accountState.ts';
import { readMessage } from '../store/accountTransaction.ts';
import type { Dependencies } from '../dependencies.ts';
import { after, asideRange, boxKey, doubtRange, idAtEnd, messageRange } from '../records/keys.ts';
import type { AsideGroup } from '../records/keys.ts';
import type { Message, State } from '../records/message.ts';
import { countBacklog } from '../store/backlog.ts';
import type { Backlog } from '../store/backlog.ts';

/** A message as a list shows it. */
export interface Listed {
  readonly id: string;
  readonly mailbox: string;
  readonly state: State | 'sending';
  readonly attempt: number;
  readonly acceptedAt: number;
  readonly changedAt: number;
  readonly reason?: string;
  readonly detail?: string;
  readonly remedy?: string;
}

export interface AccountView {
  readonly box: Box;
  readonly backlog: Backlog;
}

/** Throws StorageTrouble, as all here. */
export async function watchAccount(account: string, doors: Dependencies): Promise<AccountView> {
  const row = await doors.rows.read(account, boxKey);
  const box = row === undefined ? emptyBox : decodeBox(row.fields);
  return { box, backlog: await countBacklog(account, doors) };
}

/** The newest messages among the first `walkMost` rows, by their last change. */
export async function listRecent(
  account: string,
  limit: number,
  doors: Dependencies,
): Promise<readonly Listed[]> {
  const walkMost = 5_000;
  const pageCount = 1_000;
  const { box } = await watchBox(account, doors);
  const open = new Set(box.open.map(({ id }) => id));
  const listed: Listed[] = [];
  let range = messageRange;
  for (let walked = 0; walked < walkMost;) {
    const page = await doors.rows.query(account, { ...range, limit: pageCount }, listColumns);
    for (const { key, fields } of page) {
      const one = listedOf(idAtEnd(key), fields);
      listed.push(open.has(one.id) ? { ...one, state: 'sending' } : one);
    }
    walked += page.length;
    const last = page.at(-1);
    if (page.length < pageCount || last === undefined) break;
    range = after(messageRange, last.key);
  }
  return listed.sort((one, other) => other.changedAt - one.changedAt).slice(0, limit);
}

/** Dead letters, or what is in doubt: for a person to decide. */
export async function listForPerson(
  account: string,
  which: 'failed' | 'doubtful' | 'inDoubt',
  limit: number,
  doors: Dependencies,
): Promise<readonly Message[]> {
  const group: AsideGroup = which === 'failed' ? 'failed' : 'doubt';
  const range = which === 'inDoubt' ? doubtRange(Number.MAX_SAFE_INTEGER / 10) : asideRange(group);
  const rows = await doors.rows.query(account, { ...range, limit: Math.min(limit, 1_000) }, ['attempt']);
  const messages: Message[] = [];
  for (const { key } of rows) {
    const message = await readMessage(account, idAtEnd(key), doors);
    if (message !== undefined) messages.push(message);
  }
  return messages;
}

/** One message with its story; `sending` while an attempt of it is open. */
export async function watchMessage(
  account: string,
  id: string,
  doors: Dependencies,
): Promise<{ readonly message: Message; readonly sending: boolean } | undefined> {
  const message = await readMessage(account, id, doors);
  if (message === undefined) return undefined;
  const { box } = await watchBox(account, doors);
  return { message, sending: box.open.some((open) => open.id === id) };
}

async function watchBox(account: string, { rows }: Dependencies): Promise<{ readonly box: Box }> {
  const row = await rows.read(account, boxKey);
  return { box: row === undefined ? emptyBox : decodeBox(row.fields) };
}

const listColumns = ['mailbox', 'state', 'attempt', 'acceptedAt', 'changedAt', 'reason', 'detail', 'remedy'];

function listedOf(id: string, fields: Readonly<Record<string, unknown>>): Listed {
  const text = (name: string): string => (typeof fields[name] === 'string' ? fields[name] : '');
  const number = (name: string): number => (typeof fields[name] === 'number' ? fields[name] : 0);
  const optional = (name: 'reason' | 'detail' | 'remedy'): object =>
    text(name) === '' ? {} : { [name]: text(name) };
  const states: readonly string[] = ['waiting', 'sent', 'failed', 'inDoubt', 'held', 'expired', 'cancelled'];
  const isState = (value: string): value is State => states.includes(value);
  const state = text('state');
  return {
    id,
    mailbox: text('mailbox'),
    state: isState(state) ? state : 'waiting',
    attempt: number('attempt'),
    acceptedAt: number('acceptedAt'),
    changedAt: number('changedAt'),
    ...optional('reason'),
    ...optional('detail'),
    ...optional('remedy'),
  };
}
