// Failure reports in rows. An event that needs one says so in its own row; the publisher notes the report before the event
// leaves, so none is lost and none is noted twice.
import { z } from 'zod';
import type { MessageEvent } from '../../contract/statusEvent.ts';
import { present } from '../../mail/omit.ts';
import type { Fields } from '../ports.ts';
import { getText, putText } from './chunks.ts';

/** Recipients that a report names. */
export const reportedMost = 50;
const detailCharacters = 500;
/** A message on hold may go on by itself. */
export const heldMs = 3_600_000;

const said = z.object({
  /** `mail.failed` and the like; `hold`: its mailbox is on hold; `intake`: the SMTP intake reported it. */
  type: z.string(),
  detail: z.string().exactOptional(),
  remedy: z.string().exactOptional(),
  recipients: z.array(z.object({ address: z.string(), detail: z.string().exactOptional() })),
  /** Recipients besides those. */
  moreCount: z.number(),
  /** Header fields of a message that has no row. */
  header: z.string().exactOptional(),
});
/** What a report says. */
export type Said = z.infer<typeof said>;

/** When a report for this event is due; undefined: the event needs none. */
function dueAt(event: MessageEvent): number | undefined {
  switch (event.type) {
    case 'mail.failed':
    case 'mail.expired':
      return event.at;
    case 'mail.held':
      // In safe mode mail is held on purpose.
      return event.reason === 'safeMode' ? undefined : event.at + heldMs;
    case 'mail.sent':
      return event.recipients?.some(isLost) === true ? event.at : undefined;
    case 'mail.bounced':
      return event.bounce.verified && event.bounce.recipients.some(({ action }) => action === 'failed')
        ? event.at
        : undefined;
    case 'mail.accepted':
    case 'mail.cancelled':
    case 'mail.deferred':
    case 'mail.inDoubt':
      return undefined;
  }
}

const isLost = ({ state }: { readonly state: string }): boolean => state === 'failed' || state === 'inDoubt';

/** Columns of the event's row; none if the event needs no report. */
export function reportFields(event: MessageEvent): Fields {
  const at = dueAt(event);
  if (at === undefined) return {};
  const { type, mailbox, detail, remedy, recipients = [] } = event;
  const lost = recipients.filter(({ state }) =>
    type === 'mail.sent' || type === 'mail.bounced' ? isLost({ state }) : state !== 'sent',
  );
  const text = encodeSaid({
    type,
    ...present({ detail: detail?.slice(0, detailCharacters), remedy: remedy?.slice(0, detailCharacters) }),
    recipients: lost.slice(0, reportedMost).map((one) => ({
      address: one.address,
      ...present({ detail: one.detail?.slice(0, detailCharacters) }),
    })),
    moreCount: Math.max(0, lost.length - reportedMost),
  });
  return { reportAt: at, reportMailbox: mailbox, ...putText('report', text) };
}

export const encodeSaid = (one: Said): string => JSON.stringify(one);

/** What the row of an event asks for; undefined: nothing. */
export function reportOf(
  fields: Fields,
): { readonly at: number; readonly mailbox: string; readonly text: string } | undefined {
  const { reportAt: at, reportMailbox: mailbox } = fields;
  const text = getText(fields, 'report');
  return typeof at === 'number' && typeof mailbox === 'string' && text !== undefined
    ? { at, mailbox, text }
    : undefined;
}

const columns = z.object({
  at: z.number(),
  account: z.string(),
  id: z.string(),
  kind: z.enum(['message', 'recipients']),
  mailbox: z.string(),
  nextAt: z.number(),
  tries: z.number(),
});
export type DueReport = z.infer<typeof columns> & { readonly said: Said };

export const encodeReport = ({
  said: text,
  ...report
}: Omit<DueReport, 'said'> & { readonly said: string }): Fields => ({
  ...report,
  ...putText('said', text),
});

/** Undefined for a row that can't be read. */
export function decodeReport(fields: Fields): DueReport | undefined {
  const read = columns.safeParse(fields);
  try {
    const text = said.safeParse(JSON.parse(getText(fields, 'said') ?? 'null'));
    return read.success && text.success ? { ...read.data, said: text.data } : undefined;
  } catch {
    return undefined;
  }
}
