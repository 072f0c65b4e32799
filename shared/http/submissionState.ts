// GET and DELETE /api/mail/{id}?mailbox=…: the state of a submission, and taking it back.
import type { z } from 'zod';
import { accountKey } from '../mail/accountKey.ts';
import { omit, present } from '../mail/omit.ts';
import { httpEvents } from '../telemetry/httpEvents.ts';
import { findMailbox } from './addresses.ts';
import { mayUse, type Caller } from './callers.ts';
import type { HttpDependencies } from './dependencies.ts';
import { jsonAnswer, type HttpAnswer, type HttpRequest, type Problem } from './httpMessage.ts';
import { queryOf } from './query.ts';
import { routes, type stateAnswer } from './routes.ts';

interface Place {
  readonly account: string;
  readonly mailbox: string;
  readonly id: string;
}

const notFound: Problem = {
  name: 'not-found',
  status: 404,
  detail: 'The mailbox has no submission with this id.',
  remedy: 'Check id and mailbox. Finished submissions are kept for the days of RETENTION_DAYS.',
};

function placeOf(
  request: HttpRequest,
  caller: Caller,
  { mailboxes }: HttpDependencies,
): { readonly kind: 'place'; readonly place: Place } | Problem {
  const query = queryOf(request, routes.readSubmission.query);
  if ('name' in query) return query;
  const mailbox = findMailbox(query.value.mailbox, mailboxes);
  const id = request.params['id'] ?? '';
  if (mailbox === undefined || id === '' || id.length > idMostCharacters) return notFound;
  if (!mayUse(caller, mailbox.address))
    return {
      name: 'not-allowed',
      status: 403,
      detail: `${caller.name} may not use this mailbox.`,
      remedy: 'Use one of the mailboxes of GET /api/mailboxes, or have an administrator add this one.',
    };
  return {
    kind: 'place',
    place: { account: accountKey(mailbox.smtpUser), mailbox: mailbox.address, id },
  };
}

const idMostCharacters = 128;
const idCharacters = /^[A-Za-z0-9._:@+-]+$/;

export async function readSubmissionState(
  request: HttpRequest,
  caller: Caller,
  dependencies: HttpDependencies,
): Promise<HttpAnswer | Problem> {
  const found = placeOf(request, caller, dependencies);
  return 'name' in found ? found : describe(found.place, dependencies);
}

export async function cancelSubmission(
  request: HttpRequest,
  caller: Caller,
  dependencies: HttpDependencies,
): Promise<HttpAnswer | Problem> {
  const found = placeOf(request, caller, dependencies);
  if ('name' in found) return found;
  const { account, id, mailbox } = found.place;
  const { outbound, log } = dependencies;
  const before = await readOwn(found.place, dependencies);
  if (before === undefined) return notFound;
  // A repeat of a request whose answer was lost.
  if (before.message.state === 'cancelled') return describe(found.place, dependencies);
  const answer = await outbound.cancel({ account, id, by: `the caller ${caller.name}` });
  if (answer.kind === 'unknown') return notFound;
  if (answer.kind === 'refused')
    return {
      name: 'too-late',
      status: 409,
      detail: answer.detail,
      remedy: 'Read its state; what was sent, or may have been, can’t be taken back.',
    };
  log(httpEvents.cancelled({ caller: caller.name, id }));
  return describe({ account, id, mailbox }, dependencies);
}

type Found = NonNullable<Awaited<ReturnType<HttpDependencies['outbound']['message']>>>;

/** Mailboxes that share an account share its ids: the message must be this mailbox's. */
async function readOwn(
  { account, id, mailbox }: Place,
  { outbound }: HttpDependencies,
): Promise<Found | undefined> {
  if (!idCharacters.test(id)) return undefined;
  const found = await outbound.message(account, id);
  return found?.message.mailbox.toLowerCase() === mailbox.toLowerCase() ? found : undefined;
}

const iso = (at: number): string => new Date(at).toISOString();

async function describe(place: Place, dependencies: HttpDependencies): Promise<HttpAnswer | Problem> {
  const found = await readOwn(place, dependencies);
  if (found === undefined) return notFound;
  const { message, sending } = found;
  const { id, mailbox, messageId, serverMessageId, reason, detail, remedy, caller, correlation } = message;
  const state = {
    id,
    mailbox,
    state: sending ? 'sending' : message.state,
    since: iso(message.changedAt),
    acceptedAt: iso(message.acceptedAt),
    sequence: message.sequence,
    attempts: message.attempt,
    messageId,
    recipients: message.recipients.map(({ state: outcome, enhanced, ...others }) => ({
      ...omit(others, 'maybeSent'),
      outcome,
      ...present({ enhancedStatus: enhanced }),
    })),
    ...present({ serverMessageId, reason, detail, remedy, caller, correlation }),
    ...(message.state === 'waiting' && !sending
      ? { forecast: await forecastOf(place, found, dependencies) }
      : {}),
  } satisfies z.infer<typeof stateAnswer>;
  return jsonAnswer(200, state);
}

async function forecastOf(
  { account }: Place,
  { message }: Found,
  { outbound }: HttpDependencies,
): Promise<NonNullable<z.infer<typeof stateAnswer>['forecast']>> {
  const { waitingCount, clearsAt, more } = await outbound.forecast(account);
  const { indexEntry } = message;
  return {
    ...(indexEntry.kind === 'due' ? { notBefore: iso(indexEntry.at) } : {}),
    ...(clearsAt === undefined ? {} : { clearsAt: iso(clearsAt) }),
    waitingCount,
    hasMore: more,
  };
}
