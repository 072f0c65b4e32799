// An intake as a process of its own that kills itself (SIGKILL) before its Nth step: a call to the file system, a
// request to the bridge, or the moment after the bridge's answer. Prints its port, and the step at which it dies.
import { writeSync } from 'node:fs';
import { systemClock, systemRandom, type Clock } from '../../../shared/clock.ts';
import type { Bridge } from '../../../intake/bridge/bridge.ts';
import { IntakeLog, lineLog } from '../../../intake/intakeEvents.ts';
import { runIntake } from '../../../intake/runIntake.ts';
import { diskFiles } from '../../../intake/spool/diskFiles.ts';
import type { NewFile, OpenFile, SpoolFiles } from '../../../intake/spool/files.ts';

const [folder = '', url = '', key = '', port = '0', killAt = '0'] = process.argv.slice(2);
const speed = 20;
const clock: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic() * speed,
  sleep: (ms, signal) => systemClock.sleep(ms / speed, signal),
};

let steps = 0;
function step(name: string): void {
  steps += 1;
  if (steps !== Number(killAt)) return;
  writeSync(1, `killed ${name}\n`);
  process.kill(process.pid, 'SIGKILL');
  // The signal may take a moment; nothing may happen in it.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

function killing(files: SpoolFiles): SpoolFiles {
  return {
    makeFolder: (path) => {
      step('makeFolder');
      return files.makeFolder(path);
    },
    create: async (path) => {
      step('create');
      return killingNewFile(await files.create(path));
    },
    rename: (from, to) => {
      step('rename');
      return files.rename(from, to);
    },
    remove: (path) => {
      step('remove');
      return files.remove(path);
    },
    list: (path) => {
      // Each second; nothing is at stake.
      if (!path.endsWith('/control')) step('list');
      return files.list(path);
    },
    syncFolder: (path) => {
      step('syncFolder');
      return files.syncFolder(path);
    },
    open: async (path) => {
      step('open');
      return killingOpenFile(await files.open(path));
    },
    freeBytes: (path) => {
      step('freeBytes');
      return files.freeBytes(path);
    },
  };
}

function killingNewFile(file: NewFile): NewFile {
  return {
    write: async (bytes) => {
      step('write');
      // Half of a larger piece is in the file when the process dies.
      if (steps + 1 === Number(killAt) && bytes.length > 100) {
        await file.write(bytes.subarray(0, bytes.length / 2));
        step('write, half done');
      }
      return file.write(bytes);
    },
    sizeBytes: () => {
      step('sizeBytes');
      return file.sizeBytes();
    },
    sync: () => {
      step('sync');
      return file.sync();
    },
    close: () => {
      step('close');
      return file.close();
    },
  };
}

function killingOpenFile(file: OpenFile): OpenFile {
  return {
    sizeBytes: file.sizeBytes,
    read: (position, length) => {
      step('read');
      return file.read(position, length);
    },
    close: () => file.close(),
  };
}

const intake = await runIntake({
  settings: {
    name: 'killed',
    bridge: { url, keyFile: '' },
    spool: { folder, freeMinimumBytes: 1_000_000, lock: 'local' },
    listeners: [{ address: '127.0.0.1', port: Number(port), isLoopback: true }],
    login: { trustedNetworks: [], anyLogin: true, users: new Map() },
    hostName: 'localhost',
    connectionsMost: 100,
    unknownFrom: { kind: 'refuse' },
    marking: [],
  },
  address: { url, key, name: 'killed' },
  files: killing(diskFiles(clock)),
  clock,
  random: systemRandom,
  log: new IntakeLog(lineLog(clock, (line) => process.env['INTAKE_LOG'] !== undefined && writeSync(2, line))),
  version: 'test',
  wrapBridge: (bridge): Bridge => ({
    submit: async (submission) => {
      step('submit');
      const result = await bridge.submit(submission);
      step(`submitted, ${result.kind}`);
      return result;
    },
    reportFailure: (report) => {
      step('reportFailure');
      return bridge.reportFailure(report);
    },
    mailboxes: () => bridge.mailboxes(),
    beat: (heartbeat) => bridge.beat(heartbeat),
  }),
});
writeSync(1, `port ${intake.ports[0] ?? 0}\n`);
process.on('SIGTERM', () => {
  intake.stop('SIGTERM');
});
process.exitCode = await intake.ended;
