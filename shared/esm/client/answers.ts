// What ESM's API answers, as far as it is used. Each answer crosses one of these schemas; members that they don't name
// are ignored, because versions of ESM differ in them.
import { z } from 'zod';

/** Bounds on what a stranger's server may send. */
const text = z.string().max(1_000_000);
const code = z.string().max(200);
const id = z.union([z.string().max(40), z.int()]).transform(String);

export const loginSchema = z.object({ token: z.string().max(20_000).optional() });

export const templateListSchema = z.array(z.object({ name: text.nullish(), templateCode: code })).max(5_000);

const attributeSchema = z.object({
  name: text.nullish(),
  type: z.string().max(40),
  multiValue: z.boolean().nullish(),
  file: z.boolean().nullish(),
  values: z
    .array(z.object({ code: z.string().nullish(), value: z.union([z.string(), z.number()]).nullish() }))
    .max(10_000)
    .nullish(),
  target: z.array(code).nullish(),
});

export const templateSchema = z.object({
  name: text.nullish(),
  code,
  allowedFolders: z
    .array(z.object({ folderCode: code, folderName: text.nullish() }))
    .max(5_000)
    .default([]),
  attributes: z.record(code, attributeSchema),
});

const valueSchema = z.object({
  value: z.union([text, z.number(), z.boolean()]).nullish(),
  code: z.string().nullish(),
  dataCardId: id.nullish(),
  name: text.nullish(),
  templateCode: code.nullish(),
  location: text.nullish(),
  author: text.nullish(),
  date: z.string().max(40).nullish(),
  hidden: z.boolean().nullish(),
  deleted: z.boolean().nullish(),
});

export const elementSchema = z.object({ type: z.string().max(40).nullish(), values: z.array(valueSchema) });

export const cardSchema = z.object({
  dataCardId: id,
  name: text.nullish(),
  templateCode: code.nullish(),
  folderCode: code.nullish(),
  data: z.record(code, elementSchema).default({}),
  hidden: z.boolean().default(false),
  deleted: z.boolean().default(false),
});

export const pageSchema = z.object({
  meta: z.object({ links: z.record(z.string(), z.string()).nullish() }).nullish(),
  data: z.array(cardSchema).max(200),
});

const refusalSchema = z.object({
  attributeCode: code.nullish(),
  message: z.string().max(10_000).nullish(),
});

export const savedSchema = z.object({
  meta: z.object({ errors: z.array(refusalSchema).nullish() }).nullish(),
  dataCard: z.object({ dataCardId: id }),
});

/** Errors, and what is answered to a value or a file added. */
export const messageSchema = z.object({ message: z.string().max(10_000).nullish() });

export type EsmTemplate = z.infer<typeof templateSchema>;
export type EsmCard = z.infer<typeof cardSchema>;
export type EsmValue = z.infer<typeof valueSchema>;

/** A page of cards, newest id first. */
export interface CardPage {
  readonly cards: readonly EsmCard[];
  readonly hasMore: boolean;
}

/** An attribute that ESM did not set, and why; everything else of the request was written. */
export interface RefusedAttribute {
  readonly attribute: string;
  readonly detail: string;
}

export interface SavedCard {
  readonly cardId: string;
  readonly refused: readonly RefusedAttribute[];
}

/** The values of an attribute; none if it is empty, absent, or not to be seen by this user. */
export const valuesOf = (card: EsmCard, attribute: string): readonly EsmValue[] =>
  card.data[attribute]?.values ?? [];

/** The first value as text: of a static value its value, of a reference the name of its card. */
export function textOf(card: EsmCard, attribute: string): string {
  const [first] = valuesOf(card, attribute);
  return String(first?.value ?? first?.name ?? '');
}
