// What the connector needs of others, as small as the need is. Adapters: storage/ (rows, contents), exchange/ (text).

export type EsmFields = Readonly<Record<string, string | number | boolean>>;

export interface EsmRow {
  readonly etag: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The table `esm`. Both throw StorageTrouble if the store does not answer. */
export interface EsmRows {
  read(partition: string, key: string): Promise<EsmRow | undefined>;
  /**
   * One write of one row: `etag` undefined inserts it, otherwise it is merged into the row if that still has this ETag.
   * The new ETag, or `conflict`: somebody else wrote it, or this write was applied and its answer lost. Read again.
   */
  write(
    partition: string,
    key: string,
    change: { readonly etag: string | undefined; readonly fields: EsmFields },
  ): Promise<{ readonly kind: 'written'; readonly etag: string } | { readonly kind: 'conflict' }>;
}

/** The blobs that notices and events refer to (`container/name`). Throws StorageTrouble. */
export interface EsmContents {
  /** UTF-8, cut after `mostBytes`; undefined if there is no such blob. */
  text(reference: string, mostBytes: number): Promise<string | undefined>;
  /** The bytes as they come; throws StorageTrouble if they are cut, or if there is no such blob. */
  open(reference: string): AsyncIterable<Uint8Array>;
}

/** Text of HTML, with its tables and links. Bounded by the adapter; empty if there is none. */
export type HtmlToText = (html: string) => string;

/** Puts a message on its own queue again, visible after `delayMs`. Throws StorageTrouble. */
export type PutBack = (queue: 'notices' | 'events', text: string, delayMs: number) => Promise<void>;
