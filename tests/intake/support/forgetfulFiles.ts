// A file system in memory that loses at a crash what was not synced.
//
// Each file has a content and a synced content; each folder has entries and synced entries. A sync of a file keeps its
// content and not its name; a sync of a folder keeps names and no content. At a crash everything else may survive or
// not, each piece by itself (Pillai et al., OSDI 2014): a content in part, or as zeros of the right length; of a
// rename either name, or both.
//
// The Windows variant has no sync of folders: a synced file keeps the name that it had at that moment, and what a
// later rename did may be lost.
import type { NewFile, OpenFile, SpoolFiles } from '../../../intake/spool/files.ts';

interface Inode {
  content: Buffer;
  synced: Buffer;
  isSynced: boolean;
}

/** What survives of what was not synced. */
export type Survival = 'nothing' | 'everything' | 'mixed' | 'zeros';

/** The process is dead: every call after it fails in the same way. */
export class Crashed extends Error {}

export interface ForgetfulOptions {
  readonly windows?: boolean;
  /** Crash before the operation with this number, counted from 1; none if absent. */
  readonly crashAt?: number;
  /** Bytes that fit on the disk. */
  readonly capacityBytes?: number;
  /** An fsync of a file that fails once, by its number. */
  readonly failSyncAt?: number;
}

export class ForgetfulFiles implements SpoolFiles {
  readonly #folders: Map<string, { entries: Map<string, Inode>; synced: Map<string, Inode> }>;
  #options: ForgetfulOptions;
  #operationCount = 0;
  #syncCount = 0;
  #isCrashed = false;

  constructor(options: ForgetfulOptions = {}) {
    this.#options = options;
    this.#folders = new Map();
  }

  get operationCount(): number {
    return this.#operationCount;
  }

  /** The process dies now. */
  crash(): void {
    this.#isCrashed = true;
  }

  /** The same disk after the power came back, for the next process. */
  afterCrash(survival: Survival, random: () => number, options: ForgetfulOptions = {}): ForgetfulFiles {
    const next = new ForgetfulFiles({
      ...(this.#options.windows === undefined ? {} : { windows: this.#options.windows }),
      ...options,
    });
    const contents = new Map<Inode, Inode>();
    const survivor = (inode: Inode): Inode => {
      const known = contents.get(inode);
      if (known !== undefined) return known;
      const content = survivingContent(inode, survival, random);
      const made = { content, synced: content, isSynced: true };
      contents.set(inode, made);
      return made;
    };
    for (const [path, { entries, synced }] of this.#folders) {
      const kept = new Map<string, Inode>();
      for (const name of new Set([...entries.keys(), ...synced.keys()])) {
        const now = entries.get(name);
        const before = synced.get(name);
        const isNew = now !== before && survives(survival, random);
        const inode = isNew ? now : before;
        if (inode !== undefined) kept.set(name, survivor(inode));
      }
      // A rename is one step of the file system's journal: one of the names survives, or both.
      for (const [name, inode] of synced) {
        const isThere = [...entries.values()].includes(inode);
        if (isThere && ![...kept.values()].includes(survivor(inode))) kept.set(name, survivor(inode));
      }
      next.#folders.set(path, { entries: kept, synced: new Map(kept) });
    }
    return next;
  }

  makeFolder(path: string): Promise<void> {
    this.#step();
    if (!this.#folders.has(path)) this.#folders.set(path, { entries: new Map(), synced: new Map() });
    return Promise.resolve();
  }

  create(path: string): Promise<NewFile> {
    this.#step();
    const { entries } = this.#folder(path);
    if (entries.has(nameOf(path))) return Promise.reject(failure('EEXIST'));
    const inode: Inode = { content: Buffer.alloc(0), synced: Buffer.alloc(0), isSynced: false };
    entries.set(nameOf(path), inode);
    return Promise.resolve({
      write: (bytes) => {
        this.#step();
        const room = (this.#options.capacityBytes ?? Infinity) - this.#usedBytes();
        if (room <= 0) return Promise.reject(failure('ENOSPC'));
        // A full disk takes what fits and says nothing.
        const taken = bytes.subarray(0, Math.min(bytes.length, room));
        inode.content = Buffer.concat([inode.content, taken]);
        inode.isSynced = false;
        return Promise.resolve(taken.length);
      },
      sizeBytes: () => {
        this.#step();
        return Promise.resolve(inode.content.length);
      },
      sync: () => {
        this.#step();
        this.#syncCount += 1;
        if (this.#syncCount === this.#options.failSyncAt) return Promise.reject(failure('EIO'));
        inode.synced = inode.content;
        inode.isSynced = true;
        if (this.#options.windows === true) this.#keepName(inode);
        return Promise.resolve();
      },
      close: () => {
        this.#step();
        return Promise.resolve();
      },
    });
  }

  rename(from: string, to: string): Promise<void> {
    this.#step();
    const { entries } = this.#folder(from);
    const inode = entries.get(nameOf(from));
    if (inode === undefined) return Promise.reject(failure('ENOENT'));
    this.#folder(to).entries.set(nameOf(to), inode);
    entries.delete(nameOf(from));
    return Promise.resolve();
  }

  remove(path: string): Promise<void> {
    this.#step();
    this.#folder(path).entries.delete(nameOf(path));
    return Promise.resolve();
  }

  list(folder: string): Promise<readonly string[]> {
    this.#step();
    return Promise.resolve([...(this.#folders.get(folder)?.entries.keys() ?? [])].reverse());
  }

  syncFolder(path: string): Promise<void> {
    this.#step();
    if (this.#options.windows === true) return Promise.resolve();
    const folder = this.#folders.get(path);
    if (folder !== undefined) folder.synced = new Map(folder.entries);
    return Promise.resolve();
  }

  open(path: string): Promise<OpenFile> {
    this.#step();
    const inode = this.#folder(path).entries.get(nameOf(path));
    if (inode === undefined) return Promise.reject(failure('ENOENT'));
    return Promise.resolve({
      sizeBytes: inode.content.length,
      read: (position, length) => {
        this.#step();
        return Promise.resolve(Buffer.from(inode.content.subarray(position, position + length)));
      },
      close: () => Promise.resolve(),
    });
  }

  freeBytes(): Promise<number> {
    this.#step();
    return Promise.resolve(Math.min(1e12, (this.#options.capacityBytes ?? Infinity) - this.#usedBytes()));
  }

  #usedBytes(): number {
    const inodes = new Set([...this.#folders.values()].flatMap(({ entries }) => [...entries.values()]));
    return [...inodes].reduce((sum, { content }) => sum + content.length, 0);
  }

  #keepName(inode: Inode): void {
    for (const { entries, synced } of this.#folders.values()) {
      for (const [name, one] of entries) if (one === inode) synced.set(name, inode);
    }
  }

  #folder(path: string): { entries: Map<string, Inode>; synced: Map<string, Inode> } {
    const folder = this.#folders.get(path.slice(0, path.lastIndexOf('/')));
    if (folder === undefined) throw failure('ENOENT');
    return folder;
  }

  #step(): void {
    if (this.#isCrashed) throw new Crashed('The process is dead');
    this.#operationCount += 1;
    if (this.#operationCount === this.#options.crashAt) {
      this.#isCrashed = true;
      throw new Crashed('The process died here');
    }
  }
}

function survivingContent(
  { content, synced, isSynced }: Inode,
  survival: Survival,
  random: () => number,
): Buffer {
  if (isSynced || survival === 'everything') return content;
  if (survival === 'zeros') return Buffer.concat([synced, Buffer.alloc(content.length - synced.length)]);
  if (survival === 'nothing') return synced;
  const end = Math.floor(random() * (content.length + 1));
  const kept = Buffer.from(content.subarray(0, Math.max(end, synced.length)));
  // A block in the middle that was never written.
  if (random() < 0.3 && kept.length > synced.length)
    kept.fill(0, synced.length, Math.ceil((synced.length + kept.length) / 2));
  return kept;
}

function survives(survival: Survival, random: () => number): boolean {
  if (survival === 'nothing') return false;
  return survival === 'mixed' ? random() < 0.5 : true;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}
