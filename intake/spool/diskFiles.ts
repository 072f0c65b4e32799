// The real file system.
//
// Linux and macOS: fsync of a file keeps its content, fsync of the folder its name. Windows has no fsync of a folder
// (FlushFileBuffers wants a writable handle, and a folder has none) and Node's rename does not write through; what
// holds there is the end mark inside the file, so `syncFolder` does nothing (spool/entry.ts).
// A rename on Windows fails while a virus scanner or an indexer holds the file, for a moment: it is tried again.
import { mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Clock } from '../../shared/clock.ts';
import type { NewFile, OpenFile, SpoolFiles } from './files.ts';
import { errorCode } from '../errorCode.ts';

/** Together they stay well within the second in which a client gets its answer. */
const renameTriesCount = 6;
const renamePauseMs = 50;

export function diskFiles(clock: Clock, platform: NodeJS.Platform = process.platform): SpoolFiles {
  const isWindows = platform === 'win32';
  return {
    makeFolder: async (path) => {
      await mkdir(path, { recursive: true, mode: 0o700 });
    },
    create: async (path) => newFile(await open(path, 'wx', 0o600)),
    rename: async (from, to) => {
      for (let left = renameTriesCount; ; left -= 1) {
        try {
          await rename(from, to);
          return;
        } catch (error) {
          if (!isWindows || left === 1 || !isHeld(error)) throw error;
          await clock.sleep(renamePauseMs);
        }
      }
    },
    remove: (path) => rm(path, { force: true }),
    list: (folder) => readdir(folder),
    syncFolder: isWindows ? async () => Promise.resolve() : oneAtATime(syncFolder),
    open: async (path) => openFile(await open(path, 'r')),
    freeBytes: async (folder) => {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    },
  };
}

function newFile(handle: FileHandle): NewFile {
  return {
    write: async (bytes) => (await handle.write(bytes)).bytesWritten,
    sizeBytes: async () => (await handle.stat()).size,
    sync: () => handle.sync(),
    close: () => handle.close(),
  };
}

async function openFile(handle: FileHandle): Promise<OpenFile> {
  const { size } = await handle.stat();
  return {
    sizeBytes: size,
    read: async (position, length) => {
      const buffer = Buffer.allocUnsafe(length);
      let at = 0;
      while (at < length) {
        const { bytesRead } = await handle.read(buffer, at, length - at, position + at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      return buffer.subarray(0, at);
    },
    close: () => handle.close(),
  };
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Callers that ask while a sync runs share the next one: one fsync serves all whose rename came before it began.
 */
function oneAtATime(sync: (path: string) => Promise<void>): (path: string) => Promise<void> {
  const running = new Map<string, Promise<void>>();
  const next = new Map<string, Promise<void>>();
  const start = (path: string): Promise<void> => {
    const run = sync(path).finally(() => running.delete(path));
    running.set(path, run);
    return run;
  };
  return (path) => {
    const now = running.get(path);
    if (now === undefined) return start(path);
    const waiting = next.get(path);
    if (waiting !== undefined) return waiting;
    const made = now.then(
      () => start(path),
      () => start(path),
    );
    next.set(path, made);
    const forget = (): void => {
      next.delete(path);
    };
    // Whoever asks from the moment that it starts needs another one.
    now.then(forget, forget);
    return made;
  };
}

function isHeld(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'EPERM' || code === 'EACCES' || code === 'EBUSY';
}
