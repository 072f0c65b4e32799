// What ESM's REST API speaks of: templates with attributes, and data cards in folders. The names are the API's.

export type AttributeType =
  'string' | 'number' | 'date' | 'worklog' | 'reference' | 'external-reference' | 'static-value';

export interface EsmAttribute {
  readonly name: string;
  readonly type: AttributeType;
  readonly multiValue?: boolean;
  /** Takes uploads. */
  readonly file?: boolean;
  /** Of a static value. */
  readonly values?: readonly { readonly code: string | null; readonly value: string }[];
  /** Templates that a reference may point to. */
  readonly target?: readonly string[];
  /** Characters; a longer string is refused in `meta.errors`. */
  readonly maxLength?: number;
}

export interface EsmTemplate {
  readonly code: string;
  readonly name: string;
  readonly folders: readonly { readonly folderCode: string; readonly folderName: string }[];
  readonly attributes: Readonly<Record<string, EsmAttribute>>;
  /** The attribute that names the card. */
  readonly nameAttribute: string;
}

/** One value as it is stored; of a reference only the id. */
export interface EsmValue {
  readonly value?: string | number;
  readonly code?: string | null;
  readonly dataCardId?: string;
  readonly name?: string;
  readonly location?: string;
  readonly author?: string;
  readonly date?: string;
}

export type EsmData = Readonly<Record<string, readonly EsmValue[]>>;

/** A card as it was from `at` on. */
export interface EsmVersion {
  readonly at: number;
  readonly folderCode: string;
  readonly data: EsmData;
  readonly hidden: boolean;
  readonly deleted: boolean;
}

export interface EsmCard {
  readonly dataCardId: string;
  readonly templateCode: string;
  readonly createdAt: number;
  /** Oldest first; the filter may still read an older one. */
  readonly versions: EsmVersion[];
}

export interface EsmUser {
  readonly login: string;
  readonly password: string;
  readonly name: string;
  /** Role permission `External API`; default true. */
  readonly externalApi?: boolean;
  /** Template codes that may be read; default all. */
  readonly mayRead?: readonly string[];
  /** Template codes that may be written; default all. */
  readonly mayWrite?: readonly string[];
  /** `template.attribute` that read as empty. */
  readonly unseen?: readonly string[];
  /** `template.attribute` that can't be written. */
  readonly readOnly?: readonly string[];
}

/** An entry of `meta.errors`: the card was saved, this attribute was not. */
export interface EsmError {
  readonly attributeCode: string;
  readonly attributeType: string;
  readonly message: string;
  readonly error: string;
}

export const newest = (card: EsmCard): EsmVersion => {
  const version = card.versions.at(-1);
  if (version === undefined) throw new Error('a card without a version');
  return version;
};
