// GET /api/health. Anybody learns that the app runs, and its version; no request of theirs reads the store. A viewer or
// an administrator also learns whether each mailbox is ready, from a page session or with a bearer token alike. The
// status is 200 as long as the app runs: an availability test must not report a mailbox's consent as an outage of the app.
import type { WebAnswer, WebRequest } from '../web/http.ts';
import { authorize, readPrincipal } from '../web/principal.ts';
import type { MailboxReadiness } from './readiness.ts';

/** The answer as JSON. Everything but `status` and `version` is for viewers only. */
export interface Health {
  readonly status: 'alive';
  readonly version: string;
  /** Whether every mailbox is ready in the directions that it is used in. */
  readonly ready?: boolean;
  readonly mailboxes?: readonly MailboxReadiness[];
  /** Why readiness is unknown: settings that can't be used, or a store that does not answer. */
  readonly detail?: string;
}

export interface HealthDependencies {
  readonly version: string;
  /** App roles that see readiness; any of them is enough. */
  readonly roles: readonly string[];
  /** The platform's WEBSITE_AUTH_ENABLED. */
  readonly authenticationOn: boolean;
  /** Rejects with a detail for the administrator if the settings can't be used or the store does not answer. */
  readonly readiness: () => Promise<readonly MailboxReadiness[]>;
}

const detailCharacters = 4_000;

/** Never rejects. */
export async function answerHealth(
  request: Pick<WebRequest, 'header'>,
  { version, roles, authenticationOn, readiness }: HealthDependencies,
): Promise<WebAnswer> {
  const alive: Health = { status: 'alive', version };
  const principal = readPrincipal((name) => request.header(name), { authenticationOn });
  if (!roles.some((role) => authorize(principal, role).kind === 'authorized')) return json(alive);
  try {
    const mailboxes = await readiness();
    const ready = mailboxes.every(({ send, receive }) =>
      [send, receive].every(({ state }) => state !== 'notReady'),
    );
    return json({ ...alive, ready, mailboxes });
  } catch (error) {
    const detail = (error instanceof Error ? error.message : 'unknown').slice(0, detailCharacters);
    return json({ ...alive, ready: false, detail });
  }
}

function json(health: Health): WebAnswer {
  return {
    status: 200,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    },
    body: JSON.stringify(health),
  };
}
