// The callers as an instance knows them, and what an administrator does to them. An instance keeps the list for
// `keptMs`: so long may a revoked key still work, and so long does a new one take to work everywhere. While the vault does
// not answer, the list is used for `longestKeptMs` more, and then refused with 503, never with 401.
import type { Clock, Random } from '../clock.ts';
import { omit } from '../mail/omit.ts';
import { httpEvents } from '../telemetry/httpEvents.ts';
import type { Log } from '../telemetry/log.ts';
import {
  callerOfKey,
  callerSettings,
  hashOf,
  keyIdOf,
  keyPrefix,
  keysPerCaller,
  readCallers,
  writeCallers,
  type CallerSettings,
  type StoredCaller,
} from './callers.ts';
import type { CallerSecret } from './ports.ts';

const keptMs = 60_000;
const longestKeptMs = 15 * 60_000;
/** What a secret of the vault holds. */
const secretMostBytes = 25_000;

export interface ListedCaller extends Omit<StoredCaller, 'keys'> {
  readonly keys: readonly { readonly id: string; readonly createdAt: number }[];
}

export type KeyAnswer =
  /** The key is shown this once. */
  | { readonly kind: 'key'; readonly key: string; readonly id: string }
  | { readonly kind: 'refused'; readonly detail: string; readonly remedy: string };

export type ChangeAnswer =
  { readonly kind: 'done' } | { readonly kind: 'refused'; readonly detail: string; readonly remedy: string };

export type FindAnswer =
  | { readonly kind: 'found'; readonly caller: StoredCaller }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unavailable'; readonly detail: string };

export interface RegistryDependencies {
  readonly secret: CallerSecret;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

type Refusal = Extract<ChangeAnswer, { readonly kind: 'refused' }>;
type Changed<Answer> = { readonly callers: readonly StoredCaller[]; readonly answer: Answer } | Refusal;

const refused = (detail: string, remedy: string): Refusal => ({ kind: 'refused', detail, remedy });

export class CallerRegistry {
  readonly #dependencies: RegistryDependencies;
  #kept: { readonly callers: readonly StoredCaller[]; readonly at: number } | undefined;
  #loading: Promise<string | undefined> | undefined;

  constructor(dependencies: RegistryDependencies) {
    this.#dependencies = dependencies;
  }

  /** The caller of a key. */
  async find(key: string): Promise<FindAnswer> {
    const { clock } = this.#dependencies;
    const age = (): number => clock.monotonic() - (this.#kept?.at ?? -Infinity);
    const trouble = age() < keptMs ? undefined : await this.#load();
    if (this.#kept === undefined || age() > longestKeptMs + keptMs)
      return { kind: 'unavailable', detail: trouble ?? 'The key vault does not answer.' };
    const caller = callerOfKey(this.#kept.callers, key);
    return caller === undefined ? { kind: 'unknown' } : { kind: 'found', caller };
  }

  /** Every caller, without secrets. Throws an Error with a detail for the administrator. */
  async list(): Promise<readonly ListedCaller[]> {
    const read = await this.#read();
    if (read.kind === 'refused') throw new Error(`${read.detail} ${read.remedy}`);
    return read.callers.map((caller) => ({
      ...caller,
      keys: caller.keys.map(({ sha256, createdAt }) => ({ id: keyIdOf(sha256), createdAt })),
    }));
  }

  /** Makes a caller and its first key. `by` names the administrator, for the log. */
  create(settings: CallerSettings, by: string): Promise<KeyAnswer> {
    const checked = callerSettings.safeParse(settings);
    if (!checked.success) {
      const [issue] = checked.error.issues;
      return Promise.resolve(
        refused(
          `The caller’s ${issue?.path.join('.') ?? 'settings'} can’t be used: ${issue?.message ?? ''}`,
          'Write a name, rights of "send" and "receive", and addresses of mailboxes.',
        ),
      );
    }
    return this.#change('create', checked.data.name, by, (callers) => {
      if (callers.some(({ name }) => name === checked.data.name))
        return refused(`There is a caller ${checked.data.name}.`, 'Take another name, or rotate its key.');
      const { stored, answer } = this.#newKey();
      return { callers: [...callers, { ...checked.data, keys: [stored] }], answer };
    });
  }

  /** Adds a second key to a caller; the first stays valid until it is revoked. */
  rotate(name: string, by: string): Promise<KeyAnswer> {
    return this.#changeOne('rotate', name, by, (caller) => {
      if (caller.keys.length >= keysPerCaller)
        return refused(`${name} has two keys.`, 'Revoke the one that is not used any more first.');
      const { stored, answer } = this.#newKey();
      return { caller: { ...caller, keys: [...caller.keys, stored] }, answer };
    });
  }

  /** Ends one key, by its id; without an id the caller with all its keys. It works for up to a minute more. */
  revoke(name: string, keyId: string | undefined, by: string): Promise<ChangeAnswer> {
    return this.#changeOne<ChangeAnswer>('revoke', name, by, (caller) => {
      const done = { kind: 'done' } as const;
      if (keyId === undefined) return { caller: undefined, answer: done };
      const keys = caller.keys.filter(({ sha256 }) => keyIdOf(sha256) !== keyId);
      if (keys.length === caller.keys.length)
        return refused(`${name} has no key ${keyId}.`, 'List the callers to see the ids of their keys.');
      return { caller: { ...caller, keys }, answer: done };
    });
  }

  #newKey(): {
    readonly stored: StoredCaller['keys'][number];
    readonly answer: Extract<KeyAnswer, { kind: 'key' }>;
  } {
    const { random, clock } = this.#dependencies;
    const key = `${keyPrefix}${random.id()}${random.id()}`;
    const sha256 = hashOf(key);
    return {
      stored: { sha256, createdAt: clock.now() },
      answer: { kind: 'key', key, id: keyIdOf(sha256) },
    };
  }

  #changeOne<Answer>(
    action: string,
    name: string,
    by: string,
    change: (
      caller: StoredCaller,
    ) => { readonly caller: StoredCaller | undefined; readonly answer: Answer } | Refusal,
  ): Promise<Answer | Refusal> {
    return this.#change(action, name, by, (callers) => {
      const found = callers.find((caller) => caller.name === name);
      if (found === undefined)
        return refused('There is no caller of that name.', 'List the callers to see their names.');
      const changed = change(found);
      if ('kind' in changed) return changed;
      const { caller, answer } = changed;
      const others = callers.flatMap((one) => (one !== found ? [one] : caller === undefined ? [] : [caller]));
      return { callers: others, answer };
    });
  }

  async #change<Answer>(
    action: string,
    name: string,
    by: string,
    change: (callers: readonly StoredCaller[]) => Changed<Answer>,
  ): Promise<Answer | Refusal> {
    const { secret, log, clock } = this.#dependencies;
    const answer = await secret.exclusively<Answer | Refusal>(async () => {
      const read = await this.#read();
      if (read.kind === 'refused') return read;
      const changed = change(read.callers);
      if ('kind' in changed) return changed;
      const value = writeCallers(changed.callers);
      if (Buffer.byteLength(value) > secretMostBytes)
        return refused('There are as many callers as a secret of the key vault holds.', 'Revoke some.');
      const written = await secret.write(value);
      if (written.kind !== 'written') return refused(written.detail, 'Try again.');
      this.#kept = { callers: changed.callers, at: clock.monotonic() };
      log(httpEvents.callerChanged({ action, caller: name, by }));
      return changed.answer;
    });
    return answer ?? refused('Another administrator is changing the callers.', 'Try again in a minute.');
  }

  async #read(): Promise<{ readonly kind: 'read'; readonly callers: readonly StoredCaller[] } | Refusal> {
    const found = await this.#dependencies.secret.read();
    if (found.kind === 'absent') return { kind: 'read', callers: [] };
    if (found.kind !== 'found') return refused(found.detail, 'Correct that, then try again.');
    const callers = readCallers(found.value);
    return callers === undefined
      ? refused('The secret of the callers is damaged.', 'Restore its version before (Key vault → Secrets).')
      : { kind: 'read', callers };
  }

  /** Reads the list, once for all who ask at the same time; the trouble if it can't be read. */
  #load(): Promise<string | undefined> {
    const load = async (): Promise<string | undefined> => {
      const read = await this.#read();
      if (read.kind === 'refused') return read.detail;
      this.#kept = { ...omit(read, 'kind'), at: this.#dependencies.clock.monotonic() };
      return undefined;
    };
    this.#loading ??= load().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }
}
