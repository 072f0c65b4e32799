// What can't be accepted is never lost: its bytes are kept, a row in the partition `rejected` says why, and the
// event mail.rejected is put on the queue, all before the queue message that brought it may end. A crash
// anywhere in between repeats it all under the same names; the event's name comes from the bytes.
import { present } from '../../mail/omit.ts';
import { kindOf } from '../../mail/quote.ts';
import { canonicalJson } from '../../contract/canonicalJson.ts';
import { putText } from '../records/chunks.ts';
import type { Dependencies } from '../dependencies.ts';
import { rejectedPartition } from '../records/keys.ts';
import { StorageTrouble } from '../../storageErrors.ts';
import type { StatusEvent } from '../../contract/statusEvent.ts';
import type { Json, SubmissionProblem } from '../../contract/submission.ts';
import { sha256 } from '../../mail/fingerprint.ts';
import { eventText } from '../store/writes.ts';

export interface Rejection {
  readonly id?: string;
  readonly mailbox?: string;
  readonly correlation?: Json;
  readonly problems: readonly SubmissionProblem[];
}

const mostProblems = 50;

/** Throws StorageTrouble if it is not certain that the rejection is kept and published. */
export async function reject(
  payload: unknown,
  rejection: Rejection,
  dependencies: Dependencies,
): Promise<void> {
  const bytes = payloadBytes(payload);
  const hash = sha256(bytes);
  await dependencies.contents.put(hash, bytes);
  if (!dependencies.time.known) await dependencies.rows.read(rejectedPartition, hash);
  const at = dependencies.time.earliest();
  const problems = rejection.problems.slice(0, mostProblems);
  const { id, mailbox, correlation } = rejection;
  const answer = await dependencies.rows.commit(rejectedPartition, [
    {
      kind: 'insert',
      key: hash,
      fields: {
        at,
        ...present({ id, mailbox }),
        ...putText('problems', JSON.stringify(problems)),
      },
    },
  ]);
  if (answer.kind === 'unknown') throw new StorageTrouble(`a rejection's row: ${answer.detail}`);
  const event: StatusEvent = {
    type: 'mail.rejected',
    at,
    ...present({ submissionId: id, mailbox, correlation }),
    problems,
    rejection: { sha256: hash, sizeBytes: bytes.length },
  };
  await dependencies.queues.publish(await eventText(event, dependencies));
}

/** The bytes as they came, as far as the host left them to us; what it had parsed is written again as JSON. */
export function payloadBytes(payload: unknown): Uint8Array {
  if (typeof payload === 'string') return Buffer.from(payload);
  if (ArrayBuffer.isView(payload))
    return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
  try {
    return Buffer.from(canonicalJson(payload));
  } catch {
    return Buffer.from(kindOf(payload)); // not JSON at all: undefined, or something no queue can hold
  }
}
