// The first screen: one row a mailbox, then what needs a person, then what will.
import { html } from 'hono/html';
import type { Html } from '../../web/page.ts';
import type { MailboxRow, MailboxState, Overview, Receiving, Sending, StateWord } from '../overview.ts';
import { bar, button, duration, mailboxLink, messageLink, number, time, type Place } from './parts.ts';
import { actsOf } from './views.ts';

const stateClass: Readonly<Record<StateWord, string>> = {
  works: 'good',
  late: 'wait',
  paused: 'wait',
  stopped: 'bad',
  unknown: 'bad',
};

export function overviewView(overview: Overview, now: number, place: Place): Html {
  const { isAdministrator } = place.shown.person;
  return html`${safeModeView(overview)}${headView(overview, now)}${mailboxesView(overview, now, place)}${
    isAdministrator ? listsView(overview, place) : ''
  }${endingView(overview, now)}${usersView(overview)}${queuesView(overview, now)}`;
}

/** The answer to "is anything wrong?" in one line, and since when the counts are. */
function headView({ mailboxes, storedAt, sinceAt, toDecide }: Overview, now: number): Html {
  const stopped = mailboxes.filter(({ state }) => state.word === 'stopped' || state.word === 'unknown');
  const late = mailboxes.filter(({ state }) => state.word === 'late' || state.word === 'paused');
  const said =
    stopped.length > 0
      ? `${counted(stopped.length, 'mailbox')} stopped.`
      : late.length > 0
        ? `${counted(late.length, 'mailbox')} late or paused.`
        : 'Every mailbox works.';
  const decide = toDecide.length === 0 ? '' : ` ${counted(toDecide.length, 'message')} to decide about.`;
  return html`<section class="head">
    <p
      class="${stopped.length > 0 ? 'bad' : late.length + toDecide.length > 0 ? 'wait' : 'good'} said"
      role="status"
    >
      ${said}${decide}
    </p>
    <p class="muted">
      ${
        storedAt === 0
          ? 'The sweep has not stored anything yet.'
          : html`As the sweep stored it ${time(storedAt)},
              <span data-since="${new Date(storedAt).toISOString()}">${duration(now - storedAt)} ago</span>.`
      }
    </p>
    <form method="get">
      <label
        >Counted since (full hour, UTC)<input
          type="datetime-local"
          name="since"
          step="3600"
          value="${new Date(sinceAt).toISOString().slice(0, 16)}"
          required
      /></label>
      <button class="quiet">Show</button>
      <a href="?hours=1">1 h</a> <a href="?hours=24">24 h</a> <a href="?hours=168">7 days</a>
      <a href="?">last working day’s end</a>
    </form>
  </section>`;
}

/** Shown above everything while any mailbox may not write to everybody. */
function safeModeView({ mailboxes }: Overview): Html {
  const restricted = mailboxes.filter(({ safeMode }) => safeMode !== undefined);
  if (restricted.length === 0) return html``;
  return html`<section>
    <p class="wait"><strong>Safe mode.</strong> Mail does not go to everybody:</p>
    <ul>
      ${restricted.map(({ address, safeMode }) => html`<li><strong>${address}</strong> ${safeMode}</li>`)}
    </ul>
  </section>`;
}

const counted = (count: number, what: string): string =>
  `${String(count)} ${count === 1 ? what : what === 'mailbox' ? 'mailboxes' : `${what}s`}`;

function mailboxesView({ mailboxes }: Overview, now: number, place: Place): Html {
  // What does not work is looked at first; else in the order of the settings.
  const rank: Readonly<Record<StateWord, number>> = { stopped: 0, unknown: 1, late: 2, paused: 3, works: 4 };
  const ordered = mailboxes.toSorted((one, other) => rank[one.state.word] - rank[other.state.word]);
  return html`<section>
    <h2>Mailboxes</h2>
    ${
      mailboxes.length === 0
        ? html`<p>No mailbox is served: MAILBOXES names none.</p>`
        : html`<table class="mailboxes">
            <thead>
              <tr>
                <th scope="col">Mailbox</th>
                <th scope="col">State</th>
                <th scope="col">Received</th>
                <th scope="col">Sent</th>
                <th scope="col">Waiting</th>
                <th scope="col">Failed</th>
                <th scope="col">Bounced</th>
                <th scope="col">Quota</th>
              </tr>
            </thead>
            <tbody>
              ${ordered.map((row) => rowView(row, now, place))}
            </tbody>
          </table>`
    }
  </section>`;
}

function rowView({ address, state, sending, receiving }: MailboxRow, now: number, place: Place): Html {
  const { shown, root } = place;
  return html`<tr>
    <td data-label="Mailbox">
      ${
        shown.person.isAdministrator
          ? html`<a href="${mailboxLink(root, address)}"><strong>${address}</strong></a>`
          : html`<strong>${address}</strong>`
      }
    </td>
    <td data-label="State">${stateView(state, address, place)}</td>
    <td data-label="Received">${receivedView(receiving, now)}</td>
    ${sending === undefined ? html`<td colspan="5" class="muted" data-label="Sent">does not send</td>` : sendingCells(sending, now)}
  </tr>`;
}

const stateActs: Readonly<Record<'resume' | 'doctor' | 'sweep', { readonly label: string }>> = {
  resume: { label: 'Resume' },
  doctor: { label: 'Run the doctor' },
  sweep: { label: 'Run the sweep' },
};

/** The state in one word and one sentence, with its remedy and the button that is the remedy. */
export function stateView({ word, detail, remedy, act }: MailboxState, address: string, place: Place): Html {
  const { shown, root } = place;
  const cure =
    !shown.person.isAdministrator || act === undefined
      ? ''
      : act === 'connect'
        ? html`<a class="button" href="/api/oauth/connect">Connect</a>`
        : act === 'sweep'
          ? button(stateActs.sweep.label, { act: 'run', job: 'sweep' }, { ...place, quiet: false })
          : button(
              stateActs[act].label,
              { act, mailbox: address },
              { shown, root, quiet: false, about: `for ${address}` },
            );
  return html`<span class="${stateClass[word]}">${word}</span>${
      detail === '' ? '' : html`<p><bdi class="clip">${detail}</bdi></p>`
    }${remedy === undefined ? '' : html`<p class="muted"><bdi class="clip">${remedy}</bdi></p>`}${cure}`;
}

function receivedView(receiving: Receiving | undefined, now: number): Html {
  if (receiving === undefined) return html`<span class="muted">–</span>`;
  const { isCounted, received, delivered, sortedOut, lastFetchAt, hasMore } = receiving;
  const kinds = Object.entries(sortedOut).sort(([, one], [, other]) => other - one);
  const counts = html`<span class="number">${received}</span>
    <p class="muted">
      ${delivered} to the service
      desk${kinds.map(([kind, count]) => html`, ${count} ${kindWords(kind)}`)}${
        hasMore ? '; more is being fetched' : ''
      }
    </p>`;
  return html`${isCounted ? counts : ''}
    <p class="muted">
      ${lastFetchAt === undefined ? 'never read' : `read ${duration(now - lastFetchAt)} ago`}
    </p>`;
}

/** `autoReply` → `auto reply`. */
export const kindWords = (kind: string): string =>
  kind.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

function sendingCells(sending: Sending, now: number): Html {
  const { sent, failed, bounced, waiting, hasMore, oldestDueAt, lastSentAt, clearsAt, minute, day } = sending;
  return html`<td class="count" data-label="Sent">
      <span class="number">${sent}</span>
      ${lastSentAt === undefined ? '' : html`<p class="muted">last ${duration(now - lastSentAt)} ago</p>`}
    </td>
    <td class="count" data-label="Waiting">
      <span class="number ${waiting > 0 ? 'wait' : ''}">${hasMore ? 'over ' : ''}${waiting}</span>
      ${oldestDueAt === undefined ? '' : html`<p class="muted">oldest ${duration(now - oldestDueAt)}</p>`}
      ${clearsAt === undefined || waiting === 0 ? '' : html`<p class="muted">all sent by ${time(clearsAt)}</p>`}
    </td>
    <td class="count" data-label="Failed">
      <span class="number ${failed > 0 ? 'bad' : ''}">${failed}</span>
    </td>
    <td class="count" data-label="Bounced">
      <span class="number ${bounced > 0 ? 'wait' : ''}">${bounced}</span>
    </td>
    <td data-label="Quota">
      ${bar(day, `${number(day.used)} of ${number(day.most)} recipients in 24 hours`)}
      <p class="muted">${number(day.used)} of ${number(day.most)} in 24 h</p>
      <p class="muted">${minute.used} of ${minute.most} this minute</p>
    </td>`;
}

function listsView({ toDecide, bounced, sortedOut, mailboxes }: Overview, place: Place): Html {
  const { root } = place;
  const isCounted = mailboxes.some(({ receiving }) => receiving?.isCounted === true);
  return html`<section>
      <h2>Needs a person</h2>
      ${
        toDecide.length === 0
          ? html`<p class="muted">Nothing.</p>`
          : html`<ul>
              ${toDecide.map(
                (entry) =>
                  html`<li>
                    ${entryHead(entry, root)}
                    <p><bdi class="clip">${entry.detail}</bdi></p>
                    ${actsOf(entry, place)}
                  </li>`,
              )}
            </ul>`
      }
    </section>
    <section>
      <h2>Bounced addresses</h2>
      ${
        bounced.length === 0
          ? html`<p class="muted">None in the last seven days.</p>`
          : html`<ul>
              ${bounced.map(
                (entry) =>
                  html`<li>
                    ${entryHead(entry, root)}
                    <p><bdi class="clip">${entry.detail}</bdi></p>
                  </li>`,
              )}
            </ul>`
      }
    </section>
    ${isCounted ? sortedOutView(sortedOut, place) : ''}`;
}

function sortedOutView(sortedOut: Overview['sortedOut'], place: Place): Html {
  const { root } = place;
  return html`<section>
    <h2>Not treated as a person’s message</h2>
    ${
      sortedOut.length === 0
        ? html`<p class="muted">None of late.</p>`
        : html`<ul>
            ${sortedOut.map(
              ({ id, at, kind, because, mailbox }) =>
                html`<li>
                  <a href="${root}/received/${encodeURIComponent(id)}?mailbox=${encodeURIComponent(mailbox)}"
                    ><bdi>${kindWords(kind)}</bdi></a
                  >
                  <span class="muted">${mailbox}, ${time(at)}</span>
                  <p><bdi class="clip">${because}</bdi></p>
                  ${button(
                    'Treat as a person’s message',
                    { act: 'moveToPersons', id, mailbox },
                    { ...place, about: id },
                  )}
                </li>`,
            )}
          </ul>`
    }
  </section>`;
}

const entryHead = (
  {
    id,
    mailbox,
    ticket,
    state,
    at,
  }: Pick<Overview['toDecide'][number], 'id' | 'mailbox' | 'ticket' | 'state' | 'at'>,
  root: string,
): Html =>
  html`<a href="${messageLink(root, id, mailbox)}"><bdi>${ticket === '' ? id : ticket}</bdi></a>
    <span class="${state === 'sent' ? 'muted' : 'bad'}">${state}</span>
    <span class="muted"
      >${ticket === '' ? '' : html`<bdi>${id}</bdi>, `}<bdi>${mailbox}</bdi>, ${time(at)}</span
    >`;

function endingView({ ending }: Overview, now: number): Html {
  if (ending.length === 0) return html``;
  return html`<section>
    <h2>Ends within 30 days</h2>
    <ul>
      ${ending.map(
        ({ what, endsAt, detail }) =>
          html`<li>
            <strong>${what}</strong>
            <span class="${endsAt < now ? 'bad' : 'wait'}"
              >${endsAt < now ? 'ended' : `in ${duration(endsAt - now)}`}</span
            >
            <span class="muted">${time(endsAt)}</span>
            <p class="muted">${detail}</p>
          </li>`,
      )}
    </ul>
  </section>`;
}

function usersView({ users }: Overview): Html {
  const most = users[0]?.recipients ?? 0;
  if (most === 0) return html``;
  return html`<section>
    <h2>Most recipients in 24 hours</h2>
    <table>
      <thead>
        <tr>
          <th scope="col">Mailbox</th>
          <th scope="col">Submitted by</th>
          <th scope="col">Recipients</th>
        </tr>
      </thead>
      <tbody>
        ${users.map(
          ({ mailbox, caller, recipients }) =>
            html`<tr>
              <td data-label="Mailbox"><bdi>${mailbox}</bdi></td>
              <td data-label="Submitted by"><bdi>${caller === '' ? 'the queue' : caller}</bdi></td>
              <td data-label="Recipients">
                <span class="number">${number(recipients)}</span>
                ${bar({ used: recipients, most }, `${number(recipients)} recipients`, { isLimit: false })}
              </td>
            </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}

function queuesView({ queues }: Overview, now: number): Html {
  if (queues.length === 0) return html``;
  return html`<section>
    <h2>Queues of the consumers</h2>
    <table>
      <thead>
        <tr>
          <th scope="col">Queue</th>
          <th scope="col">Messages</th>
          <th scope="col">Oldest</th>
        </tr>
      </thead>
      <tbody>
        ${queues.map(
          ({ queue, messageCount, oldestAt }) =>
            html`<tr>
              <td data-label="Queue">${queue}</td>
              <td data-label="Messages"><span class="number">${messageCount}</span></td>
              <td data-label="Oldest">${oldestAt === undefined ? '–' : duration(now - oldestAt)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}
