// npm run events: what was reported of messages that were submitted, as the caller's events say it, the newest last.
//
//   npm run events                                    of the newest messages
//   npm run events -- ID…                             of these messages
//
//   --app https://NAME.azurewebsites.net   of a deployed bridge, with your own Azure login; else of the running `npm start`
//   --mailbox ADDRESS      of messages of this mailbox
//   --limit N              of so many messages at most; 20 unless given, 200 at most
//   --json                 ends with one JSON object on the last line
//   --settings-file FILE   of a stack that was started with it
import { present } from '../../shared/mail/omit.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { openOperator } from '../commandLine/operatorClient.ts';
import { runEvents } from '../commandLine/operatorEvents.ts';
import { printAnswer } from '../commandLine/printAnswer.ts';

const { values: flags, positionals } = commandLine(import.meta.filename, {
  allowPositionals: true,
  options: {
    app: { type: 'string' },
    mailbox: { type: 'string' },
    limit: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
    'settings-file': { type: 'string' },
  },
});

await printAnswer(() => {
  const limit = Number(flags.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > 200)
    throw new RangeError('--limit is a number from 1 to 200.');
  const asked = { ids: positionals, limit, ...present({ mailbox: flags.mailbox }) };
  return runEvents(asked, openOperator(flags));
}, flags);
