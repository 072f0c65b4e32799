// npm run mutants: plants bugs in a copy of the tree, one at a time, and shows which check catches each. First, every
// check must pass on the unmodified tree. Exits with 1 if a bug is not caught.
//   --only NAME      one planted bug; may be given more than once
//   --at-a-time N    copies that are checked in parallel (default 2)
//   --list           only checks that every planted bug still applies to the code
//   --json           ends with one JSON object on the last line
import { runCheck, mutants, planted, plantIn } from '../../tests/mutants/plant.ts';
import type { Mutant } from '../../tests/mutants/mutant.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { table } from '../commandLine/table.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: {
    only: { type: 'string', multiple: true, default: [] },
    'at-a-time': { type: 'string', default: '2' },
    list: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

interface Result {
  readonly name: string;
  readonly what: string;
  readonly caught: boolean;
  readonly by: string;
}

try {
  const chosen = mutants.filter(({ name }) => flags.only.length === 0 || flags.only.includes(name));
  const unknown = flags.only.find((name) => !mutants.some((mutant) => mutant.name === name));
  if (unknown !== undefined) throw new Error(`There is no planted bug "${unknown}".`);
  if (flags.list) await list(chosen);
  else await plantAll(chosen);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

/** Shows the planted bugs whose edits no longer apply, without running a check. */
async function list(chosen: readonly Mutant[]): Promise<void> {
  let failed = 0;
  for (const { name, edits } of chosen) {
    const misfits = await plantIn(edits);
    failed += Number(misfits.length > 0);
    console.log(
      misfits.length === 0 ? `applies        ${name}` : `DOES NOT APPLY ${name}: ${misfits.join('; ')}`,
    );
  }
  console.log(`${chosen.length - failed} of ${chosen.length} apply`);
  if (failed > 0) process.exitCode = 1;
}

async function plantAll(chosen: readonly Mutant[]): Promise<void> {
  const failures = await checkUnmodified(chosen);
  for (const detail of failures) console.error(`A check fails on the unmodified tree: ${detail}`);
  const results = await atATime(chosen, plant);
  if (!flags.json)
    console.log(
      table(
        ['planted bug', 'what is wrong', 'caught by'],
        results.map(({ name, what, caught, by }) => [name, what, caught ? by : `NOT CAUGHT (${by})`]),
      ),
    );
  const caughtCount = results.filter(({ caught }) => caught).length;
  console.log(`${caughtCount} of ${results.length} caught`);
  if (caughtCount < results.length || failures.length > 0) process.exitCode = 1;
  if (flags.json)
    console.log(JSON.stringify({ planted: results.length, caught: caughtCount, mutants: results }));
}

/** Runs each different check once, in a copy without a bug. */
async function checkUnmodified(chosen: readonly Mutant[]): Promise<readonly string[]> {
  const checks = new Map(chosen.map(({ caughtBy }) => [JSON.stringify(caughtBy), caughtBy]));
  return planted([], async (copy) => {
    const result = await atATime([...checks.values()], (check) => runCheck(check, copy));
    return result.filter(({ caught }) => caught).map(({ detail }) => detail);
  });
}

async function plant({ name, what, edits, caughtBy }: Mutant): Promise<Result> {
  const misfits = await plantIn(edits);
  const { caught, detail } =
    misfits.length > 0
      ? { caught: false, detail: misfits.join('; ') }
      : await planted(edits, (copy) => runCheck(caughtBy, copy));
  console.log(`${caught ? 'caught' : 'NOT CAUGHT'}  ${name}: ${detail}`);
  return { name, what, caught, by: detail };
}

/** Runs `work` for all items with bounded concurrency; the results are in the order of the items. */
async function atATime<Question, Answer>(
  questions: readonly Question[],
  work: (question: Question) => Promise<Answer>,
): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < questions.length; index = next++) {
      const question = questions[index];
      if (question !== undefined) answers[index] = await work(question);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Number(flags['at-a-time'])) }, worker));
  return answers;
}
