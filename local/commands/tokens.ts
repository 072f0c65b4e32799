// npm run tokens [-- REVISION…]: how much code ships: the tokens of functions/ and shared/, without comments.
//
//   REVISION   of a commit instead of the working tree; several may be given
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { commandLine } from '../commandLine/commandLine.ts';

const root = join(import.meta.dirname, '..', '..');
const { positionals } = commandLine(import.meta.filename, { allowPositionals: true });

const git = (...rest: readonly string[]): string =>
  execFileSync('git', rest, { cwd: root, encoding: 'utf8', maxBuffer: 100_000_000 });

function tokensIn(text: string): number {
  const source = ts.createSourceFile('code.ts', text, ts.ScriptTarget.Latest, true);
  const count = (node: ts.Node): number => {
    if (node.kind === ts.SyntaxKind.EndOfFileToken || ts.isJSDoc(node)) return 0;
    if (node.kind <= ts.SyntaxKind.LastToken) return 1;
    return node.getChildren(source).reduce((sum, child) => sum + count(child), 0);
  };
  return count(source);
}

for (const revision of positionals.length > 0 ? positionals : [undefined]) {
  const listed =
    revision === undefined
      ? git('ls-files', 'functions', 'shared')
      : git('ls-tree', '-r', '--name-only', revision, '--', 'functions', 'shared');
  const files = listed.split('\n').filter((name) => name.endsWith('.ts'));
  const texts = files.map((name) =>
    revision === undefined ? readFileSync(join(root, name), 'utf8') : git('show', `${revision}:${name}`),
  );
  const count = texts.reduce((sum, text) => sum + tokensIn(text), 0);
  console.log(`${revision ?? 'working tree'}: ${count} tokens in ${files.length} files`);
}
