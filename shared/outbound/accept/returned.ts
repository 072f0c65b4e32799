// A submission that comes back from the host's poison queue: every try to accept it ended in an exception. As a rule that
// was a fault of the settings or the store, and it is delivered again. If it comes back although the settings are in
// order and the store answers, again and again, the bridge fails on it: it is kept, rejected and reported.
import { parseSubmission } from '../../contract/submission.ts';
import { present } from '../../mail/omit.ts';
import { StorageTrouble } from '../../storageErrors.ts';
import { outboundEvents } from '../../telemetry/outboundEvents.ts';
import type { Dependencies } from '../dependencies.ts';
import { returnedPartition } from '../records/keys.ts';
import { sha256 } from '../../mail/fingerprint.ts';
import { reject } from './reject.ts';

/** So many returns in a day, and it is rejected. */
const mostReturns = 3;
const dayMs = 24 * 3_600_000;

/** `again`: deliver it once more; `rejected`: nothing more is to be done. Throws StorageTrouble. */
export async function returned(text: string, dependencies: Dependencies): Promise<'again' | 'rejected'> {
  const { rows, time, log } = dependencies;
  const key = sha256(text);
  const row = await rows.read(returnedPartition, key);
  const at = time.earliest();
  const { count: known, at: since } = row?.fields ?? {};
  const isRecent = typeof since === 'number' && since > at - dayMs;
  const count = 1 + (isRecent && typeof known === 'number' ? known : 0);
  const fields = { at, count };
  const answer = await rows.commit(returnedPartition, [
    row === undefined ? { kind: 'insert', key, fields } : { kind: 'merge', key, fields, etag: row.etag },
  ]);
  if (answer.kind === 'unknown') throw new StorageTrouble(`a return could not be counted: ${answer.detail}`);
  if (count < mostReturns) return 'again';
  // Counted before it is read: if reading it ends the process, the next one rejects it unread.
  const { id, mailbox } = count > mostReturns ? unread : namesIn(text, dependencies);
  const detail = `The bridge failed on it ${count} times, each time after all tries; report this, with the exceptions of acceptMail. Then submit it again under a new id.`;
  await reject(text, { ...present({ id, mailbox }), problems: [{ field: '', detail }] }, dependencies);
  log(outboundEvents.rejected({ ...present({ id }), fields: '' }));
  return 'rejected';
}

interface Names {
  readonly id?: string;
  readonly mailbox?: string;
}

const unread: Names = {};

function namesIn(text: string, { submissions }: Dependencies): Names {
  const parsed = parseSubmission(text, submissions);
  return parsed.kind === 'ok' ? parsed.submission : parsed;
}
