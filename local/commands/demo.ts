// npm run demo: sends and receives mail on the local stack, with a burst over the rate limit and a host that is killed
// in the middle. Exits with 0 only if every check passes.
//
//   --real-time   the real period of 60 s
//   --json        ends with one JSON object on the last line
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../shared/clock.ts';
import { readSettings } from '../../shared/config/readSettings.ts';
import { buildPackage } from '../build/buildPackage.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import {
  fetchedVerdict,
  isSettled,
  verdictOf,
  type FetchedVerdict,
  type SubmissionVerdict,
} from '../demo/verdict.ts';
import { Progress } from '../demo/progress.ts';
import {
  alerts,
  arriving,
  burstCount,
  serviceDesk,
  mailboxes,
  recipientRules,
  plannedBurst,
  plannedSamples,
  reportBlob,
  reportBytes,
  type Arriving,
  type Planned,
} from '../demo/scenario.ts';
import { StartDelays } from '../demo/startDelays.ts';
import { EsmQueueClient } from '../stack/esmQueueClient.ts';
import { assembleOutbound } from '../../shared/assembly.ts';
import type { AccountForecast } from '../../shared/outbound/outbound.ts';
import type { HostProcess } from '../functionsHost/hostProcess.ts';
import { quickHideMs, quickNumbers, quickSettings } from '../stack/shortIntervals.ts';
import { startStack, type Stack } from '../stack/stack.ts';
import { table } from '../commandLine/table.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: { 'real-time': { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});

const periodMs = flags['real-time'] ? 60_000 : 20_000;
const limit = 30;
const killAfterCount = 20;
const numbers = quickNumbers(periodMs);
const timeLimitMs = flags['real-time'] ? 300_000 : 115_000;
/** The longest permitted start delay of a message that waited for the limiter. */
const promptMs = 2_000;

const progress = new Progress(process.stdout.isTTY);
const startDelays = new StartDelays();
let forecasts: readonly AccountForecast[] = [];
const appFolder = join(import.meta.dirname, '..', '..', '.local', `demo-package-${String(process.pid)}`);

console.log(`esm-mail-bridge demo: mail from the queue to the server and back, at ${String(limit)} messages in ${seconds(periodMs)}
  intervals shortened for the demo: period ${seconds(periodMs)} (real: 60 s), attempt ${seconds(numbers['attemptMs'] ?? 0)}, grace ${seconds(numbers['graceMs'] ?? 0)}, lease ${seconds(numbers['leaseMs'] ?? 0)},
  Sent Items lookups ${seconds(numbers['secondLookupMs'] ?? 0)} apart, visibility timeout of the host ${seconds(quickHideMs)}, the sweep runs every 2 s
`);
async function play(running: Stack): Promise<boolean> {
  const { exchange, store } = running;
  for (const [address, rule] of Object.entries(recipientRules)) exchange.recipient(address, rule);
  const startHost = (): Promise<HostProcess> =>
    running.startHost({
      appFolder,
      onLine: (line) => {
        startDelays.note(line);
      },
    });
  const esm = new EsmQueueClient(store);
  let host = await startHost();
  progress.log(
    `the stack is running: ${String(host.functions.length)} functions, loaded in ${String(Math.round(host.loadMs))} ms`,
  );
  try {
    esm.listen();
    await esm.upload(reportBlob, Buffer.alloc(reportBytes, '%PDF-1.7 service report\n'));
    const planned = [...plannedSamples(), ...plannedBurst()];
    for (const { submission } of planned) await esm.submit(submission);
    progress.log(
      `ESM put ${String(planned.length)} submissions on its queue, ${String(burstCount)} of them a burst of ${alerts}`,
    );

    const mails = deliverLater(running);
    const readForecasts = followForecasts(running);
    const doubtful = new Set<string>();
    let killed = false;
    const until = performance.now() + timeLimitMs;
    while (performance.now() < until) {
      readForecasts();
      progress.show([serviceDesk, alerts].map((name) => accountProgress(name, planned, running, esm)));
      if (!killed && burstArrivals(running) >= killAfterCount) {
        killed = true;
        await host.kill();
        for (const { id } of planned)
          if (esm.eventsOf(id).every(({ type }) => type === 'mail.accepted')) doubtful.add(id);
        progress.log(
          `SIGKILL: the host was killed during the burst, ${String(burstArrivals(running))} of ${String(burstCount)} accepted by the server`,
        );
        host = await startHost();
        progress.log('a new host is running');
      }
      if (
        killed &&
        planned.every((one) => isSettled(one, esm)) &&
        mails.every((mail) => arrived(mail, esm)) &&
        returned(esm)
      )
        break;
      await pause(250);
    }
    const verdicts = planned.map((one) => verdictOf(one, esm, exchange.log, doubtful));
    const fetched = await Promise.all(mails.map((mail) => fetchedVerdict(mail, esm)));
    return report(running, esm, verdicts, fetched);
  } finally {
    await host.stop();
    await esm.stop();
  }
}

const burstArrivals = ({ exchange }: Stack): number =>
  exchange.log.messages.filter(({ account }) => account === alerts).length;

function accountProgress(
  name: string,
  planned: readonly Planned[],
  { exchange }: Stack,
  esm: EsmQueueClient,
): Parameters<Progress['show']>[0][number] {
  const own = planned.filter(({ mailbox, end }) => mailbox === name && end === 'sent');
  const now = exchange.log.nowNs();
  const inPeriod = exchange.log.messages.filter(
    ({ account, acceptedNs }) => account === name && acceptedNs > now - periodMs * 1e6,
  ).length;
  const doneCount = own.filter((one) => isSettled(one, esm)).length;
  const forecast = forecasts.find(({ account }) => account === name);
  return {
    name,
    doneCount,
    totalCount: own.length,
    inPeriod,
    limit,
    ...(forecast === undefined ? {} : { forecast }),
  };
}

/** Refreshes the forecasts at each call, unless a read is in progress. */
function followForecasts({ settings }: Stack): () => void {
  const answer = readSettings(settings);
  if (answer.kind !== 'ok') throw new Error('The demo has settings that the bridge would refuse');
  const { outbound } = assembleOutbound(answer.settings);
  let reading = false;
  return () => {
    if (reading) return;
    reading = true;
    void outbound
      .forecasts()
      .then((found) => (forecasts = found))
      .catch(() => undefined) // progress is shown without them
      .finally(() => (reading = false));
  };
}

/** Delivers the incoming mails; a reply once the message it replies to has been accepted. */
function deliverLater({ exchange }: Stack): (Arriving & { messageId: string; raw: Buffer })[] {
  const inbox = exchange.store.mailbox(serviceDesk);
  const make = (mail: Arriving, answered: string): Arriving & { messageId: string; raw: Buffer } => {
    const raw = mail.bytes(answered);
    const messageId = /^Message-ID: (.*)\r$/m.exec(raw.toString('latin1', 0, 4_000))?.[1] ?? '';
    return Object.assign({ messageId, raw }, mail);
  };
  const mails = arriving.map((mail) => make(mail, '<not-yet@known>'));
  const deliver = (mail: { readonly raw: Buffer }): unknown => inbox.deliver(mail.raw);
  for (const mail of mails) if (mail.submission === undefined) deliver(mail);
  const end = exchange.log.onAccepted(({ bridgeId, messageId }) => {
    for (const mail of mails) {
      if (mail.submission === undefined || bridgeId?.startsWith(`${mail.submission}.`) !== true) continue;
      Object.assign(mail, { raw: mail.bytes(messageId ?? '') });
      deliver(mail);
      end();
    }
  });
  return mails;
}

const arrived = ({ messageId }: { readonly messageId: string }, esm: EsmQueueClient): boolean =>
  esm.notices.some(({ data }) => data['messageId'] === messageId);

/** Whether the bounce and the automatic reply have been received. */
const returned = (esm: EsmQueueClient): boolean =>
  ['bounce', 'autoReply'].every((kind) => esm.notices.some(({ data }) => data['kind'] === kind));

function report(
  { exchange }: Stack,
  esm: EsmQueueClient,
  verdicts: readonly SubmissionVerdict[],
  fetched: readonly FetchedVerdict[],
): boolean {
  const figures = exchange.figures();
  const late = startDelays.latest(exchange.log);
  console.log('');
  console.log(table(['submission', 'case', 'events', 'accepted', 'replies', ''], verdicts.map(rowOf)));
  console.log('');
  console.log(
    table(['incoming mail', 'kind', 'related to', 'bytes', 'notices', ''], fetched.map(fetchedRow)),
  );
  const checks: readonly (readonly [string, string, boolean])[] = [
    [
      'submissions with the expected outcome',
      `${String(verdicts.filter(({ wrong }) => wrong === '').length)} of ${String(verdicts.length)}`,
      verdicts.every(({ wrong }) => wrong === ''),
    ],
    [
      'incoming mails with the expected notice',
      `${String(fetched.filter(({ wrong }) => wrong === '').length)} of ${String(fetched.length)}`,
      fetched.every(({ wrong }) => wrong === ''),
    ],
    [
      `most messages in any ${seconds(periodMs)} at the server`,
      `${String(figures.mostMessages)} of ${String(limit)}`,
      figures.mostMessages <= limit,
    ],
    ['most connections at one time', `${String(figures.mostConnections)} of 3`, figures.mostConnections <= 3],
    ['the rate limit was reached', `${String(late.count)} messages waited`, late.count > 0],
    [
      'longest start delay after the limiter’s permission',
      `${(late.mostMs / 1_000).toFixed(2)} s of ${seconds(promptMs)}`,
      late.mostMs <= promptMs,
    ],
    [
      'limit violations seen by the server',
      String(figures.violations.length),
      figures.violations.length === 0,
    ],
    [
      'repeated events and notices, recognized by id',
      `${String(esm.repeats.events)} events, ${String(esm.repeats.notices)} notices`,
      true,
    ],
  ];
  console.log('');
  console.log(
    table(
      ['', '', ''],
      checks.map(([what, figure, ok]) => [ok ? 'ok' : 'NOT OK', what, figure]),
    ),
  );
  const ok = checks.every(([, , good]) => good);
  console.log(ok ? '\nAll checks passed.' : '\nSome checks FAILED.');
  if (flags.json) {
    console.log(
      JSON.stringify({
        ok,
        periodSeconds: periodMs / 1_000,
        submissions: verdicts.length,
        mostInAnyPeriod: figures.mostMessages,
        mostConnections: figures.mostConnections,
        latestStartSeconds: late.mostMs / 1_000,
        wrong: [...verdicts, ...fetched].filter(({ wrong }) => wrong !== ''),
      }),
    );
  }
  return ok;
}

function rowOf(verdict: SubmissionVerdict): string[] {
  return [
    verdict.id,
    verdict.what,
    verdict.history,
    String(verdict.arrivals),
    verdict.back.join(', '),
    verdict.wrong,
  ];
}

function fetchedRow(mail: FetchedVerdict): (string | number)[] {
  return [mail.what, mail.kind, mail.relatesTo, mail.sizeBytes, mail.notices, mail.wrong];
}

function seconds(ms: number): string {
  return `${String(ms / 1_000)} s`;
}

await buildPackage(appFolder);
const stack = await startStack({
  clock: systemClock,
  mailboxes,
  numbers,
  settings: quickSettings,
  exchange: { periodMs, latency: (step) => (step === 'dot' ? 250 : 0) },
  hideMs: quickHideMs,
});
try {
  process.exitCode = (await play(stack)) ? 0 : 1;
} finally {
  await stack.close();
  rmSync(appFolder, { recursive: true, force: true });
}
