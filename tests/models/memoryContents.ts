// The content store and ESM's upload container, over a host's wire.
import { createHash } from 'node:crypto';
import type { Contents } from '../../shared/outbound/ports.ts';
import type { Wire } from './memoryRows.ts';
import type { VirtualClock } from './virtualClock.ts';

export class MemoryBlobs {
  readonly uploads = new Map<string, Uint8Array>();
  readonly stored = new Map<string, { readonly bytes: Uint8Array; readonly putAt: number }>();
}

const uploadContainer = 'esm-upload/';

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

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#put(() => {
      this.#blobs.stored.set(name, { bytes, putAt: this.#world.now });
    });
  }

  get(name: string): Promise<Uint8Array | undefined> {
    return this.#wire.ask(
      { kind: 'get', partition: '', operations: [] },
      () => this.#blobs.stored.get(name)?.bytes,
    );
  }

  adopt(reference: string, maxBytes: number): ReturnType<Contents['adopt']> {
    return this.#put(() => {
      if (!reference.startsWith(uploadContainer)) return { kind: 'forbidden' };
      const bytes = this.#blobs.uploads.get(reference);
      if (bytes === undefined) return { kind: 'absent' };
      if (bytes.length > maxBytes) return { kind: 'tooLarge' };
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      this.#blobs.stored.set(sha256, { bytes, putAt: this.#world.now });
      return { kind: 'adopted', name: sha256, sha256, sizeBytes: bytes.length };
    });
  }

  removeIfOlder(name: string, olderThanMs: number): Promise<boolean> {
    return this.#put(() => {
      const stored = this.#blobs.stored.get(name);
      if (stored === undefined) return true;
      if (stored.putAt + olderThanMs > this.#world.now) return false;
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
