// Compares the servers' logs with the events and notices on ESM's queues, for each message. The bridge itself is not
// queried.
import type { EsmQueueClient, ReceivedEvent } from '../stack/esmQueueClient.ts';
import type { MessageRecord, ServerLog } from '../emulators/exchange/serverLog.ts';
import type { Arriving, Planned } from './scenario.ts';

/** The outcome of one submission. */
export interface SubmissionVerdict {
  readonly id: string;
  readonly what: string;
  /** `accepted → sent`, from the events. */
  readonly history: string;
  /** How often the server accepted it. */
  readonly arrivals: number;
  /** Bounces and replies that belong to it. */
  readonly back: readonly string[];
  /** The problem found; empty if there is none. */
  readonly wrong: string;
}

export interface FetchedVerdict {
  readonly what: string;
  readonly kind: string;
  readonly relatesTo: string;
  readonly sizeBytes: number;
  readonly notices: number;
  readonly wrong: string;
}

const word = (event: ReceivedEvent): string => event.type.replace('mail.', '');

/** Whether its last event is a final one. */
export function isSettled({ id, end }: Planned, esm: EsmQueueClient): boolean {
  if (end === 'rejected') return rejectionOf(id, esm) !== undefined;
  const last = esm.eventsOf(id).at(-1);
  return (
    last !== undefined && ['sent', 'bounced', 'failed', 'held', 'expired', 'cancelled'].includes(word(last))
  );
}

const rejectionOf = (id: string, esm: EsmQueueClient): ReceivedEvent | undefined =>
  esm.rejections.find(({ data }) => data['submissionId'] === id);

export function verdictOf(
  planned: Planned,
  esm: EsmQueueClient,
  log: ServerLog,
  doubtful: ReadonlySet<string>,
): SubmissionVerdict {
  const { id, what, end } = planned;
  const events = esm.eventsOf(id);
  const arrivals = log.messagesOf(id);
  const history =
    end === 'rejected' && rejectionOf(id, esm) !== undefined ? 'rejected' : events.map(word).join(' → ');
  const back = esm.notices
    .filter(({ data }) => submissionOf(data) === id)
    .map(({ data }) => textOf(data['kind']));
  return {
    id,
    what,
    history,
    arrivals: arrivals.length,
    back,
    wrong: wrongWith(planned, events, arrivals, history, doubtful) || wrongReturns(planned, back, events),
  };
}

/** Replies, bounces and refused recipients. */
function wrongReturns(
  { back: due, refused }: Planned,
  back: readonly string[],
  events: readonly ReceivedEvent[],
): string {
  if (back.join() !== due.join()) return `${due.join()} should have come back`;
  if (due.includes('bounce') && !events.some((event) => word(event) === 'bounced'))
    return 'the bounce was not reported';
  const sent = events.find((event) => word(event) === 'sent');
  const outcomes = (sent?.data['recipients'] ?? []) as readonly {
    readonly address: string;
    readonly outcome: string;
  }[];
  const failed = outcomes.filter(({ outcome }) => outcome === 'failed').map(({ address }) => address);
  return failed.join() === refused.join() ? '' : `${refused.join()} should have been refused`;
}

function wrongWith(
  { id, end }: Planned,
  events: readonly ReceivedEvent[],
  arrivals: readonly MessageRecord[],
  history: string,
  doubtful: ReadonlySet<string>,
): string {
  if (end === 'rejected') return history === 'rejected' && arrivals.length === 0 ? '' : 'should be rejected';
  const gap = events.findIndex(({ data }, at) => data['sequence'] !== at + 1);
  if (gap !== -1) return `event ${String(gap + 1)} is missing`;
  const ends = events.map(word);
  if (ends.includes('sent')) return arrivals.length === 1 ? '' : `accepted ${String(arrivals.length)} times`;
  // An attempt that was active at the kill and has no copy in Sent Items waits for a person.
  if (ends.includes('inDoubt') && doubtful.has(id)) return arrivals.length <= 1 ? '' : 'accepted twice';
  return `should be sent; events: ${history === '' ? 'none' : history}`;
}

function submissionOf(data: Readonly<Record<string, unknown>>): string {
  const relation = data['relatesTo'];
  return typeof relation === 'object' && relation !== null && 'submissionId' in relation
    ? textOf(relation.submissionId)
    : '';
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Each incoming mail has exactly one notice, with the right kind and relation and with its content stored. */
export async function fetchedVerdict(
  mail: Arriving & { readonly messageId: string; readonly raw: Buffer },
  esm: EsmQueueClient,
): Promise<FetchedVerdict> {
  const found = esm.notices.filter(({ data }) => textOf(data['messageId']) === mail.messageId);
  const data = found[0]?.data ?? {};
  const kind = textOf(data['kind']);
  const relatesTo = submissionOf(data);
  const raw = data['raw'] as { readonly blob: string } | undefined;
  const stored = raw === undefined ? undefined : await esm.blob(raw.blob);
  const wrong =
    found.length !== 1
      ? `${String(found.length)} identities`
      : kind !== mail.kind
        ? `should be ${mail.kind}`
        : relatesTo !== (mail.submission ?? '')
          ? `should belong to ${mail.submission ?? 'nothing'}`
          : stored?.equals(mail.raw) !== true
            ? 'the stored content is not what was in the mailbox'
            : '';
  return { what: mail.what, kind, relatesTo, sizeBytes: mail.raw.length, notices: found.length, wrong };
}
