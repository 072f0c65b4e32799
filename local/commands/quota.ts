// npm run quota: for each account that sends, the use of its limits, the messages that wait, and when all of them will be
// sent. What is paused or on hold, and what is scheduled for later, is counted apart: no time can be given for it.
//   --app https://NAME.azurewebsites.net   of a deployed bridge, with your own Azure login; else of the running `npm start`
//   --json                 ends with one JSON object on the last line
//   --settings-file FILE   of a stack that was started with it
import { memberOf } from '../../shared/mail/foreign.ts';
import type { AccountForecast } from '../../shared/outbound/outbound.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { forecastText } from '../commandLine/forecastText.ts';
import { openOperator } from '../commandLine/operatorClient.ts';
import { printAnswer } from '../commandLine/printAnswer.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: {
    json: { type: 'boolean', default: false },
    app: { type: 'string' },
    'settings-file': { type: 'string' },
  },
});

await printAnswer(async () => {
  const answered = memberOf(await openOperator(flags).get('quota'), 'accounts');
  // Written by the same program from the same type.
  const accounts = Array.isArray(answered) ? (answered as readonly AccountForecast[]) : [];
  return { text: forecastText(accounts), json: { accounts } };
}, flags);
