// npm run doctor: checks every step that one mailbox's mail takes, sends nothing, and reports causes and remedies.
//   --mailbox ADDRESS   one of MAILBOXES
//   --app https://NAME.azurewebsites.net   of a deployed bridge, with your own Azure login
//   --json              one JSON object and nothing else
// Exit status 1 if a step failed. It uses the settings of its environment, or of the running local stack.
import { openBridge } from '../../shared/bridge.ts';
import { systemClock, systemRandom } from '../../shared/clock.ts';
import { readSettings } from '../../shared/config/readSettings.ts';
import { messageOf } from '../../shared/mail/foreign.ts';
import { settingsDiagnosis, type Diagnosis, type StepName } from '../../shared/ops/doctor.ts';
import { adoptEnvironment } from '../commandLine/adoptEnvironment.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { commandEnvironment } from '../commandLine/commandSettings.ts';
import { openOperator } from '../commandLine/operatorClient.ts';
import { table } from '../commandLine/table.ts';

const stepTitles: Readonly<Record<StepName, string>> = {
  settings: 'settings',
  vault: 'key vault',
  keys: 'keys of HTTP callers',
  token: 'access token',
  imapLogin: 'IMAP login',
  folder: 'folder',
  sentItems: 'Sent Items',
  smtpLogin: 'SMTP login',
  envelope: 'MAIL FROM, RCPT TO, then RSET',
  failureReports: 'folder of failure reports',
  outside: 'the app’s address, without credentials',
};

const { values: flags } = commandLine(import.meta.filename, {
  options: {
    mailbox: { type: 'string' },
    app: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

if (flags.mailbox === undefined) {
  console.error('Which mailbox? npm run doctor -- --mailbox ADDRESS [--json]');
  process.exitCode = 2;
} else {
  const diagnosis = await (flags.app === undefined
    ? diagnose(flags.mailbox)
    : diagnoseOnApp(flags.app, flags.mailbox));
  if (diagnosis === undefined) process.exit(1);
  console.log(flags.json ? JSON.stringify(diagnosis) : describe(diagnosis));
  // Idle connections of the client libraries would keep the process for minutes.
  process.exit(diagnosis.ok ? 0 : 1);
}

/** Undefined: it was said why there is none. */
async function diagnoseOnApp(app: string, mailbox: string): Promise<Diagnosis | undefined> {
  try {
    // Written by the same program from the same type.
    return (await openOperator(app).post('doctor', { mailbox })) as Diagnosis;
  } catch (error) {
    console.error(messageOf(error));
    return undefined;
  }
}

async function diagnose(address: string): Promise<Diagnosis> {
  const since = systemClock.monotonic();
  const problem = (setting: string, text: string): Diagnosis =>
    settingsDiagnosis(address, [{ setting, detail: text }], systemClock.monotonic() - since);
  let environment: ReturnType<typeof commandEnvironment>;
  try {
    environment = commandEnvironment();
  } catch (error) {
    return problem('environment', error instanceof Error ? error.message : String(error));
  }
  adoptEnvironment(environment);
  const answer = readSettings(environment);
  if (answer.kind === 'problems') {
    return settingsDiagnosis(address, answer.problems, systemClock.monotonic() - since);
  }
  return openBridge(answer.settings).examine(address, {
    invocationId: `doctor-${systemRandom.id()}`,
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
  });
}

function describe({ mailbox, ok, steps, causes }: Diagnosis): string {
  const stepTable = table(
    ['', 'step', 'ms'],
    steps.map((step) => [step.ok ? 'ok' : 'FAILED', stepTitles[step.step], String(step.ms)]),
  );
  const found = causes.map(
    ({ cause, remedy, evidence }, index) =>
      `${String(index + 1)}. ${cause}\n   Remedy: ${remedy}\n   Evidence: ${evidence}`,
  );
  return [
    `${mailbox}: ${ok ? 'everything works' : 'something is wrong'}`,
    stepTable,
    ...(found.length > 1 ? ['The likeliest first:'] : []),
    ...found,
  ].join('\n\n');
}
