// The routes below `/dc/{template}/data`.
import type { HttpRequest, HttpResponse } from '../httpListener.ts';
import type { EsmCards, GivenData } from './cards.ts';
import { multipartOf } from './multipart.ts';
import {
  newest,
  type EsmCard,
  type EsmError,
  type EsmTemplate,
  type EsmUser,
  type EsmValue,
} from './model.ts';
import { iso } from './values.ts';
import { cardView, elementView, infoView } from './views.ts';

export interface CardRequest {
  readonly cards: EsmCards;
  readonly template: EsmTemplate;
  readonly user: EsmUser;
  readonly now: number;
  readonly path: string;
  /** What follows `data` in the path. */
  readonly rest: readonly string[];
  readonly uploadBytes: number;
  readonly problem: (status: number, error: string, message: string) => HttpResponse;
}

export function answerCards(request: HttpRequest, at: CardRequest): HttpResponse {
  const { method } = request;
  const [id, attribute, file, location] = at.rest;
  const isWrite = method !== 'GET';
  if (isWrite && at.user.mayWrite?.includes(at.template.code) === false) return { status: 403 };
  if (id === undefined) {
    if (method === 'GET') return page(request, at);
    if (method === 'POST') return create(request, at);
    if (method === 'PUT') return bulk(request, at);
    return { status: 405 };
  }
  if (id === 'stream' && method === 'GET') return page(request, at);
  const card = at.cards.get(id);
  if (card?.templateCode !== at.template.code)
    return at.problem(404, 'Not Found', `Couldn't find data card with id: ${id}`);
  if (attribute === undefined) return one(request, at, card);
  if (at.template.attributes[attribute] === undefined)
    return at.problem(404, 'Not Found', `Couldn't find attribute with code: ${attribute}`);
  if (file === 'file')
    return method === 'POST' ? upload(request, at, { card, attribute }) : download(at, location ?? '');
  return element(request, at, { card, attribute });
}

/** `limit` 1–200 is needed except on `stream`; 404 where nothing matches. */
function page({ url }: HttpRequest, at: CardRequest): HttpResponse {
  const query = url.searchParams;
  const isStream = at.rest[0] === 'stream';
  const limit = isStream ? 100_000 : Number(query.get('limit'));
  if (!isStream && !(Number.isInteger(limit) && limit >= 1 && limit <= 200))
    return at.problem(400, 'Bad Request', 'limit must be between 1 and 200');
  const filter = query.get('filter');
  const belowId = query.get('filterId');
  const { cards, hasMore } = at.cards.find(at.template.code, {
    ...(filter === null ? {} : { filter }),
    limit,
    ...(belowId === null ? {} : { belowId: Number(belowId) }),
  });
  const last = cards.at(-1);
  if (last === undefined) return { status: 404 };
  const next = new URL(url);
  next.searchParams.set('filterId', last.dataCardId);
  const selected = selectedIn(query);
  return {
    status: 200,
    body: {
      meta: { count: cards.length, limit, links: hasMore ? { next: next.href } : {} },
      data: cards.map((card) =>
        query.get('dataCards') === 'true'
          ? cardView(at.cards, card, at.user, selected)
          : infoView(at.cards, card),
      ),
    },
  };
}

const selectedIn = (query: URLSearchParams): readonly string[] =>
  (query.get('selectedAttributes') ?? '').split(',').filter((code) => code !== '');

function create(request: HttpRequest, at: CardRequest): HttpResponse {
  const { folderCode = '', data } = bodyOf(request);
  if (!at.template.folders.some((folder) => folder.folderCode === folderCode))
    return at.problem(400, 'Bad Request', `Couldn't find folder with code: ${folderCode}`);
  if (data === undefined) return at.problem(400, 'Bad Request', 'Invalid JSON.');
  const { card, errors } = at.cards.create(at.template.code, { folderCode, data: valuesIn(data) }, at.user);
  return { status: 201, body: saved(request, at, card, errors) };
}

/** Card by card; those without an id are created. */
function bulk(request: HttpRequest, at: CardRequest): HttpResponse {
  const entries = JSON.parse(request.body) as readonly CardBody[];
  const data = entries.map(({ dataCardId, folderCode = '', data: values = {} }) => {
    const card = dataCardId === undefined ? undefined : at.cards.get(dataCardId);
    if (card === undefined) {
      const made = at.cards.create(at.template.code, { folderCode, data: valuesIn(values) }, at.user);
      return { dataCard: infoView(at.cards, made.card), errors: made.errors };
    }
    const errors = at.cards.edit(card, { data: valuesIn(values) }, at.user);
    return { dataCard: infoView(at.cards, card), errors };
  });
  const importResult = {
    handledDataCards: data.length,
    savedDataCards: data.length,
    notSavedDataCards: 0,
  };
  return { status: 200, body: { meta: { timestamp: iso(at.now), importResult }, data } };
}

function one(request: HttpRequest, at: CardRequest, card: EsmCard): HttpResponse {
  switch (request.method) {
    case 'GET':
      return { status: 200, body: cardView(at.cards, card, at.user, selectedIn(request.url.searchParams)) };
    case 'PATCH': {
      const { folderCode, data = {} } = bodyOf(request);
      if (newest(card).deleted) return at.problem(409, 'Conflict', 'Data card is in the trashcan');
      const errors = at.cards.edit(
        card,
        { data: valuesIn(data), ...(folderCode === undefined ? {} : { folderCode }) },
        at.user,
      );
      return { status: 200, body: saved(request, at, card, errors) };
    }
    case 'DELETE':
      if (newest(card).deleted) return at.problem(409, 'Conflict', 'Data card is already in the trashcan');
      at.cards.edit(card, { deleted: true }, at.user);
      return done(at);
    default:
      return { status: 405 };
  }
}

interface On {
  readonly card: EsmCard;
  readonly attribute: string;
}

function element(request: HttpRequest, at: CardRequest, { card, attribute }: On): HttpResponse {
  if (request.method === 'GET') return { status: 200, body: elementView(at.cards, card, at.user, attribute) };
  const values = request.method === 'DELETE' ? [] : ((JSON.parse(request.body) as Element).values ?? []);
  const errors =
    request.method === 'POST'
      ? at.cards.add(card, attribute, values, at.user)
      : at.cards.edit(card, { data: { [attribute]: values } }, at.user);
  const [error] = errors;
  return error === undefined
    ? done(at)
    : at.problem(error.error === 'Forbidden' ? 403 : 400, error.error, error.message);
}

function upload({ bytes, headers }: HttpRequest, at: CardRequest, { card, attribute }: On): HttpResponse {
  if (at.template.attributes[attribute]?.file !== true)
    return at.problem(400, 'Bad Request', `Attribute: ${attribute} takes no files`);
  if (at.user.readOnly?.includes(`${at.template.code}.${attribute}`) === true) return { status: 403 };
  const parts = multipartOf(bytes, headers['content-type'] ?? '');
  const file = parts.get('fileUpload');
  const name = parts.get('fileName')?.toString('utf8');
  if (file === undefined || name === undefined || !/\.\w+$/.test(name))
    return at.problem(400, 'Bad Request', 'fileUpload and fileName (with extension) are needed');
  if (file.length > at.uploadBytes) return at.problem(413, 'Payload Too Large', 'Uploaded file is too big');
  at.cards.addFile(card, attribute, { name, bytes: file });
  return done(at);
}

function download(at: CardRequest, location: string): HttpResponse {
  const file = at.cards.file(location);
  return file === undefined
    ? at.problem(404, 'Not Found', 'No such file')
    : { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: file.bytes };
}

function saved(request: HttpRequest, at: CardRequest, card: EsmCard, errors: readonly EsmError[]): unknown {
  const isWhole = request.url.searchParams.get('dataCards') === 'true';
  return {
    meta: { timestamp: iso(at.now), url: at.path, errors },
    dataCard: isWhole ? cardView(at.cards, card, at.user, []) : infoView(at.cards, card),
  };
}

const done = (at: CardRequest): HttpResponse => ({
  status: 200,
  body: { code: 200, message: 'OK', timestamp: iso(at.now) },
});

interface Element {
  readonly values?: readonly EsmValue[];
}

interface CardBody {
  readonly dataCardId?: string;
  readonly folderCode?: string;
  readonly data?: Readonly<Record<string, Element>>;
}

const bodyOf = ({ body }: HttpRequest): CardBody => JSON.parse(body) as CardBody;

const valuesIn = (data: Readonly<Record<string, Element>>): GivenData =>
  Object.fromEntries(Object.entries(data).map(([code, { values = [] }]) => [code, values]));
