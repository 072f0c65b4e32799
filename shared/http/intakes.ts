// PUT /api/intake/{name}: an SMTP intake says how it is.
import { heartbeat, intakeName } from '../intake/heartbeat.ts';
import { intakesMost } from '../intake/intakeStates.ts';
import type { Caller } from './callers.ts';
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
