// The parts of the operator's page. Everything that a stranger may have written stands in a <bdi>, so that it can't turn
// the text around it.
import { html } from 'hono/html';
import type { RecipientOutcome } from '../../contract/statusEvent.ts';
import type { FoundMessage, MessageFilter } from '../../outbound/operator/find.ts';
import { isFinished, type Message } from '../../outbound/records/message.ts';
import type { Html } from '../../web/page.ts';
import type { AuditEntry } from '../auditLog.ts';
import type { MessageAction } from '../operator.ts';
import { button, hidden, messageLink, time, type Place } from './parts.ts';
import type { Shown } from './shown.ts';

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
  { filter = {}, root }: { readonly filter?: MessageFilter; readonly root: string },
): Html {
  return html`<section>
    ${
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
                  </tr>`,
              )}
            </tbody>
          </table>`
    }${
      next === undefined
        ? ''
        : html`<p><a href="${root}/messages?${queryOf({ ...filter, after: next })}">More</a></p>`
    }
  </section>`;
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
export function actsOf(
  {
    id,
    mailbox,
    state,
    mayBeSent,
  }: { readonly id: string; readonly mailbox: string; readonly state: string; readonly mayBeSent: boolean },
  place: Place,
): Html {
  const possible = acts.filter(
    ({ action, from }) => from.includes(state) && (action !== 'markNotSent' || mayBeSent),
  );
  return html`${possible.map(({ action, label }, at) =>
    button(label, { act: action, id, mailbox }, { ...place, quiet: at > 0, about: id }),
  )}`;
}

const isDoubtful = (recipients: readonly RecipientOutcome[]): boolean =>
  recipients.some((one) => one.state === 'inDoubt' || one.maybeSent === true);

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
      ${actsOf({ id, mailbox, state, mayBeSent: isDoubtful(recipients) }, { shown, root })}
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
