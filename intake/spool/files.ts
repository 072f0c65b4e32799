// The port to the file system: what the spool needs of it, each call with the promise that the spool relies on.
import { errorCode } from '../errorCode.ts';

export interface SpoolFiles {
  /** Makes the folder and those above it; nothing happens if it is there. */
  makeFolder(path: string): Promise<void>;
  /** A new file, open for writing. Fails if the name is taken. */
  create(path: string): Promise<NewFile>;
  /** Replaces what has the new name. */
  rename(from: string, to: string): Promise<void>;
  /** Nothing happens if there is no such file. */
  remove(path: string): Promise<void>;
  /** Names in a folder, in no order. */
  list(folder: string): Promise<readonly string[]>;
  /** Once it resolves, the folder's entries survive a power failure; on Windows it does nothing (diskFiles.ts). */
  syncFolder(path: string): Promise<void>;
  open(path: string): Promise<OpenFile>;
  /** Free to us on the volume of the folder. */
  freeBytes(folder: string): Promise<number>;
}

export interface NewFile {
  /** How many of the bytes were written: fewer than asked for when the disk is full, without an error. */
  write(bytes: Uint8Array): Promise<number>;
  sizeBytes(): Promise<number>;
  /** Once it resolves, the content survives a power failure. A failed one must not be repeated. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface OpenFile {
  readonly sizeBytes: number;
  /** Fewer bytes at the end of the file. */
  read(position: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** Writes all of it, whatever a single write takes. Throws what `outOfSpace` recognises if the disk is full. */
export async function writeAll(file: NewFile, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    const written = await file.write(at === 0 ? bytes : bytes.subarray(at));
    if (written <= 0) throw Object.assign(new Error('Nothing was written'), { code: 'ENOSPC' });
    at += written;
  }
}

/** Whether the error means that there is no room: a full disk, a quota. */
export function outOfSpace(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
}

/**
 * Puts a small file in place of another: complete or not at all, and durable once it resolves. `writer` tells writers
 * apart that may be at it at the same time.
 */
export async function replaceFile(
  files: SpoolFiles,
  folder: string,
  name: string,
  content: string,
  writer = '',
): Promise<void> {
  const made = `${folder}/${name}${writer}.new`;
  await files.remove(made);
  const file = await files.create(made);
  try {
    await writeAll(file, Buffer.from(content));
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(made, `${folder}/${name}`);
  await files.syncFolder(folder);
}

/** The text of a small file, or undefined if it is not there. At most 8 MB of it are read. */
export async function readSmallFile(files: SpoolFiles, path: string): Promise<string | undefined> {
  let file: OpenFile;
  try {
    file = await files.open(path);
  } catch {
    return undefined;
  }
  try {
    return (await file.read(0, Math.min(file.sizeBytes, 8 * 1024 * 1024))).toString('utf8');
  } finally {
    await file.close();
  }
}
