// How an acceptance run reaches the bridge: its health over HTTP, and submissions and rows in the store, with the
// caller's own Azure login. Nothing is taken from a queue, so a program that reads the events loses none.
import { odata } from '@azure/data-tables';
import { accountKey } from '../../shared/mail/accountKey.ts';
import { getText } from '../../shared/outbound/records/chunks.ts';
import { messageKey, rejectedPartition } from '../../shared/outbound/records/keys.ts';
import { isFinished, type Message } from '../../shared/outbound/records/message.ts';
import { decodeMessage } from '../../shared/outbound/records/messageRow.ts';
import { callOptions, type StoreClients } from '../../shared/storage/clients.ts';
import { containerNames, queueNames, tableNames } from '../../shared/storage/names.ts';
import { TableRows } from '../../shared/storage/tableRows.ts';

/** A submission as the bridge has it. */
export interface SubmissionState {
  readonly state: Message['state'];
  /** No further change without a person. */
  readonly isSettled: boolean;
  readonly detail: string;
  readonly remedy: string;
  readonly messageId: string;
  readonly serverMessageId?: string;
  readonly acceptedAt: number;
  readonly changedAt: number;
  /** Enhanced status or reply code of each recipient, for a recipient that was refused. */
  readonly statuses: readonly string[];
  /** Bounces that were related to it. */
  readonly bouncesCount: number;
}

export interface BridgeAccess {
  /** The version that answers, or why there is none. */
  health(): Promise<
    | { readonly kind: 'alive'; readonly version: string }
    | { readonly kind: 'trouble'; readonly detail: string }
  >;
  submit(submission: object): Promise<void>;
  /** The reference of the blob. */
  upload(name: string, bytes: Uint8Array): Promise<string>;
  removeUpload(name: string): Promise<void>;
  /** Undefined until it is accepted. `senders`: addresses whose account may have it. */
  stateOf(id: string, senders: readonly string[]): Promise<SubmissionState | undefined>;
  /** Whether a submission with this id was rejected. */
  isRejected(id: string): Promise<boolean>;
  /** What the bridge took an incoming message for; undefined until it has it. */
  received(sought: ReceivedQuery): Promise<{ readonly kind: string; readonly count: number } | undefined>;
}

/** By its place before the bridge moved it, or by its kind. */
export type ReceivedQuery =
  | { readonly folder: string; readonly uidValidity: number; readonly uid: number }
  | { readonly kind: string; readonly since: Date };

const callMs = 30_000;
/** Rows looked through, at most. */
const rowsCount = 1_000;

/** Throws what the storage client throws: a missing role is said by it. */
export function storeAccess(app: string, store: StoreClients): BridgeAccess {
  const outbox = new TableRows(store.table(tableNames.outbox));
  const uploads = store.blobs.getContainerClient(containerNames.outboundUploads);
  return {
    health: () => askHealth(app),
    submit: async (submission) => {
      await store.queues
        .getQueueClient(queueNames.outboundMail)
        .sendMessage(JSON.stringify(submission), { messageTimeToLive: -1, ...callOptions() });
    },
    upload: async (name, bytes) => {
      await uploads.getBlockBlobClient(name).uploadData(bytes, callOptions(5 * 60_000));
      return `${containerNames.outboundUploads}/${name}`;
    },
    removeUpload: async (name) => {
      await uploads.getBlobClient(name).deleteIfExists(callOptions());
    },
    stateOf: async (id, senders) => {
      for (const partition of new Set(senders.map(accountKey))) {
        const row = await outbox.read(partition, messageKey(id));
        if (row !== undefined) return stateOfMessage(decodeMessage(row, '[]'));
      }
      return undefined;
    },
    isRejected: async (id) => {
      const rows = await outbox.query(rejectedPartition, { from: '!', to: '~', limit: rowsCount });
      return rows.some(({ fields }) => getText(fields, 'id') === id);
    },
    received: async (sought) => {
      const filter =
        'uid' in sought
          ? odata`folder eq ${sought.folder} and uidValidity eq ${sought.uidValidity} and uid eq ${sought.uid}`
          : odata`kind eq ${sought.kind} and Timestamp ge ${sought.since}`;
      let kind: string | undefined;
      let count = 0;
      const found = store
        .table(tableNames.inbound)
        .listEntities({ queryOptions: { filter }, ...callOptions() });
      for await (const entity of found) {
        if (!String(entity.rowKey).startsWith('message|') || count === rowsCount) continue;
        kind = String(entity['kind']);
        count += 1;
      }
      return kind === undefined ? undefined : { kind, count };
    },
  };
}

function stateOfMessage(message: Message): SubmissionState {
  return {
    state: message.state,
    isSettled: isFinished(message.state) || message.state === 'held',
    detail: message.detail ?? '',
    remedy: message.remedy ?? '',
    messageId: message.messageId,
    ...(message.serverMessageId === undefined ? {} : { serverMessageId: message.serverMessageId }),
    acceptedAt: message.acceptedAt,
    changedAt: message.changedAt,
    statuses: message.recipients.flatMap(({ state, enhanced, code }) =>
      state === 'failed' ? [enhanced ?? String(code ?? 0)] : [],
    ),
    bouncesCount: message.bounces.length,
  };
}

/** Anonymous: GET /api/health says no more than that it is alive, and its version. */
async function askHealth(app: string): ReturnType<BridgeAccess['health']> {
  const url = new URL('/api/health', app);
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(callMs), redirect: 'error' });
    if (response.status !== 200)
      return { kind: 'trouble', detail: `GET ${url.href} answered ${String(response.status)}.` };
    const body = (await response.json()) as { readonly status?: unknown; readonly version?: unknown } | null;
    return body?.status === 'alive'
      ? { kind: 'alive', version: String(body.version).slice(0, 40) }
      : { kind: 'trouble', detail: `GET ${url.href} answered, but not as the bridge does.` };
  } catch (error) {
    const cause =
      error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : '';
    return { kind: 'trouble', detail: `GET ${url.href} failed: ${cause}` };
  }
}
