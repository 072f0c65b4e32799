// The data cards: created and edited value by value, with what can't be set reported beside, as ESM does. A filter reads
// each card as it was `lagMs` ago, because ESM's search index follows its cards with a delay.
import type { Clock } from '../../../shared/clock.ts';
import { parseEql, type Lookup, type Term } from './eql.ts';
import {
  newest,
  type EsmAttribute,
  type EsmCard,
  type EsmData,
  type EsmError,
  type EsmTemplate,
  type EsmUser,
  type EsmValue,
  type EsmVersion,
} from './model.ts';
import { checkValues } from './values.ts';

export interface CardPage {
  readonly cards: readonly EsmCard[];
  readonly hasMore: boolean;
}

/** Values as a request has them: not yet checked. */
export type GivenData = Readonly<Record<string, readonly EsmValue[]>>;

export class EsmCards {
  readonly templates: ReadonlyMap<string, EsmTemplate>;
  readonly #clock: Clock;
  readonly #lagMs: (dataCardId: string) => number;
  readonly #cards = new Map<string, EsmCard>();
  /** Oldest first. */
  readonly #byTemplate = new Map<string, EsmCard[]>();
  readonly #files = new Map<string, { readonly name: string; readonly bytes: Buffer }>();
  #lastId = 10_000;

  /** `lagMs` of a card: how long a filter does not see a change of it. */
  constructor(templates: readonly EsmTemplate[], clock: Clock, lagMs: (dataCardId: string) => number) {
    this.templates = new Map(templates.map((template) => [template.code, template]));
    this.#clock = clock;
    this.#lagMs = lagMs;
  }

  get(dataCardId: string): EsmCard | undefined {
    return this.#cards.get(dataCardId);
  }

  /** Deleted and hidden ones too, oldest first. */
  all(templateCode: string): readonly EsmCard[] {
    return this.#byTemplate.get(templateCode) ?? [];
  }

  /** The text that ESM shows for the card. */
  nameOf(card: EsmCard, version: EsmVersion = newest(card)): string {
    const template = this.templates.get(card.templateCode);
    const named = version.data[template?.nameAttribute ?? '']?.[0]?.value;
    return named === undefined ? card.dataCardId : String(named);
  }

  create(
    templateCode: string,
    { folderCode, data }: { readonly folderCode: string; readonly data: GivenData },
    user: EsmUser,
  ): { readonly card: EsmCard; readonly errors: readonly EsmError[] } {
    const at = this.#clock.now();
    this.#lastId += 1;
    const card: EsmCard = {
      dataCardId: String(this.#lastId),
      templateCode,
      createdAt: at,
      versions: [{ at, folderCode, data: {}, hidden: false, deleted: false }],
    };
    this.#cards.set(card.dataCardId, card);
    const siblings = this.#byTemplate.get(templateCode);
    if (siblings === undefined) this.#byTemplate.set(templateCode, [card]);
    else siblings.push(card);
    const { kept, errors } = this.#checked(card, data, user);
    card.versions[0] = { at, folderCode, data: kept, hidden: false, deleted: false };
    return { card, errors };
  }

  /** Attributes not named stay; a worklog gets the comments added, since they can't be replaced. */
  edit(
    card: EsmCard,
    change: Partial<Omit<EsmVersion, 'at' | 'data'>> & { readonly data?: GivenData },
    user: EsmUser,
  ): readonly EsmError[] {
    const before = newest(card);
    const { data = {}, ...rest } = change;
    const { kept, errors } = this.#checked(card, data, user);
    const merged: Record<string, readonly EsmValue[]> = { ...before.data };
    for (const [code, values] of Object.entries(kept)) {
      const isWorklog = this.#attribute(card, code)?.type === 'worklog';
      merged[code] = isWorklog ? [...values, ...(before.data[code] ?? [])] : values;
    }
    const now = this.#clock.now();
    card.versions.push({ ...before, ...rest, at: now, data: merged });
    // Only the versions that a filter can still read are kept.
    while ((card.versions[1]?.at ?? now) <= now - this.#lagMs(card.dataCardId) - 1) card.versions.shift();
    return errors;
  }

  /** A value more, for `POST …/{attr}`. */
  add(card: EsmCard, code: string, values: readonly EsmValue[], user: EsmUser): readonly EsmError[] {
    const attribute = this.#attribute(card, code);
    const old = attribute?.type === 'worklog' ? [] : (newest(card).data[code] ?? []);
    return this.edit(card, { data: { [code]: [...old, ...values] } }, user);
  }

  addFile(card: EsmCard, code: string, file: { readonly name: string; readonly bytes: Buffer }): void {
    const location = `${card.dataCardId}.${this.#files.size + 1}`;
    this.#files.set(location, file);
    const before = newest(card);
    const values = [...(before.data[code] ?? []), { name: file.name, location }];
    card.versions.push({ ...before, at: this.#clock.now(), data: { ...before.data, [code]: values } });
  }

  file(location: string): { readonly name: string; readonly bytes: Buffer } | undefined {
    return this.#files.get(location);
  }

  /** Newest id first; ids below `belowId` only. Throws EqlError. */
  find(
    templateCode: string,
    {
      filter,
      limit,
      belowId,
    }: { readonly filter?: string; readonly limit: number; readonly belowId?: number },
  ): CardPage {
    const now = this.#clock.now();
    const template = this.templates.get(templateCode);
    const accepts = filter === undefined || filter === '' ? (): boolean => true : parseEql(filter, now);
    const empty: Lookup = (code) => this.#lookup(template, code, undefined);
    accepts(empty); // An unknown attribute is a 400 also where there are no cards.
    const found: EsmCard[] = [];
    for (const card of this.all(templateCode).toReversed()) {
      if (belowId !== undefined && Number(card.dataCardId) >= belowId) continue;
      const version = this.#indexed(card, now);
      if (version === undefined || version.deleted || version.hidden) continue;
      if (!accepts((code) => this.#lookup(template, code, { card, version }))) continue;
      if (found.length === limit) return { cards: found, hasMore: true };
      found.push(card);
    }
    return { cards: found, hasMore: false };
  }

  /** The version that the search index knows. */
  #indexed(card: EsmCard, now: number): EsmVersion | undefined {
    const until = now - this.#lagMs(card.dataCardId);
    return card.versions.findLast(({ at }) => at <= until);
  }

  #lookup(
    template: EsmTemplate | undefined,
    code: string,
    of: { readonly card: EsmCard; readonly version: EsmVersion } | undefined,
  ): readonly Term[] | undefined {
    if (code === 'created' || code === 'updated') {
      if (of === undefined) return [];
      const at = code === 'created' ? of.card.createdAt : of.version.at;
      return [new Date(at).toISOString().replace(/\.\d+/, '')];
    }
    const attribute = template?.attributes[code];
    if (attribute === undefined) return undefined;
    return (of?.version.data[code] ?? []).map((value) => this.#term(attribute, value));
  }

  #term(attribute: EsmAttribute, value: EsmValue): Term {
    if (attribute.type !== 'reference') return value.value ?? value.name ?? '';
    const target = this.#cards.get(value.dataCardId ?? '');
    return target === undefined ? '' : this.nameOf(target);
  }

  #attribute(card: EsmCard, code: string): EsmAttribute | undefined {
    return this.templates.get(card.templateCode)?.attributes[code];
  }

  #checked(
    card: EsmCard,
    data: GivenData,
    user: EsmUser,
  ): { readonly kept: EsmData; readonly errors: readonly EsmError[] } {
    const kept: Record<string, readonly EsmValue[]> = {};
    const errors: EsmError[] = [];
    for (const [code, values] of Object.entries(data)) {
      const attribute = this.#attribute(card, code);
      const isReadOnly = user.readOnly?.includes(`${card.templateCode}.${code}`) === true;
      const answer = checkValues(code, attribute, {
        values,
        isReadOnly,
        author: user.name,
        now: this.#clock.now(),
        hasCard: (id) => this.#cards.has(id),
      });
      if (answer.kind === 'kept') kept[code] = answer.values;
      else errors.push(answer.error);
    }
    return { kept, errors };
  }
}
