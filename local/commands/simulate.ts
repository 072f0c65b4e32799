// npm run simulate: the production code of the outbound side under a seeded scheduler and a virtual clock; storage,
// servers and queues are models that inject faults. Ends with one JSON object; exits with 1 if an invariant was violated.
//   --messages N     submissions in all (default 20,000), spread over worlds of 500
//   --seed S         random seed (default 1); the same seed gives the same run
//   --hosts H        processes in each world (default 3)
//   --processes P    worlds that run in parallel, each in a process of its own (default 2)
//   --world SEED     one world, by the seed that a failing run prints, in this process
//   --backlog N      instead: the storage calls of a message behind a backlog of N, and behind one of 1,000
//   --json           prints the last line only
import { costUnderBacklog, run, runWorld, worldCount } from '../../tests/simulation/run.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import type { Failure } from '../../tests/simulation/run.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: {
    messages: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
    hosts: { type: 'string', default: '3' },
    processes: { type: 'string', default: '2' },
    world: { type: 'string' },
    backlog: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

try {
  const hosts = wholeNumber('hosts', flags.hosts, 100);
  if (flags.backlog !== undefined) await compareBacklogs(wholeNumber('backlog', flags.backlog, 1_000_000));
  else if (flags.world === undefined) await runAll(hosts);
  else await runOne(wholeNumber('world', flags.world, 2 ** 32), hosts);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

async function runAll(hosts: number): Promise<void> {
  const startedAt = performance.now();
  const messages = wholeNumber('messages', flags.messages === '' ? '20000' : flags.messages, 100_000_000);
  const { summary, worlds, deaths, pauses, leftInDoubt, virtualDays, failures } = await run({
    messages,
    seed: wholeNumber('seed', flags.seed, Number.MAX_SAFE_INTEGER),
    hosts,
    processes: wholeNumber('processes', flags.processes, 64),
    progress: (done, of) => {
      if (!flags.json && (done % 100 === 0 || done === of)) console.log(`${done} of ${of} worlds`);
    },
  });
  if (!flags.json) {
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    console.log(
      `${worlds} worlds, ${virtualDays} virtual days, ${deaths} processes died, ${pauses} were paused, ${leftInDoubt} messages without a reply after the final dot; ${seconds} s`,
    );
  }
  show(failures);
  console.log(JSON.stringify(summary));
}

async function runOne(seed: number, hosts: number): Promise<void> {
  const count = wholeNumber(
    'messages',
    flags.messages === '' ? String(worldCount) : flags.messages,
    1_000_000,
  );
  const outcome = await runWorld({ seed, count, hosts });
  const { violations, calls, submissions, arrivals, lost, unexplainedDuplicates, inDoubt, held } = outcome;
  const { mostInAnyPeriod, mostRecipientsInAnyDay, mostConnections, traceHash } = outcome;
  show(violations.length === 0 ? [] : [{ seed, count, hosts, violations }]);
  const callsPerSubmission = Math.round((100 * calls) / Math.max(1, submissions)) / 100;
  console.log(
    JSON.stringify({
      seed,
      submissions,
      arrivals,
      lost,
      unexplainedDuplicates,
      inDoubt,
      held,
      mostInAnyPeriod,
      mostRecipientsInAnyDay,
      mostConnections,
      callsPerSubmission,
      traceHash,
    }),
  );
}

async function compareBacklogs(backlog: number): Promise<void> {
  const two = (value: number): number => Math.round(100 * value) / 100;
  const costs = [];
  for (const size of [1_000, backlog]) {
    const { drain, sweep } = await costUnderBacklog(size);
    costs.push({ backlog: size, callsPerSubmission: two(drain), sweepCallsPerSubmission: two(sweep) });
  }
  console.log(JSON.stringify({ costs }));
}

function show(failures: readonly Failure[]): void {
  for (const { seed, count, hosts, violations } of failures) {
    console.error(`FAILED: npm run simulate -- --world ${seed} --messages ${count} --hosts ${hosts}`);
    for (const detail of violations) console.error(`  ${detail}`);
  }
  if (failures.length > 0) process.exitCode = 1;
}

function wholeNumber(name: string, text: string, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > most)
    throw new Error(`--${name} must be a whole number of at most ${most}; it is "${text}".`);
  return value;
}
