// What can't be accepted is never lost: its bytes are kept, a row in the partition `rejected` says why, and the
// event mail.rejected is put on the queue, all before the queue message that brought it may end. A crash
// anywhere in between repeats it all under the same names; the event's name comes from the bytes.
import { canonicalJson } from '../../contract/canonicalJson.ts';
import { putText } from '../records/chunks.ts';
import type { Dependencies } from '../dependencies.ts';
import { rejectedPartition } from '../records/keys.ts';
import { StorageTrouble } from '../ports.ts';
import type { SubmissionProblem } from '../../contract/submission.ts';
import { eventText, sha256 } from '../store/writes.ts';

export interface Rejection {
  readonly id?: string;
  readonly mailbox?: string;
  readonly problems: readonly SubmissionProblem[];
}

const mostProblems = 50;

/** Throws StorageTrouble where it is not certain that the rejection is kept and told. */
export async function reject(payload: unknown, rejection: Rejection, doors: Dependencies): Promise<void> {
  const bytes = payloadBytes(payload);
  const hash = sha256(bytes);
  await doors.contents.put(hash, bytes);
  if (!doors.time.known) await doors.rows.read(rejectedPartition, hash);
  const at = doors.time.early();
  const problems = rejection.problems.slice(0, mostProblems);
  const { id, mailbox } = rejection;
  const about = { ...(id === undefined ? {} : { id }), ...(mailbox === undefined ? {} : { mailbox }) };
  const answer = await doors.rows.commit(rejectedPartition, [
    { kind: 'insert', key: hash, fields: { at, ...about, ...putText('problems', JSON.stringify(problems)) } },
  ]);
  if (answer.kind === 'unknown') throw new StorageTrouble(`a rejection's row: ${answer.detail}`);
  const told = {
    type: 'mail.rejected',
    at,
    problems,
    rejection: { sha256: hash, sizeBytes: bytes.length },
  } as const;
  await doors.queues.tell(await eventText({ ...told, ...about }, doors));
}

/** The bytes as they came, as far as the host left them to us; what it had parsed is written again as JSON. */
export function payloadBytes(payload: unknown): Uint8Array {
  if (typeof payload === 'string') return Buffer.from(payload);
  if (ArrayBuffer.isView(payload))
    return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
  try {
    return Buffer.from(canonicalJson(payload));
  } catch {
    return Buffer.from(String(payload)); // not JSON at all: undefined, or something no queue can hold
  }
}
