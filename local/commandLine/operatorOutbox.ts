// What `npm run outbox` does: the operator API's messages and acts, as tables of at most 80 columns.
import { memberOf, numberIn, textIn } from '../../shared/mail/foreign.ts';
import { fitted, timeShown } from './fitted.ts';
import type { OperatorClient } from './operatorClient.ts';

export interface OutboxRequest {
  readonly action: string;
  /** Ids, a mailbox or an account, as the action has it. */
  readonly names: readonly string[];
  readonly mailbox?: string;
  readonly state?: string;
  readonly recipient?: string;
  readonly correlation?: string;
  readonly text?: string;
  readonly reason: string;
  readonly dryRun: boolean;
  /** Of a maintenance; 0 ends it, absent shows what there is. */
  readonly forMs?: number;
}

/** What is printed, the answer for --json, and whether all of it was done. */
export interface OutboxAnswer {
  readonly text: string;
  readonly json: object;
  readonly isDone: boolean;
}

const messageActions: Readonly<Record<string, string>> = {
  replay: 'replay',
  cancel: 'cancel',
  'mark-sent': 'markSent',
  remove: 'remove',
};
const listStates: Readonly<Record<string, string>> = { list: '', failed: 'failed', unresolved: 'inDoubt' };
const listedMost = 500;
const pageCount = 100;

/** Throws with the API's detail and remedy. */
export async function runOutbox(request: OutboxRequest, client: OperatorClient): Promise<OutboxAnswer> {
  const { action, names } = request;
  const act = messageActions[action];
  if (act !== undefined) return actOn(act, request, client);
  const state = listStates[action];
  if (state !== undefined) return list(state, request, client);
  const [name = ''] = names;
  switch (action) {
    case 'accounts':
      return accounts(await client.get('status'));
    case 'unreadable':
      return unreadable(
        await client.get(`unreadable${query({ mailbox: request.mailbox ?? (name || undefined) })}`),
      );
    case 'show':
      return show(
        await client.get(
          `messages/${encodeURIComponent(needed(name, 'message'))}${query({ mailbox: request.mailbox })}`,
        ),
      );
    case 'pause':
    case 'resume': {
      // An account's login is a mailbox's address for most; the API says which names it knows.
      const which =
        request.mailbox === undefined ? { account: needed(name, 'account') } : { mailbox: request.mailbox };
      const answer = await client.post('sending', { action, reason: request.reason, ...which });
      const mailboxes = textsIn(answer, 'mailboxes');
      const text = `${action === 'pause' ? 'Paused' : 'Resumed'}: ${mailboxes.join(', ')}.`;
      return { text, json: asObject(answer), isDone: true };
    }
    case 'maintenance':
      return maintenance(request, client);
    case 'audit':
      return audit(await client.get('audit'));
    default:
      throw new Error(
        `There is no action ${action}; the actions are list, failed, unresolved, unreadable, show, replay, cancel, mark-sent, remove, pause, resume, maintenance and audit.`,
      );
  }
}

async function actOn(action: string, request: OutboxRequest, client: OperatorClient): Promise<OutboxAnswer> {
  const { names, mailbox, state, recipient, correlation, text, reason, dryRun } = request;
  const filter = withoutUndefined({ mailbox, state, recipient, correlation, text });
  const targets = names.length > 0 ? { ids: names, ...withoutUndefined({ mailbox }) } : { filter };
  if (names.length === 0 && Object.keys(filter).length === 0)
    throw new Error(
      'Which messages? Give their ids, or --mailbox, --state, --recipient, --correlation or --text.',
    );
  const results: unknown[] = [];
  let doneCount = 0;
  let after: string | undefined;
  // Each turn has at most a hundred; those that were done no longer match a state.
  for (let turn = 0; turn < listedMost; turn += 1) {
    const answer = await client.post('messages', {
      action,
      ...targets,
      reason,
      dryRun,
      ...withoutUndefined({ after }),
    });
    results.push(...membersOf(answer, 'results'));
    doneCount += numberIn(answer, 'doneCount');
    const next = textIn(answer, 'next');
    if (next === '') break;
    after = next;
  }
  const rows = results.map((one) => [textIn(one, 'id'), textIn(one, 'result'), textIn(one, 'detail')]);
  const shown = dryRun
    ? `${String(results.length)} messages; nothing was done (dry run).`
    : `${String(doneCount)} of ${String(results.length)} done.`;
  const listed =
    rows.length === 0 ? '' : `${fitted(['id', dryRun ? '' : 'result', 'detail'], rows, [28, 8, 40])}\n`;
  return {
    text: `${listed}${shown}`,
    json: { action, dryRun, doneCount, results },
    isDone: dryRun || (doneCount === results.length && doneCount > 0),
  };
}

async function list(state: string, request: OutboxRequest, client: OperatorClient): Promise<OutboxAnswer> {
  const [named] = request.names;
  const { recipient, correlation, text } = request;
  const wanted = {
    mailbox: request.mailbox ?? named,
    state: request.state ?? (state === '' ? undefined : state),
    recipient,
    correlation,
    text,
    limit: String(pageCount),
  };
  const messages: unknown[] = [];
  let after: string | undefined;
  do {
    const page = await client.get(`messages${query({ ...wanted, after })}`);
    messages.push(...membersOf(page, 'messages'));
    const next = textIn(page, 'next');
    after = next === '' ? undefined : next;
  } while (after !== undefined && messages.length < listedMost);
  const rows = messages.map((one) => [
    textIn(one, 'id'),
    textIn(one, 'state'),
    timeShown(textIn(one, 'since')),
    textIn(one, 'detail'),
  ]);
  const more =
    after === undefined ? '' : `\nOnly the first ${String(messages.length)} are listed; narrow the search.`;
  return {
    text:
      rows.length === 0
        ? 'No message is found.'
        : `${fitted(['id', 'state', 'since', 'detail'], rows, [24, 9, 17, 24])}${more}`,
    json: { messages, ...withoutUndefined({ next: after }) },
    isDone: true,
  };
}

function accounts(status: unknown): OutboxAnswer {
  const stopped = membersOf(status, 'mailboxes').flatMap((one) =>
    ['send', 'receive'].flatMap((direction) => {
      const about = memberOf(one, direction);
      return textIn(about, 'state') === 'notReady'
        ? [
            `${textIn(one, 'address')}, ${direction}: ${textIn(about, 'detail')} ${textIn(about, 'remedy')}`.trim(),
          ]
        : [];
    }),
  );
  const rows = membersOf(status, 'accounts').map((one) => [
    textIn(one, 'account'),
    ...['waiting', 'inDoubt', 'toDecide', 'deadLetters'].map((name) => numberIn(one, name)),
    timeShown(textIn(one, 'countedAt')),
  ]);
  const counted = fitted(
    ['account', 'waiting', 'in doubt', 'to decide', 'dead', 'counted'],
    rows,
    [23, 7, 8, 9, 4, 17],
  );
  return {
    text: [rows.length === 0 ? 'No message was submitted yet.' : counted, ...stopped].join('\n'),
    json: asObject(status),
    isDone: true,
  };
}

function show(message: unknown): OutboxAnswer {
  const recipients = membersOf(message, 'recipients').map(
    (one) =>
      `  ${textIn(one, 'address')}: ${[textIn(one, 'outcome'), numberIn(one, 'code') || '', textIn(one, 'detail')].filter((part) => part !== '').join(' ')}`,
  );
  const history = membersOf(message, 'history').map((one) =>
    `  ${timeShown(textIn(one, 'at'))}  ${textIn(one, 'type').replace('mail.', '')} ${textIn(one, 'detail')}`.trimEnd(),
  );
  const field = (name: string): string => textIn(message, name);
  return {
    text: [
      `${field('id')} of ${field('mailbox')}: ${field('state')} since ${timeShown(field('since'))}`,
      ...[field('detail'), field('remedy')].filter((line) => line !== ''),
      `Message-ID ${field('messageId')}`,
      'Recipients:',
      ...recipients,
      'History:',
      ...history,
    ].join('\n'),
    json: asObject(message),
    isDone: true,
  };
}

async function maintenance(request: OutboxRequest, client: OperatorClient): Promise<OutboxAnswer> {
  const { forMs, reason, names, mailbox = names[0] } = request;
  if (forMs === undefined) {
    const answer = await client.get('maintenance');
    const rows = membersOf(answer, 'periods').map((one) => [
      textIn(one, 'name'),
      timeShown(textIn(one, 'until')),
      textIn(one, 'by'),
      textIn(one, 'reason'),
    ]);
    return {
      text:
        rows.length === 0
          ? 'Nothing is in maintenance.'
          : fitted(['mailbox', 'until', 'by', 'reason'], rows, [22, 17, 18, 17]),
      json: asObject(answer),
      isDone: true,
    };
  }
  const answer = await client.post('maintenance', {
    minutes: Math.ceil(forMs / 60_000),
    reason,
    ...(mailbox === undefined ? {} : { mailbox }),
  });
  const until = timeShown(textIn(answer, 'until'));
  const text = forMs === 0 ? `ended ${until}; the alerts count again.` : `no alerts until ${until}.`;
  return { text: `Maintenance of ${textIn(answer, 'name')}: ${text}`, json: asObject(answer), isDone: true };
}

function unreadable(answer: unknown): OutboxAnswer {
  const rows = membersOf(answer, 'messages').map((one) => [
    textIn(one, 'id'),
    timeShown(textIn(one, 'since')),
    textIn(one, 'detail'),
  ]);
  return {
    text:
      rows.length === 0 ? 'No message is set aside.' : fitted(['id', 'since', 'detail'], rows, [24, 17, 35]),
    json: asObject(answer),
    isDone: true,
  };
}

function audit(answer: unknown): OutboxAnswer {
  const rows = membersOf(answer, 'entries').map((one) => [
    timeShown(textIn(one, 'at')),
    textIn(one, 'by'),
    textIn(one, 'action'),
    textIn(one, 'on'),
    textIn(one, 'result'),
  ]);
  return {
    text:
      rows.length === 0
        ? 'Nobody has done anything yet.'
        : fitted(['when', 'who', 'what', 'on', 'result'], rows, [17, 17, 10, 20, 8]),
    json: asObject(answer),
    isDone: true,
  };
}

// ---- helpers ---------------------------------------------------------------------------------------------

const membersOf = (value: unknown, name: string): readonly unknown[] => {
  const member = memberOf(value, name);
  return Array.isArray(member) ? member : [];
};
const textsIn = (value: unknown, name: string): readonly string[] =>
  membersOf(value, name).filter((one) => typeof one === 'string');

const asObject = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {});

function withoutUndefined(
  fields: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

function query(fields: Readonly<Record<string, string | undefined>>): string {
  const given = new URLSearchParams(withoutUndefined(fields)).toString();
  return given === '' ? '' : `?${given}`;
}

function needed(value: string, what: string): string {
  if (value === '') throw new Error(`Which ${what}? npm run outbox lists the accounts.`);
  return value;
}
