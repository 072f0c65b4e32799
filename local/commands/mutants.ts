// npm run mutants: plants one bug after the other in a copy of the tree and shows which check caught it. Before
// that every check is made of the tree as it stands, where it must not object. Status 1 where a bug got through.
//   --only NAME      one of them; may be given more than once
//   --at-a-time N    copies that are checked at the same time (default 2)
//   --json           ends with one JSON object on the last line
import { ask, mutants, planted, plantIn } from '../../tests/mutants/plant.ts';
import type { Mutant } from '../../tests/mutants/mutant.ts';
import { commandLine } from '../commandLine.ts';
import { table } from '../table.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: {
    only: { type: 'string', multiple: true, default: [] },
    'at-a-time': { type: 'string', default: '2' },
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
  const objections = await soundness(chosen);
  for (const detail of objections) console.error(`The tree as it stands does not pass: ${detail}`);
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
  if (caughtCount < results.length || objections.length > 0) process.exitCode = 1;
  if (flags.json)
    console.log(JSON.stringify({ planted: results.length, caught: caughtCount, mutants: results }));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

/** Each different check once, in a copy without a bug. */
async function soundness(chosen: readonly Mutant[]): Promise<readonly string[]> {
  const checks = new Map(chosen.map(({ caughtBy }) => [JSON.stringify(caughtBy), caughtBy]));
  return planted([], async (copy) => {
    const said = await atATime([...checks.values()], (check) => ask(check, copy));
    return said.filter(({ objects }) => objects).map(({ detail }) => detail);
  });
}

async function plant({ name, what, edits, caughtBy }: Mutant): Promise<Result> {
  const misfits = await plantIn(edits);
  const { objects, detail } =
    misfits.length > 0
      ? { objects: false, detail: misfits.join('; ') }
      : await planted(edits, (copy) => ask(caughtBy, copy));
  console.log(`${objects ? 'caught' : 'NOT CAUGHT'}  ${name}: ${detail}`);
  return { name, what, caught: objects, by: detail };
}

/** Some at a time, the answers in the order of the questions. */
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
