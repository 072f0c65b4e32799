// A soak run: the whole stack under mixed load, with faults of the server, killed hosts and deployments. It ends with what
// became of every submission and every mail, and whether memory, handles, sockets, rows and blobs level off.
//
// Retention is days in the settings, so the run prunes by itself, with the program's own function and minutes instead.
import { setTimeout as pause } from 'node:timers/promises';
import { assembleOutbound } from '../../shared/assembly.ts';
import { systemClock, type Random } from '../../shared/clock.ts';
import { readSettings } from '../../shared/config/readSettings.ts';
import { defaultNumbers } from '../../shared/outbound/numbers.ts';
import type { Outbound } from '../../shared/outbound/outbound.ts';
import { containerNames, tableNames } from '../../shared/storage/names.ts';
import type { HostProcess } from '../functionsHost/hostProcess.ts';
import { EsmQueueClient } from '../stack/esmQueueClient.ts';
import { quickHideMs, quickNumbers, quickSettings } from '../stack/shortIntervals.ts';
import { startStack, type Stack } from '../stack/stack.ts';
import { levelsOf, processLevels, type Level, type Sample } from './levels.ts';
import { mailboxes, nextFault, nextMail, nextSubmission } from './load.ts';

export interface SoakOptions {
  readonly appFolder: string;
  readonly durationMs: number;
  readonly random: Random;
  readonly log: (detail: string) => void;
}

export interface SoakReport {
  readonly ok: boolean;
  readonly submissions: number;
  readonly sentCount: number;
  readonly rejectedCount: number;
  readonly failedCount: number;
  readonly inDoubtCount: number;
  readonly mails: number;
  readonly noticeCount: number;
  readonly deployments: number;
  readonly kills: number;
  readonly faults: number;
  readonly levels: readonly Level[];
  /** What is wrong; empty if all is well. */
  readonly problems: readonly string[];
}

const sampleEveryMs = 5_000;
const retentionMs = 60_000;
/** After the load ends, for what waits: deferrals, holds, lookups. */
const settleMs = 180_000;
const periodMs = 3_000;

interface Run {
  readonly stack: Stack;
  readonly esm: EsmQueueClient;
  readonly upkeep: Outbound;
  readonly options: SoakOptions;
  readonly endsAt: number;
  host: HostProcess;
  submitted: string[];
  mails: number;
  deployments: number;
  kills: number;
  faults: number;
  readonly samples: Sample[];
}

export async function soak(options: SoakOptions): Promise<SoakReport> {
  const stack = await startStack({
    clock: systemClock,
    separateQueues: true,
    mailboxes: mailboxes.map(({ address }) => ({ address, signIn: 'application', fetchFrom: 'all' })),
    numbers: { ...quickNumbers(periodMs), firstDeferralMs: 5_000, longestDeferralMs: 15_000 },
    settings: { ...quickSettings, IN_DOUBT: 'resend' },
    exchange: { periodMs },
    hideMs: quickHideMs,
  });
  const esm = new EsmQueueClient(stack.store);
  try {
    for (let at = 0; at < 3; at += 1)
      stack.exchange.recipient(`nobody-${String(at)}@elsewhere.example`, { kind: 'refuse' });
    const run: Run = {
      stack,
      esm,
      upkeep: upkeepOf(stack),
      options,
      endsAt: performance.now() + options.durationMs,
      host: await startHost(stack, options),
      submitted: [],
      mails: 0,
      deployments: 0,
      kills: 0,
      faults: 0,
      samples: [],
    };
    esm.listen();
    await Promise.all([submitting(run), receiving(run), breaking(run), deploying(run), watching(run)]);
    stack.exchange.clearFaults();
    options.log('the load has ended');
    await settle(run);
    const report = judge(run);
    await run.host.stop();
    return report;
  } finally {
    await esm.stop();
    await stack.close();
  }
}

function upkeepOf({ settings }: Stack): Outbound {
  const answer = readSettings(settings);
  if (answer.kind !== 'ok') throw new Error('The soak run has settings that the bridge would refuse');
  const numbers = { ...defaultNumbers, ...answer.settings.outbound, retentionMs, blobAgeMs: retentionMs };
  return assembleOutbound(answer.settings, { numbers }).outbound;
}

const startHost = (stack: Stack, { appFolder, log }: SoakOptions): Promise<HostProcess> =>
  stack.startHost({
    appFolder,
    onLine: ({ level, message }) => {
      if (level === 'error') log(`host: ${String(message).slice(0, 200)}`);
    },
  });

const isOver = ({ endsAt }: Run): boolean => performance.now() >= endsAt;

/** About two submissions a second: half of what four accounts may send with these numbers. */
async function submitting(run: Run): Promise<void> {
  const { random } = run.options;
  for (let number = 1; !isOver(run); number += 1) {
    const { id, submission, upload } = nextSubmission(random, number);
    if (upload !== undefined) await run.esm.upload(upload.name, Buffer.from(upload.text));
    await run.esm.submit(submission);
    run.submitted.push(id);
    await pause(1_000 * random.uniform());
  }
}

async function receiving(run: Run): Promise<void> {
  const { random } = run.options;
  while (!isOver(run)) {
    run.mails += 1;
    const { to, raw } = nextMail(random, run.mails);
    run.stack.exchange.store.find(to)?.deliver(raw);
    await pause(2_000 * random.uniform());
  }
}

async function breaking(run: Run): Promise<void> {
  const { random } = run.options;
  while (!isOver(run)) {
    await pause(5_000 + 10_000 * random.uniform());
    run.stack.exchange.injectFault(nextFault(random));
    run.faults += 1;
  }
}

/** A deployment ends one host in an orderly way and starts another; now and then the host is killed instead. */
async function deploying(run: Run): Promise<void> {
  const { random, log } = run.options;
  const everyMs = Math.min(300_000, run.options.durationMs / 5);
  while (performance.now() + everyMs < run.endsAt) {
    await pause(everyMs);
    const old = run.host;
    if (random.uniform() < 0.3) {
      await old.kill();
      run.kills += 1;
    } else await old.stop();
    run.deployments += 1;
    run.host = await startHost(run.stack, run.options);
    log(`deployment ${String(run.deployments)}`);
  }
}

async function watching(run: Run): Promise<void> {
  while (!isOver(run)) {
    await pause(sampleEveryMs);
    await run.upkeep.prune();
    const ofWorker = processLevels(run.host.workerPid) ?? {};
    run.samples.push({ atMs: performance.now(), values: { ...ofWorker, ...(await stored(run.stack)) } });
  }
}

/** Rows and blobs that retention is to bound. */
async function stored({ store }: Stack): Promise<Readonly<Record<string, number>>> {
  const options = { queryOptions: { select: ['RowKey'] } };
  const outboxRows = await countOf(store.table(tableNames.outbox).listEntities(options));
  const contents = store.blobs.getContainerClient(containerNames.outboundContent);
  const contentBlobs = await countOf(contents.listBlobsFlat());
  return { outboxRows, contentBlobs };
}

async function countOf(all: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const one of all) count += Number(one !== undefined);
  return count;
}

const finalTypes = ['mail.sent', 'mail.failed', 'mail.expired', 'mail.cancelled'];

function endOf({ esm }: Run, id: string): string | undefined {
  const events = esm.eventsOf(id);
  const end = events.findLast(({ type }) => finalTypes.includes(type));
  if (end !== undefined) return end.type;
  if (esm.rejections.some(({ data }) => data['submissionId'] === id)) return 'mail.rejected';
  // With `resend` a doubt ends by itself; it is one until then.
  return undefined;
}

async function settle(run: Run): Promise<void> {
  const until = performance.now() + settleMs;
  while (performance.now() < until) {
    const open = run.submitted.filter((id) => endOf(run, id) === undefined);
    if (open.length === 0 && run.esm.notices.length >= run.mails) return;
    await pause(1_000);
  }
}

function judge(run: Run): SoakReport {
  const { esm, stack, samples } = run;
  const ends = run.submitted.map((id) => ({ id, end: endOf(run, id) }));
  const count = (type: string): number => ends.filter(({ end }) => end === type).length;
  const doubted = new Set(
    run.submitted.filter((id) => esm.eventsOf(id).some(({ type }) => type === 'mail.inDoubt')),
  );
  const levels = levelsOf(samples);
  const problems = [
    ...ends.filter(({ end }) => end === undefined).map(({ id }) => `${id} has no end`),
    ...run.submitted
      .filter(
        (id) => !doubted.has(id) && hasRepeats(stack.exchange.log.messagesOf(id).flatMap(({ to }) => to)),
      )
      .map((id) => `${id} was sent twice to somebody, and never in doubt`),
    ...levels.filter(({ level }) => !level).map(({ name }) => `${name} does not level off`),
    ...(esm.notices.length === run.mails
      ? []
      : [`${String(esm.notices.length)} notices of ${String(run.mails)} mails`]),
    ...stack.exchange.figures().violations.map((violation) => `over a limit: ${JSON.stringify(violation)}`),
  ];
  return {
    ok: problems.length === 0,
    submissions: run.submitted.length,
    sentCount: count('mail.sent'),
    rejectedCount: count('mail.rejected'),
    failedCount: count('mail.failed'),
    inDoubtCount: doubted.size,
    mails: run.mails,
    noticeCount: esm.notices.length,
    deployments: run.deployments,
    kills: run.kills,
    faults: run.faults,
    levels,
    problems,
  };
}

const hasRepeats = (addresses: readonly string[]): boolean => new Set(addresses).size < addresses.length;
