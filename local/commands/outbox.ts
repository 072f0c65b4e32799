// npm run outbox: what a person looks at and decides on, when an alert has come.
//
//   npm run outbox                               each account: what waits, what stands still and why
//   npm run outbox -- list ACCOUNT               its newest messages
//   npm run outbox -- failed|doubtful ACCOUNT    dead letters; attempts that nobody knows the end of
//   npm run outbox -- replay|cancel|mark-sent|remove ACCOUNT ID
//   npm run outbox -- pause|resume ACCOUNT [MAILBOX]
//
//   --json                 ends with one JSON object on the last line
//   --settings-file FILE   another file than that of `npm start`
import type { Outbound } from '../../shared/outbound/outbound.ts';
import { commandLine } from '../commandLine.ts';
import { commandSettings, commandTrouble } from '../commandSettings.ts';
import { openDesk } from '../desk.ts';
import { table } from '../table.ts';

const { values: flags, positionals } = commandLine(import.meta.filename, {
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, 'settings-file': { type: 'string' } },
});
const [act = 'accounts', account = '', subject = ''] = positionals;
const listedCount = 50;
/** Whoever has the rights on the store is who acts; the story names the command. */
const by = 'npm run outbox';

try {
  process.exitCode = (await run(openDesk(commandSettings(flags['settings-file'])))) ? 0 : 1;
} catch (error) {
  console.error(await commandTrouble(error, flags['settings-file']));
  process.exitCode = 1;
}

async function run(desk: Outbound): Promise<boolean> {
  switch (act) {
    case 'accounts':
      return showAccounts(desk);
    case 'list':
      return showMessages(await desk.recent(named(account, 'account'), listedCount));
    case 'failed':
    case 'doubtful':
      return showMessages(await desk.forPerson(named(account, 'account'), act, listedCount));
    case 'replay':
    case 'cancel':
    case 'remove':
    case 'mark-sent': {
      const which = { account: named(account, 'account'), id: named(subject, 'message'), by };
      return tell(await (act === 'mark-sent' ? desk.markSent(which) : desk[act](which)));
    }
    case 'pause':
    case 'resume': {
      const mailbox = subject === '' ? {} : { mailbox: subject };
      await desk[act]({ account: named(account, 'account'), by, ...mailbox });
      return tell({ kind: 'done' });
    }
    default:
      throw new Error(
        `${act} is nothing that can be done; there are list, failed, doubtful, replay, cancel, mark-sent, remove, pause and resume.`,
      );
  }
}

async function showAccounts(desk: Outbound): Promise<boolean> {
  const accounts = await Promise.all(
    (await desk.accounts()).map(async (key) => ({ key, ...(await desk.watch(key)) })),
  );
  const counted = ({ count, more }: { readonly count: number; readonly more: boolean }): string =>
    `${more ? 'more than ' : ''}${String(count)}`;
  console.log(
    table(
      ['account', 'waiting', 'in doubt', 'for a person', 'dead letters', 'stands still'],
      accounts.map(({ key, backlog, box }) => [
        key,
        counted(backlog.waiting),
        counted(backlog.inDoubt),
        counted(backlog.doubtful),
        counted(backlog.failed),
        box.holds
          .map(({ mailbox, reason, detail, remedy }) => `${mailbox ?? 'all'}: ${reason}. ${detail} ${remedy}`)
          .join(' | '),
      ]),
    ),
  );
  if (flags.json) {
    console.log(
      JSON.stringify({
        accounts: accounts.map(({ key, backlog, box }) => ({ account: key, backlog, holds: box.holds })),
      }),
    );
  }
  return true;
}

interface Shown {
  readonly id: string;
  readonly mailbox: string;
  readonly state: string;
  readonly attempt: number;
  readonly changedAt: number;
  readonly detail?: string;
  readonly remedy?: string;
}

function showMessages(messages: readonly Shown[]): boolean {
  const shown = messages.map(({ id, mailbox, state, attempt, changedAt, detail, remedy }) => ({
    id,
    mailbox,
    state,
    attempts: attempt,
    changed: new Date(changedAt).toISOString(),
    detail: [detail, remedy].filter((text) => text !== undefined).join(' '),
  }));
  console.log(
    table(
      ['id', 'mailbox', 'state', 'attempts', 'changed', 'detail'],
      shown.map((one) => Object.values(one)),
    ),
  );
  if (flags.json) console.log(JSON.stringify({ messages: shown }));
  return true;
}

function tell(answer: Awaited<ReturnType<Outbound['cancel']>>): boolean {
  const detail = { done: 'Done.', unknown: 'There is no such message.', refused: '' }[answer.kind];
  console.log(answer.kind === 'refused' ? answer.detail : detail);
  if (flags.json) console.log(JSON.stringify({ act, account, subject, ...answer }));
  return answer.kind === 'done';
}

function named(value: string, what: string): string {
  if (value === '') throw new Error(`Which ${what}? npm run outbox says which accounts there are.`);
  return value;
}
