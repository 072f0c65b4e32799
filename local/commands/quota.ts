// npm run quota: for each account that sends, what of its limits is used, what waits and when it will have left.
//   --json   ends with one JSON object on the last line
//   --settings-file FILE   of a stack that was started with it
import { commandLine } from '../commandLine.ts';
import { commandSettings, commandTrouble } from '../commandSettings.ts';
import { forecastReader } from '../forecasts.ts';
import { table } from '../table.ts';

const { values: flags } = commandLine(import.meta.filename, {
  options: { json: { type: 'boolean', default: false }, 'settings-file': { type: 'string' } },
});

try {
  const forecasts = await forecastReader(commandSettings(flags['settings-file']))();
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
      ]),
    ),
  );
  if (flags.json) console.log(JSON.stringify({ accounts: forecasts }));
} catch (error) {
  console.error(await commandTrouble(error, flags['settings-file']));
  process.exitCode = 1;
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
