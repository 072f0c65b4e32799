// npm run outbox: shows and changes messages and holds, for example after an alert.
//
//   npm run outbox                                    what waits, and mailboxes that are stopped
//   npm run outbox -- list|failed|unresolved [MAILBOX] [filter]      messages
//   npm run outbox -- unreadable [MAILBOX]            messages set aside because their rows can't be read
//   npm run outbox -- show ID                         one message with its history
//   npm run outbox -- replay|cancel|mark-sent|remove ID… | filter    acts on them
//   npm run outbox -- pause|resume ACCOUNT | --mailbox ADDRESS
//   npm run outbox -- maintenance [MAILBOX] [--for 2h | --for 0]    no alerts meanwhile; of all without MAILBOX
//   npm run outbox -- audit                           what operators did
//
//   --app https://NAME.azurewebsites.net   of a deployed bridge, with your own Azure login and the app role
//                          MailBridge.Administrator; of the running `npm start` unless given
//   --mailbox, --state, --recipient, --correlation, --text   the filter; each but the first two is part of a text
//   --dry-run              only says which
//   --reason TEXT          kept in the audit trail
//   --for TIME             of a maintenance, such as 30m or 2h, a day at most; 0 ends it
//   --json                 ends with one JSON object on the last line
//   --settings-file FILE   of a stack that was started with it
import { present } from '../../shared/mail/omit.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { durationMs } from '../commandLine/duration.ts';
import { openOperator } from '../commandLine/operatorClient.ts';
import { runOutbox } from '../commandLine/operatorOutbox.ts';
import { printAnswer } from '../commandLine/printAnswer.ts';

const { values: flags, positionals } = commandLine(import.meta.filename, {
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    'settings-file': { type: 'string' },
    app: { type: 'string' },
    mailbox: { type: 'string' },
    state: { type: 'string' },
    recipient: { type: 'string' },
    correlation: { type: 'string' },
    text: { type: 'string' },
    reason: { type: 'string', default: '' },
    'dry-run': { type: 'boolean', default: false },
    for: { type: 'string' },
  },
});

await printAnswer(() => {
  const [action = 'accounts', ...names] = positionals;
  const { mailbox, state, recipient, correlation, text, reason } = flags;
  return runOutbox(
    {
      action,
      names,
      reason,
      dryRun: flags['dry-run'],
      ...present({ mailbox, state, recipient, correlation, text }),
      ...(flags.for === undefined ? {} : { forMs: flags.for === '0' ? 0 : durationMs(flags.for, '--for') }),
    },
    openOperator(flags),
  );
}, flags);
