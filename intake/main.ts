// intake: takes mail by SMTP, keeps it on disk and hands it on to esm-mail-bridge.
//
//   intake run      --settings FILE              run until SIGTERM or SIGINT
//   intake check    --settings FILE              check the settings, the files and the bridge, and end
//   intake status   --settings FILE              what waits, since when, and why
//   intake rejected --settings FILE              messages that the bridge refused, with the reasons
//   intake retry    --settings FILE ID | all     put refused messages back, and try everything at once
//   intake drain    --settings FILE [--minutes N]  take no more mail, hand on everything, end (default 10 minutes)
//   intake password                              read a password from standard input, print its hash for login.users
//
// Ends with 0 if all is well, 1 if not, 2 if it was called wrongly or the settings have problems.
import { parseArgs } from 'node:util';
import { systemClock, systemRandom } from '../shared/clock.ts';
import { checkIntake } from './commands/checkIntake.ts';
import { drainSpool, retryRejected, showRejected, showStatus } from './commands/spoolCommands.ts';
import { describe, IntakeLog, lineLog } from './intakeEvents.ts';
import { runIntake, type IntakeDependencies } from './runIntake.ts';
import { readAddress, readSettingsFile } from './settings/settingsFile.ts';
import { hashPassword } from './smtp/passwords.ts';
import { diskFiles } from './spool/diskFiles.ts';

/** Written by the build. */
declare const intakeVersion: string | undefined;
const version = typeof intakeVersion === 'undefined' ? 'development' : intakeVersion;

const usage = `intake ${version}: takes mail by SMTP and hands it on to esm-mail-bridge.

  intake run      --settings FILE              run until SIGTERM or SIGINT
  intake check    --settings FILE              check the settings, the files and the bridge
  intake status   --settings FILE              what waits, since when, and why
  intake rejected --settings FILE              messages that the bridge refused, with the reasons
  intake retry    --settings FILE ID | all     put refused messages back, and try everything at once
  intake drain    --settings FILE [--minutes N]  take no more mail, hand on everything, end
  intake password                              make a hash for login.users from standard input`;

// One CommonJS file has no await of its own.
void main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});

async function main(typed: readonly string[]): Promise<number> {
  let options: { readonly settings?: string; readonly minutes?: string; readonly help?: boolean };
  let names: readonly string[];
  try {
    const parsed = parseArgs({
      args: [...typed],
      allowPositionals: true,
      options: { settings: { type: 'string' }, minutes: { type: 'string' }, help: { type: 'boolean' } },
    });
    options = parsed.values;
    names = parsed.positionals;
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error));
  }
  const [command, argument] = names;
  if (options.help === true || command === 'help') {
    console.log(usage);
    return 0;
  }
  if (command === undefined) return complain('Name a command.');
  if (command === 'password') return makePassword();
  if (!['run', 'check', 'status', 'rejected', 'retry', 'drain'].includes(command)) {
    return complain(`There is no command ${JSON.stringify(command)}.`);
  }
  if (options.settings === undefined) return complain('Name the settings file: --settings FILE');
  const read = await readSettingsFile(options.settings);
  if (read.kind === 'problems') {
    for (const { detail } of read.problems) console.error(detail);
    return 2;
  }
  const { settings } = read;
  const files = diskFiles(systemClock);
  const context = {
    settings,
    files,
    clock: systemClock,
    print: (line: string) => {
      console.log(line);
    },
  };
  const log = new IntakeLog(lineLog(systemClock, (line) => process.stdout.write(line)));
  const dependencies = async (): Promise<IntakeDependencies> => ({
    settings,
    address: await readAddress(settings),
    files,
    clock: systemClock,
    random: systemRandom,
    log,
    version,
  });
  try {
    switch (command) {
      case 'run':
        return await run(await dependencies());
      case 'check':
        return await checkIntake(context);
      case 'status':
        return await showStatus(context);
      case 'rejected':
        return await showRejected(context);
      case 'retry':
        return argument === undefined
          ? complain('Name an id, or all.')
          : await retryRejected(context, argument);
      default:
        return await drainSpool(context, {
          mostMs: minutes(options.minutes) * 60_000,
          start: async () =>
            runIntake({ ...(await dependencies()), settings: { ...settings, listeners: [] } }),
        });
    }
  } catch (error) {
    if (command === 'run') log.failed(describe(error) ?? '');
    console.error(error instanceof Error ? error.message : String(error));
    return 1;
  }
}

/** SIGTERM from systemd and containers, SIGINT from Ctrl-C and Windows services, SIGHUP when a console closes. */
async function run(dependencies: IntakeDependencies): Promise<number> {
  const intake = await runIntake(dependencies);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      intake.stop(signal);
    });
  }
  return intake.ended;
}

function minutes(typed: string | undefined): number {
  return typed !== undefined && /^\d{1,4}$/.test(typed) ? Number(typed) : 10;
}

async function makePassword(): Promise<number> {
  const typed = (await readStdin()).replace(/\r?\n$/, '');
  if (typed.length < 12) {
    console.error('Give a password of at least 12 characters on standard input.');
    return 2;
  }
  console.log(await hashPassword(typed));
  return 0;
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function complain(detail: string): number {
  console.error(`${detail}\n\n${usage}`);
  return 2;
}
