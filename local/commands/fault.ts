// npm run fault: makes something go wrong in the running `npm start`, to rehearse the runbook.
//
//   npm run fault                                     the faults there are
//   npm run fault -- NAME [--mailbox ADDRESS] [--for 60s]
//   npm run fault -- none                             ends all faults
//
//   --mailbox ADDRESS      for this mailbox alone; all mailboxes unless given
//   --for TIME             such as 90s, 10m or 2h; 60s unless given
//   --json                 ends with one JSON object on the last line
//   --settings-file FILE   of a stack that was started with it
import { numberIn, textIn } from '../../shared/mail/foreign.ts';
import { present } from '../../shared/mail/omit.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { durationMs } from '../commandLine/duration.ts';
import { printAnswer } from '../commandLine/printAnswer.ts';
import { runningControl } from '../commandLine/runningControl.ts';
import { table } from '../commandLine/table.ts';
import { faultNames, namedFaults } from '../stack/namedFaults.ts';

const { values: flags, positionals } = commandLine(import.meta.filename, {
  allowPositionals: true,
  options: {
    mailbox: { type: 'string' },
    for: { type: 'string', default: '60s' },
    json: { type: 'boolean', default: false },
    'settings-file': { type: 'string' },
  },
});

await printAnswer(() => run(positionals), flags);

async function run(names: readonly string[]): Promise<{ readonly text: string; readonly json: object }> {
  const [name, ...more] = names;
  if (more.length > 0) throw new Error('Name one fault at a time.');
  if (name === undefined) {
    const faults = faultNames.map((one) => ({ name: one, detail: namedFaults[one].detail }));
    const rows = faults.map((one) => [one.name, one.detail]);
    return { text: table(['fault', 'what happens'], rows), json: { faults } };
  }
  const control = runningControl(flags['settings-file']);
  if (name === 'none') {
    const endedCount = numberIn(await control.ask('DELETE', '/faults'), 'endedCount');
    const text = endedCount === 0 ? 'There was no fault.' : `${String(endedCount)} ended.`;
    return { text, json: { endedCount } };
  }
  if (!faultNames.some((one) => one === name))
    throw new Error(`There is no fault ${name}; the faults are none, ${faultNames.join(', ')}.`);
  const answer = await control.ask('POST', '/faults', {
    name,
    forMs: durationMs(flags.for, '--for'),
    ...present({ mailbox: flags.mailbox }),
  });
  const detail = textIn(answer, 'detail');
  return { text: detail, json: { name, detail } };
}
