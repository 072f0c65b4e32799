// The account of each submission, from what the server took and what ESM was told. The product is not asked.
import { z } from 'zod';
import type { Esm, Received } from '../esm.ts';
import type { MessageRecord, ServerLog } from '../emulators/exchange/serverLog.ts';
import type { End, Planned } from './scenes.ts';

export interface Account {
  readonly id: string;
  /** `accepted → sent`. */
  readonly told: string;
  readonly arrivals: number;
  readonly fault?: Fault;
}

export type Fault =
  /** No end was told of it, or one that the server's log gives the lie to. */
  | { readonly kind: 'lost'; readonly detail: string }
  /** The server took it more than once, and nothing that was told explains it. */
  | { readonly kind: 'duplicate'; readonly detail: string }
  /** It has an end, and something else is wrong with what was told. */
  | { readonly kind: 'told'; readonly detail: string };

const word = ({ type }: Received): string => type.replace('mail.', '');

/** How it ended as far as ESM was told; undefined while it has not. */
export function endOf({ id }: Planned, esm: Esm): End | undefined {
  if (esm.rejections.some(({ data }) => data['submission'] === id)) return 'rejected';
  const told = esm.eventsOf(id).map(word);
  switch (told.at(-1)) {
    case 'sent':
      return 'sent';
    case 'failed':
      return 'failed';
    case 'held':
      return told.includes('inDoubt') ? 'doubt' : undefined;
    case undefined:
    default:
      return undefined;
  }
}

export function accountOf(planned: Planned, esm: Esm, log: ServerLog): Account {
  const { id } = planned;
  const events = esm.eventsOf(id);
  const arrivals = log.messagesOf(id);
  const end = endOf(planned, esm);
  const told = end === 'rejected' ? 'rejected' : events.map(word).join(' → ');
  const fault = faultOf(planned, end, events, arrivals);
  return { id, told, arrivals: arrivals.length, ...(fault === undefined ? {} : { fault }) };
}

function faultOf(
  { ends }: Planned,
  end: End | undefined,
  events: readonly Received[],
  arrivals: readonly MessageRecord[],
): Fault | undefined {
  // The policy is to hold: no attempt may follow a doubt, so nothing explains that anybody gets it twice.
  const takenFor = arrivals.flatMap(({ to }) => to);
  const most = Math.max(
    0,
    ...takenFor.map((address) => takenFor.filter((other) => other === address).length),
  );
  if (most > 1)
    return { kind: 'duplicate', detail: `the server took it ${String(most)} times for one recipient` };
  if (end === undefined) return { kind: 'lost', detail: 'no end was told' };
  if (end === 'sent' && arrivals.length === 0)
    return { kind: 'lost', detail: 'told as sent, and never taken' };
  const toldAs = (outcome: string): readonly string[] => recipientsTold(events, outcome);
  if (toldAs('sent').some((address) => !takenFor.includes(address)))
    return { kind: 'lost', detail: 'a recipient is told as sent, and it was not taken for that one' };
  if (toldAs('failed').some((address) => takenFor.includes(address)))
    return { kind: 'told', detail: 'a recipient is told as failed, and it was taken for that one' };
  if (!ends.includes(end)) return { kind: 'lost', detail: `ended as ${end}, should be ${ends.join(' or ')}` };
  if ((end === 'failed' || end === 'rejected') && arrivals.length > 0)
    return { kind: 'told', detail: `told as ${end}, and taken` };
  const gap = events.findIndex(({ data }, at) => data['sequence'] !== at + 1);
  return gap === -1 ? undefined : { kind: 'told', detail: `event ${String(gap + 1)} is missing` };
}

/** Recipients of which the last event says that. */
function recipientsTold(events: readonly Received[], said: string): readonly string[] {
  const told = z.array(z.object({ address: z.string(), outcome: z.string() }));
  const { data: recipients = [] } = told.safeParse(events.at(-1)?.data['recipients']);
  return recipients.filter(({ outcome }) => outcome === said).map(({ address }) => address);
}
