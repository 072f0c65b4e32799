// What the trigger files import. The program behind it is loaded at the first call: the host waits for `main` with all that
// it imports before it starts any function, so this file imports next to nothing. It also answers what must be answered
// even if the program cannot be loaded or its settings cannot be used.
import type { Bridge, IncomingHttpRequest, IncomingRequest, Invocation } from './bridge.ts';
import { isAuthenticationOn } from './config/platform.ts';
import { settingsUnusable, type HttpAnswer } from './http/httpMessage.ts';
import type { RouteName } from './http/routes.ts';
import { answerHealth } from './ops/health.ts';
import { version } from './version.ts';
import { readAccess } from './web/access.ts';
import type { WebAnswer } from './web/http.ts';
import { problemAnswer, type Problem } from './web/problem.ts';
import { administratorRole, viewerRole } from './web/roles.ts';

export { eventsTo } from './config/platform.ts';
export { queueNames } from './storage/names.ts';

/** What is used of the program's module. */
interface Program {
  bridge(): Promise<Bridge>;
  settlePoison(invocation: Invocation): Promise<void>;
  stopBridge(): Promise<void>;
  problemPage(problem: Problem): Promise<WebAnswer>;
}

let loading: Promise<Program> | undefined;
const load = (): Promise<Program> => (loading ??= import('./bridge.ts'));

/** The program of this worker, loaded and assembled once. Rejects if the settings can't be used. */
export async function bridge(): Promise<Bridge> {
  return (await load()).bridge();
}

/** Empties the poison queues; needs no setting but the store's address. */
export async function settlePoison(invocation: Invocation): Promise<void> {
  await (await load()).settlePoison(invocation);
}

/** What the host's appTerminate hook calls. A worker that never ran a function has nothing to stop. */
export async function stopBridge(): Promise<void> {
  if (loading !== undefined) await (await loading).stopBridge();
}

/** Whether the app runs; for viewers, whether each mailbox is ready. Never rejects. */
export function health(request: IncomingRequest, invocation: Invocation): Promise<WebAnswer> {
  return answerHealth(
    { header: (name) => request.headers.get(name) },
    {
      version,
      roles: [viewerRole, administratorRole],
      authenticationOn: isAuthenticationOn(),
      readiness: async () => (await bridge()).readiness(invocation),
    },
  );
}

/** One request of the operator API. Never rejects: what is wrong with the settings is told to an administrator. */
export async function operatorApi(request: IncomingRequest, invocation: Invocation): Promise<WebAnswer> {
  try {
    return await (await bridge()).operatorApi(request, invocation);
  } catch (error) {
    invocation.error(error instanceof Error ? error.message : 'The program could not be loaded.');
    const access = readAccess(
      { header: (name) => request.headers.get(name) },
      { authenticationOn: isAuthenticationOn(), needs: 'administrator' },
    );
    return problemAnswer(access.kind === 'refused' ? access.problem : notConfigured(error));
  }
}

/** One request of the operator's page. Never rejects; what is wrong with the settings is told to an administrator. */
export async function operatorPage(request: IncomingRequest, invocation: Invocation): Promise<WebAnswer> {
  try {
    return await (await bridge()).operatorPage(request, invocation);
  } catch (error) {
    invocation.error(error instanceof Error ? error.message : 'The program could not be loaded.');
    const access = readAccess(
      { header: (name) => request.headers.get(name) },
      { authenticationOn: isAuthenticationOn(), needs: 'administrator' },
    );
    const problem = access.kind === 'refused' ? access.problem : notConfigured(error);
    try {
      return await (await load()).problemPage(problem);
    } catch {
      return problemAnswer(problem);
    }
  }
}

const detailCharacters = 8_000;

const notConfigured = (error: unknown): Problem => ({
  name: 'not-configured',
  title: 'The app’s settings can’t be used.',
  status: 503,
  detail: (error instanceof Error ? error.message : 'The program could not be loaded.').slice(
    0,
    detailCharacters,
  ),
  remedy:
    'Correct them (docs/settings.md) under Function App → Environment variables; the app restarts by itself.',
});
/** One request of the routes in http/routes.ts. Never rejects; while the settings can't be used it answers 503. */
export async function http(
  route: RouteName,
  request: IncomingHttpRequest,
  invocation: Invocation,
): Promise<HttpAnswer> {
  try {
    return await (await bridge()).http(route, request, invocation);
  } catch (error) {
    invocation.error(error instanceof Error ? error.message : 'The program could not be loaded.');
    return settingsUnusable();
  }
}
