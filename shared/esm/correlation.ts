// The card that a submission belongs to, in what the submission carried: `{"esm": {"template": …, "dataCardId": …}}`.
import { z } from 'zod';
import { codePattern } from './client/filter.ts';

const correlationSchema = z.object({
  esm: z.object({
    template: z.string().regex(codePattern).optional(),
    dataCardId: z.union([z.string().regex(/^\d{1,20}$/), z.int().min(1)]).transform(String),
  }),
});

export interface CorrelatedCard {
  readonly template: string | undefined;
  readonly cardId: string;
}

/** Undefined if it names no card. */
export function cardOf(correlation: unknown): CorrelatedCard | undefined {
  const { success, data } = correlationSchema.safeParse(correlation);
  return success ? { template: data.esm.template, cardId: data.esm.dataCardId } : undefined;
}
