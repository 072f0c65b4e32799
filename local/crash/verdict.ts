// Checks each submission against the server's log and the status events. The product itself is not queried.
import { z } from 'zod';
import type { EsmQueueClient, ReceivedEvent } from '../stack/esmQueueClient.ts';
import type { MessageRecord, ServerLog } from '../emulators/exchange/serverLog.ts';
import type { End, Planned } from './scenarios.ts';

export interface SubmissionVerdict {
  readonly id: string;
  /** `accepted → sent`. */
  readonly history: string;
  readonly arrivals: number;
  readonly violation?: Violation;
}

export type Violation =
  /** No final event, or one that contradicts the server's log. */
  | { readonly kind: 'lost'; readonly detail: string }
  /** The server accepted it more than once, and no event explains it. */
  | { readonly kind: 'duplicate'; readonly detail: string }
  /** It has a final event, but another event is wrong or missing. */
  | { readonly kind: 'misreported'; readonly detail: string };

const word = ({ type }: ReceivedEvent): string => type.replace('mail.', '');

/** The end according to the events; undefined while there is none. */
export function endOf({ id }: Planned, esm: EsmQueueClient): End | undefined {
  if (esm.rejections.some(({ data }) => data['submissionId'] === id)) return 'rejected';
  const history = esm.eventsOf(id).map(word);
  switch (history.at(-1)) {
    case 'sent':
      return 'sent';
    case 'failed':
      return 'failed';
    case 'held':
      return history.includes('inDoubt') ? 'doubt' : undefined;
    case undefined:
    default:
      return undefined;
  }
}

export function verdictOf(planned: Planned, esm: EsmQueueClient, log: ServerLog): SubmissionVerdict {
  const { id } = planned;
  const events = esm.eventsOf(id);
  const arrivals = log.messagesOf(id);
  const end = endOf(planned, esm);
  const history = end === 'rejected' ? 'rejected' : events.map(word).join(' → ');
  const violation = violationOf(planned, end, events, arrivals);
  return { id, history, arrivals: arrivals.length, ...(violation === undefined ? {} : { violation }) };
}

function violationOf(
  { ends }: Planned,
  end: End | undefined,
  events: readonly ReceivedEvent[],
  arrivals: readonly MessageRecord[],
): Violation | undefined {
  // The policy is to hold: no attempt may follow a doubt, so no recipient may get it twice.
  const takenFor = arrivals.flatMap(({ to }) => to);
  const most = Math.max(
    0,
    ...takenFor.map((address) => takenFor.filter((other) => other === address).length),
  );
  if (most > 1)
    return { kind: 'duplicate', detail: `the server accepted it ${String(most)} times for one recipient` };
  if (end === undefined) return { kind: 'lost', detail: 'no final event' };
  if (end === 'sent' && arrivals.length === 0)
    return { kind: 'lost', detail: 'reported as sent, never accepted' };
  const recipientsReportedAs = (outcome: string): readonly string[] => reportedRecipients(events, outcome);
  if (recipientsReportedAs('sent').some((address) => !takenFor.includes(address)))
    return { kind: 'lost', detail: 'a recipient is reported as sent, but was not accepted' };
  if (recipientsReportedAs('failed').some((address) => takenFor.includes(address)))
    return { kind: 'misreported', detail: 'a recipient is reported as failed, but was accepted' };
  if (!ends.includes(end)) return { kind: 'lost', detail: `ended as ${end}, should be ${ends.join(' or ')}` };
  if ((end === 'failed' || end === 'rejected') && arrivals.length > 0)
    return { kind: 'misreported', detail: `reported as ${end}, but accepted` };
  const gap = events.findIndex(({ data }, at) => data['sequence'] !== at + 1);
  return gap === -1 ? undefined : { kind: 'misreported', detail: `event ${String(gap + 1)} is missing` };
}

/** Recipients with that outcome in the last event. */
function reportedRecipients(events: readonly ReceivedEvent[], wanted: string): readonly string[] {
  const history = z.array(z.object({ address: z.string(), outcome: z.string() }));
  const { data: recipients = [] } = history.safeParse(events.at(-1)?.data['recipients']);
  return recipients.filter(({ outcome }) => outcome === wanted).map(({ address }) => address);
}
