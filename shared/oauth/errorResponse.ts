// The only place that decides what an error response of the authority (RFC 6749 5.2) means. Microsoft asks clients to
// branch on `error` and never on numbers; the exception are numbers that mean "later", because Entra sends some of them
// as invalid_grant, and a person signing in again would not help.
import { memberOf, textIn } from '../mail/foreign.ts';
import { present } from '../mail/omit.ts';
import type { TokenFailure } from './ports.ts';
import { explainTokenError, type SignInWay } from './tokenErrors.ts';

/** What came back from the token endpoint, as far as it was read. */
export interface ErrorResponse {
  readonly status: number;
  /** The Retry-After header, in seconds or as an HTTP date. */
  readonly retryAfter?: string | undefined;
  /** The parsed body; anything. */
  readonly body: unknown;
}

const transientCodes = new Set([50196, 90055, 90033, 90006, 50033, 90024, 90012]);
const consentErrors = new Set([
  'invalid_grant',
  'interaction_required',
  'consent_required',
  'login_required',
]);
/** OAuth error codes are short; anything else is not repeated anywhere. */
const errorCode = /^[a-z_]{1,40}$/;
const guid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const longestWaitMs = 3_600_000;

/** Retry-After (RFC 9110 10.2.3) as milliseconds from `now`, at most an hour; undefined if there is none. */
export function retryAfterMs(header: string | undefined | null, now: number): number | undefined {
  if (header === undefined || header === null) return undefined;
  const text = header.trim();
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), longestWaitMs);
}

/** Judges a response that holds no token. Nothing of the server's own text is kept: it may echo what was sent. */
export function judgeErrorResponse(
  { status, retryAfter, body }: ErrorResponse,
  now: number,
  way: SignInWay = 'refresh',
): TokenFailure {
  const { error, code, correlationId } = readError(body);
  const wait = retryAfterMs(retryAfter, now);
  const named = code === undefined ? error : `AADSTS${code}`;
  const details = {
    detail: explainTokenError({
      error: error ?? `HTTP ${status}`,
      ...present({ code, correlationId }),
      way,
    }),
    ...present({ code: named }),
  };
  const later = error === 'temporarily_unavailable' || error === 'server_error';
  if (status === 429 || status >= 500 || later || (code !== undefined && transientCodes.has(code))) {
    return {
      kind: 'unavailable',
      ...details,
      detail:
        code === undefined && !later
          ? `The sign-in service answers ${status === 429 ? 'that it is asked too often' : 'with a fault'} (HTTP ${status}); the bridge tries again.`
          : details.detail,
      ...present({ retryAfterMs: wait }),
    };
  }
  if (error === undefined) {
    return {
      kind: 'unavailable',
      detail: `The sign-in service sent a response that is not OAuth (HTTP ${status}): check OAUTH_AUTHORIZE_ENDPOINT, or a proxy in between.`,
    };
  }
  // An application has nobody who could consent in a browser: its permission or the tenant's policy is missing.
  const isConsent = consentErrors.has(error) && way !== 'application';
  return { kind: isConsent ? 'needsConsent' : 'configuration', ...details };
}

/** The authority could not be reached. */
export function unreachable(what: string): TokenFailure {
  return {
    kind: 'unavailable',
    detail: `${what} could not be reached or did not answer in time; the bridge tries again.`,
  };
}

function readError(body: unknown): {
  readonly error?: string;
  readonly code?: number;
  readonly correlationId?: string;
} {
  const error = textIn(body, 'error');
  if (!errorCode.test(error)) return {};
  const first = memberOf(memberOf(body, 'error_codes'), '0');
  const inText = /^AADSTS(\d{1,9})\b/.exec(textIn(body, 'error_description'))?.[1];
  const code = typeof first === 'number' && Number.isSafeInteger(first) ? first : Number(inText);
  const correlationId = textIn(body, 'correlation_id');
  return {
    error,
    ...(Number.isNaN(code) ? {} : { code }),
    ...(guid.test(correlationId) ? { correlationId } : {}),
  };
}
