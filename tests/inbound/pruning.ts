// Many mails fetched into the storage emulator, pruned, and fetched again after a change of UIDVALIDITY. Calls to the
// store are counted on the wire.
import type { Clock } from '../../shared/clock.ts';
import { systemClock, systemRandom } from '../../shared/clock.ts';
import { inboundNumbers } from '../../shared/inbound/dependencies.ts';
import { createInbound, type Inbound } from '../../shared/inbound/fetchMail.ts';
import { startStorageProxy } from '../../local/storageProxy/storageProxy.ts';
import { startAzurite } from '../../local/stack/azurite.ts';
import { ensureStore, makeStoreClients, type StoreClients } from '../../shared/storage/clients.ts';
import { ContainerInboundBlobs } from '../../shared/storage/inboundBlobs.ts';
import { containerNames, tableNames } from '../../shared/storage/names.ts';
import { TableLedger } from '../../shared/storage/tableLedger.ts';
import { FolderOfMails, plainParser } from './folderOfMails.ts';
import { MemorySentMessages } from './memoryStore.ts';
import { DESK, mail, mailboxOf } from './rig.ts';

const dayMs = 86_400_000;

export interface PruningResult {
  readonly announced: number;
  /** Content and rows removed. */
  readonly contentCount: number;
  readonly rowCount: number;
  /** Calls to the store for each message whose content, and whose rows, were removed. */
  readonly callsPerContent: number;
  readonly callsPerRow: number;
  /** Blobs that are left although they should not be, or the other way round. */
  readonly blobsLeft: number;
  /** Blobs whose message was not announced when they were removed. */
  readonly removedUnannounced: number;
  /** Messages announced again by the fetches after each removal and a change of UIDVALIDITY. */
  readonly announcedAgain: number;
  readonly messageRowsLeft: number;
}

/** Fetches `mails`, of which `young` came a month later, and prunes. */
export async function pruneMany(options: {
  readonly mails: number;
  readonly young: number;
}): Promise<PruningResult> {
  const { mails, young } = options;
  const azurite = await startAzurite();
  let calls = 0;
  const proxy = await startStorageProxy({
    ports: azurite.ports,
    before: () => 'forward',
    after: () => {
      calls += 1;
      return 'pass';
    },
  });
  try {
    const folder = new FolderOfMails();
    let at = Date.UTC(2026, 10, 25, 12);
    const clock: Clock = { ...systemClock, now: () => at, monotonic: () => systemClock.monotonic() };
    const clients = makeStoreClients(
      { kind: 'connectionString', connectionString: proxy.connectionString },
      { clock: systemClock, clockSampler: { observe: () => undefined } },
    );
    await ensureStore(clients);
    const announced = new Map<string, number>();
    const blobs = new WatchedBlobs(clients, announced);
    const inbound = inboundOf(clients, { folder, clock, announced, blobs });
    const fetchAll = async (): Promise<void> => {
      for (let run = 0; run < 100; run += 1) {
        const report = await inbound.fetchOne(DESK, { invocationId: 'test' });
        if (report?.outcome !== 'fetched') throw new Error(report?.detail);
        if (!report.hasMore) return;
      }
    };
    const prune = async (): Promise<{ contentCount: number; rowCount: number; calls: number }> => {
      calls = 0;
      const [report] = await inbound.prune({ invocationId: 'test' });
      if (report?.outcome !== 'pruned') throw new Error(report?.outcome);
      return { contentCount: report.contentCount, rowCount: report.rowCount, calls };
    };
    let sent = 0;
    const deliver = (count: number): void => {
      for (let n = 0; n < count; n += 1, sent += 1)
        folder.deliver(mail({ 'Message-ID': `<${String(sent)}@x>` }, `mail ${String(sent)}`), at);
    };

    deliver(mails - young);
    await fetchAll();
    at += 31 * dayMs;
    deliver(young);
    await fetchAll();
    const content = await prune();
    const blobsLeft = await blobCount(clients);
    // Everything is fetched again, and recognised by its row.
    folder.renumber();
    await fetchAll();
    at += 401 * dayMs;
    await fetchAll();
    const rows = await prune();
    folder.renumber();
    await fetchAll();
    return {
      announced: announced.size,
      contentCount: content.contentCount,
      rowCount: rows.rowCount,
      callsPerContent: rounded(content.calls / content.contentCount),
      callsPerRow: rounded(rows.calls / rows.rowCount),
      blobsLeft,
      removedUnannounced: blobs.removedUnannounced,
      announcedAgain: [...announced.values()].filter((times) => times > 1).length,
      messageRowsLeft: await rowCount(clients),
    };
  } finally {
    await proxy.close();
    await azurite.stop();
  }
}

class WatchedBlobs extends ContainerInboundBlobs {
  removedUnannounced = 0;
  readonly #announced: ReadonlyMap<string, number>;

  constructor(clients: StoreClients, announced: ReadonlyMap<string, number>) {
    super(clients.blobs.getContainerClient(containerNames.inboundContent));
    this.#announced = announced;
  }

  override async remove(names: readonly string[]): Promise<void> {
    for (const name of names)
      if (!this.#announced.has(name.split('/')[1] ?? '')) this.removedUnannounced += 1;
    await super.remove(names);
  }
}

function inboundOf(
  clients: StoreClients,
  of: {
    readonly folder: FolderOfMails;
    readonly clock: Clock;
    readonly announced: Map<string, number>;
    readonly blobs: WatchedBlobs;
  },
): Inbound {
  const { folder, clock, announced, blobs } = of;
  return createInbound([mailboxOf(DESK)], {
    mailboxes: folder,
    ledger: new TableLedger(clients.table(tableNames.inbound), systemRandom),
    blobs,
    notices: {
      publish: (text) => {
        const id = /"id":"([^"]+)"/.exec(text)?.[1] ?? '';
        announced.set(id, (announced.get(id) ?? 0) + 1);
        return Promise.resolve();
      },
    },
    parser: plainParser,
    sent: new MemorySentMessages(),
    clock,
    random: systemRandom,
    log: () => undefined,
    numbers: inboundNumbers,
  });
}

async function blobCount(clients: StoreClients): Promise<number> {
  const names: string[] = [];
  const container = clients.blobs.getContainerClient(containerNames.inboundContent);
  for await (const { name } of container.listBlobsFlat()) names.push(name);
  return names.length;
}

async function rowCount(clients: StoreClients): Promise<number> {
  let count = 0;
  for await (const { rowKey = '' } of clients.table(tableNames.inbound).listEntities())
    if (rowKey.startsWith('message|')) count += 1;
  return count;
}

function rounded(calls: number): number {
  return Math.round(calls * 1_000) / 1_000;
}

if (process.argv[1] === import.meta.filename) {
  const [mails = 10_000] = process.argv.slice(2).map(Number);
  const startedAt = performance.now();
  const result = await pruneMany({ mails, young: Math.floor(mails / 100) });
  console.log(JSON.stringify({ ...result, seconds: Math.round((performance.now() - startedAt) / 1_000) }));
}
