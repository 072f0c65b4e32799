// An intake in this process, on a folder of its own, with waits that are shorter than real ones.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom, type Clock } from '../../../shared/clock.ts';
import type { LogEvent } from '../../../shared/telemetry/log.ts';
import { IntakeLog } from '../../../intake/intakeEvents.ts';
import { runIntake, type RunningIntake } from '../../../intake/runIntake.ts';
import type { IntakeSettings } from '../../../intake/settings/intakeSettings.ts';
import { diskFiles } from '../../../intake/spool/diskFiles.ts';
import type { SpoolFiles } from '../../../intake/spool/files.ts';
import type { TestBridge } from './testBridge.ts';

export interface StartedIntake {
  readonly running: RunningIntake;
  readonly port: number;
  readonly folder: string;
  readonly events: readonly LogEvent[];
  stop(): Promise<void>;
}

/** Time runs this many times faster, sleeps and the monotonic clock alike; the wall clock is the real one. */
export function fastClock(times: number): Clock {
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() * times,
    sleep: (ms, signal) => systemClock.sleep(ms / times, signal),
  };
}

export interface StartOptions {
  readonly folder?: string;
  readonly settings?: Partial<IntakeSettings>;
  readonly files?: SpoolFiles;
  readonly clock?: Clock;
  readonly key?: string;
}

export async function startIntake(
  bridge: Pick<TestBridge, 'url' | 'key'>,
  options: StartOptions = {},
): Promise<StartedIntake> {
  const folder = options.folder ?? (await newFolder());
  const clock = options.clock ?? fastClock(20);
  const events: LogEvent[] = [];
  const running = await runIntake({
    settings: intakeSettings(bridge, folder, options.settings),
    address: { url: bridge.url, key: options.key ?? bridge.key, name: 'test' },
    files: options.files ?? diskFiles(clock),
    clock,
    random: systemRandom,
    log: new IntakeLog((event) => events.push(event)),
    version: 'test',
  });
  return {
    running,
    port: running.ports[0] ?? 0,
    folder,
    events,
    stop: async () => {
      running.stop('end of the test');
      await running.ended;
    },
  };
}

export function intakeSettings(
  bridge: Pick<TestBridge, 'url' | 'key'>,
  folder: string,
  changes: Partial<IntakeSettings> = {},
): IntakeSettings {
  return {
    name: 'test',
    bridge: { url: bridge.url, keyFile: '/nowhere' },
    spool: { folder, freeMinimumBytes: 1_000_000, lock: 'local' },
    listeners: [{ address: '127.0.0.1', port: 0, isLoopback: true }],
    login: { trustedNetworks: [], anyLogin: true, users: new Map() },
    hostName: 'localhost',
    connectionsMost: 100,
    unknownFrom: { kind: 'refuse' },
    marking: [],
    ...changes,
  };
}

const made: string[] = [];

export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'intake-test-'));
  made.push(folder);
  return folder;
}

export async function removeFolders(): Promise<void> {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true, force: true });
}

/** Waits until it is so; a bound against hanging, no measure. */
export async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 3_000; tries += 1) {
    if (await what()) return;
    await systemClock.sleep(10);
  }
  throw new Error('It did not come to be within 30 s');
}
