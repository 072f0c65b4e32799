// /api/ops: the operator's page. Rendered here, readable without script; every act is a form with the page's token. It has
// nothing that the operator module has not. Never rejects.
import { html } from 'hono/html';
import { hourMs } from '../../mail/hourCounts.ts';
import { present } from '../../mail/omit.ts';
import { formCookie, formToken, readAccess, readFormCookie, whyNotFromPage } from '../../web/access.ts';
import type { WebAnswer, WebRequest } from '../../web/http.ts';
import { pageAnswer, redirect, type Html } from '../../web/page.ts';
import type { Problem } from '../../web/problem.ts';
import { problemOf } from '../api/operatorApi.ts';
import { OperatorError } from '../audited.ts';
import { jobs, messageActions, type MessageAction, type Operator } from '../operator.ts';
import { problemPage, problemView } from './problemPage.ts';
import { intakesView } from './intakesView.ts';
import { lastWorkingDayEnd } from '../overview.ts';
import { mailboxView } from './mailboxView.ts';
import { freshScriptAnswer, freshScriptName } from './freshScript.ts';
import { settingsPageView, type ShownSettings } from './settingsView.ts';
import { overviewView } from './overviewView.ts';
import type { Shown } from './shown.ts';
import { auditView, messagesView, messageView, searchForm } from './views.ts';

export interface OperatorPageDependencies {
  readonly operator: Operator;
  readonly origin: string;
  /** The platform's WEBSITE_AUTH_ENABLED. */
  readonly authenticationOn: boolean;
  /** 32 hexadecimal digits at random. */
  readonly randomId: () => string;
  /** As understood, without anything secret. */
  readonly settings: ShownSettings;
  /** UTC ms. */
  readonly now: () => number;
}

/** A fixed path of our own: nothing in a request becomes the target of a redirect. */
const root = '/api/ops';
/** What the counts are kept for. */
const mostHours = 200;
const listedCount = 50;
const auditCount = 100;

export async function answerOperatorPage(
  request: WebRequest,
  dependencies: OperatorPageDependencies,
): Promise<WebAnswer> {
  const { authenticationOn, origin } = dependencies;
  const url = URL.parse(request.url);
  const path = (url?.pathname ?? '').replace(/^\/api\/ops\/?/i, '').replace(/\/+$/, '');
  if (path === freshScriptName && request.method === 'GET') return freshScriptAnswer;
  // A page is for browsers; what one does not send with a plain link decides nothing here.
  const access = readAccess(request, {
    authenticationOn,
    needs: path === '' && request.method === 'GET' ? 'viewer' : 'administrator',
  });
  if (access.kind === 'refused')
    return access.problem.name === 'sign-in-required' && request.method === 'GET'
      ? redirect(`/.auth/login/aad?post_login_redirect_uri=${encodeURIComponent(root)}`)
      : problemPage(access.problem);
  const { person } = access;
  const cookie = readFormCookie(request.header('cookie')) ?? dependencies.randomId();
  const token = formToken(cookie, person);
  const shown: Shown = {
    person,
    token,
    setCookie: formCookie(cookie),
    query: url?.searchParams ?? new URLSearchParams(),
    script: `${origin}${root}/${freshScriptName}`,
  };
  try {
    if (request.method === 'GET') return await show(path, shown, dependencies);
    const form = (await request.form()) ?? { get: () => null };
    const refusal = whyNotFromPage(request, person, { origin, token: form.get('token') ?? '' });
    if (refusal !== undefined || person.by !== 'session')
      return await shownProblem(refusal ?? notABrowser, shown);
    return await act(form, shown, dependencies.operator);
  } catch (error) {
    return shownProblem(problemOf(error), shown);
  }
}

const notABrowser: Problem = {
  name: 'not-from-page',
  status: 403,
  title: 'The request did not come from the page.',
  detail: 'Forms are for browsers.',
  remedy: 'Use /api/ops/v1 with a bearer token.',
};

const page = (
  title: string,
  content: Html,
  { person, setCookie, script }: Shown,
  status = 200,
): Promise<WebAnswer> =>
  pageAnswer({
    status,
    title,
    content,
    header: html`<strong>Mail bridge</strong><a href="${root}">Overview</a>${
        person.isAdministrator
          ? html` <a href="${root}/messages">Messages</a> <a href="/api/oauth/connect">Connect</a>
              <a href="${root}/audit">Audit</a> <a href="${root}/settings">Settings</a>`
          : ''
      }<span><bdi>${person.name}</bdi> · <a href="/.auth/logout">Sign out</a></span>`,
    headers: { 'set-cookie': setCookie },
    script,
  });

const shownProblem = (problem: Problem, shown: Shown): Promise<WebAnswer> =>
  page(problem.title, html`<section>${problemView(problem)}</section>`, shown, problem.status);

async function show(path: string, shown: Shown, dependencies: OperatorPageDependencies): Promise<WebAnswer> {
  const { query, person } = shown;
  const { operator } = dependencies;
  if (path === '') return overview(shown, dependencies);
  if (path === 'messages') {
    const filter = present({
      id: given(query, 'id'),
      mailbox: given(query, 'mailbox'),
      recipient: given(query, 'recipient'),
      correlation: given(query, 'correlation'),
      subject: given(query, 'subject'),
      text: given(query, 'text'),
      state: stateIn(query),
    });
    const found = await operator.find(filter, {
      limit: listedCount,
      ...present({ after: given(query, 'after') }),
    });
    return page('Messages', html`${searchForm(filter)}${messagesView(found, { filter, root })}`, shown);
  }
  const [, id] = /^messages\/([^/]+)$/.exec(path) ?? [];
  if (id !== undefined) {
    const found = await operator.message(decode(id), given(query, 'mailbox'));
    return page(`Message ${found.message.id}`, messageView(found, { shown, root }), shown);
  }
  const [, address] = /^mailboxes\/([^/]+)$/.exec(path) ?? [];
  if (address !== undefined) {
    const at = dependencies.now();
    const detail = await operator.mailboxDetail(decode(address), sinceOf(query, at));
    return page(detail.mailbox.address, mailboxView(detail, at, { shown, root }), shown);
  }
  if (path === 'settings')
    return page('Settings as understood', settingsPageView(dependencies.settings), shown);
  if (path === 'audit') return page('Audit', auditView(await operator.audit(auditCount)), shown);
  return shownProblem(
    {
      name: 'not-found',
      status: 404,
      title: 'There is no such page.',
      detail: `${person.name}, this address leads nowhere.`,
      remedy: 'Begin at /api/ops.',
    },
    shown,
  );
}

async function overview(shown: Shown, { operator, now }: OperatorPageDependencies): Promise<WebAnswer> {
  const at = now();
  const found = await operator.overview(sinceOf(shown.query, at));
  const intakes = await operator.intakes();
  return page(
    'Overview',
    html`${overviewView(found, at, { shown, root })}${intakesView(intakes, at)}`,
    shown,
  );
}

/** The full hour that counts begin with: named, or some hours ago, or the end of the last working day. */
function sinceOf(query: URLSearchParams, now: number): number {
  const named = Date.parse(`${(query.get('since') ?? '').slice(0, 16)}Z`);
  const hours = Number(query.get('hours') ?? '0');
  const at =
    Number.isFinite(named) && named <= now
      ? named
      : Number.isInteger(hours) && hours > 0 && hours <= mostHours
        ? now - hours * hourMs
        : lastWorkingDayEnd(now);
  return Math.floor(at / hourMs) * hourMs;
}

interface Form {
  get(name: string): string | null;
}

/** One act; the answer says what was done to how many. */
async function act(form: Form, shown: Shown, operator: Operator): Promise<WebAnswer> {
  const { person } = shown;
  const field = (name: string): string => (form.get(name) ?? '').slice(0, 2_000).trim();
  const reason = field('reason');
  const mailbox = field('mailbox');
  const name = field('act');
  switch (name) {
    case 'pause':
    case 'resume': {
      const { mailboxes } = await operator.changeSending({ action: name, mailbox, reason }, person);
      return done(`${name === 'pause' ? 'Paused' : 'Resumed'}: ${mailboxes.join(', ')}.`, shown);
    }
    case 'run': {
      const job = jobs.find((one) => one === field('job'));
      if (job === undefined)
        throw new OperatorError('invalid', 'There is no such job.', `The jobs are ${jobs.join(', ')}.`);
      const { elapsedMs } = await operator.run({ job, reason }, person);
      return done(`Ran ${job} in ${String(elapsedMs)} ms.`, shown);
    }
    case 'sendTest': {
      const to = field('to');
      const sent = await operator.sendTest({ mailbox, ...(to === '' ? {} : { to }) }, person);
      return done(`The test message ${sent.id} to ${sent.to} is accepted.`, shown, {
        path: messagePath(sent.id, mailbox),
        label: 'See what became of it',
      });
    }
    case 'doctor': {
      const { ok, steps, causes } = await operator.examine(mailbox, person);
      const content = html`<section>
        <p class="${ok ? 'good' : 'bad'}" role="status">
          ${ok ? 'Everything works.' : 'Something is wrong.'}
        </p>
        <ul>
          ${causes.map(
            ({ cause, remedy, evidence }) =>
              html`<li>
                <p>${cause}</p>
                <p>Remedy: ${remedy}</p>
                <p class="muted"><bdi class="clip">${evidence}</bdi></p>
              </li>`,
          )}
        </ul>
        <table>
          <thead>
            <tr>
              <th>Step</th>
              <th>Result</th>
              <th>ms</th>
            </tr>
          </thead>
          <tbody>
            ${steps.map(
              (step) =>
                html`<tr>
                  <td data-label="Step">${step.step}</td>
                  <td data-label="Result" class="${step.ok ? 'good' : 'bad'}">
                    ${step.ok ? 'ok' : 'failed'}
                  </td>
                  <td data-label="ms" class="number">${step.ms}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </section>`;
      return page(`Doctor: ${mailbox}`, content, shown);
    }
    case 'reveal': {
      const content = await operator.reveal(
        { id: field('id'), reason: reasonOf(reason), ...mailboxOf(mailbox) },
        person,
      );
      return page(
        `Content of ${field('id')}`,
        html`<section>
          <dl>
            <dt>Subject</dt>
            <dd><bdi>${content.subject}</bdi></dd>
            <dt>Attachments</dt>
            <dd><bdi>${content.attachments.join(', ')}</bdi></dd>
          </dl>
          <pre><bdi>${content.text}</bdi></pre>
        </section>`,
        shown,
      );
    }
    default: {
      const action = messageActions.find((one) => one === name);
      if (action === undefined)
        throw new OperatorError('invalid', 'There is no such act.', 'Use the buttons of the page.');
      return actOnMessage(action, { id: field('id'), reason, ...mailboxOf(mailbox) }, { shown, operator });
    }
  }
}

async function actOnMessage(
  action: MessageAction,
  { id, mailbox, reason }: { readonly id: string; readonly mailbox?: string; readonly reason: string },
  { shown, operator }: { readonly shown: Shown; readonly operator: Operator },
): Promise<WebAnswer> {
  const report = await operator.act(
    { action, ids: [id], reason, dryRun: false, ...present({ mailbox }) },
    shown.person,
  );
  const [result] = report.results;
  if (result?.result === 'done') return done(`${pastOf[action]}: ${id}.`, shown);
  throw new OperatorError(
    'refused',
    result?.detail ?? 'Nothing was done.',
    'Look at the message again: its state may have changed.',
  );
}

const pastOf: Readonly<Record<MessageAction, string>> = {
  replay: 'Will be sent again',
  cancel: 'Cancelled',
  markSent: 'Marked as sent',
  markNotSent: 'Marked as not sent',
  remove: 'Deleted',
};

const done = (
  text: string,
  shown: Shown,
  next?: { readonly path: string; readonly label: string },
): Promise<WebAnswer> =>
  page(
    'Done',
    html`<section>
      <p role="status"><bdi>${text}</bdi></p>
      <p>
        ${next === undefined ? '' : html`<a href="${root}/${next.path}">${next.label}</a> · `}<a
          href="${root}"
          >Overview</a
        >
      </p>
    </section>`,
    shown,
  );

const messagePath = (id: string, mailbox: string): string =>
  `messages/${encodeURIComponent(id)}?mailbox=${encodeURIComponent(mailbox)}`;

const mailboxOf = (mailbox: string): { readonly mailbox?: string } => (mailbox === '' ? {} : { mailbox });

function reasonOf(reason: string): string {
  if (reason.length >= 3) return reason;
  throw new OperatorError(
    'invalid',
    'No reason is given.',
    'Say in a few words why the content must be seen.',
  );
}

const givenCharacters = 300;

function given(query: URLSearchParams, name: string): string | undefined {
  const value = (query.get(name) ?? '').trim();
  return value === '' ? undefined : value.slice(0, name === 'after' ? 2_000 : givenCharacters);
}

const states = ['waiting', 'sending', 'sent', 'failed', 'inDoubt', 'held', 'expired', 'cancelled'] as const;
const stateIn = (query: URLSearchParams): (typeof states)[number] | undefined =>
  states.find((state) => state === query.get('state'));

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}
