// The two pages around connecting a mailbox, as plain request and answer: which mailboxes there are, and how a
// sign-in ended. The start is for administrators (principal and app role, failing closed); the way back is
// anonymous, because whoever signs in as the mailbox is rarely the administrator: there the browser's cookie and
// the state decide. Everything shown is escaped; the pages run no script and load nothing.
import { createHash } from 'node:crypto';
import type { Mailbox } from '../mail/mailbox.ts';
import type { Consent } from './consent.ts';
import { grantName } from './grants.ts';
import type { Grants } from './grants.ts';
import { admit, readVisitor } from '../web/principal.ts';

export interface WebRequest {
  readonly method: string;
  readonly url: string;
  header(name: string): string | null | undefined;
  /** The form's fields; undefined where the body is no form. */
  form(): Promise<{ get(name: string): string | null } | undefined>;
}

export interface WebAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface ConnectPages {
  /** GET shows the mailboxes; POST with `mailbox` goes to Entra. */
  connectMailbox(request: WebRequest): Promise<WebAnswer>;
  connectCallback(request: WebRequest): Promise<WebAnswer>;
}

export interface ConnectPagesParts {
  readonly consent: Consent;
  readonly grants: Grants;
  readonly mailboxes: readonly Mailbox[];
  /** As in the app registration; its origin is the only one that a start is accepted from. */
  readonly redirectUri: string;
  readonly authorityHost: string;
  /** The app role that may connect mailboxes. */
  readonly role: string;
  /** The platform's WEBSITE_AUTH_ENABLED. */
  readonly authenticationOn: boolean;
  /** A mailbox is connected: what stood still for it may go on. May reject; then it goes on by itself later. */
  readonly onConnected?: (mailbox: Mailbox) => Promise<void>;
}

/** A path of our own, fixed: nothing that a request says becomes a target. */
const START_PATH = '/api/oauth/connect';

/** The only style that a page may have: the policy names its hash. */
const STYLE = `body{font:1rem/1.5 system-ui,sans-serif;color:#1b1b1b;background:#f4f5f7;margin:0}
main{max-width:46rem;margin:2rem auto;padding:1.5rem 2rem;background:#fff;border:1px solid #d8dbe0;border-radius:.5rem}
h1{font-size:1.5rem;margin:0 0 1rem}ul{list-style:none;margin:0;padding:0}
li{padding:1rem 0;border-top:1px solid #e4e6ea}p{margin:.5rem 0}
button{font:inherit;padding:.35rem .8rem;border:1px solid #1f5fa8;border-radius:.3rem;background:#1f5fa8;color:#fff}
[role=alert]{border-left:.3rem solid #b3261e;padding-left:.8rem}[role=status]{border-left:.3rem solid #1a7f37;padding-left:.8rem}
a{color:#1f5fa8}:focus-visible{outline:3px solid #f5a623;outline-offset:2px}`;
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');
const BACK = `<p><a href="${START_PATH}">All mailboxes</a></p>`;

export function createConnectPages(parts: ConnectPagesParts): ConnectPages {
  const { consent, grants, authenticationOn, role } = parts;
  const origin = new URL(parts.redirectUri).origin;
  // Browsers apply form-action to the redirect that answers the form, so Entra's host is named.
  const page = (
    status: number,
    title: string,
    content: string,
    more: Readonly<Record<string, string>> = {},
  ): WebAnswer => ({
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'self' ${new URL(parts.authorityHost).origin}; frame-ancestors 'none'; base-uri 'none'`,
      'cache-control': 'no-store',
      // Not "no-referrer": browsers then send "Origin: null" with the form, which begin() must refuse.
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      ...more,
    },
    body: `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escape(title)}</title><style>${STYLE}</style></head><body><main><h1>${escape(title)}</h1>${content}</main></body></html>`,
  });

  return {
    async connectMailbox(request) {
      const admission = admit(
        readVisitor((name) => request.header(name), { authenticationOn }),
        role,
      );
      switch (admission.kind) {
        case 'refused':
          return page(admission.status, 'Closed', `<p>${escape(admission.detail)}</p>`);
        case 'signIn':
          return redirect(`/.auth/login/aad?post_login_redirect_uri=${encodeURIComponent(START_PATH)}`);
        case 'admitted':
          return request.method === 'POST' ? begin(request) : page(200, 'Connect a mailbox', await list());
      }
    },

    async connectCallback(request) {
      const ended = await consent.finish({ url: request.url, cookies: request.header('cookie') });
      const stays = ended.kind === 'refused' && ended.cookieStays === true;
      const end = {
        // This page's own address holds a code.
        'referrer-policy': 'no-referrer',
        ...(stays ? {} : { 'set-cookie': consent.endCookie }),
      };
      if (ended.kind === 'connected') await goOn(ended.mailbox);
      return ended.kind === 'connected'
        ? page(200, 'Connected', `<p role="status">${escape(ended.detail)}</p>${BACK}`, end)
        : page(400, 'Not connected', `<p role="alert">${escape(ended.detail)}</p>${BACK}`, end);
    },
  };

  async function goOn(address: string): Promise<void> {
    const mailbox = parts.mailboxes.find((one) => one.address === address);
    try {
      if (mailbox !== undefined) await parts.onConnected?.(mailbox);
    } catch {
      // The sign-in is stored, and that is what the page says. Holds are tried again in time by themselves.
    }
  }

  async function begin(request: WebRequest): Promise<WebAnswer> {
    // The administrator's session is a cookie, so a form on another site could post here.
    if (request.header('origin') !== origin) {
      return page(403, 'Refused', '<p>This request did not come from the bridge’s own page.</p>');
    }
    const started = await consent.start((await request.form())?.get('mailbox') ?? '');
    return started.kind === 'redirect'
      ? redirect(started.location, { 'set-cookie': started.cookie })
      : page(400, 'Not started', `<p role="alert">${escape(started.detail)}</p>${BACK}`);
  }

  async function list(): Promise<string> {
    const delegated = parts.mailboxes.filter(({ signIn }) => signIn === 'delegated');
    if (delegated.length === 0) return '<p>No mailbox signs in by a person.</p>';
    const items: string[] = [];
    for (const { address, smtpUser } of delegated) {
      const state = await grants.state(grantName(address));
      const detail =
        state === undefined
          ? 'Not connected yet.'
          : state.refused === undefined
            ? `Connected as ${state.account} since ${new Date(state.consentedAt).toISOString().slice(0, 10)}.`
            : state.refused.detail;
      const mark = state?.refused === undefined ? '' : ' role="alert"';
      items.push(
        `<li><form method="post" action="${START_PATH}"><input type="hidden" name="mailbox" value="${escape(address)}"><strong>${escape(address)}</strong> <button>Connect as ${escape(smtpUser)}</button><p${mark}>${escape(detail)}</p></form></li>`,
      );
    }
    return `<ul>${items.join('')}</ul>`;
  }
}

function redirect(location: string, headers: Readonly<Record<string, string>> = {}): WebAnswer {
  return { status: 303, headers: { location, 'cache-control': 'no-store', ...headers }, body: '' };
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
