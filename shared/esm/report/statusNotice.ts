// What the connector reads of a status event, and what a card says of it.
import { z } from 'zod';
import { boundedText } from '../../mail/text.ts';

const text = z.string().optional();

const recipient = z.object({
  address: z.string(),
  outcome: text,
  detail: text,
  // Of a bounce.
  status: text,
  action: text,
  reason: text,
});

const dataSchema = z.object({
  submissionId: text,
  sequence: z.int().min(1).optional(),
  correlation: z.unknown().optional(),
  detail: text,
  remedy: text,
  recipients: z.array(recipient).optional(),
  bounce: z.object({ verified: z.boolean(), recipients: z.array(recipient) }).optional(),
  problems: z.array(z.object({ field: z.string(), detail: z.string() })).optional(),
  whole: z.object({ blob: z.string() }).optional(),
});

/** Members of the contract that are not used are not checked, so that a new one is no obstacle. */
export const statusNoticeSchema = z.object({
  id: z.string().max(400),
  type: z.string().max(100),
  data: dataSchema,
});

export type StatusNotice = z.output<typeof statusNoticeSchema>;

const recipientCount = 50;

const titles: Readonly<Record<string, string>> = {
  'mail.sent': 'The mail was sent.',
  'mail.failed': 'The mail was not sent.',
  'mail.expired': 'The mail was not sent in time.',
  'mail.cancelled': 'The mail was taken back before it was sent.',
  'mail.bounced': 'The mail came back.',
  'mail.rejected': 'The mail could not be accepted.',
};

/** In each comment: by it a comment whose answer was lost is found again. */
export const eventMarkerOf = ({ id }: StatusNotice): string => `[${id.slice(0, 200)}]`;

export function reportText(event: StatusNotice): string {
  const { type, data } = event;
  const { bounce, recipients = [], problems = [], detail, remedy } = data;
  const forged = bounce?.verified === false ? ['Anybody may have written the bounce.'] : [];
  const lines = [
    `${titles[type] ?? type} ${eventMarkerOf(event)}`,
    ...forged,
    ...[detail, remedy].flatMap((one) => (one === undefined ? [] : [boundedText(one, 1_000)])),
    ...problems.map((problem) => boundedText(`${problem.field} ${problem.detail}`, 500)),
    ...(bounce?.recipients ?? recipients).map((one) =>
      boundedText(
        [`${one.address}:`, one.action ?? one.outcome, one.status, one.detail ?? one.reason]
          .filter((word) => word !== undefined && word !== '')
          .join(' '),
        500,
      ),
    ),
  ];
  return lines.slice(0, recipientCount).join('\n');
}
