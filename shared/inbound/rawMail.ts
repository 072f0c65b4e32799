// A message during a run: in memory if small, else in a file of the run's own folder.
import { createHash, hash } from 'node:crypto';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FetchedHead, RawMail } from './ports.ts';

export interface SpooledMail {
  readonly raw: RawMail;
  /** The first bytes: the header block and, of a small message, everything. */
  readonly head: Uint8Array;
  /** The last bytes: of a small message, everything. */
  readonly tail: Uint8Array;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** More than any header block needs. */
const headLimitBytes = 256 * 1024;

/** Enough to see how a multipart ends. */
const tailBytes = 16 * 1024;

/** Messages up to this size, and all their parts, stay in memory. */
const inMemoryBytes = 48 * 1024;

/** The temporary files of one run; removed at its end, whatever happened. */
export class Spool {
  readonly #folder: string;
  #made: Promise<unknown> | undefined;
  #sequence = 0;

  /** `name` must be unique. Nothing is written before it is needed. */
  constructor(name: string) {
    this.#folder = join(tmpdir(), `mail-${name}`);
  }

  /** The beginning of the paths of one message's files. */
  prefix(): string {
    this.#sequence += 1;
    return join(this.#folder, `${this.#sequence}-`);
  }

  /** The folder is there afterwards. */
  async ready(): Promise<void> {
    // Readable by this process's user only.
    this.#made ??= mkdir(this.#folder, { mode: 0o700 });
    await this.#made;
  }

  async take(
    head: FetchedHead,
    stream: (head: FetchedHead) => AsyncIterable<Uint8Array>,
    prefix: string,
  ): Promise<SpooledMail> {
    if (!head.whole || head.bytes.byteLength > inMemoryBytes) await this.ready();
    if (head.whole) {
      const sha256 = hash('sha256', head.bytes);
      return {
        raw: { kind: 'bytes', bytes: head.bytes, sha256 },
        head: head.bytes.subarray(0, headLimitBytes),
        tail: head.bytes,
        sha256,
        sizeBytes: head.bytes.byteLength,
      };
    }
    const path = `${prefix}raw`;
    const running = createHash('sha256');
    let sizeBytes = 0;
    let tail = Buffer.alloc(0);
    const file = await open(path, 'wx');
    try {
      for await (const chunk of stream(head)) {
        running.update(chunk);
        sizeBytes += chunk.byteLength;
        tail = Buffer.concat([tail, chunk]).subarray(-tailBytes);
        await file.writeFile(chunk);
      }
    } finally {
      await file.close();
    }
    const sha256 = running.digest('hex');
    return {
      raw: { kind: 'file', path, sizeBytes, sha256 },
      head: await headOf(path),
      tail,
      sha256,
      sizeBytes,
    };
  }

  /** Removes the files of one message. */
  async drop(prefix: string): Promise<void> {
    if (this.#made === undefined) return;
    const names = await readdir(this.#folder);
    const mine = names.map((name) => join(this.#folder, name)).filter((path) => path.startsWith(prefix));
    await Promise.all(mine.map((path) => rm(path, { force: true })));
  }

  async clear(): Promise<void> {
    if (this.#made !== undefined) await rm(this.#folder, { recursive: true, force: true });
    this.#made = undefined;
  }
}

/** The first bytes of a file, enough for any header block. */
export async function headOf(path: string): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const head = Buffer.alloc(headLimitBytes);
    const { bytesRead } = await file.read(head, 0, headLimitBytes, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

export async function fileOf(path: string): Promise<RawMail> {
  return { kind: 'file', path, sizeBytes: (await stat(path)).size };
}
