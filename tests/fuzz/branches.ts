// Which branches of some files were taken in this process: the branches as TypeScript's parser sees them, their counts from
// V8's block coverage. A branch is the body of a function or a loop, each side of an `if` (also the one that is not written)
// and of a conditional, the right side of `&&`, `||` and `??`, a clause of a `switch`, and a `catch`. Values that stand in for
// a missing argument are not counted: V8 has no count for them.
import { readdirSync, readFileSync } from 'node:fs';
import { Session, type Profiler } from 'node:inspector/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

const root = dirname(dirname(import.meta.dirname));

export interface BranchReport {
  readonly reached: number;
  readonly total: number;
  /** Branches that were not taken, as `file:line: code`. */
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
      const reports = files.flatMap(filesOf).map((file) => {
        const { href } = pathToFileURL(join(root, file));
        const ranges = result
          .filter(({ url }) => url === href)
          .flatMap(({ functions }) => functions.flatMap((one) => one.ranges));
        return judge(file, readFileSync(join(root, file), 'utf8'), ranges);
      });
      return {
        reached: reports.reduce((sum, { reached }) => sum + reached, 0),
        total: reports.reduce((sum, { total }) => sum + total, 0),
        missed: reports.flatMap(({ missed }) => missed),
      };
    },
  };
}

const filesOf = (path: string): readonly string[] =>
  path.endsWith('/')
    ? readdirSync(join(root, path), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
        .sort()
        .map((name) => path + name)
    : [path];

/** Types are blanked out before V8 sees the file, so its offsets are those of the source. */
function judge(file: string, text: string, ranges: readonly Profiler.CoverageRange[]): BranchReport {
  // The innermost range that holds an offset has its count.
  const countAt = (offset: number): number => {
    let innermost: Profiler.CoverageRange | undefined;
    for (const range of ranges)
      if (range.startOffset <= offset && offset < range.endOffset && isInside(range, innermost))
        innermost = range;
    return innermost?.count ?? 0;
  };
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const branches = branchesOf(source);
  const missed = branches
    .filter(({ node, unless }) => {
      const at = countAt(node.getStart());
      return (unless === undefined ? at : at - countAt(unless.getStart())) <= 0;
    })
    .map(({ node, unless }) => {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      const code = node.getText().split('\n')[0]?.slice(0, 100) ?? '';
      return `${file}:${String(line + 1)}: ${unless === undefined ? '' : 'not '}${code}`;
    });
  return { reached: branches.length - missed.length, total: branches.length, missed };
}

const isInside = (range: Profiler.CoverageRange, other: Profiler.CoverageRange | undefined): boolean =>
  other === undefined || range.endOffset - range.startOffset <= other.endOffset - other.startOffset;

interface Branch {
  readonly node: ts.Node;
  /** The side that is not written: `node` without this. */
  readonly unless?: ts.Node;
}

const shortCircuits: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
  ts.SyntaxKind.QuestionQuestionEqualsToken,
]);

function branchesOf(source: ts.SourceFile): readonly Branch[] {
  const found: Branch[] = [];
  const visit = (node: ts.Node): void => {
    found.push(...branchesAt(node));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function branchesAt(node: ts.Node): readonly Branch[] {
  if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) return [{ node: node.body }];
  if (ts.isIfStatement(node)) {
    const { thenStatement, elseStatement } = node;
    return [
      { node: thenStatement },
      elseStatement === undefined ? { node, unless: thenStatement } : { node: elseStatement },
    ];
  }
  if (ts.isConditionalExpression(node)) return [{ node: node.whenTrue }, { node: node.whenFalse }];
  if (ts.isBinaryExpression(node) && shortCircuits.has(node.operatorToken.kind))
    return [{ node: node.right }];
  if (ts.isCaseOrDefaultClause(node))
    return node.statements.slice(0, 1).map((statement) => ({ node: statement }));
  if (ts.isCatchClause(node)) return [{ node: node.block }];
  if (ts.isIterationStatement(node, false)) return [{ node: node.statement }];
  return [];
}
