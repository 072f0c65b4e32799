// The daily export: a copy of every unfinished message, row and contents, in another account than the outbox's. It is
// for the day on which rows have disappeared: a table has no soft delete, and the outbox is the only copy of accepted
// mail.
//
// 1. Every row that lists an unfinished message leads to the message's own row.
// 2. Its contents are put, or if they are there from the day before, made new: each blob is kept for a week from then.
// 3. Rows are put in parts, each after its contents.
// 4. The summary is put last. An export that was killed has none, and is no export; the one of the day before is there.
//
// Messages change while it runs: what it has of one is as it was at some moment of the run. That is enough, since nobody
// may send what is restored without a person who looks.
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { Dependencies } from '../dependencies.ts';
import type { ExportStore, Row } from '../ports.ts';
import { encodeExportedRow, encodeSummary, exportNames } from '../records/exportedRow.ts';
import { allDueRange, allSuspendedRange, idAtEnd, inDoubtRange, messageKey } from '../records/keys.ts';
import { decodeRetention } from '../records/messageRow.ts';
import { scan } from '../store/scan.ts';
import { listAccounts } from './sweep.ts';

const partCount = 200;
const atOnce = 10;
/** Unfinished messages of an account that are exported, at most: three days at Exchange Online's rate. */
const messagesMost = 130_000;

export interface ExportReport {
  /** Its name: the time at which it began. */
  readonly export: string;
  readonly messageCount: number;
  readonly contentCount: number;
  /** Contents that a row names and that are not in the store. */
  readonly missingCount: number;
  /** Rows of another version, or damaged. */
  readonly unreadableCount: number;
}

/** Undefined if there is no account to export to. Throws StorageTrouble: the next day's export is a new one. */
export async function exportOutbox(dependencies: Dependencies): Promise<ExportReport | undefined> {
  const { exports, log, time, random } = dependencies;
  if (exports === undefined) {
    log(outboundEvents.notExported({}));
    return undefined;
  }
  const at = time.earliest();
  const name = `${new Date(at).toISOString().replaceAll(/[-:]/g, '').replace(/\..*/, 'Z')}-${random.id().slice(0, 6)}`;
  const run = new ExportRun(name, exports, dependencies);
  for (const account of await listAccounts(dependencies)) await run.account(account);
  const report = { export: name, ...run.counts };
  await exports.put(exportNames.complete(name), encodeSummary({ format: 1, at, ...report }));
  log(outboundEvents.exported(report));
  return report;
}

class ExportRun {
  readonly counts = { messageCount: 0, contentCount: 0, missingCount: 0, unreadableCount: 0 };
  readonly #name: string;
  readonly #exports: ExportStore;
  readonly #dependencies: Dependencies;
  /** Contents that this run has put or renewed. */
  readonly #kept = new Set<string>();

  constructor(name: string, exports: ExportStore, dependencies: Dependencies) {
    this.#name = name;
    this.#exports = exports;
    this.#dependencies = dependencies;
  }

  async account(account: string): Promise<void> {
    const ids = await this.#unfinished(account);
    for (let start = 0, part = 1; start < ids.length; start += partCount, part += 1) {
      const rows: Row[] = [];
      const wanted = ids.slice(start, start + partCount);
      for (let from = 0; from < wanted.length; from += atOnce) {
        const read = await Promise.all(
          wanted
            .slice(from, from + atOnce)
            .map((id) => this.#dependencies.rows.read(account, messageKey(id))),
        );
        rows.push(...read.filter((row) => row !== undefined));
      }
      const lines: string[] = [];
      for (const row of rows) if (await this.#keepContents(row)) lines.push(encodeExportedRow(row));
      if (lines.length === 0) continue;
      const name = exportNames.rows(this.#name, account, part);
      await this.#exports.put(name, Buffer.from(`${lines.join('\n')}\n`));
      this.counts.messageCount += lines.length;
    }
  }

  async #unfinished(account: string): Promise<readonly string[]> {
    const ids = new Set<string>();
    for (const range of [allDueRange, inDoubtRange(), allSuspendedRange])
      await scan(
        account,
        range,
        { select: ['mailbox'], mostCount: messagesMost },
        (page) => {
          for (const { key } of page) ids.add(idAtEnd(key));
        },
        this.#dependencies,
      );
    return [...ids];
  }

  /** False for a row that is finished by now, or that can't be read: what it needs is not known. */
  async #keepContents({ fields }: Row): Promise<boolean> {
    const read = decodeRetention(fields);
    if (read === undefined) {
      this.counts.unreadableCount += 1;
      return false;
    }
    if (read.isFinished) return false;
    for (const name of read.blobs) {
      if (this.#kept.has(name)) continue;
      const target = exportNames.content(name);
      if (!(await this.#exports.renew(target))) {
        const bytes = await this.#dependencies.contents.get(name);
        if (bytes === undefined) {
          this.counts.missingCount += 1;
          continue;
        }
        await this.#exports.put(target, bytes);
      }
      this.#kept.add(name);
      this.counts.contentCount += 1;
    }
    return true;
  }
}
