// Finding messages by what an administrator knows of them. There is no index: rows are read in the order of their keys, a
// bounded number at a time, and the answer says where to go on.
import type { RecipientOutcome } from '../../contract/statusEvent.ts';
import type { Json } from '../../contract/submission.ts';
import { bufferOf } from '../../mail/foreign.ts';
import { omit } from '../../mail/omit.ts';
import { accountSendingFor } from '../accounts.ts';
import type { Dependencies } from '../dependencies.ts';
import { after as rest, everyRow, messageRange, accountsPartition } from '../records/keys.ts';
import type { State } from '../records/message.ts';
import { decodeFound, foundColumns, recipientsOf, type FoundRow } from '../records/messageRow.ts';
import type { Row } from '../ports.ts';
import { readState } from '../store/accountTransaction.ts';
import { scan } from '../store/scan.ts';

/** What must hold of a message, all of it. Text is compared without regard to case. */
export interface MessageFilter {
  readonly id?: string;
  readonly mailbox?: string;
  readonly state?: State | 'sending';
  /** Part of a recipient's address. */
  readonly recipient?: string;
  /** Part of the caller's own reference, as JSON. */
  readonly correlation?: string;
  /** Part of the first 200 characters of the subject. */
  readonly subject?: string;
  /** Part of the reason, the detail or the remedy. */
  readonly text?: string;
  /** UTC ms. */
  readonly acceptedAfter?: number;
  readonly acceptedBefore?: number;
}

export interface FoundMessage extends Omit<FoundRow, 'state' | 'recipients' | 'subject'> {
  readonly account: string;
  readonly state: State | 'sending';
  readonly recipients: readonly RecipientOutcome[];
  readonly correlation?: Json;
}

export interface FoundPage {
  readonly messages: readonly FoundMessage[];
  /** Where to go on; absent at the end. */
  readonly next?: string;
}

/** Rows that one call reads at most, and accounts that it looks at. */
const rowsMost = 5_000;
const rowsAtOnce = 500;
const accountsMost = 10_000;

/** At most `limit` messages after `after`, in the order of accounts and ids. Throws StorageTrouble. */
export async function findMessages(
  filter: MessageFilter,
  { limit, after }: { readonly limit: number; readonly after?: string },
  dependencies: Dependencies,
): Promise<FoundPage> {
  const from = after === undefined ? undefined : parsePosition(after);
  const accounts = (await accountsToSearch(filter, dependencies)).filter(
    (account) => from === undefined || account >= from.account,
  );
  const messages: FoundMessage[] = [];
  let readCount = 0;
  for (const account of accounts) {
    let range = from?.account === account && from.key !== '' ? rest(messageRange, from.key) : messageRange;
    const active = new Set((await readState(account, dependencies)).activeAttempts.map(({ id }) => id));
    for (;;) {
      if (readCount >= rowsMost) return { messages, next: positionAt(account, lastBefore(range)) };
      const page = await dependencies.rows.query(account, { ...range, limit: rowsAtOnce }, foundColumns);
      readCount += page.length;
      for (const row of page) {
        const found = await matching(account, row, { filter, active }, dependencies);
        if (found === undefined) continue;
        messages.push(found);
        if (messages.length === limit) return { messages, next: positionAt(account, row.key) };
      }
      const last = page.at(-1);
      if (page.length < rowsAtOnce || last === undefined) break;
      range = rest(messageRange, last.key);
    }
  }
  return { messages };
}

async function accountsToSearch(
  { mailbox }: MessageFilter,
  dependencies: Dependencies,
): Promise<readonly string[]> {
  if (mailbox !== undefined) {
    const account = accountSendingFor(mailbox, dependencies)?.key;
    if (account !== undefined) return [account];
  }
  const keys: string[] = [];
  await scan(
    accountsPartition,
    everyRow,
    { select: ['at'], mostCount: accountsMost },
    (page) => void keys.push(...page.map(({ key }) => key)),
    dependencies,
  );
  return keys;
}

async function matching(
  account: string,
  row: Row,
  { filter, active }: { readonly filter: MessageFilter; readonly active: ReadonlySet<string> },
  dependencies: Dependencies,
): Promise<FoundMessage | undefined> {
  const found = decodeFound(row);
  // Deleted by a person: only the idempotency record is left.
  if (found === undefined || found.reason === 'deleted') return undefined;
  const state = active.has(found.id) ? 'sending' : found.state;
  const { id, mailbox, correlation, acceptedAfter, acceptedBefore } = filter;
  const why = [found.reason, found.detail, found.remedy].join(' ');
  const matches =
    (id === undefined || found.id === id) &&
    (mailbox === undefined || found.mailbox.toLowerCase() === mailbox.toLowerCase()) &&
    (filter.state === undefined || filter.state === state) &&
    (filter.text === undefined || has(why, filter.text)) &&
    (filter.subject === undefined || has(found.subject, filter.subject)) &&
    (correlation === undefined || has(JSON.stringify(found.correlation ?? null), correlation)) &&
    (acceptedAfter === undefined || found.acceptedAt >= acceptedAfter) &&
    (acceptedBefore === undefined || found.acceptedAt < acceptedBefore);
  if (!matches) return undefined;
  const recipients = await recipientsIn(found, dependencies);
  const { recipient } = filter;
  if (recipient !== undefined && !recipients.some(({ address }) => has(address, recipient))) return undefined;
  return { ...omit(found, 'subject'), account, state, recipients };
}

/** In the row, or in a blob if there are many. */
async function recipientsIn(
  { recipients }: FoundRow,
  { contents }: Dependencies,
): Promise<readonly RecipientOutcome[]> {
  if ('text' in recipients) return recipientsOf(recipients.text);
  const bytes = await contents.get(recipients.blob);
  return bytes === undefined ? [] : recipientsOf(bufferOf(bytes).toString());
}

const has = (text: string, part: string): boolean => text.toLowerCase().includes(part.toLowerCase());

// ---- where to go on --------------------------------------------------------------------------------------

const positionAt = (account: string, key: string): string =>
  Buffer.from(JSON.stringify([account, key])).toString('base64url');

/** The key that a rest of the range comes after; '' for the whole range. */
const lastBefore = ({ from }: { readonly from: string }): string =>
  from === messageRange.from ? '' : from.trimEnd();

/** Throws a RangeError for a text that is none of ours. */
function parsePosition(text: string): { readonly account: string; readonly key: string } {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text.slice(0, 2_000), 'base64url').toString());
    if (Array.isArray(parsed) && parsed.length === 2) {
      const [account, key] = parsed as readonly unknown[];
      if (typeof account === 'string' && typeof key === 'string' && (key === '' || key.startsWith('msg|')))
        return { account, key };
    }
  } catch {
    // the same as a position of another form
  }
  throw new RangeError('"after" is not the "next" of an earlier answer.');
}
