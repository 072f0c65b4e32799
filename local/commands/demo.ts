// npm run demo: the main job on the embedded stack, from the queue to the server and back, with a limit that
// bites and a host that is killed in the middle. Ends with status 0 only if all of it is as it should be.
//
//   --real-time   the true period of 60 s
//   --json        ends with one JSON object on the last line
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../shared/clock.ts';
import { readSettings } from '../../shared/config/readSettings.ts';
import { buildPackage } from '../build.ts';
import { commandLine } from '../commandLine.ts';
import { fetchedStory, isSettled, storyOf, type FetchedStory, type Story } from '../demo/judge.ts';
import { Progress } from '../demo/progress.ts';
import {
  alerts,
  arriving,
  burstCount,
  desk,
  mailboxes,
  manners,
  plannedBurst,
  plannedSamples,
  reportBlob,
  reportBytes,
  type Arriving,
  type Planned,
} from '../demo/scenario.ts';
import { Waits } from '../demo/waits.ts';
import { Esm } from '../esm.ts';
import { forecastReader, type AccountForecast } from '../forecasts.ts';
import type { HostProcess } from '../functionsHost/hostProcess.ts';
import { quickHideMs, quickNumbers, quickSettings } from '../quick.ts';
import { startStack, type Stack } from '../stack.ts';
import { table } from '../table.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: { 'real-time': { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});

const periodMs = flags['real-time'] ? 60_000 : 20_000;
const limit = 30;
const killAfterCount = 20;
const numbers = quickNumbers(periodMs);
const timeLimitMs = flags['real-time'] ? 300_000 : 115_000;
/** A message that waited leaves within this of the time that the limiter gave. */
const promptMs = 2_000;

const progress = new Progress(process.stdout.isTTY);
const waits = new Waits();
let forecasts: readonly AccountForecast[] = [];
const appFolder = join(import.meta.dirname, '..', '..', '.local', `demo-package-${String(process.pid)}`);

console.log(`esm-mail-bridge demo: mail from the queue to the server and back, at ${String(limit)} messages in ${seconds(periodMs)}
  shortened for the demo: period ${seconds(periodMs)} (real: 60 s), attempt ${seconds(numbers['attemptMs'] ?? 0)}, grace ${seconds(numbers['graceMs'] ?? 0)}, lease ${seconds(numbers['leaseMs'] ?? 0)},
  looks in Sent Items ${seconds(numbers['doubtSettleMs'] ?? 0)} apart, the host hides a message for ${seconds(quickHideMs)}, the sweep runs every 2 s
`);
async function play(running: Stack): Promise<boolean> {
  const { exchange, store } = running;
  for (const [address, manner] of Object.entries(manners)) exchange.recipient(address, manner);
  const startHost = (): Promise<HostProcess> =>
    running.startHost({
      appFolder,
      onLine: (line) => {
        waits.note(line);
      },
    });
  const esm = new Esm(store);
  let host = await startHost();
  progress.say(
    `the stack is up: ${String(host.functions.length)} functions, loaded in ${String(Math.round(host.loadMs))} ms`,
  );
  try {
    esm.listen();
    await esm.upload(reportBlob, Buffer.alloc(reportBytes, '%PDF-1.7 service report\n'));
    const planned = [...plannedSamples(), ...plannedBurst()];
    for (const { submission } of planned) await esm.submit(submission);
    progress.say(
      `ESM put ${String(planned.length)} submissions on its queue, ${String(burstCount)} of them a burst of ${alerts}`,
    );

    const mails = deliverLater(running);
    const readForecasts = followForecasts(running);
    const doubtful = new Set<string>();
    let killed = false;
    const until = performance.now() + timeLimitMs;
    while (performance.now() < until) {
      readForecasts();
      progress.show([desk, alerts].map((name) => standing(name, planned, running, esm)));
      if (!killed && burstArrivals(running) >= killAfterCount) {
        killed = true;
        await host.kill();
        for (const { id } of planned)
          if (esm.eventsOf(id).every(({ type }) => type === 'mail.accepted')) doubtful.add(id);
        progress.say(
          `SIGKILL: the host is gone in the middle of the burst, ${String(burstArrivals(running))} of ${String(burstCount)} were taken`,
        );
        host = await startHost();
        progress.say('a new host is up');
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
    const stories = planned.map((one) => storyOf(one, esm, exchange.log, doubtful));
    const fetched = await Promise.all(mails.map((mail) => fetchedStory(mail, esm)));
    return report(running, esm, stories, fetched);
  } finally {
    await host.stop();
    await esm.stop();
  }
}

const burstArrivals = ({ exchange }: Stack): number =>
  exchange.log.messages.filter(({ account }) => account === alerts).length;

function standing(
  name: string,
  planned: readonly Planned[],
  { exchange }: Stack,
  esm: Esm,
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

/** Reads the forecasts anew at each call, unless a reading is under way. */
function followForecasts({ settings }: Stack): () => void {
  const answer = readSettings(settings);
  if (answer.kind !== 'ok') throw new Error('The demo has settings that the bridge would refuse');
  const read = forecastReader(answer.settings);
  let reading = false;
  return () => {
    if (reading) return;
    reading = true;
    void read()
      .then((found) => (forecasts = found))
      .catch(() => undefined) // the bars go on without
      .finally(() => (reading = false));
  };
}

/** What comes in from outside while the burst drains; a reply once that which it answers was seen. */
function deliverLater({ exchange }: Stack): (Arriving & { messageId: string; raw: Buffer })[] {
  const inbox = exchange.store.mailbox(desk);
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

const arrived = ({ messageId }: { readonly messageId: string }, esm: Esm): boolean =>
  esm.notices.some(({ data }) => data['messageId'] === messageId);

/** The bounce and the automatic reply are back. */
const returned = (esm: Esm): boolean =>
  ['bounce', 'autoReply'].every((kind) => esm.notices.some(({ data }) => data['kind'] === kind));

function report(
  { exchange }: Stack,
  esm: Esm,
  stories: readonly Story[],
  fetched: readonly FetchedStory[],
): boolean {
  const figures = exchange.figures();
  const late = waits.latest(exchange.log);
  console.log('');
  console.log(
    table(['submission', 'what', 'ESM was told', 'server took', 'came back', ''], stories.map(rowOf)),
  );
  console.log('');
  console.log(table(['arrived', 'kind', 'belongs to', 'bytes', 'notices', ''], fetched.map(fetchedRow)));
  const checks: readonly (readonly [string, string, boolean])[] = [
    [
      'submissions as they should be',
      `${String(stories.filter(({ wrong }) => wrong === '').length)} of ${String(stories.length)}`,
      stories.every(({ wrong }) => wrong === ''),
    ],
    [
      'arrivals as they should be',
      `${String(fetched.filter(({ wrong }) => wrong === '').length)} of ${String(fetched.length)}`,
      fetched.every(({ wrong }) => wrong === ''),
    ],
    [
      `most messages in any ${seconds(periodMs)} at the server`,
      `${String(figures.mostMessages)} of ${String(limit)}`,
      figures.mostMessages <= limit,
    ],
    ['most connections at one time', `${String(figures.mostConnections)} of 3`, figures.mostConnections <= 3],
    ['the limit was reached', `${String(late.count)} messages waited for it`, late.count > 0],
    [
      'latest start after the time that the limiter gave',
      `${(late.mostMs / 1_000).toFixed(2)} s of ${seconds(promptMs)}`,
      late.mostMs <= promptMs,
    ],
    ['violations seen by the server', String(figures.violations.length), figures.violations.length === 0],
    [
      'repeats recognised by their ids',
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
  console.log(ok ? '\nAll of it is as it should be.' : '\nNot all of it is as it should be.');
  if (flags.json) {
    console.log(
      JSON.stringify({
        ok,
        periodSeconds: periodMs / 1_000,
        submissions: stories.length,
        mostInAnyPeriod: figures.mostMessages,
        mostConnections: figures.mostConnections,
        latestStartSeconds: late.mostMs / 1_000,
        wrong: [...stories, ...fetched].filter(({ wrong }) => wrong !== ''),
      }),
    );
  }
  return ok;
}

function rowOf(story: Story): string[] {
  return [story.id, story.what, story.told, String(story.arrivals), story.back.join(', '), story.wrong];
}

function fetchedRow(mail: FetchedStory): (string | number)[] {
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
