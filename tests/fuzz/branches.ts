// Which branches of some files were reached in this process, counted by V8's block coverage: every function, and every
// block in it that V8 counts by itself.
import { Session } from 'node:inspector/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { dirname, relative } from 'node:path';

const root = dirname(dirname(import.meta.dirname));

export interface BranchReport {
  readonly reached: number;
  readonly total: number;
  /** Places that were not reached, as `file:offset`. */
  readonly missed: readonly string[];
}

export interface BranchCounter {
  /** Ends the count. `files` are paths in the tree, or folders that end with a slash. */
  end(files: readonly string[]): Promise<BranchReport>;
}

/** Files must be imported after this, or V8 has only counts of whole functions for them. */
export async function countBranches(): Promise<BranchCounter> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  return {
    async end(files) {
      const { result } = await session.post('Profiler.takePreciseCoverage');
      session.disconnect();
      const wanted = files.map((file) => pathToFileURL(`${root}/${file}`).href);
      let [reached, total] = [0, 0];
      const missed: string[] = [];
      for (const { url, functions } of result) {
        if (!wanted.some((one) => url === one || (one.endsWith('/') && url.startsWith(one)))) continue;
        for (const { ranges } of functions)
          for (const { count, startOffset } of ranges) {
            total += 1;
            if (count > 0) reached += 1;
            else missed.push(`${relative(root, fileURLToPath(url))}:${String(startOffset)}`);
          }
      }
      return { reached, total, missed };
    },
  };
}
