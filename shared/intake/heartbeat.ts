// What an SMTP intake says of itself each minute (docs/intakeContract.md). Newer intakes may say more.
import { z } from 'zod';

/** An intake's name in its settings. */
export const intakeName = /^[A-Za-z0-9-]{1,40}$/;

const count = z.int().min(0);
const instant = z.iso.datetime({ offset: true });

export const heartbeat = z
  .looseObject({
    version: z.string().max(40),
    instance: z.string().min(1).max(64).describe('at random, new at each start'),
    startedAt: instant,
    node: z.string().max(40).optional().describe('the version of Node.js'),
    spool: z.looseObject({
      count: count.describe('messages that wait'),
      bytes: count,
      oldestAgeSeconds: count.describe('of the message that waits longest; 0 if none waits'),
      freeBytes: count.describe('free on the spool’s volume'),
      damagedCount: count,
    }),
    rejectedCount: count.describe('messages that the bridge refused, and nobody has dealt with'),
    lastHandedOnAt: instant.optional(),
    waitingFor: z.string().max(2_000).optional().describe('why something waits'),
    certificateDaysLeft: z.int().optional().describe('absent: no listener has a certificate'),
    accepting: z.boolean().describe('false while it is drained'),
  })
  .describe('How an SMTP intake is.');

export type Heartbeat = z.infer<typeof heartbeat>;
