// npm run outbox: shows and changes the messages and holds of an account, for example after an alert.
//
//   npm run outbox                               each account: queued and held messages, with the reasons of the holds
//   npm run outbox -- list ACCOUNT               its newest messages
//   npm run outbox -- failed|unresolved ACCOUNT  dead letters; messages in doubt that wait for a decision
//   npm run outbox -- unreadable ACCOUNT         messages set aside because their rows can't be read
//   npm run outbox -- replay|cancel|mark-sent|remove ACCOUNT ID
//   npm run outbox -- pause|resume ACCOUNT [MAILBOX]
//
// On a deployed bridge, with your own Azure login and the app role MailBridge.Administrator:
//
//   npm run outbox -- --app https://NAME.azurewebsites.net                     what waits, and mailboxes that are stopped
//   npm run outbox -- --app URL list|failed|unresolved [MAILBOX] [filter]      messages
//   npm run outbox -- --app URL show ID                                        one message with its history
//   npm run outbox -- --app URL replay|cancel|mark-sent|remove ID… | filter    acts on them
//   npm run outbox -- --app URL pause|resume ACCOUNT | --mailbox ADDRESS
//   npm run outbox -- --app URL audit                                          what operators did
//
//   --mailbox, --state, --recipient, --correlation, --text   the filter; each but the first two is part of a text
//   --dry-run              only says which
//   --reason TEXT          kept in the audit trail
//   --json                 ends with one JSON object on the last line
//   --settings-file FILE   another file than that of `npm start`
import { assembleOutbound } from '../../shared/assembly.ts';
import { messageOf } from '../../shared/mail/foreign.ts';
import { present } from '../../shared/mail/omit.ts';
import type { Outbound } from '../../shared/outbound/outbound.ts';
import { commandLine } from '../commandLine/commandLine.ts';
import { commandSettings, commandTrouble } from '../commandLine/commandSettings.ts';
import { openOperator } from '../commandLine/operatorClient.ts';
import { runOutbox } from '../commandLine/operatorOutbox.ts';
import { table } from '../commandLine/table.ts';

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
  },
});
const [action = 'accounts', account = '', subject = ''] = positionals;
const listedCount = 50;
/** Recorded in the message's history: the command does not know the person. */
const by = 'npm run outbox';

try {
  const done =
    flags.app === undefined
      ? await run(assembleOutbound(commandSettings(flags['settings-file'])).outbound)
      : await runOnApp(flags.app);
  process.exitCode = done ? 0 : 1;
} catch (error) {
  console.error(
    flags.app === undefined ? await commandTrouble(error, flags['settings-file']) : messageOf(error),
  );
  process.exitCode = 1;
}

async function runOnApp(app: string): Promise<boolean> {
  const { mailbox, state, recipient, correlation, text, reason } = flags;
  const answer = await runOutbox(
    {
      action,
      names: positionals.slice(1),
      reason,
      dryRun: flags['dry-run'],
      ...present({ mailbox, state, recipient, correlation, text }),
    },
    openOperator(app),
  );
  console.log(answer.text);
  if (flags.json) console.log(JSON.stringify(answer.json));
  return answer.isDone;
}

async function run(outbound: Outbound): Promise<boolean> {
  switch (action) {
    case 'accounts':
      return showAccounts(outbound);
    case 'list':
      return showMessages(await outbound.recent(named(account, 'account'), listedCount));
    case 'failed':
    case 'unresolved':
      return showMessages(await outbound.forPerson(named(account, 'account'), action, listedCount));
    case 'unreadable':
      return showUnreadable(await outbound.unreadable(named(account, 'account'), listedCount));
    case 'replay':
    case 'cancel':
    case 'remove':
    case 'mark-sent': {
      const which = { account: named(account, 'account'), id: named(subject, 'message'), by };
      return report(await (action === 'mark-sent' ? outbound.markSent(which) : outbound[action](which)));
    }
    case 'pause':
    case 'resume': {
      const mailbox = subject === '' ? {} : { mailbox: subject };
      await outbound[action]({ account: named(account, 'account'), by, ...mailbox });
      return report({ kind: 'done' });
    }
    default:
      throw new Error(
        `There is no action ${action}; the actions are list, failed, unresolved, unreadable, replay, cancel, mark-sent, remove, pause and resume.`,
      );
  }
}

async function showAccounts(outbound: Outbound): Promise<boolean> {
  const accounts = await Promise.all(
    (await outbound.accounts()).map(async (key) => ({ key, ...(await outbound.watch(key)) })),
  );
  const counted = ({ count, more }: { readonly count: number; readonly more: boolean }): string =>
    `${more ? 'more than ' : ''}${String(count)}`;
  console.log(
    table(
      ['account', 'waiting', 'in doubt', 'to decide', 'dead letters', 'unreadable', 'on hold'],
      accounts.map(({ key, backlog, state }) => [
        key,
        counted(backlog.waiting),
        counted(backlog.inDoubt),
        counted(backlog.unresolved),
        counted(backlog.failed),
        counted(backlog.unreadable),
        state.holds
          .map(({ mailbox, reason, detail, remedy }) => `${mailbox ?? 'all'}: ${reason}. ${detail} ${remedy}`)
          .join(' | '),
      ]),
    ),
  );
  if (flags.json) {
    console.log(
      JSON.stringify({
        accounts: accounts.map(({ key, backlog, state }) => ({ account: key, backlog, holds: state.holds })),
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

function showUnreadable(messages: Awaited<ReturnType<Outbound['unreadable']>>): boolean {
  const shown = messages.map(({ at, ...one }) => ({ ...one, since: new Date(at).toISOString() }));
  console.log(
    table(
      ['id', 'mailbox', 'detail', 'since'],
      shown.map(({ id, mailbox, detail, since }) => [id, mailbox, detail, since]),
    ),
  );
  if (flags.json) console.log(JSON.stringify({ messages: shown }));
  return true;
}

function report(answer: Awaited<ReturnType<Outbound['cancel']>>): boolean {
  const detail = { done: 'Done.', unknown: 'There is no such message.', refused: '' }[answer.kind];
  console.log(answer.kind === 'refused' ? answer.detail : detail);
  if (flags.json) console.log(JSON.stringify({ act: action, account, subject, ...answer }));
  return answer.kind === 'done';
}

function named(value: string, what: string): string {
  if (value === '') throw new Error(`Which ${what}? npm run outbox lists the accounts.`);
  return value;
}
