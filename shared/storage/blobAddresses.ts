// Addresses of single blobs for a short time. With the app's identity they are signed with a user delegation key, which
// needs the role Storage Blob Delegator and no account key; on the emulator with the connection string's key.
import {
  BlobSASPermissions,
  generateBlobSASQueryParameters,
  SASProtocol,
  type BlobClient,
  type BlobServiceClient,
  type UserDelegationKey,
} from '@azure/storage-blob';
import type { Readable } from 'node:stream';
import type { Clock } from '../clock.ts';
import type { BlobAddresses } from '../http/ports.ts';
import { callOptions } from './clients.ts';
import { asTrouble, orTrouble, statusOf } from './trouble.ts';

/** A key may live seven days; a shorter one is worth less to whoever gets it. */
const keyMs = 4 * 3_600_000;
/** A key that ends sooner is replaced, so that no address outlives its key. */
const keyLeftMs = 3_600_000;
/** The service's clock may be behind ours. */
const skewMs = 5 * 60_000;
const readCallMs = 60_000;

export interface BlobAddressOptions {
  readonly uploadContainer: string;
  /** Containers whose blobs may be read. */
  readonly readable: readonly string[];
  readonly clock: Clock;
  /** Signed with the app's identity, else with the connection string's key. */
  readonly byIdentity: boolean;
}

export class SignedBlobAddresses implements BlobAddresses {
  readonly #service: BlobServiceClient;
  readonly #options: BlobAddressOptions;
  #key: { readonly key: UserDelegationKey; readonly endsAt: number } | undefined;

  constructor(service: BlobServiceClient, options: BlobAddressOptions) {
    this.#service = service;
    this.#options = options;
  }

  async forUpload(name: string, expiresAt: number): Promise<string> {
    const blob = this.#service.getContainerClient(this.#options.uploadContainer).getBlobClient(name);
    return this.#sign(blob, 'c', expiresAt);
  }

  async forReading(
    reference: string,
    expiresAt: number,
  ): Promise<{ readonly kind: 'address'; readonly url: string } | { readonly kind: 'absent' }> {
    const blob = this.#readable(reference);
    if (blob === undefined) return { kind: 'absent' };
    const exists = await orTrouble('a content could not be found', () => blob.exists(callOptions()));
    return exists ? { kind: 'address', url: await this.#sign(blob, 'r', expiresAt) } : { kind: 'absent' };
  }

  async read(reference: string, mostBytes: number): ReturnType<BlobAddresses['read']> {
    const blob = this.#readable(reference);
    if (blob === undefined) return { kind: 'absent' };
    try {
      const answer = await blob.download(0, undefined, callOptions(readCallMs));
      const stream = answer.readableStreamBody as Readable | undefined;
      if (stream === undefined) throw new Error('a download without a body');
      if ((answer.contentLength ?? 0) > mostBytes) {
        stream.on('error', () => undefined).destroy();
        return { kind: 'tooLarge' };
      }
      const chunks: Buffer[] = [];
      for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
      const contentType = answer.contentType ?? 'application/octet-stream';
      return { kind: 'content', bytes: Buffer.concat(chunks), contentType };
    } catch (error) {
      if (statusOf(error) === 404) return { kind: 'absent' };
      throw asTrouble('a content could not be read', error);
    }
  }

  #readable(reference: string): BlobClient | undefined {
    const slash = reference.indexOf('/');
    const [container, name] = [reference.slice(0, slash), reference.slice(slash + 1)];
    if (slash < 1 || name === '' || !this.#options.readable.includes(container)) return undefined;
    return this.#service.getContainerClient(container).getBlobClient(name);
  }

  async #sign(blob: BlobClient, permission: 'c' | 'r', expiresAt: number): Promise<string> {
    const { byIdentity } = this.#options;
    const permissions = BlobSASPermissions.parse(permission);
    const expiresOn = new Date(expiresAt);
    if (!byIdentity)
      return orTrouble('an address could not be signed', () =>
        blob.generateSasUrl({ permissions, expiresOn }),
      );
    const query = generateBlobSASQueryParameters(
      {
        containerName: blob.containerName,
        blobName: blob.name,
        permissions,
        expiresOn,
        protocol: SASProtocol.Https,
      },
      await this.#delegationKey(),
      this.#service.accountName,
    );
    return `${blob.url}?${query.toString()}`;
  }

  async #delegationKey(): Promise<UserDelegationKey> {
    const now = this.#options.clock.now();
    if (this.#key !== undefined && this.#key.endsAt - now > keyLeftMs) return this.#key.key;
    const endsAt = now + keyMs;
    const key = await orTrouble('the store gave no key for addresses (role Storage Blob Delegator)', () =>
      this.#service.getUserDelegationKey(new Date(now - skewMs), new Date(endsAt), {
        ...callOptions(),
      }),
    );
    this.#key = { key, endsAt };
    return key;
  }
}
