// Problem details (RFC 9457): what is wrong, and what can be done about it.
import { z } from 'zod';

/** As the routes answer them, for the published description. */
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
