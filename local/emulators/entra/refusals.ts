// Entra's refusals as they look on the wire: number, OAuth error word, text, and sometimes a suberror.
import { randomUUID } from 'node:crypto';
import type { HttpResponse } from '../httpListener.ts';

interface Shape {
  readonly error: string;
  readonly text: string;
  readonly suberror?: string;
  readonly status?: number;
}

const grant = (text: string, suberror?: string): Shape => ({
  error: 'invalid_grant',
  text,
  ...(suberror === undefined ? {} : { suberror }),
});
const client = (text: string): Shape => ({ error: 'invalid_client', text, status: 401 });
const request = (text: string): Shape => ({ error: 'invalid_request', text });

const shapes: Readonly<Record<number, Shape>> = {
  28002: { error: 'invalid_scope', text: 'Provided value for the input parameter scope is not valid.' },
  50011: request(
    'The redirect URI specified in the request does not match the redirect URIs configured for the application.',
  ),
  50012: client('Authentication failed.'),
  50020: grant('User account does not exist in tenant and cannot access the application in that tenant.'),
  50033: { error: 'temporarily_unavailable', text: 'Retryable error. Please retry.', status: 503 },
  50034: grant('The user account does not exist in the directory.'),
  50053: grant('The account is locked, you have tried to sign in too many times.'),
  50055: grant('The password is expired.'),
  50057: grant('The user account is disabled.'),
  50072: {
    error: 'interaction_required',
    text: 'You must enroll in multi-factor authentication.',
    suberror: 'basic_action',
  },
  50074: {
    error: 'interaction_required',
    text: 'Strong Authentication is required.',
    suberror: 'basic_action',
  },
  50076: {
    error: 'interaction_required',
    text: 'Due to a configuration change made by your administrator, you must use multi-factor authentication.',
    suberror: 'basic_action',
  },
  50078: {
    error: 'interaction_required',
    text: 'Presented multi-factor authentication has expired.',
    suberror: 'basic_action',
  },
  50079: {
    error: 'interaction_required',
    text: 'You must enroll in multi-factor authentication.',
    suberror: 'basic_action',
  },
  50105: grant('The signed in user is not assigned to a role for the application.'),
  50132: grant('The session is not valid due to password expiration or recent password change.'),
  50133: grant('Session is invalid due to expiration or recent password change.'),
  50144: grant("User's Active Directory password has expired."),
  50173: grant(
    'The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.',
    'bad_token',
  ),
  50194: request(
    'Application is not configured as a multi-tenant application. Usage of the /common endpoint is not supported.',
  ),
  50196: grant('The server terminated an operation because it encountered a client request loop.'),
  51004: grant('The user account does not exist in the directory.'),
  53000: {
    error: 'interaction_required',
    text: 'Your device is required to be managed to access this resource.',
    suberror: 'message_only',
  },
  53001: {
    error: 'interaction_required',
    text: 'Device is not in required device state.',
    suberror: 'message_only',
  },
  53002: {
    error: 'interaction_required',
    text: 'The app used is not an approved app for Conditional Access.',
    suberror: 'message_only',
  },
  53003: grant('Access has been blocked by Conditional Access policies.', 'message_only'),
  530032: grant('Access has been blocked by security policies.', 'message_only'),
  530035: grant('Access has been blocked by security defaults.', 'message_only'),
  54005: grant(
    'OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.',
  ),
  500011: {
    error: 'invalid_resource',
    text: 'The resource principal was not found in the tenant. You might have sent your authentication request to the wrong tenant.',
  },
  501481: grant('The Code_Verifier does not match the code_challenge supplied in the authorization request.'),
  65001: grant('The user or administrator has not consented to use the application.', 'consent_required'),
  65004: { error: 'access_denied', text: 'User declined to consent to access the app.' },
  650056: request('Misconfigured application. The application requested no permissions for the resource.'),
  650057: {
    error: 'invalid_resource',
    text: 'Invalid resource. The client has requested access to a resource which is not listed in its registration.',
  },
  700016: {
    error: 'unauthorized_client',
    text: 'Application was not found in the directory. This can happen if the application has not been installed by the administrator of the tenant.',
  },
  700022: {
    error: 'invalid_scope',
    text: 'The provided value for the input parameter scope is not valid because it contains more than one resource.',
  },
  700023: {
    error: 'invalid_scope',
    text: 'The provided value for the input parameter scope is not valid because it contains .default and others.',
  },
  700024: client('Client assertion is not within its valid time range.'),
  700025: client('Client is public so neither client_assertion nor client_secret should be presented.'),
  700027: client(
    'The certificate with identifier used to sign the client assertion is not registered on application.',
  ),
  700082: grant('The refresh token has expired due to inactivity.', 'bad_token'),
  700084: grant(
    'The refresh token was issued to a single page app (SPA), and therefore has a fixed, limited lifetime.',
  ),
  700211: client('No matching federated identity record found for presented assertion issuer.'),
  700212: client('No matching federated identity record found for presented assertion audience.'),
  700213: client('No matching federated identity record found for presented assertion subject.'),
  70000: grant('The provided grant is invalid or malformed.'),
  70001: { error: 'unauthorized_client', text: 'The application is disabled.' },
  7000112: { error: 'unauthorized_client', text: 'Application is disabled.' },
  7000215: client(
    'Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.',
  ),
  7000218: client(
    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
  ),
  7000222: client('The provided client secret keys for app are expired.'),
  70003: { error: 'unsupported_grant_type', text: 'The app returned an unsupported grant type.' },
  70008: grant(
    'The provided authorization code or refresh token has expired due to inactivity.',
    'token_expired',
  ),
  70011: { error: 'invalid_scope', text: 'The provided value for the input parameter scope is not valid.' },
  70043: grant(
    'The refresh token has expired or is invalid due to sign-in frequency checks by Conditional Access.',
    'bad_token',
  ),
  90002: request(
    'Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.',
  ),
  90006: { error: 'temporarily_unavailable', text: 'External server retryable error.', status: 503 },
  90012: {
    error: 'temporarily_unavailable',
    text: 'RequestTimeout - the requested has timed out.',
    status: 503,
  },
  90024: {
    error: 'temporarily_unavailable',
    text: 'RequestBudgetExceededError - a transient error has occurred.',
    status: 503,
  },
  90033: {
    error: 'temporarily_unavailable',
    text: 'A transient error has occurred. Please try again.',
    status: 503,
  },
  90055: {
    error: 'invalid_request',
    text: 'TenantThrottlingError - there are too many incoming requests.',
    status: 429,
  },
  90094: {
    error: 'consent_required',
    text: 'An administrator must grant consent.',
    suberror: 'consent_required',
  },
  900144: request("The request body must contain the following parameter: 'scope'."),
  900971: request('No reply address is registered for the application.'),
};

/** Every AADSTS number that can be injected. */
export const refusalCodes: readonly number[] = Object.keys(shapes).map(Number);

/** A refusal that ends the handling of a request. */
export class Refused extends Error {
  readonly code: number;
  readonly detail: string | undefined;
  constructor(code: number, detail?: string) {
    super(`AADSTS${code}`);
    this.code = code;
    this.detail = detail;
  }
}

/** OAuth's error word for a number. */
export function errorWord(code: number): string {
  return shapes[code]?.error ?? 'invalid_request';
}

/** The token endpoint's answer. */
export function refusalAnswer(code: number, at: number, detail?: string): HttpResponse {
  const shape = shapes[code] ?? request('The emulator has no text for this error.');
  const trace = randomUUID();
  const correlation = randomUUID();
  const timestamp = new Date(at).toISOString().replace('T', ' ').slice(0, 19) + 'Z';
  return {
    status: shape.status ?? 400,
    headers: { 'x-ms-request-id': trace, ...(shape.status === 429 ? { 'retry-after': '30' } : {}) },
    body: {
      error: shape.error,
      error_description: `AADSTS${code}: ${detail ?? shape.text} Trace ID: ${trace} Correlation ID: ${correlation} Timestamp: ${timestamp}`,
      error_codes: [code],
      timestamp,
      trace_id: trace,
      correlation_id: correlation,
      ...(shape.suberror === undefined ? {} : { suberror: shape.suberror }),
    },
  };
}
