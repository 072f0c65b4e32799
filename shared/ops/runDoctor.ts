// The doctor as a function that the page calls: a form with `mailbox`, answered in JSON. It opens connections and
// acquires the account's lease for a moment, so it is for administrators only, and fails closed like the pages.
import type { WebAnswer, WebRequest } from '../web/http.ts';
import { authorize, readPrincipal } from '../web/principal.ts';
import type { Diagnosis } from './doctor.ts';

export interface RunDoctorDependencies {
  /** The only origin that a form is accepted from. */
  readonly origin: string;
  /** The app role that may call it. */
  readonly role: string;
  /** The platform's WEBSITE_AUTH_ENABLED. */
  readonly authenticationOn: boolean;
  readonly examine: (address: string) => Promise<Diagnosis>;
}

const addressCharacters = 320;

/** Authorizes, then examines. 200 with the diagnosis, whether or not everything works. */
export function createRunDoctor(
  dependencies: RunDoctorDependencies,
): (request: WebRequest) => Promise<WebAnswer> {
  return async (request) => {
    const authorization = authorize(
      readPrincipal((name) => request.header(name), { authenticationOn: dependencies.authenticationOn }),
      dependencies.role,
    );
    switch (authorization.kind) {
      case 'forbidden':
        return json(authorization.status, { error: authorization.detail });
      case 'signInRequired':
        return json(401, { error: 'Sign in first: open the bridge’s page.' });
      case 'authorized':
        break;
    }
    // The administrator's session is a cookie, so a form on another site could post here.
    if (request.header('origin') !== dependencies.origin) {
      return json(403, { error: 'This request did not come from the bridge’s own page.' });
    }
    const address = (await request.form())?.get('mailbox') ?? '';
    return address === '' || address.length > addressCharacters
      ? json(400, { error: 'Name the mailbox: a form with the field "mailbox".' })
      : json(200, await dependencies.examine(address));
  };
}

function json(status: number, value: object): WebAnswer {
  return {
    status,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    },
    body: JSON.stringify(value),
  };
}
