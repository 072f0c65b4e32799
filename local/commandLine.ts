// The command line of each command in local/commands/. What a command can do stands at the top of its file, and that
// is what --help shows.
import { readFileSync } from 'node:fs';
import { parseArgs, type ParseArgsConfig } from 'node:util';

/**
 * The flags and names that were typed. `--help` prints the beginning of the command's own `file` and ends with 0; what
 * it does not know ends with 2, in one sentence and the same text.
 */
export function commandLine<T extends ParseArgsConfig>(
  file: string,
  config: T,
): ReturnType<typeof parseArgs<T>> {
  const typed = process.argv.slice(2);
  const names = typed.includes('--') ? typed.slice(0, typed.indexOf('--')) : typed;
  if (names.includes('--help')) {
    console.log(usageOf(file));
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usageOf(file)}`);
    process.exit(2);
  }
}

/** The comment that the file begins with. */
function usageOf(file: string): string {
  const lines = readFileSync(file, 'utf8').split('\n');
  const end = lines.findIndex((line) => !line.startsWith('//'));
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^\/\/ ?/, ''))
    .join('\n');
}
