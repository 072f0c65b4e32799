// POST /api/mail. The answer says 202 only when the submission is durable, 200 for the same again. What is refused is reported
// to the caller alone: no event is published and nothing is kept.
import { present } from '../mail/omit.ts';
import { addressOf, findMailbox, hrefOf } from './addresses.ts';
import { mayUse, type Caller } from './callers.ts';
import type { HttpDependencies } from './dependencies.ts';
import { jsonAnswer, type HttpAnswer, type HttpRequest, type Problem } from './httpMessage.ts';
import { byteWeights, inProgressRetrySeconds } from './numbers.ts';
import { mediaTypeOf, readSubmission } from './readSubmission.ts';
import { mailHeaders } from './routes.ts';
import { lengthProblem, reserve } from './requestBody.ts';
import { uploadPrefix } from './uploads.ts';

/** Submissions that this instance is accepting, by mailbox and id. On different instances the store decides. */
const inProgress = new Set<string>();

export async function submitMail(
  request: HttpRequest,
  caller: Caller,
  dependencies: HttpDependencies,
): Promise<HttpAnswer | Problem> {
  const wrongLength = lengthProblem(request);
  if (wrongLength !== undefined) return wrongLength;
  const media = mediaTypeOf(request);
  if (media.kind === 'refused') return media.problem;
  const weight = media.type === 'application/json' ? byteWeights.json : byteWeights.other;
  const release = reserve(request, weight, dependencies);
  if (typeof release !== 'function') return release;
  try {
    return await submit(request, media.type, caller, dependencies);
  } finally {
    release();
  }
}

async function submit(
  request: HttpRequest,
  type: Parameters<typeof readSubmission>[1],
  caller: Caller,
  dependencies: HttpDependencies,
): Promise<HttpAnswer | Problem> {
  const { outbound, clock, uploadContainer, mailboxes } = dependencies;
  const inRequest = `${uploadContainer}/request/`;
  const read = await readSubmission(request, type, { clock, inRequest });
  if (read.kind === 'refused') return read.problem;
  const written = read.payload['mailbox'];
  const mailbox = typeof written === 'string' ? findMailbox(written, mailboxes) : undefined;
  if (mailbox !== undefined && !mayUse(caller, mailbox.address))
    return {
      name: 'not-allowed',
      status: 422,
      detail: `${caller.name} may not send for this mailbox.`,
      remedy: 'Use one of the mailboxes of GET /api/mailboxes, or have an administrator add this one.',
      problems: [{ field: 'mailbox', detail: 'mailbox is none that this caller may send for.' }],
    };
  const key = JSON.stringify([mailbox?.address.toLowerCase(), read.payload['id']]);
  if (inProgress.has(key))
    return {
      name: 'in-progress',
      status: 409,
      detail: 'The first request with this id is still being accepted.',
      remedy: 'Send it again after the seconds of Retry-After.',
      retryAfterSeconds: inProgressRetrySeconds,
    };
  inProgress.add(key);
  try {
    const answer = await outbound.acceptOrRefuse(read.payload, {
      given: read.given,
      caller: caller.name,
      ...present({ deliver: caller.deliver }),
      remarks: read.remarks,
      reportsFailures: request.header(mailHeaders.reportFailures)?.trim().toLowerCase() === 'yes',
      ...(caller.by === 'role'
        ? {}
        : { mayRefer: (reference) => reference.startsWith(uploadPrefix(caller, dependencies)) }),
    });
    if (answer.kind === 'accepted') {
      const { id, messageId, repeated } = answer;
      const address = mailbox?.address ?? addressOf(written);
      const href = hrefOf(
        `/api/mail/${encodeURIComponent(id)}?mailbox=${encodeURIComponent(address)}`,
        dependencies,
      );
      return jsonAnswer(repeated ? 200 : 202, { id, mailbox: address, messageId, href }, { location: href });
    }
    const { problems } = answer;
    if (answer.idInUse === true)
      return {
        name: 'id-in-use',
        status: 422,
        detail:
          'The id was used before for other content; that submission is unchanged, and this one is not sent.',
        remedy: 'Use a new id for a new message.',
        problems,
      };
    return {
      name: 'invalid-submission',
      status: 422,
      detail:
        problems.length === 1
          ? (problems[0]?.detail ?? '')
          : `The submission has ${problems.length} faults; the first: ${problems[0]?.detail ?? ''}`,
      remedy: 'Correct what "problems" names and submit it again; nothing of it was kept.',
      problems,
    };
  } finally {
    inProgress.delete(key);
  }
}
