// Problem details (RFC 9457) as a schema, for the published descriptions.
import { z } from 'zod';

/** As problem.ts writes them. */
export const problemSchema = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    remedy: z.string(),
    problems: z.array(z.strictObject({ field: z.string(), detail: z.string() })).optional(),
  })
  .describe('Problem details (RFC 9457).');
