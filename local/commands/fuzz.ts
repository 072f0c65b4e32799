// npm run fuzz: hostile input by the hundred thousand, from a seed, through the production code.
//   npm run fuzz -- submissions [--count N] [--seed S] [--missed] [--json]
//   npm run fuzz -- mails       [--count N] [--seed S] [--missed] [--json]
// Submissions are accepted or rejected, composed and sent; mails are fetched, parsed, related and announced. Exits with 1 if
// an exception left the handling of its own message, something took more than two seconds of processor time, or stayed without an answer or a
// notice; if less than 30 % of the submissions are accepted; or if less than 95 % of the branches of the parsers were
// reached. Says on the error output how far it is, every 10,000 inputs.
//   --count N    inputs (default 2,000)
//   --seed S     of the generator (default 1)
//   --missed     also prints the branches that were not reached
//   --json       ends with one JSON object on the last line
import { commandLine } from '../commandLine/commandLine.ts';
import { countBranches } from '../../tests/fuzz/branches.ts';
import type { FuzzResult, Progress } from '../../tests/fuzz/fuzzResult.ts';

const { values: flags, positionals } = commandLine(import.meta.filename, {
  allowPositionals: true,
  options: {
    count: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    missed: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

const progressEvery = 10_000;

interface Kind {
  readonly parsers: readonly string[];
  readonly leastShare: Readonly<Record<string, number>>;
  readonly run: (count: number, seed: number, progress: Progress) => Promise<FuzzResult>;
}

// Imported after the count has begun: V8 counts blocks only of what is compiled later.
const kinds: Readonly<Record<string, Kind>> = {
  submissions: {
    parsers: [
      'shared/contract/submission.ts',
      'shared/contract/submissionProblem.ts',
      'shared/contract/submissionProblems.ts',
      'shared/contract/submissionSchema.ts',
      'shared/contract/payload.ts',
      'shared/contract/canonicalJson.ts',
      'shared/contract/contentIds.ts',
      'shared/mail/address.ts',
      'shared/mail/headerText.ts',
      'shared/mail/messageId.ts',
      'shared/mail/blobReference.ts',
    ],
    leastShare: { accepted: 0.3 },
    run: async (...all) => (await import('../../tests/fuzz/fuzzSubmissions.ts')).fuzzSubmissions(...all),
  },
  mails: {
    parsers: [
      'shared/classify/',
      'shared/exchange/mimeParserWorker.ts',
      'shared/exchange/people.ts',
      'shared/mail/headers.ts',
      'shared/mail/messageIdList.ts',
      'shared/mail/comments.ts',
      'shared/inbound/relate.ts',
      'shared/inbound/noticeFields.ts',
      'shared/inbound/stableId.ts',
      'shared/inbound/unparsedOutline.ts',
    ],
    leastShare: {},
    run: async (...all) => (await import('../../tests/fuzz/fuzzMails.ts')).fuzzMails(...all),
  },
};

const kind = kinds[positionals[0] ?? ''];
const [count, seed] = [Number(flags.count), Number(flags.seed)];
if (kind === undefined || !Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed)) {
  console.error(
    'Name what to make: npm run fuzz -- submissions, or mails; --count and --seed are whole numbers.',
  );
  process.exitCode = 2;
} else await run(kind);

async function run({ parsers, leastShare, run: fuzz }: Kind): Promise<void> {
  const counter = await countBranches();
  const startedAt = performance.now();
  const result = await fuzz(count, seed, (doneCount) => {
    if (doneCount > 0 && doneCount % progressEvery === 0) console.error(`${doneCount} of ${count}`);
  });
  const { reached, total, missed } = await counter.end(parsers);
  const branchShare = total === 0 ? 0 : reached / total;
  const { ends, exceptions, slow, unreported, slowestMs } = result;
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  console.log(
    `${count} inputs of seed ${seed} in ${seconds} s: ${JSON.stringify(ends)}; the slowest took ${slowestMs} ms`,
  );
  console.log(`branches of the parsers taken: ${reached} of ${total} (${(100 * branchShare).toFixed(1)} %)`);
  for (const [what, list] of Object.entries({ exceptions, slow, unreported })) {
    console.log(`${what}: ${list.length === 0 ? 'none' : ''}`);
    for (const line of list) console.log(`  ${line}`);
  }
  if (flags.missed) console.log(missed.join('\n'));
  const shares = Object.entries(leastShare).every(([end, least]) => (ends[end] ?? 0) / count >= least);
  const ok =
    [exceptions, slow, unreported].every((list) => list.length === 0) && shares && branchShare >= 0.95;
  if (flags.json) console.log(JSON.stringify({ ...result, branches: { reached, total }, seconds, ok }));
  if (!ok) process.exitCode = 1;
}
