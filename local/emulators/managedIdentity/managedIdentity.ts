// The managed identity's endpoint as Azure Functions and App Service offer it: plain HTTP on the machine itself,
// known to the client library by IDENTITY_ENDPOINT and IDENTITY_HEADER (api-version 2019-08-01). Its tokens are
// the tenant's, so the Entra emulator signs them.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../../shared/clock.ts';
import type { EntraEmulator } from '../entra/entra.ts';
import { startHttpListener } from '../httpListener.ts';
import type { HttpResponse, HttpRequest } from '../httpListener.ts';

const dayMs = 86_400_000;

export interface Identity {
  readonly clientId: string;
  /** The identity's object id: the subject of the federated credential. */
  readonly principalId: string;
}

export interface ManagedIdentityOptions {
  readonly clock: Clock;
  readonly entra: Pick<EntraEmulator, 'issuer' | 'tenant' | 'sign'>;
  /** The user-assigned identity; a request that names another is refused. */
  readonly identity: Identity;
  readonly port?: number;
  /** Azure: 24 hours. */
  readonly tokenMs?: number;
}

export interface ManagedIdentityEmulator {
  /** What the Function App's environment holds. */
  readonly env: { readonly IDENTITY_ENDPOINT: string; readonly IDENTITY_HEADER: string };
  readonly clientId: string;
  /** Gives the app one more user-assigned identity. */
  assign(identity: Identity): void;
  /** The resources requested, in order. */
  readonly calls: readonly string[];
  /** False: every request is answered with 503. */
  setUp(up: boolean): void;
  close(): Promise<void>;
}

export async function startManagedIdentity(
  options: ManagedIdentityOptions,
): Promise<ManagedIdentityEmulator> {
  const { entra, clock } = options;
  const identities = [options.identity];
  const tokenMs = options.tokenMs ?? dayMs;
  const header = randomUUID().replaceAll('-', '').toUpperCase();
  const calls: string[] = [];
  let up = true;

  async function route({ url, headers }: HttpRequest): Promise<HttpResponse> {
    const refuse = (status: number, message: string): HttpResponse => ({
      status,
      body: { statusCode: status, message, correlationId: randomUUID() },
    });
    if (!up) return refuse(503, 'Service unavailable.');
    if (url.pathname !== '/msi/token') return refuse(404, 'Not found.');
    if (headers['x-identity-header'] !== header) return refuse(401, 'The X-IDENTITY-HEADER header is wrong.');
    if (url.searchParams.get('api-version') !== '2019-08-01') return refuse(400, 'Unsupported api-version.');
    const resource = url.searchParams.get('resource') ?? '';
    if (resource === '') return refuse(400, 'The resource is missing.');
    const request = url.searchParams.get('client_id') ?? options.identity.clientId;
    const identity = identities.find(({ clientId }) => clientId === request);
    if (identity === undefined) {
      return refuse(
        400,
        'No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.',
      );
    }
    const { clientId, principalId } = identity;
    calls.push(resource);
    const token = await entra.sign(
      {
        iss: entra.issuer,
        aud: resource,
        sub: principalId,
        oid: principalId,
        tid: entra.tenant,
        azp: clientId,
        idtyp: 'app',
        ver: '2.0',
      },
      tokenMs,
    );
    return {
      status: 200,
      body: {
        access_token: token,
        expires_on: String(Math.floor((clock.now() + tokenMs) / 1000)),
        resource,
        token_type: 'Bearer',
        client_id: clientId,
      },
    };
  }

  const listener = await startHttpListener(options.port === undefined ? {} : { port: options.port }, route);
  return {
    env: { IDENTITY_ENDPOINT: `http://127.0.0.1:${listener.port}/msi/token`, IDENTITY_HEADER: header },
    clientId: options.identity.clientId,
    assign: (identity) => {
      identities.push(identity);
    },
    calls,
    setUp: (value) => {
      up = value;
    },
    close: () => listener.close(),
  };
}
