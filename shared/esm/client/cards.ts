// Data cards, read and written. Nothing here repeats a write.
import type { z } from 'zod';
import {
  cardSchema,
  pageSchema,
  savedSchema,
  templateListSchema,
  templateSchema,
  type CardPage,
  type EsmCard,
  type EsmTemplate,
  type SavedCard,
} from './answers.ts';
import type { EsmConnection } from './connection.ts';
import { ok, type EsmAnswer } from './failure.ts';

/** A value as it is written: of a static value the code or the value, of a reference the card's id. */
export interface GivenValue {
  readonly value?: string | number;
  readonly code?: string;
  readonly dataCardId?: string;
}

/** By attribute code; an empty list clears the attribute. */
export type CardData = Readonly<Record<string, readonly GivenValue[]>>;

export interface CardQuery {
  /** In EQL, made by filter.ts. */
  readonly filter: string;
  readonly attributes: readonly string[];
  /** 1–200. */
  readonly limit: number;
  /** Ids below this one only. */
  readonly belowId?: string;
}

const part = encodeURIComponent;
const data = (template: string): string => `/dc/${part(template)}/data`;

export async function listTemplates(
  esm: EsmConnection,
): Promise<EsmAnswer<z.output<typeof templateListSchema>>> {
  return esm.callJson({ method: 'GET', path: '/dc' }, templateListSchema);
}

export async function readTemplate(esm: EsmConnection, template: string): Promise<EsmAnswer<EsmTemplate>> {
  return esm.callJson({ method: 'GET', path: `/dc/${part(template)}` }, templateSchema);
}

/** A page of cards, newest id first. ESM answers 404 where nothing matches: that is an empty page. */
export async function findCards(
  esm: EsmConnection,
  template: string,
  { filter, attributes, limit, belowId }: CardQuery,
): Promise<EsmAnswer<CardPage>> {
  const answer = await esm.callJson(
    {
      method: 'GET',
      path: data(template),
      query: {
        filter,
        dataCards: 'true',
        ...(attributes.length === 0 ? {} : { selectedAttributes: attributes.join(',') }),
        limit: String(limit),
        ...(belowId === undefined ? {} : { filterId: belowId }),
      },
    },
    pageSchema,
  );
  if (answer.kind === 'failure') {
    return answer.reason === 'missing' ? ok({ cards: [], hasMore: false }) : answer;
  }
  return ok({ cards: answer.value.data, hasMore: answer.value.meta?.links?.['next'] !== undefined });
}

/** `missing` if there is no such card; a card in the trash can may also come with `deleted: true`. */
export async function readCard(
  esm: EsmConnection,
  template: string,
  { cardId, attributes }: { readonly cardId: string; readonly attributes: readonly string[] },
): Promise<EsmAnswer<EsmCard>> {
  return esm.callJson(
    {
      method: 'GET',
      path: `${data(template)}/${part(cardId)}`,
      query: attributes.length === 0 ? {} : { selectedAttributes: attributes.join(',') },
    },
    cardSchema,
  );
}

/** The card exists after `ok`, and after `inDoubt` it may exist. Attributes that ESM did not set are in `refused`. */
export async function createCard(
  esm: EsmConnection,
  template: string,
  card: { readonly folder: string; readonly data: CardData },
): Promise<EsmAnswer<SavedCard>> {
  return saved(
    await esm.callJson(
      { method: 'POST', path: data(template), json: { folderCode: card.folder, data: elements(card.data) } },
      savedSchema,
    ),
  );
}

/** What is not named stays as it is. */
export async function editCard(
  esm: EsmConnection,
  template: string,
  card: { readonly cardId: string; readonly data: CardData },
): Promise<EsmAnswer<SavedCard>> {
  return saved(
    await esm.callJson(
      {
        method: 'PATCH',
        path: `${data(template)}/${part(card.cardId)}`,
        json: { dataCardId: card.cardId, data: elements(card.data) },
      },
      savedSchema,
    ),
  );
}

/** One more comment in a worklog, or one more value. */
export async function addValue(
  esm: EsmConnection,
  template: string,
  {
    cardId,
    attribute,
    value,
  }: { readonly cardId: string; readonly attribute: string; readonly value: GivenValue },
): Promise<EsmAnswer<undefined>> {
  const answer = await esm.call({
    method: 'POST',
    path: `${data(template)}/${part(cardId)}/${part(attribute)}`,
    json: { values: [value] },
  });
  return answer.kind === 'ok' ? ok(undefined) : answer;
}

/** To the trash can. */
export async function removeCard(
  esm: EsmConnection,
  template: string,
  cardId: string,
): Promise<EsmAnswer<undefined>> {
  const answer = await esm.call({ method: 'DELETE', path: `${data(template)}/${part(cardId)}` });
  return answer.kind === 'ok' ? ok(undefined) : answer;
}

const elements = (values: CardData): unknown =>
  Object.fromEntries(Object.entries(values).map(([code, given]) => [code, { values: given }]));

/** A 2xx with `meta.errors` means: saved, but not these attributes. */
function saved(answer: EsmAnswer<z.output<typeof savedSchema>>): EsmAnswer<SavedCard> {
  if (answer.kind !== 'ok') return answer;
  const { meta, dataCard } = answer.value;
  const refused = (meta?.errors ?? []).map(({ attributeCode, message }) => ({
    attribute: attributeCode ?? '',
    detail: (message ?? 'refused').slice(0, 300),
  }));
  return ok({ cardId: dataCard.dataCardId, refused });
}
