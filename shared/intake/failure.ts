// What an SMTP intake says of mail that got its 250 and will not be sent, wholly or in part (docs/intakeContract.md).
import { z } from 'zod';

const text = (most: number): z.ZodString => z.string().max(most);

export const intakeFailure = z
  .looseObject({
    id: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$/)
      .describe('of the submission'),
    mailbox: text(320),
    receivedAt: z.iso.datetime({ offset: true }).optional().describe('when the 250 was said'),
    kind: z
      .enum(['recipients', 'message'])
      .describe('recipients: the others were submitted; message: the bridge refused it'),
    recipients: z
      .array(z.looseObject({ recipient: text(1_000), detail: text(4_000) }))
      .max(1_000)
      .describe('whom it will not reach, and why'),
    header: text(70_000).describe('the header fields of the message, in ASCII'),
  })
  .describe('Mail that an SMTP intake took and that will not be sent.');
