// A request and its answer as this module sees them, independent of the host's library; and problem details (RFC 9457).

export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  header(name: string): string | null | undefined;
  /** Parameters of the path, decoded. */
  readonly params: Readonly<Record<string, string | undefined>>;
  /** The whole body; the host has read it by then. */
  body(): Promise<Uint8Array>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** What each problem type means; `urn:esm-mail-bridge:problem:` and the name is its `type`. */
export const problemNames = {
  'key-missing': 'No key and no token with one of the app roles came with the request.',
  'key-unknown': 'The key is not one of the bridge’s keys, or it was revoked.',
  'key-in-address': 'A key was in the address, where logs keep it.',
  'not-allowed': 'The caller has not the right that the route needs, or not for this mailbox.',
  'no-id': 'A submission has no id.',
  'invalid-request': 'The request can’t be read.',
  'invalid-submission': 'The submission has faults; `problems` lists them all.',
  'id-in-use': 'The id is in use with other content; the first submission is unchanged.',
  'in-progress': 'The first request with this id is still being accepted.',
  'too-large': 'The body is larger than a request may be.',
  'length-required': 'The request has no Content-Length.',
  'unsupported-type': 'The content type or encoding of the body is not one that the route takes.',
  'not-found': 'There is no such submission, mailbox or content.',
  'too-late': 'The submission is in a state in which this is not possible.',
  'feed-off': 'Another consumer is set for events and notices (EVENTS_TO).',
  'receipt-unknown': 'A receipt was not given to this caller.',
  busy: 'The instance works on as many bytes as it may at once.',
  unavailable: 'The storage account or the key vault does not answer.',
  'not-configured': 'The app’s settings can’t be used.',
  'internal-error': 'An error of the bridge.',
} as const;

export type ProblemName = keyof typeof problemNames;

export interface FieldProblem {
  readonly field: string;
  readonly detail: string;
}

export interface Problem {
  readonly name: ProblemName;
  readonly status: number;
  readonly detail: string;
  /** What the caller, or an administrator, can do about it. */
  readonly remedy: string;
  readonly problems?: readonly FieldProblem[];
  readonly retryAfterSeconds?: number;
}

export const problemType = (name: ProblemName): string => `urn:esm-mail-bridge:problem:${name}`;

const always = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const;

/** The problem as an answer, `application/problem+json`. */
export function problemAnswer({
  name,
  status,
  detail,
  remedy,
  problems,
  retryAfterSeconds,
}: Problem): HttpAnswer {
  return {
    status,
    headers: {
      ...always,
      'content-type': 'application/problem+json',
      ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
      ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    },
    body: JSON.stringify({
      type: problemType(name),
      title: problemNames[name],
      status,
      detail,
      remedy,
      ...(problems === undefined ? {} : { problems }),
    }),
  };
}

/** While the program can't be assembled. */
export const settingsUnusable = (): HttpAnswer =>
  problemAnswer({
    name: 'not-configured',
    status: 503,
    detail: 'The app’s settings can’t be used; its log names them.',
    remedy: 'Have an administrator correct them (docs/settings.md); then send the request again.',
    retryAfterSeconds: 60,
  });

/** A value as JSON; never cached. */
export const jsonAnswer = (
  status: number,
  value: object,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer => ({
  status,
  headers: { ...always, 'content-type': 'application/json', ...headers },
  body: JSON.stringify(value),
});
