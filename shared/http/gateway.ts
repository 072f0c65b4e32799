// Requests over HTTP: who asks, whether they may, and the answer. Every answer is a 2xx or a problem with a remedy,
// whatever the request is; what is thrown below ends here, as 503 if it is the store's trouble, else as 500.
import { messageOf } from '../mail/foreign.ts';
import { present } from '../mail/omit.ts';
import { StorageTrouble } from '../storageErrors.ts';
import { httpEvents } from '../telemetry/httpEvents.ts';
import { authenticate } from './authenticate.ts';
import type { Caller } from './callers.ts';
import type { Handler, HttpDependencies } from './dependencies.ts';
import { acknowledge, readContent, readFeed } from './feeds.ts';
import { problemAnswer, type HttpAnswer, type HttpRequest, type Problem } from './httpMessage.ts';
import { reportIntake, reportIntakeFailure } from './intakes.ts';
import { listMailboxes } from './listMailboxes.ts';
import { unavailableRetrySeconds } from './numbers.ts';
import { routes, type Route, type RouteName } from './routes.ts';
import { cancelSubmission, readSubmissionState } from './submissionState.ts';
import { submitMail } from './submitMail.ts';
import { createUpload } from './uploads.ts';

const handlers: Readonly<Record<RouteName, Handler>> = {
  submitMail,
  readSubmission: readSubmissionState,
  cancelSubmission,
  listMailboxes,
  createUpload,
  reportIntake,
  reportIntakeFailure,
  readEvents: readFeed('events'),
  acknowledgeEvents: acknowledge('events'),
  readNotices: readFeed('notices'),
  acknowledgeNotices: acknowledge('notices'),
  readContent,
};

/** Answers one request; never rejects. */
export async function answerRequest(
  name: RouteName,
  request: HttpRequest,
  dependencies: HttpDependencies,
): Promise<HttpAnswer> {
  let caller: Caller | undefined;
  try {
    const who = await authenticate(request, dependencies.registry, dependencies);
    if (who.kind === 'refused') return refuse(name, who.problem, undefined, dependencies);
    caller = who.caller;
    const denied = denial(routes[name], caller);
    if (denied !== undefined) return refuse(name, denied, caller, dependencies);
    const answer = await handlers[name](request, caller, dependencies);
    return 'name' in answer ? refuse(name, answer, caller, dependencies) : answer;
  } catch (error) {
    if (error instanceof StorageTrouble)
      return refuse(name, unavailable('The storage account does not answer.'), caller, dependencies);
    dependencies.log(httpEvents.failed({ route: name, detail: messageOf(error).slice(0, 300) }));
    return problemAnswer({
      name: 'internal-error',
      status: 500,
      detail: 'The bridge failed on this request; it is in its log.',
      remedy: 'Send it again later with the same id. If it fails again, report it with the time and the id.',
    });
  }
}

export const unavailable = (detail: string): Problem => ({
  name: 'unavailable',
  status: 503,
  detail,
  remedy: 'Send the request again later, with the same id.',
  retryAfterSeconds: unavailableRetrySeconds,
});

function denial({ right }: Route, { name, rights }: Caller): Problem | undefined {
  if (right === 'any' || rights.includes(right)) return undefined;
  return {
    name: 'not-allowed',
    status: 403,
    detail: `${name} has not the right "${right}", which this route needs.`,
    remedy: `Have an administrator give it the right "${right}", or use another key.`,
  };
}

function refuse(
  route: RouteName,
  problem: Problem,
  caller: Caller | undefined,
  { log }: HttpDependencies,
): HttpAnswer {
  log(
    httpEvents.refused({
      route,
      status: problem.status,
      problem: problem.name,
      ...present({ caller: caller?.name }),
    }),
  );
  return problemAnswer(problem);
}
