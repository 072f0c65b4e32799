// What a person should look at, as the first screen lists it: dead letters and doubts, and messages that came back. The
// sweep stores it beside the account's counts, and reads only the rows of messages that are new on the list.
import { z } from 'zod';
import { parseJson } from '../../mail/foreign.ts';
import { boundedText } from '../../mail/text.ts';
import type { Dependencies } from '../dependencies.ts';
import { mayBeSent } from '../policy/transitions.ts';
import { idAtEnd, suspendedRange } from '../records/keys.ts';
import type { Message } from '../records/message.ts';
import type { AccountHead } from './accountHead.ts';
import { readIfReadable } from './accountTransaction.ts';
import type { Backlog } from './backlog.ts';

const listed = z
  .object({
    list: z.enum(['toDecide', 'failed', 'bounced']),
    id: z.string(),
    mailbox: z.string(),
    state: z.enum(['waiting', 'sent', 'failed', 'inDoubt', 'held', 'expired', 'cancelled']),
    /** Since when (UTC ms); of a bounce, when it came. */
    at: z.number(),
    detail: z.string(),
    /** The caller's own reference; '' if there is none. */
    ticket: z.string(),
    mayBeSent: z.boolean(),
  })
  .readonly();
/** A message on one of the lists. */
export type AttentionEntry = z.infer<typeof listed>;

/** Of an account and a list. */
const listedMost = 10;
const detailCharacters = 300;
const ticketCharacters = 100;
/** A bounce is old news after that. */
const bouncedForMs = 7 * 86_400_000;

/** Throws StorageTrouble. */
export async function readAttention(
  account: string,
  {
    head,
    backlog,
    stored,
  }: {
    readonly head: AccountHead;
    readonly backlog: Backlog;
    readonly stored: readonly AttentionEntry[];
  },
  dependencies: Dependencies,
): Promise<readonly AttentionEntry[]> {
  const entries: AttentionEntry[] = [];
  for (const { list, group, count } of [
    { list: 'toDecide', group: 'inDoubt', count: backlog.unresolved.count },
    { list: 'failed', group: 'failed', count: backlog.failed.count },
  ] as const) {
    if (count === 0) continue;
    const range = { ...suspendedRange(group), limit: listedMost };
    const rows = await dependencies.rows.query(account, range, ['attempt']);
    for (const { key } of rows) {
      const id = idAtEnd(key);
      const entry =
        stored.find((one) => one.list === list && one.id === id) ??
        entryOf(list, await readIfReadable(account, id, dependencies));
      if (entry !== undefined) entries.push(entry);
    }
  }
  const since = dependencies.time.earliest() - bouncedForMs;
  for (const { id, at } of head.state.bounced.filter((one) => one.at >= since)) {
    const known = stored.find((one) => one.list === 'bounced' && one.id === id && one.at === at);
    const entry = known ?? entryOf('bounced', await readIfReadable(account, id, dependencies), at);
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

function entryOf(
  list: AttentionEntry['list'],
  message: Message | undefined,
  at = message?.changedAt ?? 0,
): AttentionEntry | undefined {
  if (message === undefined || message.reason === 'deleted') return undefined;
  const { id, mailbox, state, detail, history, correlation } = message;
  const said = list === 'bounced' ? history.findLast(({ type }) => type === 'mail.bounced')?.detail : detail;
  return {
    list,
    id,
    mailbox,
    state,
    at,
    detail: boundedText(said ?? '', detailCharacters),
    ticket: boundedText(ticketOf(correlation), ticketCharacters),
    mayBeSent: mayBeSent(message),
  };
}

/** A lone text as it is; of an object its members as text, which is what a caller recognises. */
export function ticketOf(correlation: unknown): string {
  if (correlation === undefined || correlation === null) return '';
  if (typeof correlation === 'string') return correlation;
  if (typeof correlation === 'object' && !Array.isArray(correlation)) {
    const values: readonly unknown[] = Object.values(correlation);
    if (values.every((value) => typeof value === 'string' || typeof value === 'number'))
      return values.join(' ');
  }
  return JSON.stringify(correlation);
}

export const writeAttention = (entries: readonly AttentionEntry[]): string => JSON.stringify(entries);

/** None for a text that is absent or damaged. */
export function readStoredAttention(text: string | undefined): readonly AttentionEntry[] {
  const read = z.array(listed).safeParse(parseJson(text ?? '[]'));
  return read.success ? read.data : [];
}
