// A stand-in for Azure Key Vault's secrets: the REST surface that the real client library uses, with the
// challenge, versions that pile up, soft delete (names stay taken), 25 kB, and faults on request.
import { openDoor } from '../entra/httpDoor.ts';
import type { Answered, Asked } from '../entra/httpDoor.ts';
import type { EntraStandIn } from '../entra/entra.ts';
import type { Clock } from '../../../shared/clock.ts';
import { SecretStore } from './secrets.ts';
import type { SecretVersion } from './secrets.ts';

const NAME = /^[0-9a-zA-Z-]{1,127}$/;
const LARGEST_VALUE_BYTES = 25_600;
const RESOURCE = 'https://vault.azure.net';
const RETENTION_DAYS = 90;
const PAGE = 25;

export interface VaultOptions {
  readonly cert: string;
  readonly key: string;
  readonly clock: Clock;
  /** Who issues the tokens that the vault accepts. */
  readonly entra: EntraStandIn;
  readonly port?: number;
}

export type VaultFault =
  /** 429 with Retry-After. */
  | { readonly kind: 'throttled'; readonly retryAfterSeconds?: number }
  /** 503: nothing is read or written. */
  | { readonly kind: 'outage' }
  /** 503 to writes only. */
  | { readonly kind: 'readOnly' }
  /** 403: no role, or the firewall. */
  | { readonly kind: 'forbidden'; readonly inner?: 'ForbiddenByRbac' | 'ForbiddenByFirewall' }
  | { readonly kind: 'none' };

export interface VaultStandIn {
  /** `https://localhost:PORT`, as KEY_VAULT_URL. */
  readonly url: string;
  /** Everything in it, for tests that count versions or search for what should not be there. */
  readonly store: SecretStore;
  /** From here on, until told otherwise; `times` answers where it is given. */
  fault(fault: VaultFault, times?: number): void;
  /** Puts a secret in without the network. */
  seed(name: string, value: string): void;
  /** `GET name`, `PUT name`… of requests that were let in, in order. */
  readonly calls: readonly string[];
  close(): Promise<void>;
}

export async function startVault(options: VaultOptions): Promise<VaultStandIn> {
  const { clock, entra } = options;
  const store = new SecretStore();
  const calls: string[] = [];
  let fault: VaultFault = { kind: 'none' };
  let faultsLeft = Number.POSITIVE_INFINITY;

  async function route(asked: Asked): Promise<Answered> {
    const challenge: Answered = {
      status: 401,
      headers: {
        'www-authenticate': `Bearer authorization="${entra.origin}/${entra.tenant}", resource="${RESOURCE}"`,
      },
      body: {
        error: { code: 'Unauthorized', message: 'AKV10000: Request is missing a Bearer or PoP token.' },
      },
    };
    const broken = faulty(asked.method);
    if (broken !== undefined) return broken;
    const bearer = /^Bearer (.+)$/.exec(asked.headers.authorization ?? '')?.[1];
    if (bearer === undefined) return challenge;
    try {
      await entra.verify(bearer, RESOURCE);
    } catch {
      return challenge;
    }
    if (!asked.url.searchParams.has('api-version'))
      return problem(400, 'BadParameter', 'api-version is missing.');
    const [, collection = '', name = '', last = ''] = asked.url.pathname.split('/');
    calls.push(`${asked.method} ${collection}/${name}${last === '' ? '' : `/${last}`}`);
    if (name !== '' && !NAME.test(name)) return problem(400, 'BadParameter', 'The secret name is not valid.');
    if (collection === 'secrets') return secrets(asked, name, last);
    if (collection === 'deletedsecrets') return deletedSecrets(asked.method, name, last);
    return problem(404, 'NotFound', 'No such path.');
  }

  function faulty(method: string): Answered | undefined {
    if (fault.kind === 'none') return undefined;
    if (fault.kind === 'readOnly' && method === 'GET') return undefined;
    const now = fault;
    faultsLeft -= 1;
    if (faultsLeft <= 0) fault = { kind: 'none' };
    switch (now.kind) {
      case 'throttled':
        return {
          ...problem(429, 'Throttled', 'Request was not processed because too many requests were received.'),
          headers:
            now.retryAfterSeconds === undefined ? {} : { 'retry-after': String(now.retryAfterSeconds) },
        };
      case 'forbidden':
        return problem(
          403,
          'Forbidden',
          'Caller is not authorized to perform action on resource.',
          now.inner,
        );
      case 'outage':
      case 'readOnly':
        return problem(503, 'ServiceUnavailable', 'The service is unavailable.');
    }
  }

  function secrets(asked: Asked, name: string, last: string): Answered {
    if (name === '')
      return list(
        asked.url,
        store.names().map((one) => store.get(one)),
        store.names(),
      );
    if (asked.method === 'PUT') return put(name, asked.body);
    if (asked.method === 'DELETE') {
      const removed = store.get(name);
      if (removed === undefined) return notFound(name);
      store.remove(name, clock.now());
      return { status: 200, body: deletedBundle(name, removed) };
    }
    if (last === 'versions') {
      const versions = store.versions(name);
      return list(
        asked.url,
        versions,
        versions.map(() => name),
      );
    }
    const found = store.get(name, last === '' ? undefined : last);
    if (found === undefined) return notFound(name);
    if (asked.method === 'PATCH') {
      const changes = JSON.parse(asked.body) as { attributes?: { enabled?: boolean } };
      found.enabled = changes.attributes?.enabled ?? found.enabled;
      found.updatedAt = clock.now();
    } else if (!found.enabled) {
      return problem(
        403,
        'Forbidden',
        'Operation get is not allowed on a disabled secret.',
        'SecretDisabled',
      );
    }
    return { status: 200, body: { value: found.value, ...bundle(name, found) } };
  }

  function put(name: string, body: string): Answered {
    if (store.isDeleted(name)) {
      return problem(
        409,
        'Conflict',
        `Secret ${name} is currently in a deleted but recoverable state, and its name cannot be reused.`,
        'ObjectIsDeletedButRecoverable',
      );
    }
    const { value, tags, contentType } = JSON.parse(body) as {
      value?: unknown;
      tags?: Record<string, string>;
      contentType?: string;
    };
    if (typeof value !== 'string' || Buffer.byteLength(value) > LARGEST_VALUE_BYTES) {
      return problem(400, 'BadParameter', 'The secret value is missing or longer than 25600 bytes.');
    }
    const set = store.set(name, clock.now(), {
      value,
      ...(tags === undefined ? {} : { tags }),
      ...(contentType === undefined ? {} : { contentType }),
    });
    return { status: 200, body: { value, ...bundle(name, set) } };
  }

  function deletedSecrets(method: string, name: string, last: string): Answered {
    const gone = store.deletedVersion(name);
    if (gone === undefined) return notFound(name);
    if (method === 'POST' && last === 'recover') {
      store.recover(name);
      return { status: 200, body: bundle(name, gone) };
    }
    return { status: 200, body: deletedBundle(name, gone) };
  }

  function list(url: URL, items: readonly (SecretVersion | undefined)[], names: readonly string[]): Answered {
    const from = Number(url.searchParams.get('$skiptoken') ?? '0');
    const end = from + PAGE;
    const next = new URL(`${vaultUrl()}${url.pathname}`);
    next.searchParams.set('api-version', url.searchParams.get('api-version') ?? '');
    next.searchParams.set('$skiptoken', String(end));
    const value = items
      .map((item, index) => (item === undefined ? [] : [bundle(names[index] ?? '', item)]))
      .slice(from, end)
      .flat();
    return { status: 200, body: { value, nextLink: end < items.length ? next.href : null } };
  }

  const vaultUrl = (): string => `https://localhost:${door.port}`;
  const idOf = (name: string, version: string): string => `${vaultUrl()}/secrets/${name}/${version}`;

  function bundle(name: string, found: SecretVersion): Readonly<Record<string, unknown>> {
    return {
      id: idOf(name, found.version),
      ...(found.contentType === undefined ? {} : { contentType: found.contentType }),
      attributes: {
        enabled: found.enabled,
        created: Math.floor(found.createdAt / 1000),
        updated: Math.floor(found.updatedAt / 1000),
        recoveryLevel: 'Recoverable',
        recoverableDays: RETENTION_DAYS,
      },
      tags: found.tags,
    };
  }

  function deletedBundle(name: string, found: SecretVersion): unknown {
    return {
      ...bundle(name, found),
      recoveryId: `${vaultUrl()}/deletedsecrets/${name}`,
      deletedDate: Math.floor((store.deletedAt(name) ?? clock.now()) / 1000),
      scheduledPurgeDate: Math.floor(clock.now() / 1000) + RETENTION_DAYS * 86_400,
    };
  }

  const door = await openDoor(
    {
      tls: { cert: options.cert, key: options.key },
      ...(options.port === undefined ? {} : { port: options.port }),
    },
    route,
  );
  return {
    url: vaultUrl(),
    store,
    fault: (next, times) => {
      fault = next;
      faultsLeft = times ?? Number.POSITIVE_INFINITY;
    },
    seed: (name, value) => {
      store.set(name, clock.now(), { value });
    },
    calls,
    close: () => door.close(),
  };
}

function notFound(name: string): Answered {
  return problem(404, 'SecretNotFound', `A secret with (name/id) ${name} was not found in this key vault.`);
}

function problem(status: number, code: string, message: string, inner?: string): Answered {
  return {
    status,
    body: { error: { code, message, ...(inner === undefined ? {} : { innererror: { code: inner } }) } },
  };
}
