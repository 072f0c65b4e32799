// What the sweep reads of an account, in one call: its state row and what is listed next to it. The names of rows put
// `account`, `due|`, `event|` and `indoubt|` side by side, before everything that grows without a limit, so that for
// an account with little to do one short range answers every question of the sweep.
import type { Dependencies } from '../dependencies.ts';
import type { Row } from '../ports.ts';
import { decodeState, emptyState, type AccountState } from '../records/accountState.ts';
import { headRange, stateKey, type Range } from '../records/keys.ts';

/** An event row may hold 48 KiB, so that a longer page could be larger than what the table answers at once. */
const pageCount = 20;

export interface AccountHead {
  readonly state: AccountState;
  /** Of the state row; '' if there is none. Everything but an acceptance changes it. */
  readonly etag: string;
  /** The first rows of a range of due entries, events or doubts, at most `limit`. Throws StorageTrouble. */
  readonly first: (range: Range, limit: number) => Promise<readonly Row[]>;
  /** How many such rows there are, if that is known without reading more. */
  readonly countIn: (range: Range) => number | undefined;
}

/** Throws StorageTrouble, and UnreadableRow for a state of another version. */
export async function readHead(account: string, { rows }: Pick<Dependencies, 'rows'>): Promise<AccountHead> {
  const page = await rows.query(account, { ...headRange, limit: pageCount });
  const stateRow = page.find(({ key }) => key === stateKey);
  const isWhole = page.length < pageCount;
  const within = ({ from, to }: Range): readonly Row[] => page.filter(({ key }) => from <= key && key < to);
  return {
    state: stateRow === undefined ? emptyState : decodeState(stateRow.fields),
    etag: stateRow?.etag ?? '',
    first: async (range, limit) =>
      isWhole ? within(range).slice(0, limit) : rows.query(account, { ...range, limit }, ['attempt']),
    countIn: (range) => (isWhole ? within(range).length : undefined),
  };
}
