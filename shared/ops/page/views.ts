// The parts of the operator's page. Everything that a stranger may have written stands in a <bdi>, so that it can't turn
// the text around it.
import { html } from 'hono/html';
import type { RecipientOutcome } from '../../contract/statusEvent.ts';
import type { FoundMessage, MessageFilter } from '../../outbound/operator/find.ts';
import type { AccountSummary } from '../../outbound/operator/summaries.ts';
import { isFinished, type Message } from '../../outbound/records/message.ts';
import type { Html } from '../../web/page.ts';
import type { AuditEntry } from '../auditLog.ts';
import type { MessageAction } from '../operator.ts';
import type { DirectionReadiness, MailboxReadiness } from '../readiness.ts';
import type { Shown } from './shown.ts';

/** `2026-11-28 07:45 UTC`; the exact instant for machines. */
export const time = (at: number): Html => {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')} UTC</time>`;
};

const hidden = (fields: Readonly<Record<string, string>>): Html[] =>
  Object.entries(fields).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`,
  );

/** A button that is one act. */
const button = (
  label: string,
  fields: Readonly<Record<string, string>>,
  { shown, root, quiet = true }: { readonly shown: Shown; readonly root: string; readonly quiet?: boolean },
): Html =>
  html`<form method="post" action="${root}/act">
    ${hidden({ ...fields, token: shown.token })}<button class="${quiet ? 'quiet' : 'main'}">${label}</button>
  </form>`;

const stateClass = { ready: 'good', notReady: 'bad', unused: 'muted' } as const;
const stateWord = { ready: 'works', notReady: 'stopped', unused: 'not used' } as const;

const directionView = ({ state, detail, remedy, lastSuccessAt }: DirectionReadiness): Html =>
  html`<span class="${stateClass[state]}">${stateWord[state]}</span>${
      lastSuccessAt === undefined
        ? ''
        : html` <span class="muted">last ${time(Date.parse(lastSuccessAt))}</span>`
    }${
      detail === '' ? '' : html`<p><bdi class="clip">${detail}</bdi></p>`
    }${remedy === undefined ? '' : html`<p class="muted">${remedy}</p>`}`;

/** Shown above everything while any mailbox may not write to everybody. */
export function safeModeBanner(mailboxes: readonly MailboxReadiness[]): Html | '' {
  const restricted = mailboxes.filter(({ safeMode }) => safeMode !== undefined);
  if (restricted.length === 0) return '';
  return html`<section>
    <p class="wait" role="status"><strong>Safe mode.</strong> Mail does not go to everybody:</p>
    <ul>
      ${restricted.map(({ address, safeMode }) => html`<li><strong>${address}</strong> ${safeMode}</li>`)}
    </ul>
  </section>`;
}

export function mailboxesView(
  mailboxes: readonly MailboxReadiness[],
  { shown, root }: { readonly shown: Shown; readonly root: string },
): Html {
  const rows = mailboxes.map(
    ({ address, send, receive }) =>
      html`<tr>
        <td data-label="Mailbox"><strong>${address}</strong></td>
        <td data-label="Sending">${directionView(send)}</td>
        <td data-label="Receiving">${directionView(receive)}</td>
        ${
          shown.person.isAdministrator
            ? html`<td data-label="Acts">
                ${
                  send.state === 'unused'
                    ? ''
                    : html`${
                        send.state === 'notReady'
                          ? button(
                              'Resume',
                              { act: 'resume', mailbox: address },
                              { shown, root, quiet: false },
                            )
                          : ''
                      }${button('Pause', { act: 'pause', mailbox: address }, { shown, root })}`
                }${button('Doctor', { act: 'doctor', mailbox: address }, { shown, root })}
                <a href="${root}/messages?mailbox=${encodeURIComponent(address)}">Messages</a>
              </td>`
            : ''
        }
      </tr>`,
  );
  return html`<section>
    <h2>Mailboxes</h2>
    ${
      mailboxes.length === 0
        ? html`<p>No mailbox is served.</p>`
        : html`<table>
            <thead>
              <tr>
                <th>Mailbox</th>
                <th>Sending</th>
                <th>Receiving</th>
                ${shown.person.isAdministrator ? html`<th>Acts</th>` : ''}
              </tr>
            </thead>
            <tbody>
              ${rows}
            </tbody>
          </table>`
    }
  </section>`;
}

export function accountsView(accounts: readonly AccountSummary[]): Html {
  const count = (value: number | undefined, cls: string): Html =>
    html`<span class="${(value ?? 0) > 0 ? cls : 'muted'}">${value ?? '–'}</span>`;
  return html`<section>
    <h2>Queues of the accounts</h2>
    ${
      accounts.length === 0
        ? html`<p>No message was submitted yet.</p>`
        : html`<table>
            <thead>
              <tr>
                <th>Account</th>
                <th>Waiting</th>
                <th>In doubt</th>
                <th>To decide</th>
                <th>Dead letters</th>
                <th>Recipients in 24 h</th>
                <th>Counted</th>
              </tr>
            </thead>
            <tbody>
              ${accounts.map(
                ({ account, backlog, recipientsToday }) =>
                  html`<tr>
                    <td data-label="Account">${account}</td>
                    <td data-label="Waiting" class="number">${count(backlog?.waiting.count, 'wait')}</td>
                    <td data-label="In doubt" class="number">${count(backlog?.inDoubt.count, 'wait')}</td>
                    <td data-label="To decide" class="number">${count(backlog?.unresolved.count, 'bad')}</td>
                    <td data-label="Dead letters" class="number">${count(backlog?.failed.count, 'bad')}</td>
                    <td data-label="Recipients in 24 h" class="number">${recipientsToday}</td>
                    <td data-label="Counted">${backlog === undefined ? 'never' : time(backlog.at)}</td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
  </section>`;
}

const states = [
  '',
  'waiting',
  'sending',
  'sent',
  'failed',
  'inDoubt',
  'held',
  'expired',
  'cancelled',
] as const;

export function searchForm(filter: MessageFilter): Html {
  const text = (
    name: 'id' | 'mailbox' | 'recipient' | 'correlation' | 'subject' | 'text',
    label: string,
  ): Html =>
    html`<label>${label}<input name="${name}" value="${filter[name] ?? ''}" maxlength="300" /></label>`;
  return html`<section>
    <form method="get" role="search">
      ${text('recipient', 'Recipient')}${text('correlation', 'Ticket')}${text('subject', 'Subject')}${text('mailbox', 'Mailbox')}${text('text', 'Reason')}${text('id', 'Id')}
      <label
        >State<select name="state">
          ${states.map((state) =>
            state === (filter.state ?? '')
              ? html`<option value="${state}" selected>${state === '' ? 'any' : state}</option>`
              : html`<option value="${state}">${state === '' ? 'any' : state}</option>`,
          )}
        </select></label
      >
      <button>Find</button>
    </form>
  </section>`;
}

export function messagesView(
  { messages, next }: { readonly messages: readonly FoundMessage[]; readonly next?: string },
  {
    filter = {},
    root,
    actsFor,
  }: {
    readonly filter?: MessageFilter;
    readonly root: string;
    /** The list is a part of another section, and each message has the buttons of its state. */
    readonly actsFor?: Shown;
  },
): Html {
  const shown = html`${
    messages.length === 0
      ? html`<p>No message is found${next === undefined ? '' : ' so far'}.</p>`
      : html`<table>
          <thead>
            <tr>
              <th>Message</th>
              <th>To</th>
              <th>State</th>
              <th>Since</th>
              <th>Why</th>
              ${actsFor === undefined ? '' : html`<th>Acts</th>`}
            </tr>
          </thead>
          <tbody>
            ${messages.map(
              ({ id, mailbox, recipients, state, changedAt, detail, correlation }) =>
                html`<tr>
                  <td data-label="Message">
                    <a href="${messageLink(root, id, mailbox)}"><bdi>${id}</bdi></a>
                    ${
                      correlation === undefined
                        ? ''
                        : html`<bdi class="clip muted">${ticketOf(correlation)}</bdi>`
                    }
                  </td>
                  <td data-label="To"><bdi class="clip">${recipientsView(recipients)}</bdi></td>
                  <td data-label="State" class="${classOf(state)}">${state}</td>
                  <td data-label="Since">${time(changedAt)}</td>
                  <td data-label="Why"><bdi class="clip">${detail ?? ''}</bdi></td>
                  ${
                    actsFor === undefined
                      ? ''
                      : html`<td data-label="Acts">
                          ${actsView({ id, mailbox, state, recipients }, { shown: actsFor, root })}
                        </td>`
                  }
                </tr>`,
            )}
          </tbody>
        </table>`
  }${
    next === undefined
      ? ''
      : html`<p><a href="${root}/messages?${queryOf({ ...filter, after: next })}">More</a></p>`
  }`;
  return actsFor === undefined ? html`<section>${shown}</section>` : shown;
}

/** The caller's own reference: a lone text as it is. */
const ticketOf = (correlation: unknown): string =>
  typeof correlation === 'string' ? correlation : JSON.stringify(correlation);

const recipientsMost = 3;
function recipientsView(recipients: readonly { readonly address: string }[]): string {
  const first = recipients.slice(0, recipientsMost).map(({ address }) => address);
  const others = recipients.length - first.length;
  return `${first.join(', ')}${others > 0 ? ` and ${String(others)} more` : ''}`;
}

const messageLink = (root: string, id: string, mailbox: string): string =>
  `${root}/messages/${encodeURIComponent(id)}?mailbox=${encodeURIComponent(mailbox)}`;

const queryOf = (fields: Readonly<Record<string, string | number | undefined>>): string =>
  Object.entries(fields)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]))
    .join('&');

const classOf = (state: string): string =>
  state === 'sent' ? 'good' : state === 'failed' || state === 'held' || state === 'expired' ? 'bad' : 'wait';

const acts: readonly {
  readonly action: MessageAction;
  readonly label: string;
  readonly from: readonly string[];
}[] = [
  { action: 'replay', label: 'Send again', from: ['failed', 'held', 'expired', 'cancelled'] },
  { action: 'markSent', label: 'Mark as sent', from: ['inDoubt', 'held', 'failed'] },
  { action: 'markNotSent', label: 'Mark as not sent', from: ['inDoubt', 'held'] },
  { action: 'cancel', label: 'Cancel', from: ['waiting', 'held'] },
  { action: 'remove', label: 'Delete', from: ['failed', 'held', 'inDoubt', 'sent', 'expired', 'cancelled'] },
];

/** The buttons of what is possible in a state, the likeliest first. */
function actsView(
  {
    id,
    mailbox,
    state,
    recipients,
  }: {
    readonly id: string;
    readonly mailbox: string;
    readonly state: string;
    readonly recipients: readonly RecipientOutcome[];
  },
  place: { readonly shown: Shown; readonly root: string },
): Html {
  const mayBeSent = recipients.some((one) => one.state === 'inDoubt' || one.maybeSent === true);
  const possible = acts.filter(
    ({ action, from }) => from.includes(state) && (action !== 'markNotSent' || mayBeSent),
  );
  return html`${possible.map(({ action, label }, at) =>
    button(label, { act: action, id, mailbox }, { ...place, quiet: at > 0 }),
  )}`;
}

export function messageView(
  {
    account,
    message,
    sending,
  }: { readonly account: string; readonly message: Message; readonly sending: boolean },
  { shown, root }: { readonly shown: Shown; readonly root: string },
): Html {
  const { id, mailbox, messageId, serverMessageId, recipients, history, detail, remedy, correlation } =
    message;
  const state = sending ? 'sending' : message.state;
  return html`<section>
      <dl>
        <dt>State</dt>
        <dd>
          <span class="${classOf(state)}">${state}</span> since
          ${time(message.changedAt)}${isFinished(message.state) ? '' : ' (not finished)'}
        </dd>
        ${
          detail === undefined
            ? ''
            : html`<dt>Why</dt>
                <dd><bdi class="clip">${detail}</bdi></dd>`
        }
        ${
          remedy === undefined
            ? ''
            : html`<dt>Remedy</dt>
                <dd>${remedy}</dd>`
        }
        <dt>Mailbox</dt>
        <dd>${mailbox} <span class="muted">(account ${account})</span></dd>
        ${
          correlation === undefined
            ? ''
            : html`<dt>Ticket</dt>
                <dd><bdi class="clip">${ticketOf(correlation)}</bdi></dd>`
        }
        <dt>Message-ID</dt>
        <dd><bdi>${messageId}</bdi></dd>
        ${
          serverMessageId === undefined
            ? ''
            : html`<dt>Server’s id</dt>
                <dd><bdi>${serverMessageId}</bdi></dd>`
        }
        <dt>Subject</dt>
        <dd>
          <form method="post" action="${root}/act">
            ${hidden({ act: 'reveal', id, mailbox, token: shown.token })}
            <label>Why it must be seen<input name="reason" required minlength="3" maxlength="300" /></label>
            <button class="quiet">Show subject and content</button>
          </form>
        </dd>
      </dl>
      ${actsView({ id, mailbox, state, recipients }, { shown, root })}
    </section>
    <section>
      <h2>Recipients</h2>
      <table>
        <thead>
          <tr>
            <th>Address</th>
            <th>Outcome</th>
            <th>Reply</th>
          </tr>
        </thead>
        <tbody>
          ${recipients.map(
            (recipient) =>
              html`<tr>
                <td data-label="Address"><bdi>${recipient.address}</bdi></td>
                <td data-label="Outcome" class="${classOf(recipient.state)}">${recipient.state}</td>
                <td data-label="Reply">
                  <bdi class="clip"
                    >${[recipient.code, recipient.enhanced, recipient.detail]
                      .filter((part) => part !== undefined)
                      .join(' ')}</bdi
                  >
                </td>
              </tr>`,
          )}
        </tbody>
      </table>
    </section>
    <section>
      <h2>History</h2>
      <ul>
        ${history.map(
          (entry) =>
            html`<li>
              ${time(entry.at)} <strong>${entry.type.replace('mail.', '')}</strong>
              ${entry.detail === undefined ? '' : html`<bdi class="clip">${entry.detail}</bdi>`}
            </li>`,
        )}
      </ul>
    </section>`;
}

export function auditView(entries: readonly AuditEntry[]): Html {
  return html`<section>
    ${
      entries.length === 0
        ? html`<p>Nobody has done anything yet.</p>`
        : html`<table>
            <thead>
              <tr>
                <th>When</th>
                <th>Who</th>
                <th>What</th>
                <th>On</th>
                <th>Why</th>
                <th>Result</th>
              </tr>
            </thead>
            <tbody>
              ${entries.map(
                ({ at, by, action, on, reason, result, doneCount, refusedCount, detail }) =>
                  html`<tr>
                    <td data-label="When">${time(at)}</td>
                    <td data-label="Who"><bdi>${by}</bdi></td>
                    <td data-label="What">${action}</td>
                    <td data-label="On"><bdi class="clip">${on}</bdi></td>
                    <td data-label="Why"><bdi class="clip">${reason}</bdi></td>
                    <td data-label="Result">
                      ${result === 'started' ? 'began; its end is not known' : result} (${doneCount} done,
                      ${refusedCount} not) ${detail === '' ? '' : html`<bdi class="clip">${detail}</bdi>`}
                    </td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
  </section>`;
}
