// Joins what the servers saw with what ESM's queues hold, and says of each message whether all of it is as it
// should be. Nothing here asks the bridge.
import type { Esm, Received } from '../esm.ts';
import type { MessageRecord, ServerLog } from '../emulators/exchange/serverLog.ts';
import type { Arriving, Planned } from './scenario.ts';

/** One submission's account. */
export interface Story {
  readonly id: string;
  readonly what: string;
  /** `accepted → sent`, from the events. */
  readonly told: string;
  /** How often the server took it. */
  readonly arrivals: number;
  /** Bounces and replies that belong to it. */
  readonly back: readonly string[];
  /** What is not as it should be; empty when all is well. */
  readonly wrong: string;
}

export interface FetchedStory {
  readonly what: string;
  readonly kind: string;
  readonly relatesTo: string;
  readonly sizeBytes: number;
  readonly notices: number;
  readonly wrong: string;
}

const word = (event: Received): string => event.type.replace('mail.', '');

/** Whether nothing more is to come of it, as far as ESM was told. */
export function isSettled({ id, end }: Planned, esm: Esm): boolean {
  if (end === 'rejected') return rejectionOf(id, esm) !== undefined;
  const last = esm.eventsOf(id).at(-1);
  return (
    last !== undefined && ['sent', 'bounced', 'failed', 'held', 'expired', 'cancelled'].includes(word(last))
  );
}

const rejectionOf = (id: string, esm: Esm): Received | undefined =>
  esm.rejections.find(({ data }) => data['submission'] === id);

export function storyOf(planned: Planned, esm: Esm, log: ServerLog, doubtful: ReadonlySet<string>): Story {
  const { id, what, end } = planned;
  const events = esm.eventsOf(id);
  const arrivals = log.messagesOf(id);
  const told =
    end === 'rejected' && rejectionOf(id, esm) !== undefined ? 'rejected' : events.map(word).join(' → ');
  const back = esm.notices
    .filter(({ data }) => submissionOf(data) === id)
    .map(({ data }) => textOf(data['kind']));
  return {
    id,
    what,
    told,
    arrivals: arrivals.length,
    back,
    wrong: wrongWith(planned, events, arrivals, told, doubtful) || wrongBack(planned, back, events),
  };
}

/** What came back, and who was refused, besides the end itself. */
function wrongBack(
  { back: due, refused }: Planned,
  back: readonly string[],
  events: readonly Received[],
): string {
  if (back.join() !== due.join()) return `${due.join()} should have come back`;
  if (due.includes('bounce') && !events.some((event) => word(event) === 'bounced'))
    return 'the bounce was not told';
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
  events: readonly Received[],
  arrivals: readonly MessageRecord[],
  told: string,
  doubtful: ReadonlySet<string>,
): string {
  if (end === 'rejected') return told === 'rejected' && arrivals.length === 0 ? '' : 'should be rejected';
  const gap = events.findIndex(({ data }, at) => data['sequence'] !== at + 1);
  if (gap !== -1) return `event ${String(gap + 1)} is missing`;
  const ends = events.map(word);
  if (ends.includes('sent'))
    return arrivals.length === 1 ? '' : `the server took it ${String(arrivals.length)} times`;
  // An attempt that was open at the kill, and whose copy was not in Sent Items, waits for a person.
  if (ends.includes('inDoubt') && doubtful.has(id)) return arrivals.length <= 1 ? '' : 'taken twice';
  return `should be sent, was told ${told === '' ? 'nothing' : told}`;
}

function submissionOf(data: Readonly<Record<string, unknown>>): string {
  const relation = data['relatesTo'];
  return typeof relation === 'object' && relation !== null && 'submissionId' in relation
    ? textOf(relation.submissionId)
    : '';
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** What came in: each mail has one notice with its content stored, of the right kind and with the right relation. */
export async function fetchedStory(
  mail: Arriving & { readonly messageId: string; readonly raw: Buffer },
  esm: Esm,
): Promise<FetchedStory> {
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
