// The whole stack with the package as it is deployed, for scenarios: submissions go onto the queue, what becomes
// of them is read off ESM's queues, the server's log and the rows. Conditions are waited for, with generous
// bounds; nothing sleeps for a fixed time.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { buildPackage } from '../../local/build/buildPackage.ts';
import { EsmQueueClient, type ReceivedEvent } from '../../local/stack/esmQueueClient.ts';
import type { HostProcess, HostProcessLine } from '../../local/functionsHost/hostProcess.ts';
import { quickNumbers } from '../../local/stack/shortIntervals.ts';
import { startStack, type MailboxSetting, type Stack, type StackOptions } from '../../local/stack/stack.ts';
import { assembleOutbound } from '../../shared/assembly.ts';
import { systemClock } from '../../shared/clock.ts';
import { readSettings } from '../../shared/config/readSettings.ts';
import type { Settings } from '../../shared/config/settings.ts';
import type { Outbound } from '../../shared/outbound/outbound.ts';

/** A machine that is busy with other things may take this long for what takes a second on an idle one. */
const patienceMs = 90_000;

/** Never due within a test. */
export const never = '0 0 0 1 1 *';

/** The demo's numbers, with deferrals and tries of holds within seconds as well. */
export const scenarioNumbers = {
  ...quickNumbers(4_000),
  periodMs: 4_000,
  attemptMs: 6_000,
  graceMs: 1_000,
  firstLookupMs: 200,
  secondLookupMs: 1_000,
  lookupRetryMs: 1_000,
  firstDeferralMs: 300,
  longestDeferralMs: 1_000,
  probeAtLeastMs: 1_500,
  longestProbeMs: 1_500,
} as const;

export type RigOptions = Omit<StackOptions, 'clock'> & {
  /** Changes to the queue numbers of host.json. */
  readonly queues?: Readonly<Record<string, unknown>>;
};

export interface Rig {
  readonly stack: Stack;
  readonly esm: EsmQueueClient;
  /** Every log line of all hosts. */
  readonly lines: readonly HostProcessLine[];
  startHost(options?: {
    readonly settings?: Readonly<Record<string, string>>;
    readonly timersOff?: boolean;
    readonly graceMs?: number;
  }): Promise<HostProcess>;
  /** Operator actions on messages: the outbound module over the same store. */
  readonly outbound: Outbound;
  /** The app's own events of that name, `at` being when the host wrote the line. */
  events(name: string): readonly Readonly<Record<string, unknown>>[];
  /** The types of a submission's status events: `accepted`, `sent`, by sequence. */
  eventTypes(id: string): readonly string[];
  last(id: string): ReceivedEvent | undefined;
  close(): Promise<void>;
}

export async function startRig({ queues, ...options }: RigOptions): Promise<Rig> {
  const appFolder = mkdtempSync(join(tmpdir(), 'scenario-package-'));
  await buildPackage(appFolder);
  if (queues !== undefined) changeQueueNumbers(join(appFolder, 'host.json'), queues);
  const stack = await startStack({
    numbers: scenarioNumbers,
    hideMs: 5_000,
    ...options,
    settings: { SWEEP_SCHEDULE: '* * * * * *', FETCH_SCHEDULE: never, ...options.settings },
    exchange: { periodMs: scenarioNumbers.periodMs, ...options.exchange },
    clock: systemClock,
  });
  const lines: HostProcessLine[] = [];
  const hosts: HostProcess[] = [];
  const esm = new EsmQueueClient(stack.store);
  esm.listen();
  const eventTypes = (id: string): readonly string[] =>
    esm.eventsOf(id).map(({ type }) => type.replace('mail.', ''));
  return {
    stack,
    esm,
    lines,
    startHost: async (start) => {
      const host = await stack.startHost({ appFolder, onLine: (line) => lines.push(line), ...start });
      if (Object.keys(host.inError).length > 0) throw new Error(JSON.stringify(host.inError));
      hosts.push(host);
      return host;
    },
    outbound: assembleOutbound(settingsOf(stack)).outbound,
    events: (name) => lines.flatMap(eventOf).filter(({ event }) => event === name),
    eventTypes,
    last: (id) => esm.eventsOf(id).at(-1),
    close: async () => {
      await Promise.all(hosts.map((host) => host.kill()));
      await esm.stop();
      await stack.close();
      rmSync(appFolder, { recursive: true, force: true });
    },
  };
}

function changeQueueNumbers(file: string, queues: Readonly<Record<string, unknown>>): void {
  const host = JSON.parse(readFileSync(file, 'utf8')) as { extensions: { queues: object } };
  host.extensions.queues = { ...host.extensions.queues, ...queues };
  writeFileSync(file, JSON.stringify(host));
}

function settingsOf({ settings }: Stack): Settings {
  const answer = readSettings(settings);
  if (answer.kind !== 'ok') throw new Error('The bridge would refuse these settings');
  return answer.settings;
}

function eventOf({ kind, message, at }: HostProcessLine): readonly Readonly<Record<string, unknown>>[] {
  if (kind !== 'log' || typeof message !== 'string' || !message.startsWith('{"event":')) return [];
  return [{ ...(JSON.parse(message) as Record<string, unknown>), at }];
}

/** Polls until the condition holds; after the time limit it throws with the result of `seen`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  seen: () => unknown = () => '',
): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!(await condition())) {
    if (performance.now() > end)
      throw new Error(`${what}: not within the time limit; seen: ${JSON.stringify(await seen())}`);
    await pause(50);
  }
}

/** Mailboxes of the app's own sign-in. */
export const applicationMailbox = (name: string, more: Partial<MailboxSetting> = {}): MailboxSetting => ({
  address: `${name}@kunta.example`,
  signIn: 'application',
  receive: false,
  ...more,
});

/** Of the fetching: a lease that ends soon after its holder died, and short pauses after a failure. */
export const inboundNumbers = JSON.stringify({
  leaseMs: 4_000,
  firstRetryDelayMs: 500,
  longestRetryDelayMs: 1_000,
});

/** A small submission; `more` overrides its fields. */
export const submission = (
  id: string,
  mailbox: string,
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> => ({
  version: 1,
  id,
  mailbox,
  to: ['asukas@muualla.example'],
  subject: `Submission ${id}`,
  text: 'Hei.',
  ...more,
});
