// npm run quota: for each account that sends, the use of its limits, the messages that wait, and when all of them will be sent.
//   --json   ends with one JSON object on the last line
//   --app https://NAME.azurewebsites.net   of a deployed bridge, with your own Azure login
//   --settings-file FILE   of a stack that was started with it
import { assembleOutbound } from '../../shared/assembly.ts';
import { memberOf, messageOf } from '../../shared/mail/foreign.ts';
import type { AccountForecast } from '../../shared/outbound/outbound.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { commandSettings, commandTrouble } from '../commandLine/commandSettings.ts';
import { openOperator } from '../commandLine/operatorClient.ts';
import { table } from '../commandLine/table.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: {
    json: { type: 'boolean', default: false },
    app: { type: 'string' },
    'settings-file': { type: 'string' },
  },
});

try {
  const forecasts =
    flags.app === undefined
      ? await assembleOutbound(commandSettings(flags['settings-file'])).outbound.forecasts()
      : await forecastsOf(flags.app);
  console.log(
    table(
      [
        'account',
        'this minute',
        'recipients in 24 h',
        'waiting',
        'next may start',
        'clears',
        'next recipients free',
        'no connection before',
      ],
      forecasts.map((one) => [
        one.account,
        `${String(one.slotsInUse)} of ${String(one.messagesPerMinute)}`,
        `${String(one.recipientsToday)} of ${String(one.recipientsPerDay)}`,
        `${one.more ? 'more than ' : ''}${String(one.waitingCount)}`,
        one.waitingCount === 0 ? '' : timeOf(one.nextAt),
        one.waitingCount === 0 ? '' : timeOf(one.clearsAt),
        one.nextFree === undefined
          ? ''
          : `${String(one.nextFree.recipientCount)} at ${timeOf(one.nextFree.at)}`,
        one.blockedUntil === undefined ? '' : timeOf(one.blockedUntil),
      ]),
    ),
  );
  if (flags.json) console.log(JSON.stringify({ accounts: forecasts }));
} catch (error) {
  console.error(
    flags.app === undefined ? await commandTrouble(error, flags['settings-file']) : messageOf(error),
  );
  process.exitCode = 1;
}

async function forecastsOf(app: string): Promise<readonly AccountForecast[]> {
  const accounts = memberOf(await openOperator(app).get('quota'), 'accounts');
  // Written by the same program from the same type.
  return Array.isArray(accounts) ? (accounts as readonly AccountForecast[]) : [];
}

/** In the reader's own time zone; the day where it is not today's. */
function timeOf(at: number | undefined): string {
  if (at === undefined) return 'not within the limits';
  const date = new Date(at);
  const time = date.toLocaleTimeString('en-GB');
  return date.toDateString() === new Date().toDateString()
    ? time
    : `${date.toLocaleDateString('en-GB')} ${time}`;
}
