// The two pages around connecting a mailbox: the list of mailboxes, and how a sign-in ended. The list is for
// administrators (principal and app role, failing closed); the callback is anonymous, because the person who signs in as
// the mailbox is rarely the administrator: there the browser's cookie and the state decide.
import { html } from 'hono/html';
import { present } from '../mail/omit.ts';
import type { Mailbox } from '../mail/mailbox.ts';
import type { WebAnswer, WebRequest } from '../web/http.ts';
import { pageAnswer, redirect, type Html } from '../web/page.ts';
import { authorize, readPrincipal } from '../web/principal.ts';
import type { Consent } from './consent.ts';
import { grantName, type Grants, type GrantState } from './grants.ts';

export interface ConnectPagesDependencies {
  readonly consent: Pick<Consent, 'start' | 'finish' | 'endCookie'>;
  readonly grants: Pick<Grants, 'state'>;
  readonly mailboxes: readonly Mailbox[];
  /** As in the app registration; its origin is the only one that a start is accepted from. */
  readonly redirectUri: string;
  readonly authorityHost: string;
  /** The app role that may connect mailboxes. */
  readonly role: string;
  /** The platform's WEBSITE_AUTH_ENABLED. */
  readonly authenticationOn: boolean;
  /** A mailbox was connected: what was on hold for it may continue. May reject; then it continues by itself later. */
  readonly onConnected?: (mailbox: Mailbox) => Promise<void>;
}

/** A fixed path of our own: nothing in a request becomes the target of a redirect. */
const startPath = '/api/oauth/connect';
const backLink = html`<p><a href="${startPath}">All mailboxes</a></p>`;

export class ConnectPages {
  readonly #dependencies: ConnectPagesDependencies;

  constructor(dependencies: ConnectPagesDependencies) {
    this.#dependencies = dependencies;
  }

  /** GET shows the mailboxes; POST with `mailbox` redirects to Entra. */
  async connectMailbox(request: WebRequest): Promise<WebAnswer> {
    const { authenticationOn, role } = this.#dependencies;
    const principal = readPrincipal((name) => request.header(name), { authenticationOn });
    const authorization = authorize(principal, role);
    switch (authorization.kind) {
      case 'forbidden':
        return this.#page(authorization.status, 'Closed', html`<p>${authorization.detail}</p>`);
      case 'signInRequired':
        return redirect(`/.auth/login/aad?post_login_redirect_uri=${encodeURIComponent(startPath)}`);
      case 'authorized':
        return request.method === 'POST'
          ? this.#start(request)
          : this.#page(200, 'Connect a mailbox', await this.#list());
    }
  }

  async connectCallback(request: WebRequest): Promise<WebAnswer> {
    const { consent } = this.#dependencies;
    const ended = await consent.finish({ url: request.url, cookies: request.header('cookie') });
    const keepCookie = ended.kind === 'refused' && ended.keepCookie === true;
    const headers = {
      // This page's own address holds an authorization code.
      'referrer-policy': 'no-referrer',
      ...(keepCookie ? {} : { 'set-cookie': consent.endCookie }),
    };
    if (ended.kind === 'refused') {
      return this.#page(
        400,
        'Not connected',
        html`<p role="alert">${ended.detail}</p>
          ${backLink}`,
        headers,
      );
    }
    await this.#onConnected(ended.mailbox);
    return this.#page(
      200,
      'Connected',
      html`<p role="status">${ended.detail}</p>
        ${backLink}`,
      headers,
    );
  }

  #page(
    status: number,
    title: string,
    content: Html,
    headers?: Readonly<Record<string, string>>,
  ): Promise<WebAnswer> {
    const formTarget = new URL(this.#dependencies.authorityHost).origin;
    return pageAnswer({
      status,
      title,
      content,
      formTarget,
      ...present({ headers }),
    });
  }

  async #onConnected(address: string): Promise<void> {
    const mailbox = this.#dependencies.mailboxes.find((one) => one.address === address);
    try {
      if (mailbox !== undefined) await this.#dependencies.onConnected?.(mailbox);
    } catch {
      // The sign-in is stored, and that is what the page reports. Holds are probed by themselves in time.
    }
  }

  async #start(request: WebRequest): Promise<WebAnswer> {
    const { consent, redirectUri } = this.#dependencies;
    // The administrator's session is a cookie, so a form on another site could post here.
    if (request.header('origin') !== new URL(redirectUri).origin) {
      return this.#page(403, 'Refused', html`<p>This request did not come from the bridge’s own page.</p>`);
    }
    const started = await consent.start((await request.form())?.get('mailbox') ?? '');
    return started.kind === 'redirect'
      ? redirect(started.location, { 'set-cookie': started.cookie })
      : this.#page(
          400,
          'Not started',
          html`<p role="alert">${started.detail}</p>
            ${backLink}`,
        );
  }

  async #list(): Promise<Html> {
    const { grants, mailboxes } = this.#dependencies;
    const delegated = mailboxes.filter(({ signIn }) => signIn === 'delegated');
    if (delegated.length === 0) return html`<p>No mailbox uses delegated sign-in.</p>`;
    const items: Html[] = [];
    for (const mailbox of delegated) {
      items.push(listItem(mailbox, await grants.state(grantName(mailbox.address))));
    }
    return html`<p><a href="/api/ops">Overview</a></p>
      <ul>
        ${items}
      </ul>`;
  }
}

function listItem({ address, smtpUser }: Mailbox, state: GrantState | undefined): Html {
  const detail = stateDetail(state);
  return html`<li>
    <form method="post" action="${startPath}">
      <input type="hidden" name="mailbox" value="${address}" /><strong>${address}</strong>
      <button>Connect as ${smtpUser}</button>
    </form>
    ${state?.refused === undefined ? html`<p>${detail}</p>` : html`<p role="alert">${detail}</p>`}
  </li>`;
}

function stateDetail(state: GrantState | undefined): string {
  if (state === undefined) return 'Not connected yet.';
  const since = new Date(state.consentedAt).toISOString().slice(0, 10);
  return state.refused?.detail ?? `Connected as ${state.account} since ${since}.`;
}
