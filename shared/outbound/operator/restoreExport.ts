// Bringing back what was lost. A message that is still in the outbox is left as it is, whatever the export says of it: it
// is newer. One that is not is put back, held for a person: it may have been sent after the export, so nothing sends it
// again by itself.
//
// Each message is one transaction, after its contents; killed at any step and run again, it goes on where it was.
import { StorageTrouble } from '../../storageErrors.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { Dependencies } from '../dependencies.ts';
import { restore } from '../policy/transitions.ts';
import type { ExportStore, Row } from '../ports.ts';
import { accountOfRows, decodeExportedRow, decodeSummary, exportNames } from '../records/exportedRow.ts';
import { accountsPartition, idAtEnd } from '../records/keys.ts';
import type { Message } from '../records/message.ts';
import { decodeMessage, decodeRetention, recipientsIn } from '../records/messageRow.ts';
import { UnreadableRow } from '../records/unreadableRow.ts';
import { AccountTransactions } from '../store/accountTransaction.ts';
import { writeAccepted } from '../store/writes.ts';

/** Exports that are listed; a week has seven. */
const exportsMost = 100;
/** Parts of one export. */
const partsMost = 5_000;
/** Ids that a report names. */
const namedMost = 1_000;

export interface RestoreRequest {
  readonly export: string;
  /** Only this account; all of them if absent. */
  readonly account?: string;
  /** For the history. */
  readonly by: string;
  /** Says what would be restored, and writes nothing. */
  readonly dryRun?: boolean;
}

export type RestoreReport =
  | {
      readonly kind: 'done';
      readonly restoredCount: number;
      /** In the outbox still, or again: left as they are. */
      readonly presentCount: number;
      /** Of another version, damaged, or without a content that they need. */
      readonly failedCount: number;
      /** The first of each. */
      readonly restored: readonly { readonly account: string; readonly id: string }[];
      readonly failed: readonly { readonly account: string; readonly id: string; readonly detail: string }[];
    }
  /** There is no complete export of that name. */
  | { readonly kind: 'unknown' };

/** Names of the complete exports, the newest last; empty if there is no account for them. Throws StorageTrouble. */
export async function listExports({ exports }: Dependencies): Promise<readonly string[]> {
  const names = (await exports?.list(exportNames.allComplete, exportsMost)) ?? [];
  return names.map((name) => name.slice(exportNames.allComplete.length).replace(/\.json$/, ''));
}

/** Throws StorageTrouble; what was restored by then stays. */
export async function restoreExport(
  request: RestoreRequest,
  dependencies: Dependencies,
): Promise<RestoreReport> {
  const { exports, log } = dependencies;
  const marker = await exports?.get(exportNames.complete(request.export));
  const summary = marker === undefined ? undefined : decodeSummary(marker);
  if (exports === undefined || summary === undefined) return { kind: 'unknown' };
  const restored: { account: string; id: string }[] = [];
  const failed: { account: string; id: string; detail: string }[] = [];
  const counts = { restoredCount: 0, presentCount: 0, failedCount: 0 };
  for (const part of await exports.list(exportNames.rowsOf(request.export), partsMost)) {
    const account = accountOfRows(part);
    if (request.account !== undefined && request.account !== account) continue;
    const lines = Buffer.from((await exports.get(part)) ?? [])
      .toString()
      .split('\n')
      .filter((line) => line !== '');
    for (const line of lines) {
      const row = decodeExportedRow(line);
      const id = row === undefined ? '' : idAtEnd(row.key);
      const outcome =
        row === undefined
          ? { kind: 'failed' as const, detail: 'It is no row.' }
          : await restoreRow(account, row, { ...request, at: summary.at, exports }, dependencies);
      counts[`${outcome.kind}Count`] += 1;
      if (outcome.kind === 'restored' && restored.length < namedMost) restored.push({ account, id });
      if (outcome.kind === 'failed' && failed.length < namedMost)
        failed.push({ account, id, detail: outcome.detail });
    }
  }
  if (request.dryRun !== true) log(outboundEvents.restored({ export: request.export, ...counts }));
  return { kind: 'done', ...counts, restored, failed };
}

type Outcome =
  { readonly kind: 'restored' | 'present' } | { readonly kind: 'failed'; readonly detail: string };

async function restoreRow(
  account: string,
  row: Pick<Row, 'key' | 'fields'>,
  {
    at,
    by,
    dryRun,
    exports,
  }: Pick<RestoreRequest, 'by' | 'dryRun'> & { readonly at: number; readonly exports: ExportStore },
  dependencies: Dependencies,
): Promise<Outcome> {
  const { rows, contents, time } = dependencies;
  if ((await rows.read(account, row.key)) !== undefined) return { kind: 'present' };
  const message = await readExported(row, exports);
  if (message === undefined) return { kind: 'failed', detail: 'Its row is of another version, or damaged.' };
  for (const name of decodeRetention(row.fields)?.blobs ?? []) {
    const bytes = await exports.get(exportNames.content(name));
    if (bytes === undefined)
      return { kind: 'failed', detail: 'A content that it needs is not in the export.' };
    if (dryRun !== true) await contents.put(name, bytes);
  }
  if (dryRun === true) return { kind: 'restored' };
  const known = await rows.commit(accountsPartition, [{ kind: 'insert', key: account, fields: {} }]);
  if (known.kind === 'unknown') throw new StorageTrouble(`the account's row: ${known.detail}`);
  const { after = message, event } = restore(message, time.earliest(), at, by);
  return new AccountTransactions(account, dependencies).transact<Outcome>('operate', async (state) => {
    // Another run has restored it, or ESM has submitted it again; our own write counts as restored.
    const there = await rows.read(account, row.key);
    if (there !== undefined)
      return { result: { kind: there.fields['reason'] === 'restored' ? 'restored' : 'present' } };
    return {
      state,
      operations: event === undefined ? [] : await writeAccepted(after, event, dependencies),
      result: { kind: 'restored' },
    };
  });
}

/** Undefined for a row of another version, or a damaged one. */
async function readExported(
  row: Pick<Row, 'key' | 'fields'>,
  exports: ExportStore,
): Promise<Message | undefined> {
  try {
    const place = recipientsIn(row.fields);
    const text =
      'text' in place
        ? place.text
        : Buffer.from((await exports.get(exportNames.content(place.blob))) ?? []).toString();
    return decodeMessage(row, text);
  } catch (error) {
    if (error instanceof UnreadableRow) return undefined;
    throw error;
  }
}
