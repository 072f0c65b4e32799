// Exports of the outbox, in a container of the host's account. A rule of that account deletes each blob a week after it was
// last written (infra/modules/storage.bicep); writing its metadata counts as writing it.
import type { ContainerClient } from '@azure/storage-blob';
import { BlobServiceClient } from '@azure/storage-blob';
import type { ExportAddress } from '../config/settings.ts';
import type { ExportStore } from '../outbound/ports.ts';
import { callOptions, type StoreCredential } from './clients.ts';
import { exportContainerName } from './names.ts';
import { orTrouble, statusOf } from './trouble.ts';

/** For a call that transfers content: 150 MiB at a few MB a second. */
const contentCallMs = 120_000;
const contentMostBytes = 160 * 1024 * 1024;

/** The container of exports; no I/O. `credential` is needed for `identity` only. */
export function exportContainer(address: ExportAddress, credential?: StoreCredential): ContainerClient {
  const service =
    address.kind === 'connectionString'
      ? BlobServiceClient.fromConnectionString(address.connectionString)
      : new BlobServiceClient(address.blobServiceUri, credential);
  return service.getContainerClient(exportContainerName);
}

export class BlobExports implements ExportStore {
  readonly #container: ContainerClient;

  constructor(container: ContainerClient) {
    this.#container = container;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await orTrouble('an export could not be stored', () =>
      this.#container
        .getBlockBlobClient(name)
        .uploadData(bytes, { concurrency: 2, ...callOptions(contentCallMs) }),
    );
  }

  async renew(name: string): Promise<boolean> {
    return orTrouble('an export could not be renewed', async () => {
      try {
        await this.#container.getBlobClient(name).setMetadata({}, callOptions());
        return true;
      } catch (error) {
        if (statusOf(error) === 404) return false;
        throw error;
      }
    });
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    return orTrouble('an export could not be read', async () => {
      try {
        const blob = this.#container.getBlobClient(name);
        const { contentLength = 0 } = await blob.getProperties(callOptions());
        if (contentLength > contentMostBytes) throw new Error('larger than any content');
        if (contentLength === 0) return Buffer.alloc(0);
        return await blob.downloadToBuffer(0, contentLength, callOptions(contentCallMs));
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    });
  }

  async list(prefix: string, limit: number): Promise<readonly string[]> {
    return orTrouble('exports could not be listed', async () => {
      const names: string[] = [];
      const found = this.#container.listBlobsFlat({ prefix, ...callOptions() });
      for await (const { name } of found) {
        names.push(name);
        if (names.length >= limit) break;
      }
      return names;
    });
  }
}
