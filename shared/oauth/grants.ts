// A mailbox's grant: its refresh token in the vault, and beside it a row that says which version counts.
//
// Every consent starts a new *generation*. A rotated refresh token keeps its generation. The vault has no
// compare-and-set, so a writer adds a version first and then moves the row's pointer, on condition that the row
// is as it was read: a worker that was slow cannot put its rotated token over a newer consent, it only leaves a
// version behind that nobody points to. A refusal is noted for a generation and ends with it.
//
// Without the row (lost, or a grant put into the vault by hand) the newest version counts. While the rows do not
// answer, the newest version counts too, and nothing is stored.
import { createHash } from 'node:crypto';
import type { Clock, Random } from '../clock.ts';
import type { Refusal, SignInFields, SignInRow, SignInRows, TokenVault, VaultTrouble } from './ports.ts';
import type { SealedToken, TokenTimes } from './sharedToken.ts';

/** A row that others write at the same time is read again; more often than this is a fault. */
const CONFLICTS = 8;
const NAME_CHARACTERS = 60;

export interface Grant {
  readonly refreshToken: string;
  readonly generation: string;
  /** When this refresh token was put into the vault. */
  readonly storedAt: number;
}

/** A grant as it lies in the vault. */
interface StoredGrant extends Grant {
  readonly account: string;
  readonly consentedAt: number;
}

/** What the administrator's page and the warnings know of a grant; no secret in it. */
export interface GrantState {
  readonly account: string;
  readonly consentedAt: number;
  readonly storedAt: number;
  readonly refreshedAt: number;
  readonly refused?: { readonly at: number; readonly detail: string; readonly code?: string };
}

export type LoadedGrant =
  | { readonly kind: 'grant'; readonly grant: Grant }
  /** The authority refused this generation before; it is not asked again. */
  | { readonly kind: 'refused'; readonly generation: string; readonly detail: string; readonly code?: string }
  /** Nobody has connected the mailbox, or its secret was deleted. */
  | { readonly kind: 'none'; readonly deleted: boolean }
  | VaultTrouble;

export interface Grants {
  load(name: string): Promise<LoadedGrant>;
  /** Stores a rotated refresh token, unless another generation counts by now. */
  keep(
    name: string,
    grant: Grant,
  ): Promise<
    { readonly kind: 'kept'; readonly storedAt: number } | { readonly kind: 'superseded' } | VaultTrouble
  >;
  /** Stores a new consent; it counts from here on. */
  connect(
    name: string,
    consent: { readonly refreshToken: string; readonly account: string },
  ): Promise<{ readonly kind: 'connected' } | VaultTrouble>;
  /** Notes the refusal for this generation. True for the one caller that changed the state: it raises the alert. */
  refuse(name: string, generation: string, refusal: Refusal): Promise<boolean>;
  state(name: string): Promise<GrantState | undefined>;
  /** The right to refresh, for one worker at a time; or the token of another that `fits`, in the same look. */
  lease(
    name: string,
    by: {
      readonly owner: string;
      readonly untilAt: number;
      readonly fits: (times: TokenTimes) => boolean;
    },
  ): Promise<Lease>;
  /** Gives the lease back, with the generation's new token for the other workers where it could be sealed. */
  publish(
    name: string,
    owner: string,
    of: { readonly generation: string; readonly token?: SealedToken },
  ): Promise<void>;
  release(name: string, owner: string): Promise<void>;
}

export type Lease =
  | { readonly kind: 'taken'; readonly generation: string }
  | { readonly kind: 'shared'; readonly generation: string; readonly token: SealedToken }
  /** Another worker has it. */
  | { readonly kind: 'busy' }
  /** No row, or its grant was refused: `load` says which. */
  | { readonly kind: 'none' }
  /** The rows do not answer. */
  | { readonly kind: 'silent' };

/** The secret's name: readable, and one of its own for each address. Key Vault allows letters, digits and hyphens. */
export function grantName(mailboxAddress: string): string {
  const address = mailboxAddress.toLowerCase();
  const readable = address.replace(/[^0-9a-z]+/g, '-').slice(0, NAME_CHARACTERS);
  return `mail-grant-${readable}-${createHash('sha256').update(address).digest('hex').slice(0, 16)}`;
}

/** The secret's value. */
export function grantValue(grant: {
  readonly refreshToken: string;
  readonly generation: string;
  readonly account: string;
  readonly consentedAt: number;
  readonly storedAt: number;
}): string {
  const { refreshToken, generation, account, consentedAt, storedAt } = grant;
  return JSON.stringify({ version: 1, refreshToken, generation, account, consentedAt, storedAt });
}

export function createGrants(vault: TokenVault, rows: SignInRows, clock: Clock, random: Random): Grants {
  /** Reads, changes and writes the row until nobody was in between; undefined when `change` gives none. */
  async function update(
    name: string,
    change: (fields: SignInFields | undefined) => SignInFields | undefined,
  ): Promise<SignInFields | undefined> {
    for (let turn = 0; turn < CONFLICTS; turn++) {
      const row = await rows.read(name);
      const fields = change(row?.fields);
      if (fields === undefined) return undefined;
      const done =
        row === undefined ? await rows.insert(name, fields) : await rows.replace(name, fields, row.etag);
      if (done) return fields;
    }
    throw new Error(`The sign-in row ${name} changed ${CONFLICTS} times while it was being written`);
  }

  /** The store may be down while the vault is up: then the vault's newest version is believed. */
  async function readRow(name: string): Promise<SignInRow | undefined> {
    try {
      return await rows.read(name);
    } catch {
      return undefined;
    }
  }

  async function tryUpdate(
    name: string,
    change: (fields: SignInFields) => SignInFields | undefined,
  ): Promise<boolean> {
    try {
      return (
        (await update(name, (fields) => (fields === undefined ? undefined : change(fields)))) !== undefined
      );
    } catch {
      return false;
    }
  }

  return {
    async load(name) {
      const row = await readRow(name);
      const version = text(row?.fields, 'version');
      const generation = text(row?.fields, 'generation');
      if (isRefused(row?.fields)) {
        const code = text(row?.fields, 'refusedCode');
        return {
          kind: 'refused',
          generation,
          detail: text(row?.fields, 'refusedWords'),
          ...(code === '' ? {} : { code }),
        };
      }
      let found = await vault.read(name, version === '' ? undefined : version);
      // The version pointed to is gone when a vault was restored from a backup: what is there counts.
      if (found.kind === 'absent' && version !== '') found = await vault.read(name);
      if (found.kind === 'absent' || found.kind === 'deleted') {
        return { kind: 'none', deleted: found.kind === 'deleted' };
      }
      if (found.kind !== 'secret') return found;
      const grant = parseGrant(found.secret.value);
      if (grant === undefined) {
        return {
          kind: 'configuration',
          detail: `The secret ${name} in the key vault is not a sign-in of this program: connect the mailbox again.`,
        };
      }
      if (row === undefined) await adopt(name, grant, found.secret.version);
      return { kind: 'grant', grant };
    },

    async keep(name, grant) {
      const storedAt = clock.now();
      try {
        const before = await rows.read(name);
        if (before === undefined || text(before.fields, 'generation') !== grant.generation) {
          return { kind: 'superseded' };
        }
        const account = text(before.fields, 'account');
        const consentedAt = count(before.fields, 'consentedAt');
        const written = await vault.write(name, grantValue({ ...grant, account, consentedAt, storedAt }), {
          generation: grant.generation,
        });
        if (written.kind !== 'written') return written;
        const moved = await update(name, (fields) =>
          text(fields, 'generation') === grant.generation
            ? { ...fields, version: written.version, storedAt, refreshedAt: storedAt }
            : undefined,
        );
        return moved === undefined ? { kind: 'superseded' } : { kind: 'kept', storedAt };
      } catch {
        return { kind: 'unavailable', detail: 'The rows beside the key vault do not answer.' };
      }
    },

    async connect(name, { refreshToken, account }) {
      const now = clock.now();
      const generation = random.id();
      const stamp = { account, generation, consentedAt: now, storedAt: now };
      const written = await vault.write(name, grantValue({ ...stamp, refreshToken }), { generation });
      if (written.kind !== 'written') return written;
      try {
        await update(name, () => ({ ...stamp, version: written.version, refreshedAt: now }));
        return { kind: 'connected' };
      } catch {
        return { kind: 'unavailable', detail: 'The rows beside the key vault do not answer.' };
      }
    },

    refuse(name, generation, { detail, code }) {
      return tryUpdate(name, (fields) =>
        text(fields, 'generation') === generation && text(fields, 'refusedGeneration') !== generation
          ? {
              ...withoutToken(fields),
              refusedGeneration: generation,
              refusedWords: detail,
              refusedCode: code ?? '',
              refusedAt: clock.now(),
            }
          : undefined,
      );
    },

    async state(name) {
      const fields = (await rows.read(name))?.fields;
      if (fields === undefined) return undefined;
      const generation = text(fields, 'generation');
      const code = text(fields, 'refusedCode');
      return {
        account: text(fields, 'account'),
        consentedAt: count(fields, 'consentedAt'),
        storedAt: count(fields, 'storedAt'),
        refreshedAt: count(fields, 'refreshedAt'),
        ...(generation === text(fields, 'refusedGeneration')
          ? {
              refused: {
                at: count(fields, 'refusedAt'),
                detail: text(fields, 'refusedWords'),
                ...(code === '' ? {} : { code }),
              },
            }
          : {}),
      };
    },

    async lease(name, { owner, untilAt, fits }) {
      const seen: { lease: Lease } = { lease: { kind: 'none' } };
      const judge = (fields: SignInFields | undefined): Lease => {
        const generation = text(fields, 'generation');
        if (fields === undefined || isRefused(fields)) return { kind: 'none' };
        const token = sealedIn(fields);
        if (token !== undefined && fits(token)) return { kind: 'shared', generation, token };
        const another = count(fields, 'leaseUntil') > clock.now() && text(fields, 'leaseOwner') !== owner;
        return another ? { kind: 'busy' } : { kind: 'taken', generation };
      };
      try {
        await update(name, (fields) => {
          seen.lease = judge(fields);
          return seen.lease.kind === 'taken'
            ? { ...fields, leaseOwner: owner, leaseUntil: untilAt }
            : undefined;
        });
        return seen.lease;
      } catch {
        return { kind: 'silent' };
      }
    },

    async publish(name, owner, { generation, token }) {
      await tryUpdate(name, (fields) => {
        const mine = text(fields, 'leaseOwner') === owner;
        const counts = text(fields, 'generation') === generation;
        if (!mine && !counts) return undefined;
        return {
          ...(counts ? withoutToken(fields) : fields),
          ...(counts ? { refreshedAt: clock.now() } : {}),
          ...(counts && token !== undefined
            ? { token: token.sealed, tokenObtainedAt: token.obtainedAt, tokenExpiresAt: token.expiresAt }
            : {}),
          ...(mine ? { leaseOwner: '', leaseUntil: 0 } : {}),
        };
      });
    },

    async release(name, owner) {
      await tryUpdate(name, (fields) =>
        text(fields, 'leaseOwner') === owner ? { ...fields, leaseOwner: '', leaseUntil: 0 } : undefined,
      );
    },
  };

  /** A grant without a row gets one, so that refusals and generations have a place. */
  async function adopt(name: string, grant: StoredGrant, version: string): Promise<void> {
    const { account, generation, consentedAt, storedAt } = grant;
    try {
      await rows.insert(name, { account, generation, consentedAt, storedAt, version, refreshedAt: storedAt });
    } catch {
      // The next load does it.
    }
  }
}

function isRefused(fields: SignInFields | undefined): boolean {
  const generation = text(fields, 'generation');
  return generation !== '' && generation === text(fields, 'refusedGeneration');
}

const TOKEN_FIELDS: ReadonlySet<string> = new Set(['token', 'tokenObtainedAt', 'tokenExpiresAt']);

function withoutToken(fields: SignInFields): SignInFields {
  return Object.fromEntries(Object.entries(fields).filter(([field]) => !TOKEN_FIELDS.has(field)));
}

function sealedIn(fields: SignInFields): SealedToken | undefined {
  const sealed = text(fields, 'token');
  if (sealed === '') return undefined;
  return {
    sealed,
    obtainedAt: count(fields, 'tokenObtainedAt'),
    expiresAt: count(fields, 'tokenExpiresAt'),
  };
}

function text(fields: SignInFields | undefined, field: string): string {
  const value = fields?.[field];
  return typeof value === 'string' ? value : '';
}

function count(fields: SignInFields | undefined, field: string): number {
  const value = fields?.[field];
  return typeof value === 'number' ? value : 0;
}

function parseGrant(value: string): StoredGrant | undefined {
  let fields: Readonly<Record<string, unknown>>;
  try {
    const parsed: unknown = JSON.parse(value);
    if (typeof parsed !== 'object' || parsed === null) return undefined;
    fields = parsed as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
  const { refreshToken, generation, account, consentedAt, storedAt } = fields;
  if (typeof refreshToken !== 'string' || refreshToken === '') return undefined;
  if (typeof generation !== 'string' || generation === '') return undefined;
  return {
    refreshToken,
    generation,
    account: typeof account === 'string' ? account : '',
    consentedAt: typeof consentedAt === 'number' ? consentedAt : 0,
    storedAt: typeof storedAt === 'number' ? storedAt : 0,
  };
}
