// npm run sent: the messages that have left the running `npm start`, as its SMTP server took them, the newest last.
//
//   --mailbox ADDRESS      only those from this address
//   --limit N              at most so many; 20 unless given
//   --json                 ends with one JSON object on the last line
//   --settings-file FILE   of a stack that was started with it
import { commandLine } from '../commandLine/commandLine.ts';
import { fitted, timeShown } from '../commandLine/fitted.ts';
import { printAnswer } from '../commandLine/printAnswer.ts';
import { runningControl } from '../commandLine/runningControl.ts';
import { sentAnswer } from '../stack/controlServer.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: {
    mailbox: { type: 'string' },
    limit: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
    'settings-file': { type: 'string' },
  },
});

await printAnswer(async () => {
  const limit = Number(flags.limit);
  if (!Number.isInteger(limit) || limit < 1) throw new RangeError('--limit is a number from 1.');
  const { messages } = sentAnswer.parse(await runningControl(flags['settings-file']).ask('GET', '/sent'));
  const wanted = flags.mailbox?.toLowerCase();
  const shown = messages
    .filter(({ from }) => wanted === undefined || from.toLowerCase() === wanted)
    .slice(-limit);
  const text =
    shown.length === 0
      ? 'Nothing has left yet.'
      : fitted(
          ['when', 'from', 'to', 'subject'],
          shown.map(({ at, from, to, subject }) => [
            timeShown(at),
            from,
            to.length > 1 ? `${to[0] ?? ''} and ${String(to.length - 1)} more` : (to[0] ?? ''),
            subject,
          ]),
          [17, 17, 18, 22],
        );
  return { text, json: { messages: shown } };
}, flags);
