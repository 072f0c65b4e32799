// The content store and ESM's upload container, over a host's wire.
import { readBlobReference } from '../../shared/mail/blobReference.ts';
import { sha256 } from '../../shared/mail/fingerprint.ts';
import type { Contents } from '../../shared/outbound/ports.ts';
import type { Wire } from './memoryRows.ts';
import type { VirtualClock } from './virtualClock.ts';

export class MemoryBlobs {
  readonly uploads = new Map<string, Uint8Array>();
  readonly stored = new Map<string, { readonly bytes: Uint8Array; readonly putAt: number }>();
}

const uploadContainer = 'esm-upload';
const isHash = (name: string): boolean => /^[0-9a-f]{64}$/.test(name);

export class MemoryContents implements Contents {
  readonly #blobs: MemoryBlobs;
  readonly #wire: Wire;
  readonly #world: VirtualClock;

  constructor(blobs: MemoryBlobs, wire: Wire, world: VirtualClock) {
    this.#blobs = blobs;
    this.#wire = wire;
    this.#world = world;
  }

  reference(name: string): string {
    return `outbound-content/${name}`;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    if (name !== sha256(bytes)) throw new Error('a content is named by the SHA-256 of its bytes');
    const copy = Uint8Array.from(bytes);
    return this.#put(() => {
      this.#blobs.stored.set(name, { bytes: copy, putAt: this.#world.now });
    });
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    if (!isHash(name)) return undefined;
    return this.#wire.ask({ kind: 'get', partition: '', operations: [] }, () => {
      const bytes = this.#blobs.stored.get(name)?.bytes;
      return bytes === undefined ? undefined : Uint8Array.from(bytes);
    });
  }

  async adopt(reference: string, maxBytes: number): ReturnType<Contents['adopt']> {
    if (readBlobReference(reference, uploadContainer).kind === 'refused') return { kind: 'forbidden' };
    return this.#put(() => {
      const bytes = this.#blobs.uploads.get(reference);
      if (bytes === undefined) return { kind: 'absent' };
      if (bytes.length > maxBytes) return { kind: 'tooLarge' };
      const name = sha256(bytes);
      this.#blobs.stored.set(name, { bytes, putAt: this.#world.now });
      return { kind: 'adopted', name, sha256: name, sizeBytes: bytes.length };
    });
  }

  async removeIfOlder(name: string, olderThanMs: number): Promise<boolean> {
    if (!isHash(name)) return true;
    return this.#put(() => {
      const stored = this.#blobs.stored.get(name);
      if (stored === undefined) return true;
      if (stored.putAt + olderThanMs >= this.#world.now) return false;
      return this.#blobs.stored.delete(name);
    });
  }

  list({ after, limit }: { readonly after?: string; readonly limit: number }): Promise<readonly string[]> {
    return this.#put(() =>
      [...this.#blobs.stored.keys()]
        .sort()
        .filter((name) => after === undefined || name > after)
        .slice(0, limit),
    );
  }

  #put<T>(act: () => T): Promise<T> {
    return this.#wire.ask({ kind: 'put', partition: '', operations: [] }, act);
  }
}
