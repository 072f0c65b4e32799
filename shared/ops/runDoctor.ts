// The doctor as a function that the page calls: a form with `mailbox`, answered in JSON. It makes connections and
// takes the account's lease for a moment, so it is for administrators only, and fails closed like the pages.
import type { WebAnswer, WebRequest } from '../oauth/connectPages.ts';
import { admit, readVisitor } from '../web/principal.ts';
import type { Diagnosis } from './doctor.ts';

export interface RunDoctorParts {
  /** The only origin that a form is accepted from. */
  readonly origin: string;
  /** The app role that may call it. */
  readonly role: string;
  /** The platform's WEBSITE_AUTH_ENABLED. */
  readonly authenticationOn: boolean;
  readonly examine: (address: string) => Promise<Diagnosis>;
}

const LONGEST_ADDRESS = 320;

/** Judges who asks, then examines. 200 with the diagnosis, whether or not all is well. */
export function createRunDoctor(parts: RunDoctorParts): (request: WebRequest) => Promise<WebAnswer> {
  return async (request) => {
    const admission = admit(
      readVisitor((name) => request.header(name), { authenticationOn: parts.authenticationOn }),
      parts.role,
    );
    switch (admission.kind) {
      case 'refused':
        return json(admission.status, { error: admission.detail });
      case 'signIn':
        return json(401, { error: 'Sign in first: open the bridge’s page.' });
      case 'admitted':
        break;
    }
    // The administrator's session is a cookie, so a form on another site could post here.
    if (request.header('origin') !== parts.origin) {
      return json(403, { error: 'This request did not come from the bridge’s own page.' });
    }
    const address = (await request.form())?.get('mailbox') ?? '';
    return address === '' || address.length > LONGEST_ADDRESS
      ? json(400, { error: 'Name the mailbox: a form with the field "mailbox".' })
      : json(200, await parts.examine(address));
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
