// Which message it is.
//
// The id makes handing on idempotent: the same Message-ID, content and envelope are the same submission, whenever
// they come. Without a Message-ID an identical content can be news (an alert that says the same each hour), so
// each arrival has an id of its own.
//
// The repeat key recognises what the id can't: JavaMail writes a new Message-ID at each send, so a client that
// lost our 250 comes back with another id. Who may use it, and when, is in spool/repeats.ts.
import { createHash } from 'node:crypto';
import type { Scanned } from './contentScan.ts';
import { valueOf, type Field } from './headerFields.ts';

export interface Envelope {
  /** The reverse-path; '' for <>. */
  readonly mailFrom: string;
  readonly recipients: readonly string[];
}

/** A submission id (docs/contract.md): the same for the same message. `arrival` is unique for each arrival. */
export function submissionIdOf({ fields, scanned, envelope }: Received, arrival: string): string {
  const messageId = valueOf(fields, 'message-id') ?? '';
  const parts = [messageId, messageId === '' ? arrival : '', scanned.sha256, ...envelopeParts(envelope)];
  return `smtp-${hash(parts).slice(0, 40)}`;
}

export interface Received {
  readonly fields: readonly Field[];
  readonly scanned: Scanned;
  readonly envelope: Envelope;
}

/** The same for one message sent twice by one client, its Message-ID, Date and boundaries apart. Hex. */
export function repeatKeyOf({ fields, scanned, envelope }: Received): string {
  const header = fields
    .filter(({ name }) => name !== 'message-id' && name !== 'date' && name !== 'received')
    .map(
      ({ name, value }) => `${name}:${value.replace(/\bboundary\s*=\s*(?:"[^"]*"|[^\s;"]*)/i, 'boundary=')}`,
    );
  return hash([scanned.bodyHash, ...envelopeParts(envelope), ...header]);
}

function envelopeParts({ mailFrom, recipients }: Envelope): readonly string[] {
  return [mailFrom.toLowerCase(), ...[...recipients].sort()];
}

/** Of a list of texts, whatever they hold. */
function hash(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
