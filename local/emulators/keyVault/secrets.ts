// The contents of the vault. Single versions cannot be deleted, and the name of a soft-deleted secret stays reserved.
import { randomUUID } from 'node:crypto';

export interface SecretVersion {
  readonly version: string;
  value: string;
  tags: Readonly<Record<string, string>>;
  contentType: string | undefined;
  enabled: boolean;
  readonly createdAt: number;
  updatedAt: number;
}

export class SecretStore {
  readonly #live = new Map<string, SecretVersion[]>();
  readonly #deleted = new Map<string, { versions: SecretVersion[]; at: number }>();

  /** The version asked for, else the newest. */
  get(name: string, version?: string): SecretVersion | undefined {
    const versions = this.#live.get(name);
    return version === undefined ? versions?.at(-1) : versions?.find((one) => one.version === version);
  }

  versions(name: string): readonly SecretVersion[] {
    return this.#live.get(name) ?? [];
  }

  names(): readonly string[] {
    return [...this.#live.keys()].sort();
  }

  isDeleted(name: string): boolean {
    return this.#deleted.has(name);
  }

  deletedAt(name: string): number | undefined {
    return this.#deleted.get(name)?.at;
  }

  deletedVersion(name: string): SecretVersion | undefined {
    return this.#deleted.get(name)?.versions.at(-1);
  }

  set(
    name: string,
    now: number,
    {
      value,
      tags,
      contentType,
    }: {
      readonly value: string;
      readonly tags?: Readonly<Record<string, string>>;
      readonly contentType?: string;
    },
  ): SecretVersion {
    const version: SecretVersion = {
      version: randomUUID().replaceAll('-', ''),
      value,
      tags: tags ?? {},
      contentType,
      enabled: true,
      createdAt: now,
      updatedAt: now,
    };
    this.#live.set(name, [...(this.#live.get(name) ?? []), version]);
    return version;
  }

  remove(name: string, now: number): boolean {
    const versions = this.#live.get(name);
    if (versions === undefined) return false;
    this.#live.delete(name);
    this.#deleted.set(name, { versions, at: now });
    return true;
  }

  recover(name: string): boolean {
    const gone = this.#deleted.get(name);
    if (gone === undefined) return false;
    this.#deleted.delete(name);
    this.#live.set(name, gone.versions);
    return true;
  }
}
