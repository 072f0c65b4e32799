// A mailbox's grant: its refresh token in the vault, and beside it a row that says which version counts.
//
// Every consent starts a new *generation*; a rotated refresh token keeps its generation. The vault has no
// compare-and-swap, so a writer adds a version first and then moves the row's pointer, on condition that the row is
// still of the same generation: a slow worker cannot overwrite a newer consent, it only leaves a version behind that
// no row points to. Of two rotated tokens of one generation the one stored last counts. A refusal is noted for a
// generation and ends with it.
//
// Without a row (lost, or a grant that was put into the vault by hand) the newest version counts. While the rows do
// not answer, the newest version counts too, and nothing is stored.
import { numberIn, parseJson, textIn } from '../mail/foreign.ts';
import { sha256 } from '../mail/fingerprint.ts';
import type { Clock, Random } from '../clock.ts';
import type { TokenFailure, SignInFields, SignInRow, SignInRows, TokenVault, VaultFailure } from './ports.ts';

/** A row that others write at the same time is read again; more often than this is a fault. */
const conflictLimit = 8;
const nameCharacters = 60;
/** The row notes a refresh at most this often: `refreshedAt` is used to see a grant expire after 90 days. */
const noteRefreshedEveryMs = 3_600_000;
const noAnswer = 'The rows beside the key vault do not answer.';

export interface Grant {
  readonly refreshToken: string;
  readonly generation: string;
  /** When the newest refresh token was put into the vault. */
  readonly storedAt: number;
}

/** A grant as it is in the vault. */
interface StoredGrant extends Grant {
  readonly account: string;
  readonly consentedAt: number;
}

/** What the administrator's page and the warnings know of a grant; no secret in it. */
export interface GrantState {
  readonly account: string;
  readonly consentedAt: number;
  readonly storedAt: number;
  /** The last refresh, exact to an hour. */
  readonly refreshedAt: number;
  readonly refused?: { readonly at: number; readonly detail: string; readonly code?: string };
}

export type LoadedGrant =
  | { readonly kind: 'grant'; readonly grant: Grant }
  /** The authority refused this generation before; it is not asked again. */
  | { readonly kind: 'refused'; readonly detail: string; readonly code?: string }
  /** Nobody has connected the mailbox, or its secret was deleted. */
  | { readonly kind: 'none'; readonly deleted: boolean }
  | VaultFailure;

/** The secret's name: readable, and one of its own for each address. Key Vault allows letters, digits and hyphens. */
export function grantName(mailboxAddress: string): string {
  const address = mailboxAddress.toLowerCase();
  const readable = address.replace(/[^0-9a-z]+/g, '-').slice(0, nameCharacters);
  return `mail-grant-${readable}-${sha256(address).slice(0, 16)}`;
}

/** The secret's value. */
export function grantValue({
  refreshToken,
  generation,
  account,
  consentedAt,
  storedAt,
}: StoredGrant): string {
  return JSON.stringify({ version: 1, refreshToken, generation, account, consentedAt, storedAt });
}

export class Grants {
  readonly #vault: TokenVault;
  readonly #rows: SignInRows;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(
    vault: TokenVault,
    rows: SignInRows,
    { clock, random }: { readonly clock: Clock; readonly random: Random },
  ) {
    this.#vault = vault;
    this.#rows = rows;
    this.#clock = clock;
    this.#random = random;
  }

  /** The grant that counts. `known` is one that the caller has: if its generation still counts the vault is not read. */
  async load(name: string, known?: Grant): Promise<LoadedGrant> {
    const fields = (await this.#readRow(name))?.fields;
    if (isRefused(fields)) return { kind: 'refused', ...refusalIn(fields) };
    if (known !== undefined && fields === undefined) return { kind: 'grant', grant: known };
    if (known?.generation === textIn(fields, 'generation')) {
      return { kind: 'grant', grant: { ...known, storedAt: numberIn(fields, 'storedAt') } };
    }
    const version = textIn(fields, 'version');
    let found = await this.#vault.read(name, version === '' ? undefined : version);
    // The version pointed to is gone if the vault was restored from a backup: the newest one counts.
    if (found.kind === 'absent' && version !== '') found = await this.#vault.read(name);
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
    if (fields === undefined) await this.#adopt(name, grant, found.secret.version);
    return { kind: 'grant', grant };
  }

  /** Stores a rotated refresh token, unless another generation counts by now. */
  async keep(
    name: string,
    grant: Grant,
  ): Promise<
    { readonly kind: 'kept'; readonly storedAt: number } | { readonly kind: 'superseded' } | VaultFailure
  > {
    const { generation } = grant;
    const storedAt = this.#clock.now();
    try {
      const before = await this.#rows.read(name);
      if (textIn(before?.fields, 'generation') !== generation) return { kind: 'superseded' };
      const account = textIn(before?.fields, 'account');
      const consentedAt = numberIn(before?.fields, 'consentedAt');
      const value = grantValue({ ...grant, account, consentedAt, storedAt });
      const written = await this.#vault.write(name, value, { generation });
      if (written.kind !== 'written') return written;
      const { version } = written;
      const moved = await this.#update(name, (fields) =>
        textIn(fields, 'generation') === generation
          ? { ...fields, version, storedAt, refreshedAt: storedAt }
          : undefined,
      );
      return moved ? { kind: 'kept', storedAt } : { kind: 'superseded' };
    } catch {
      return { kind: 'unavailable', detail: noAnswer };
    }
  }

  /** Stores a new consent; it counts from here on. */
  async connect(
    name: string,
    { refreshToken, account }: { readonly refreshToken: string; readonly account: string },
  ): Promise<{ readonly kind: 'connected' } | VaultFailure> {
    const now = this.#clock.now();
    const generation = this.#random.id();
    const stamp = { account, generation, consentedAt: now, storedAt: now };
    const written = await this.#vault.write(name, grantValue({ ...stamp, refreshToken }), { generation });
    if (written.kind !== 'written') return written;
    try {
      await this.#update(name, () => ({ ...stamp, version: written.version, refreshedAt: now }));
      return { kind: 'connected' };
    } catch {
      return { kind: 'unavailable', detail: noAnswer };
    }
  }

  /** Notes that the grant was used, so that its 90 days begin anew. */
  async noteRefreshed(name: string, generation: string): Promise<void> {
    const now = this.#clock.now();
    await this.#tryUpdate(name, (fields) =>
      textIn(fields, 'generation') === generation &&
      now - numberIn(fields, 'refreshedAt') >= noteRefreshedEveryMs
        ? { ...fields, refreshedAt: now }
        : undefined,
    );
  }

  /** Notes the refusal for this generation. True for the one caller that changed the row: it raises the alert. */
  refuse(name: string, generation: string, { detail, code }: TokenFailure): Promise<boolean> {
    return this.#tryUpdate(name, (fields) =>
      textIn(fields, 'generation') === generation && !isRefused(fields)
        ? {
            ...fields,
            refusedGeneration: generation,
            refusedDetail: detail,
            refusedCode: code ?? '',
            refusedAt: this.#clock.now(),
          }
        : undefined,
    );
  }

  async state(name: string): Promise<GrantState | undefined> {
    const fields = (await this.#rows.read(name))?.fields;
    if (fields === undefined) return undefined;
    return {
      account: textIn(fields, 'account'),
      consentedAt: numberIn(fields, 'consentedAt'),
      storedAt: numberIn(fields, 'storedAt'),
      refreshedAt: numberIn(fields, 'refreshedAt'),
      ...(isRefused(fields) ? { refused: { at: numberIn(fields, 'refusedAt'), ...refusalIn(fields) } } : {}),
    };
  }

  /** Reads, changes and writes the row until nobody wrote in between; false if `change` gives nothing to write. */
  async #update(
    name: string,
    change: (fields: SignInFields | undefined) => SignInFields | undefined,
  ): Promise<boolean> {
    for (let turn = 0; turn < conflictLimit; turn++) {
      const row = await this.#rows.read(name);
      const fields = change(row?.fields);
      if (fields === undefined) return false;
      const done = await (row === undefined
        ? this.#rows.insert(name, fields)
        : this.#rows.replace(name, fields, row.etag));
      if (done) return true;
    }
    throw new Error(`The sign-in row ${name} changed ${conflictLimit} times while it was being written`);
  }

  /** `update` of a row that exists; false if the rows do not answer. */
  async #tryUpdate(
    name: string,
    change: (fields: SignInFields) => SignInFields | undefined,
  ): Promise<boolean> {
    try {
      return await this.#update(name, (fields) => (fields === undefined ? undefined : change(fields)));
    } catch {
      return false;
    }
  }

  /** The store may be down while the vault is up: then the vault's newest version counts. */
  async #readRow(name: string): Promise<SignInRow | undefined> {
    try {
      return await this.#rows.read(name);
    } catch {
      return undefined;
    }
  }

  /** A grant without a row gets one, so that refusals and generations can be noted. */
  async #adopt(name: string, grant: StoredGrant, version: string): Promise<void> {
    const { account, generation, consentedAt, storedAt } = grant;
    try {
      await this.#rows.insert(name, {
        account,
        generation,
        consentedAt,
        storedAt,
        version,
        refreshedAt: storedAt,
      });
    } catch {
      // The next load tries again.
    }
  }
}

function refusalIn(fields: SignInFields | undefined): { readonly detail: string; readonly code?: string } {
  const code = textIn(fields, 'refusedCode');
  return { detail: textIn(fields, 'refusedDetail'), ...(code === '' ? {} : { code }) };
}

function isRefused(fields: SignInFields | undefined): boolean {
  const generation = textIn(fields, 'generation');
  return generation !== '' && generation === textIn(fields, 'refusedGeneration');
}

function parseGrant(value: string): StoredGrant | undefined {
  const fields = parseJson(value);
  const grant = {
    refreshToken: textIn(fields, 'refreshToken'),
    generation: textIn(fields, 'generation'),
    account: textIn(fields, 'account'),
    consentedAt: numberIn(fields, 'consentedAt'),
    storedAt: numberIn(fields, 'storedAt'),
  };
  return grant.refreshToken === '' || grant.generation === '' ? undefined : grant;
}
