// The ports of this module. Adapters: storage/ and oauth/.

/** The one secret that holds the callers. */
export interface CallerSecret {
  /** `unavailable` and `configuration` carry a sentence for the administrator. */
  read(): Promise<
    | { readonly kind: 'found'; readonly value: string }
    | { readonly kind: 'absent' }
    | { readonly kind: 'unavailable' | 'configuration'; readonly detail: string }
  >;
  /** Replaces it. */
  write(
    value: string,
  ): Promise<
    { readonly kind: 'written' } | { readonly kind: 'unavailable' | 'configuration'; readonly detail: string }
  >;
  /**
   * Runs one change at a time over all instances (the vault has no compare-and-set); undefined if another change is
   * being made. Throws if the store does not answer.
   */
  exclusively<Answer>(change: () => Promise<Answer>): Promise<Answer | undefined>;
}

/** Addresses of single blobs that work for a short time, for whoever has them. Throws StorageTrouble. */
export interface BlobAddresses {
  /** Allows one blob of the upload container to be created, not read and not replaced. */
  forUpload(name: string, expiresAt: number): Promise<string>;
  /** Allows one blob to be read. `absent` if it is not there. */
  forReading(
    reference: string,
    expiresAt: number,
  ): Promise<{ readonly kind: 'address'; readonly url: string } | { readonly kind: 'absent' }>;
  read(
    reference: string,
    mostBytes: number,
  ): Promise<
    | { readonly kind: 'content'; readonly bytes: Uint8Array; readonly contentType: string }
    | { readonly kind: 'absent' | 'tooLarge' }
  >;
}

export interface TakenMessage {
  readonly messageId: string;
  readonly popReceipt: string;
  readonly text: string;
  /** How often it was given out, this time included. */
  readonly dequeueCount: number;
  /** UTC ms: after that it is given to the next who asks. */
  readonly hiddenUntil: number;
}

/** A queue of events or notices, read with peek-lock. Throws StorageTrouble. */
export interface FeedQueue {
  take(count: number, hideSeconds: number): Promise<readonly TakenMessage[]>;
  /** `late`: its time was over and it was given out again, or will be. `gone`: it was removed before. */
  remove(messageId: string, popReceipt: string): Promise<'done' | 'gone' | 'late'>;
}
