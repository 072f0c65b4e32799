// PUT /api/intake/{name}: an SMTP intake says how it is. POST /api/intake/{name}/failures: what it took and can't hand on.
import { accountKey } from '../mail/accountKey.ts';
import { field, readHeaders } from '../mail/headers.ts';
import { encodeSaid, reportedMost } from '../outbound/records/reportRow.ts';
import { intakeFailure } from '../intake/failure.ts';
import { heartbeat, intakeName } from '../intake/heartbeat.ts';
import { intakesMost } from '../intake/intakeStates.ts';
import { findMailbox } from './addresses.ts';
import { mayUse, type Caller } from './callers.ts';
import type { HttpDependencies } from './dependencies.ts';
import { jsonAnswer, type HttpAnswer, type HttpRequest, type Problem } from './httpMessage.ts';
import { readSmallJson } from './requestBody.ts';

/** The name in the path, or what is wrong with it. */
export function intakeNameOf({ params }: HttpRequest): string | Problem {
  const { name = '' } = params;
  if (intakeName.test(name)) return name;
  return {
    name: 'invalid-request',
    status: 400,
    detail: 'The name in the path is no name of an intake.',
    remedy: 'Use letters, digits and -, at most 40, as in the setting "name" of the intake.',
  };
}

export async function reportIntake(
  request: HttpRequest,
  caller: Caller,
  { intakes }: HttpDependencies,
): Promise<HttpAnswer | Problem> {
  const name = intakeNameOf(request);
  if (typeof name !== 'string') return name;
  const read = await readSmallJson(request, heartbeat, 'Send what docs/intakeContract.md says.');
  if ('name' in read) return read;
  const answer = await intakes.put(name, caller.name, read.value);
  if (answer === 'tooMany')
    return {
      name: 'invalid-request',
      status: 422,
      detail: `${intakesMost} intakes have reported in the last 30 days; this one would be one more.`,
      remedy: 'Give an intake the same name at each start.',
    };
  return jsonAnswer(200, { name });
}

/** The bridge makes the report; the same id and kind again changes nothing. */
export async function reportIntakeFailure(
  request: HttpRequest,
  caller: Caller,
  { outbound, mailboxes, clock }: HttpDependencies,
): Promise<HttpAnswer | Problem> {
  const name = intakeNameOf(request);
  if (typeof name !== 'string') return name;
  const remedy = 'Send what docs/intakeContract.md says.';
  const read = await readSmallJson(request, intakeFailure, remedy, failureBytes);
  if ('name' in read) return read;
  const { id, kind, recipients, header } = read.value;
  const mailbox = findMailbox(read.value.mailbox, mailboxes);
  if (mailbox === undefined || !mayUse(caller, mailbox.address))
    return {
      name: 'not-allowed',
      status: 422,
      detail: 'mailbox is none that this caller may send for.',
      remedy: 'Use one of the mailboxes of GET /api/mailboxes.',
    };
  const block = readHeaders(header);
  const kept = ['subject', 'message-id'].map(
    (one) => `${one}: ${field(block, one).slice(0, keptCharacters)}\r\n`,
  );
  await outbound.noteFailure({
    account: accountKey(mailbox.smtpUser),
    id,
    kind,
    mailbox: mailbox.address,
    at: clock.now(),
    said: encodeSaid({
      type: 'intake',
      recipients: recipients
        .slice(0, reportedMost)
        .map(({ recipient, detail }) => ({ address: recipient, detail: detail.slice(0, detailCharacters) })),
      moreCount: Math.max(0, recipients.length - reportedMost),
      header: `${kept.join('')}\r\n`,
    }),
  });
  return jsonAnswer(202, { id });
}

/** A thousand recipients, each with a sentence, and the header. */
const failureBytes = 1_000_000;
const keptCharacters = 2_000;
const detailCharacters = 500;
