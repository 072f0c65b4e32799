// /api/ops/v1: reads a request by the table of routes, lets the operator do it, and answers in JSON or with problem
// details. Never rejects.
import { memberOf, parseJson } from '../../mail/foreign.ts';
import { omit, present } from '../../mail/omit.ts';
import type { MessageFilter } from '../../outbound/operator/find.ts';
import { StorageTrouble } from '../../storageErrors.ts';
import { readAccess, whyNotFromPage, type Person } from '../../web/access.ts';
import type { WebAnswer, WebRequest } from '../../web/http.ts';
import { jsonAnswer, problemAnswer, type Problem } from '../../web/problem.ts';
import { OperatorError } from '../audited.ts';
import type { Operator } from '../operator.ts';
import { messageView, listedView, statusView } from './views.ts';
import { operatorDescription, routes, type OperatorRoute } from './routes.ts';

export interface OperatorApiDependencies {
  readonly operator: Operator;
  /** The only origin that a session's request is accepted from. */
  readonly origin: string;
  /** The platform's WEBSITE_AUTH_ENABLED. */
  readonly authenticationOn: boolean;
  readonly version: string;
}

/** The header in which a session's request carries the page's token. */
const tokenHeader = 'x-form-token';
const bodyBytes = 65_536;

/** The route of a request, with the id in its path. */
export function routeOf(
  method: string,
  url: string,
): { readonly name: OperatorRoute; readonly id: string } | undefined {
  const path = URL.parse(url)?.pathname.replace(/\/+$/, '').toLowerCase() ?? '';
  const original = URL.parse(url)?.pathname.split('/') ?? [];
  for (const [name, route] of Object.entries(routes)) {
    if (route.method !== method) continue;
    const pattern = route.path.split('/');
    const parts = path.split('/');
    if (parts.length !== pattern.length) continue;
    if (!pattern.every((part, at) => part === '{id}' || part.toLowerCase() === parts[at])) continue;
    const at = pattern.indexOf('{id}');
    const id = at === -1 ? '' : decoded(original[at] ?? '');
    if (id !== undefined) return { name: name as OperatorRoute, id };
  }
  return undefined;
}

export async function answerOperatorApi(
  request: WebRequest,
  dependencies: OperatorApiDependencies,
): Promise<WebAnswer> {
  const { authenticationOn, origin } = dependencies;
  const found = routeOf(request.method, request.url);
  const needs = found === undefined ? 'viewer' : routes[found.name].role;
  const access = readAccess(request, { authenticationOn, needs });
  if (access.kind === 'refused') return problemAnswer(access.problem);
  if (found === undefined) return problemAnswer(noRoute);
  const { person } = access;
  if (request.method !== 'GET') {
    const refusal = whyNotFromPage(request, person, { origin, token: request.header(tokenHeader) ?? '' });
    if (refusal !== undefined) return problemAnswer(refusal);
  }
  try {
    return await answers[found.name]({ request, person, id: found.id }, dependencies);
  } catch (error) {
    return problemAnswer(problemOf(error));
  }
}

/** What an exception of an act or a read is to the caller. */
export function problemOf(error: unknown): Problem {
  if (error instanceof RefusedRequest) return error.problem;
  if (error instanceof OperatorError)
    return {
      name: error.kind === 'notFound' ? 'not-found' : 'not-possible',
      title: error.kind === 'notFound' ? 'There is no such thing.' : 'This is not possible.',
      status: error.kind === 'notFound' ? 404 : error.kind === 'refused' ? 409 : 400,
      detail: error.message,
      remedy: error.remedy,
    };
  if (error instanceof RangeError)
    return invalid(400, error.message, 'Leave it out to begin from the start.');
  if (error instanceof StorageTrouble)
    return {
      name: 'unavailable',
      title: 'The storage account does not answer.',
      status: 503,
      detail: error.message,
      remedy: 'Repeat it in a minute. What an act had begun is in the audit trail.',
    };
  return {
    name: 'internal-error',
    title: 'An error of the bridge.',
    status: 500,
    detail: 'The request could not be answered; the app’s log has the reason.',
    remedy: 'Repeat it; if it fails again, report it with the time.',
  };
}

interface Asked {
  readonly request: WebRequest;
  readonly person: Person;
  readonly id: string;
}
type Answer = (asked: Asked, dependencies: OperatorApiDependencies) => Promise<WebAnswer>;

const answers: Readonly<Record<OperatorRoute, Answer>> = {
  readStatus: async (_asked, { operator }) =>
    jsonAnswer(
      200,
      statusView(await operator.readiness(), await operator.summaries(), await operator.intakes()),
    ),
  readQuota: async (_asked, { operator }) => jsonAnswer(200, { accounts: await operator.forecasts() }),
  findMessages: async ({ request }, { operator }) => {
    const { limit, after, ...filter } = query(request, 'findMessages');
    const page = await operator.find(filterOf(filter), { limit, ...present({ after }) });
    return jsonAnswer(200, { messages: page.messages.map(listedView), ...present({ next: page.next }) });
  },
  readUnreadable: async ({ request }, { operator }) => {
    const found = await operator.unreadable(query(request, 'readUnreadable').mailbox);
    return jsonAnswer(200, {
      messages: found.map(({ at, id, mailbox, detail }) => ({
        id,
        mailbox,
        since: new Date(at).toISOString(),
        detail,
      })),
    });
  },
  readMessage: async ({ request, id }, { operator }) =>
    jsonAnswer(200, messageView(await operator.message(id, query(request, 'readMessage').mailbox))),
  revealMessage: async ({ request, person, id }, { operator }) => {
    const { mailbox, reason } = await body(request, 'revealMessage');
    return jsonAnswer(200, await operator.reveal({ id, reason, ...present({ mailbox }) }, person));
  },
  actOnMessages: async ({ request, person }, { operator }) => {
    const { ids, mailbox, filter, after, ...rest } = await body(request, 'actOnMessages');
    if ((ids === undefined) === (filter === undefined))
      throw new RefusedRequest(
        invalid(422, 'Neither or both of ids and filter are given.', 'Give one of them.'),
      );
    if (filter !== undefined && Object.keys(filter).length === 0)
      throw new RefusedRequest(
        invalid(
          422,
          'The filter is empty, which would be every message.',
          'Name a mailbox, a state or an age at least.',
        ),
      );
    const wanted = filter === undefined ? undefined : filterOf(filter);
    const { isDryRun, ...report } = await operator.act(
      { ...rest, ...present({ ids, mailbox, filter: wanted, after }) },
      person,
    );
    return jsonAnswer(200, { ...report, dryRun: isDryRun });
  },
  changeSending: async ({ request, person }, { operator }) => {
    const { action, mailbox, account, reason } = await body(request, 'changeSending');
    return jsonAnswer(
      200,
      await operator.changeSending({ action, reason, ...present({ mailbox, account }) }, person),
    );
  },
  readMaintenance: async (_asked, { operator }) =>
    jsonAnswer(200, {
      periods: (await operator.maintenance()).map((period) => ({
        ...period,
        until: new Date(period.until).toISOString(),
      })),
    }),
  changeMaintenance: async ({ request, person }, { operator }) => {
    const { mailbox, minutes, reason } = await body(request, 'changeMaintenance');
    const period = await operator.changeMaintenance(
      { forMs: minutes * 60_000, reason, ...present({ mailbox }) },
      person,
    );
    return jsonAnswer(200, { ...period, until: new Date(period.until).toISOString() });
  },
  examineMailbox: async ({ request, person }, { operator }) =>
    jsonAnswer(200, await operator.examine((await body(request, 'examineMailbox')).mailbox, person)),
  sendTest: async ({ request, person }, { operator }) => {
    const { mailbox, to } = await body(request, 'sendTest');
    return jsonAnswer(202, await operator.sendTest({ mailbox, ...present({ to }) }, person));
  },
  runJob: async ({ request, person }, { operator }) =>
    jsonAnswer(200, await operator.run(await body(request, 'runJob'), person)),
  readAudit: async ({ request }, { operator }) => {
    const entries = await operator.audit(query(request, 'readAudit').limit);
    return jsonAnswer(200, {
      entries: entries.map((entry) => ({ ...entry, at: new Date(entry.at).toISOString() })),
    });
  },
  readDescription: (_asked, { version }) => Promise.resolve(jsonAnswer(200, operatorDescription(version))),
};

// ---- reading requests ------------------------------------------------------------------------------------

/** A request that is refused with this problem. */
class RefusedRequest extends Error {
  override readonly name = 'RefusedRequest';
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

type WithQuery = 'findMessages' | 'readUnreadable' | 'readMessage' | 'readAudit';
type WithBody =
  | 'revealMessage'
  | 'actOnMessages'
  | 'changeSending'
  | 'changeMaintenance'
  | 'examineMailbox'
  | 'sendTest'
  | 'runJob';
type QueryOf<Name extends WithQuery> = ReturnType<(typeof routes)[Name]['query']['parse']>;
type BodyOf<Name extends WithBody> = ReturnType<(typeof routes)[Name]['body']['parse']>;

function query<Name extends WithQuery>(request: WebRequest, name: Name): QueryOf<Name> {
  const given = URL.parse(request.url)?.searchParams ?? new URLSearchParams();
  const names = [...given.keys()];
  if (new Set(names).size !== names.length)
    throw new RefusedRequest(invalid(400, 'A parameter is given twice.', 'Give each of them once.'));
  const read = routes[name].query.safeParse(Object.fromEntries(given));
  if (read.success) return read.data as QueryOf<Name>;
  throw new RefusedRequest(issues(400, read.error.issues));
}

async function body<Name extends WithBody>(request: WebRequest, name: Name): Promise<BodyOf<Name>> {
  const tooLarge = invalid(
    413,
    `The body is larger than ${String(bodyBytes)} bytes.`,
    'Send fewer ids at a time.',
  );
  if (Number(request.header('content-length') ?? '0') > bodyBytes) throw new RefusedRequest(tooLarge);
  const text = await request.text();
  if (text.length > bodyBytes) throw new RefusedRequest(tooLarge);
  const parsed = parseJson(text);
  if (typeof parsed !== 'object' || parsed === null)
    throw new RefusedRequest(invalid(400, 'The body is not a JSON object.', 'Send the fields as JSON.'));
  const read = routes[name].body.safeParse(parsed);
  if (read.success) return read.data as BodyOf<Name>;
  throw new RefusedRequest(issues(422, read.error.issues));
}

const problemsMost = 20;

function issues(
  status: number,
  found: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): Problem {
  const problems = found.slice(0, problemsMost).map(({ path, message }) => ({
    field: path.map(String).join('.').slice(0, 100),
    detail: message.slice(0, 300),
  }));
  return {
    ...invalid(
      status,
      'The request has faults; `problems` lists them.',
      'See /api/ops/v1/openapi.json for the fields.',
    ),
    problems,
  };
}

const invalid = (status: number, detail: string, remedy: string): Problem => ({
  name: 'invalid-request',
  title: 'The request can’t be read.',
  status,
  detail,
  remedy,
});

const noRoute: Problem = {
  name: 'not-found',
  title: 'There is no such thing.',
  status: 404,
  detail: 'No route of the operator API has this method and path.',
  remedy: 'See /api/ops/v1/openapi.json for the routes.',
};

/** What the caller gave, in the words of the search. */
function filterOf(given: {
  readonly [Name in keyof MessageFilter]?: unknown;
}): MessageFilter {
  const instants = ['acceptedAfter', 'acceptedBefore'] as const;
  const filter: Record<string, unknown> = omit(given as Record<string, unknown>, ...instants);
  for (const name of instants) {
    const at = memberOf(given, name);
    if (typeof at === 'string') filter[name] = Date.parse(at);
  }
  return present(filter);
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
