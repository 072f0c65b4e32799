// An emulator of Azure Key Vault's secrets: the REST API that the real client library uses, with the authentication
// challenge, versions, soft delete (names stay reserved), the limit of 25 kB, and fault injection.
import { startHttpListener } from '../httpListener.ts';
import type { HttpResponse, HttpRequest } from '../httpListener.ts';
import type { EntraEmulator } from '../entra/entra.ts';
import type { Clock } from '../../../shared/clock.ts';
import { SecretStore } from './secrets.ts';
import type { SecretVersion } from './secrets.ts';

const secretNamePattern = /^[0-9a-zA-Z-]{1,127}$/;
const maxValueBytes = 25_600;
const vaultResource = 'https://vault.azure.net';
const retentionDays = 90;
const pageSize = 25;

export interface VaultOptions {
  readonly cert: string;
  readonly key: string;
  readonly clock: Clock;
  /** Who issues the tokens that the vault accepts. */
  readonly entra: EntraEmulator;
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

export interface KeyVaultEmulator {
  /** `https://localhost:PORT`, as KEY_VAULT_URL. */
  readonly url: string;
  /** The contents, for tests that count versions or search for values that must not be there. */
  readonly store: SecretStore;
  /** Applies to all requests until replaced, or to the next `times` requests. `none` ends it. */
  injectFault(fault: VaultFault, times?: number): void;
  /** Puts a secret in without the network. */
  seed(name: string, value: string): void;
  /** `GET name`, `PUT name`… of authenticated requests, in order. */
  readonly calls: readonly string[];
  close(): Promise<void>;
}

export async function startVault(options: VaultOptions): Promise<KeyVaultEmulator> {
  const { clock, entra } = options;
  const store = new SecretStore();
  const calls: string[] = [];
  let fault: VaultFault = { kind: 'none' };
  let faultsLeft = Number.POSITIVE_INFINITY;

  async function route(request: HttpRequest): Promise<HttpResponse> {
    const challenge: HttpResponse = {
      status: 401,
      headers: {
        'www-authenticate': `Bearer authorization="${entra.origin}/${entra.tenant}", resource="${vaultResource}"`,
      },
      body: {
        error: { code: 'Unauthorized', message: 'AKV10000: Request is missing a Bearer or PoP token.' },
      },
    };
    const broken = faulty(request.method);
    if (broken !== undefined) return broken;
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (bearer === undefined) return challenge;
    try {
      await entra.verify(bearer, vaultResource);
    } catch {
      return challenge;
    }
    if (!request.url.searchParams.has('api-version'))
      return problem(400, 'BadParameter', 'api-version is missing.');
    const [, collection = '', name = '', last = ''] = request.url.pathname.split('/');
    calls.push(`${request.method} ${collection}/${name}${last === '' ? '' : `/${last}`}`);
    if (name !== '' && !secretNamePattern.test(name))
      return problem(400, 'BadParameter', 'The secret name is not valid.');
    if (collection === 'secrets') return secrets(request, name, last);
    if (collection === 'deletedsecrets') return deletedSecrets(request.method, name, last);
    return problem(404, 'NotFound', 'No such path.');
  }

  function faulty(method: string): HttpResponse | undefined {
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

  function secrets(request: HttpRequest, name: string, last: string): HttpResponse {
    if (name === '')
      return list(
        request.url,
        store.names().map((one) => store.get(one)),
        store.names(),
      );
    if (request.method === 'PUT') return put(name, request.body);
    if (request.method === 'DELETE') {
      const removed = store.get(name);
      if (removed === undefined) return notFound(name);
      store.remove(name, clock.now());
      return { status: 200, body: deletedBundle(name, removed) };
    }
    if (last === 'versions') {
      const versions = store.versions(name);
      return list(
        request.url,
        versions,
        versions.map(() => name),
      );
    }
    const found = store.get(name, last === '' ? undefined : last);
    if (found === undefined) return notFound(name);
    if (request.method === 'PATCH') {
      const changes = JSON.parse(request.body) as { attributes?: { enabled?: boolean } };
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

  function put(name: string, body: string): HttpResponse {
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
    if (typeof value !== 'string' || Buffer.byteLength(value) > maxValueBytes) {
      return problem(400, 'BadParameter', 'The secret value is missing or longer than 25600 bytes.');
    }
    const set = store.set(name, clock.now(), {
      value,
      ...(tags === undefined ? {} : { tags }),
      ...(contentType === undefined ? {} : { contentType }),
    });
    return { status: 200, body: { value, ...bundle(name, set) } };
  }

  function deletedSecrets(method: string, name: string, last: string): HttpResponse {
    const gone = store.deletedVersion(name);
    if (gone === undefined) return notFound(name);
    if (method === 'POST' && last === 'recover') {
      store.recover(name);
      return { status: 200, body: bundle(name, gone) };
    }
    return { status: 200, body: deletedBundle(name, gone) };
  }

  function list(
    url: URL,
    items: readonly (SecretVersion | undefined)[],
    names: readonly string[],
  ): HttpResponse {
    const from = Number(url.searchParams.get('$skiptoken') ?? '0');
    const end = from + pageSize;
    const next = new URL(`${vaultUrl()}${url.pathname}`);
    next.searchParams.set('api-version', url.searchParams.get('api-version') ?? '');
    next.searchParams.set('$skiptoken', String(end));
    const value = items
      .map((item, index) => (item === undefined ? [] : [bundle(names[index] ?? '', item)]))
      .slice(from, end)
      .flat();
    return { status: 200, body: { value, nextLink: end < items.length ? next.href : null } };
  }

  const vaultUrl = (): string => `https://localhost:${listener.port}`;
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
        recoverableDays: retentionDays,
      },
      tags: found.tags,
    };
  }

  function deletedBundle(name: string, found: SecretVersion): unknown {
    return {
      ...bundle(name, found),
      recoveryId: `${vaultUrl()}/deletedsecrets/${name}`,
      deletedDate: Math.floor((store.deletedAt(name) ?? clock.now()) / 1000),
      scheduledPurgeDate: Math.floor(clock.now() / 1000) + retentionDays * 86_400,
    };
  }

  const listener = await startHttpListener(
    {
      tls: { cert: options.cert, key: options.key },
      ...(options.port === undefined ? {} : { port: options.port }),
    },
    route,
  );
  return {
    url: vaultUrl(),
    store,
    injectFault: (next, times) => {
      fault = next;
      faultsLeft = times ?? Number.POSITIVE_INFINITY;
    },
    seed: (name, value) => {
      store.set(name, clock.now(), { value });
    },
    calls,
    close: () => listener.close(),
  };
}

function notFound(name: string): HttpResponse {
  return problem(404, 'SecretNotFound', `A secret with (name/id) ${name} was not found in this key vault.`);
}

function problem(status: number, code: string, message: string, inner?: string): HttpResponse {
  return {
    status,
    body: { error: { code, message, ...(inner === undefined ? {} : { innererror: { code: inner } }) } },
  };
}
