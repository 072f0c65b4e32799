// The page of one mailbox: its state and every act on it, the last two days as a chart, and its settings as understood.
import { html } from 'hono/html';
import { hourOf } from '../../mail/hourCounts.ts';
import type { AfterFetch, FetchFrom, Mailbox } from '../../mail/mailbox.ts';
import type { Html } from '../../web/page.ts';
import type { HourFigures, MailboxDetail } from '../overview.ts';
import { button, hidden, time, type Place } from './parts.ts';
import { stateView } from './overviewView.ts';

export function mailboxView(
  { mailbox, row, holds, hours }: MailboxDetail,
  now: number,
  { shown, root }: Place,
): Html {
  const { address, send, receive } = mailbox;
  const place = { shown, root };
  return html`<section>
      ${stateView(row.state, address, place)}
      <div>
        ${button('Run the doctor', { act: 'doctor', mailbox: address }, place)}
        ${mailbox.signIn === 'delegated' ? html`<a class="button quiet" href="/api/oauth/connect">Connect</a>` : ''}
        ${
          send
            ? holds.some(({ reason }) => reason === 'paused')
              ? button('Resume sending', { act: 'resume', mailbox: address }, place)
              : button('Pause sending', { act: 'pause', mailbox: address }, place)
            : ''
        }
        ${receive ? button('Fetch now', { act: 'run', job: 'fetch' }, place) : ''}
        <a href="${root}/messages?mailbox=${encodeURIComponent(address)}">Messages</a>
      </div>
    </section>
    ${
      send
        ? html`<section>
            <h2>Send a test message</h2>
            <form method="post" action="${root}/act">
              ${hidden({ act: 'sendTest', mailbox: address, token: shown.token })}
              <label
                >To (the mailbox itself if empty)<input
                  name="to"
                  type="email"
                  maxlength="254"
                  autocomplete="email"
              /></label>
              <button class="quiet">Send</button>
            </form>
          </section>`
        : ''
    }
    ${
      holds.length === 0
        ? ''
        : html`<section>
            <h2>Holds</h2>
            <ul>
              ${holds.map(
                (hold) =>
                  html`<li>
                    <strong>${hold.reason}</strong>
                    <span class="muted"
                      >${hold.mailbox ?? 'the whole account'}, since ${time(hold.since)}</span
                    >
                    <p><bdi class="clip">${hold.detail}</bdi></p>
                    <p class="muted"><bdi class="clip">${hold.remedy}</bdi></p>
                  </li>`,
              )}
            </ul>
          </section>`
    }
    <section>
      <h2>The last 48 hours</h2>
      ${chartView(hours, now)}
    </section>
    <section>
      <h2>Settings as understood</h2>
      ${settingsView(mailbox)}
    </section>`;
}

const chartHours = 48;
const chartHeight = 60;

/** Two bars an hour: received above the line, sent below it. */
function chartView(hours: readonly HourFigures[], now: number): Html {
  const first = hourOf(now) - chartHours + 1;
  const shown = hours.filter(({ hour }) => hour >= first);
  const received = shown.reduce((sum, one) => sum + one.received, 0);
  const sent = shown.reduce((sum, one) => sum + one.sent, 0);
  const most = Math.max(1, ...shown.map((one) => Math.max(one.received, one.sent)));
  const height = (count: number): number => Math.round((count / most) * (chartHeight / 2 - 2));
  const middle = chartHeight / 2;
  if (received + sent === 0) return html`<p class="muted">No mail was received or sent.</p>`;
  const label = `${String(received)} received and ${String(sent)} sent in 48 hours; at most ${String(most)} in one hour`;
  return html`<svg
      class="chart"
      viewBox="0 0 ${chartHours * 10} ${chartHeight}"
      preserveAspectRatio="none"
      role="img"
      aria-label="${label}"
    >
      ${shown.map(
        (one) =>
          html`<rect
              class="received"
              x="${(one.hour - first) * 10 + 1}"
              y="${middle - height(one.received)}"
              width="8"
              height="${height(one.received)}"
            />
            <rect
              class="sent"
              x="${(one.hour - first) * 10 + 1}"
              y="${middle}"
              width="8"
              height="${height(one.sent)}"
            />`,
      )}
      <line class="axis" x1="0" y1="${middle}" x2="${chartHours * 10}" y2="${middle}" />
    </svg>
    <p class="muted">
      ${received} received (above), ${sent} sent (below); at most ${most} in one hour. Left: 48 hours ago.
    </p>`;
}

const yesNo = (value: boolean): string => (value ? 'yes' : 'no');

function settingsView(mailbox: Mailbox): Html {
  const { signIn, imapUser, smtpUser, send, receive, folder, afterFetch, fetchFrom, fromName, limits } =
    mailbox;
  const shown: readonly (readonly [string, string])[] = [
    ['Sends', yesNo(send)],
    ['Receives', yesNo(receive)],
    ['Sign-in', signIn],
    ['SMTP login', smtpUser],
    ['IMAP login', imapUser],
    ['Aliases', (mailbox.aliases ?? []).join(', ') || 'none'],
    ['Display name', fromName ?? 'none'],
    ['Folder', folder],
    ['After fetching', afterFetchWords(afterFetch)],
    ['Fetches', fetchFromWords(fetchFrom)],
    [
      'Limits',
      `${String(limits.messagesPerMinute)} messages a minute, ${String(limits.recipientsPerDay)} recipients in 24 h, ${String(limits.connections)} connections`,
    ],
  ];
  return html`<dl>
    ${shown.map(
      ([name, value]) =>
        html`<dt>${name}</dt>
          <dd><bdi>${value}</bdi></dd>`,
    )}
  </dl>`;
}

const afterFetchWords = (action: AfterFetch): string =>
  action.kind === 'move'
    ? `moved to ${action.folder}`
    : { none: 'left as it is', seen: 'marked as read', delete: 'deleted' }[action.kind];

const fetchFromWords = (from: FetchFrom): string =>
  from.kind === 'date'
    ? `what came since ${new Date(from.at).toISOString()}`
    : { now: 'what came after the first run', all: 'everything in the folder' }[from.kind];
