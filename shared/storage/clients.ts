// The one place where clients of the storage service are made.
//
// All three services behave alike: every answer's `Date` is reported to the clock sampler, with the monotonic instants
// around the very try that was answered (the policy sits inside the retries: with the first try's instant, a retried
// call would widen the bounds by its back-off); a try ends after `tryMs`; a call is tried at most three times and ends,
// tries and waits together, with its own signal (`callOptions`). Plain http is used only if the connection string says
// http, as the emulator's does.
import { TableClient, TableServiceClient, type TableServiceClientOptions } from '@azure/data-tables';
import { BlobServiceClient, type StoragePipelineOptions } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import type { Clock } from '../clock.ts';
import type { StoreAddress } from '../config/settings.ts';
import type { ClockSampler } from '../storageErrors.ts';
import { conditionalDeletes } from './conditionalDeletes.ts';
import { containerNames, queueNames, tableNames } from './names.ts';

/** The part of an Azure credential that storage needs (`TokenCredential` of @azure/core-auth fits). */
export interface StoreCredential {
  getToken(
    scopes: string | string[],
    options?: object,
  ): Promise<{ readonly token: string; readonly expiresOnTimestamp: number } | null>;
}

/** Clients of one storage account. */
export interface StoreClients {
  readonly tables: TableServiceClient;
  table(name: string): TableClient;
  readonly blobs: BlobServiceClient;
  readonly queues: QueueServiceClient;
}

export interface StoreOptions {
  readonly clock: Clock;
  readonly clockSampler: ClockSampler;
  /** Needed for `identity` only. */
  readonly credential?: StoreCredential;
  /** One try, from sending to the last byte of the answer's head. Default 10 s. */
  readonly tryMs?: number;
}

/** What the blob and queue SDKs both take; the policies are not in their types, but reach their core. */
interface StoragePipeline {
  readonly retryOptions: NonNullable<StoragePipelineOptions['retryOptions']>;
  readonly additionalPolicies: AdditionalPolicy[];
}

type AdditionalPolicy = NonNullable<TableServiceClientOptions['additionalPolicies']>[number];

/** A whole call with its retries ends within this; a lease of 60 s must survive a call that fails. */
export const callLimitMs = 20_000;

/** Ends a whole call, its retries included. One per call. */
export const callOptions = (limitMs = callLimitMs): { readonly abortSignal: AbortSignal } => ({
  abortSignal: AbortSignal.timeout(limitMs),
});

/** Makes the clients; no I/O. Throws if a URI of `identity` is not https or its credential is missing. */
export function makeStoreClients(address: StoreAddress, options: StoreOptions): StoreClients {
  const forTables = tablePipeline(options);
  if (address.kind === 'connectionString') {
    const { connectionString } = address;
    const tableOptions = { ...forTables, allowInsecureConnection: saysHttp(connectionString) };
    return {
      tables: TableServiceClient.fromConnectionString(connectionString, tableOptions),
      table: (name) => TableClient.fromConnectionString(connectionString, name, tableOptions),
      blobs: withClockSampler(options, (o) => BlobServiceClient.fromConnectionString(connectionString, o)),
      queues: withClockSampler(options, (o) => QueueServiceClient.fromConnectionString(connectionString, o)),
    };
  }
  const { credential } = options;
  if (credential === undefined) throw new Error('the identity form of the store needs a credential');
  for (const uri of [address.tableServiceUri, address.blobServiceUri, address.queueServiceUri]) {
    if (new URL(uri).protocol !== 'https:') throw new Error('a store reached by identity needs https URIs');
  }
  return {
    tables: new TableServiceClient(address.tableServiceUri, credential, forTables),
    table: (name) => new TableClient(address.tableServiceUri, name, credential, forTables),
    blobs: withClockSampler(options, (o) => new BlobServiceClient(address.blobServiceUri, credential, o)),
    queues: withClockSampler(options, (o) => new QueueServiceClient(address.queueServiceUri, credential, o)),
  };
}

/** Creates what is missing. The local stack calls it; in Azure the template has done it. */
export async function ensureStore(clients: StoreClients): Promise<void> {
  const queues = Object.values(queueNames).map((name) =>
    clients.queues.getQueueClient(name).createIfNotExists(callOptions()),
  );
  const containers = Object.values(containerNames).map((name) =>
    clients.blobs.getContainerClient(name).createIfNotExists(callOptions()),
  );
  // An existing table is no error to createTable.
  const tables = Object.values(tableNames).map((name) => clients.tables.createTable(name, callOptions()));
  await Promise.all([...queues, ...containers, ...tables]);
}

/** Three tries with short waits: a caller reads again after a refusal, and a lease must not expire meanwhile. */
function tablePipeline(options: StoreOptions): TableServiceClientOptions {
  return {
    retryOptions: { maxRetries: 2, retryDelayInMs: 200, maxRetryDelayInMs: 1_000 },
    additionalPolicies: [sampleClock(options), { position: 'perCall', policy: conditionalDeletes }],
  };
}

/**
 * The blob and queue SDKs have retry options of their own, and pass additional policies on to the same core. The
 * clients derived from a service client share its pipeline and would each add the policy again, which the core
 * refuses: so the list is emptied once the service client has taken it.
 */
function withClockSampler<Client>(
  options: StoreOptions,
  make: (pipeline: StoragePipeline) => Client,
): Client {
  const additionalPolicies = [sampleClock(options)];
  const client = make({
    retryOptions: { maxTries: 3, retryDelayInMs: 200, maxRetryDelayInMs: 1_000 },
    additionalPolicies,
  });
  additionalPolicies.length = 0;
  return client;
}

function sampleClock({ clock, clockSampler, tryMs = 10_000 }: StoreOptions): AdditionalPolicy {
  return {
    position: 'perRetry',
    policy: {
      name: 'clockSampler',
      async sendRequest(request, next) {
        request.timeout = tryMs;
        const sentAt = clock.monotonic();
        const response = await next(request);
        const receivedAt = clock.monotonic();
        const dateMs = Date.parse(response.headers.get('date') ?? '');
        if (Number.isFinite(dateMs)) clockSampler.observe({ sentAt, dateMs, receivedAt });
        return response;
      },
    },
  };
}

function saysHttp(connectionString: string): boolean {
  const lower = connectionString.toLowerCase();
  return (
    lower.includes('usedevelopmentstorage=true') ||
    /(^|;)\s*defaultendpointsprotocol=http(;|$)/.test(lower) ||
    /(^|;)\s*tableendpoint=http:/.test(lower)
  );
}
