// Command-line parsing for the commands in local/commands/. The comment at the top of a command's file is its --help
// text.
import { readFileSync } from 'node:fs';
import { parseArgs, type ParseArgsConfig } from 'node:util';

/**
 * Parses flags and positional arguments. `--help` prints the header comment of `file` and exits with 0; an unknown flag
 * exits with 2 after an error message and the same text.
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

/** The header comment of the file. */
function usageOf(file: string): string {
  const lines = readFileSync(file, 'utf8').split('\n');
  const end = lines.findIndex((line) => !line.startsWith('//'));
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^\/\/ ?/, ''))
    .join('\n');
}
