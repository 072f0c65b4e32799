// npm run doctor: checks every step that one mailbox's mail takes, sends nothing, and reports causes and remedies.
//   --mailbox ADDRESS   one of MAILBOXES
//   --app https://NAME.azurewebsites.net   of a deployed bridge, with your own Azure login
//   --json              one JSON object and nothing else
//   --settings-file FILE   of a stack that was started with it
// Exit status 1 if a step failed. Without --app it asks the running `npm start`.
import { messageOf } from '../../shared/mail/foreign.ts';
import type { Diagnosis, StepName } from '../../shared/ops/doctor.ts';
import { commandLine } from '../commandLine/commandLine.ts';
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
    'settings-file': { type: 'string' },
  },
});

if (flags.mailbox === undefined) {
  console.error('Which mailbox? npm run doctor -- --mailbox ADDRESS [--json]');
  process.exitCode = 2;
} else {
  try {
    // Written by the same program from the same type.
    const diagnosis = (await openOperator(flags).post('doctor', { mailbox: flags.mailbox })) as Diagnosis;
    console.log(flags.json ? JSON.stringify(diagnosis) : describe(diagnosis));
    process.exitCode = diagnosis.ok ? 0 : 1;
  } catch (error) {
    console.error(messageOf(error));
    process.exitCode = 1;
  }
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
