// A tenant, its managed identity and a key vault, all over real TLS, with as many workers of the product as a
// test wants. Time stands still until a test moves it.
import { afterAll } from '@jest/globals';
import tls from 'node:tls';
import { randomUUID } from 'node:crypto';
import { makeCertificates } from '../../local/stack/certificates.ts';
import type { Certificates } from '../../local/stack/certificates.ts';
import { startEntra } from '../../local/emulators/entra/entra.ts';
import type { EntraOptions, EntraEmulator } from '../../local/emulators/entra/entra.ts';
import { startManagedIdentity } from '../../local/emulators/managedIdentity/managedIdentity.ts';
import type { ManagedIdentityEmulator } from '../../local/emulators/managedIdentity/managedIdentity.ts';
import { startVault } from '../../local/emulators/keyVault/vault.ts';
import type { KeyVaultEmulator } from '../../local/emulators/keyVault/vault.ts';
import type { Clock } from '../../shared/clock.ts';
import { systemRandom } from '../../shared/clock.ts';
import type { Mailbox } from '../../shared/mail/mailbox.ts';
import { grantName } from '../../shared/oauth/grants.ts';
import type { SignInFields, SignInRow, SignInRows } from '../../shared/oauth/ports.ts';
import type { ClientCredential, SignInSettings } from '../../shared/config/settings.ts';
import { createSignIn } from '../../shared/oauth/signIn.ts';
import type { SignIn } from '../../shared/oauth/signIn.ts';
import type { LogEvent } from '../../shared/telemetry/log.ts';

export const MINUTE_MS = 60_000;
export const DAY_MS = 86_400_000;
export const TENANT = '11111111-2222-4333-8444-555555555555';
export const SCOPES = [
  'https://outlook.office365.com/IMAP.AccessAsUser.All',
  'https://outlook.office365.com/SMTP.Send',
  'offline_access',
] as const;
export const REDIRECT_URI = 'https://bridge.example/api/connect/callback';

/** Moves only when told to; a sleep takes a part of its time for real and moves nothing. */
export class StillClock implements Clock {
  // Client libraries look at the machine's clock for the times in an ID token, so a world begins at its now.
  at = Date.now();
  /** Real time for a sleep, as a part of what was asked for. */
  sleepFor = 1 / 20;
  now(): number {
    return this.at;
  }
  monotonic(): number {
    return this.at;
  }
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms * this.sleepFor));
  }
  pass(ms: number): void {
    this.at += ms;
  }
}

/** SignInRows in memory; can be told not to answer. */
export class MemorySignInRows implements SignInRows {
  readonly rows = new Map<string, SignInRow>();
  down = false;
  /** Called before each write, for a test that wants to be in between. */
  beforeWrite: (() => Promise<void>) | undefined;
  private etag = 0;

  async read(key: string): Promise<SignInRow | undefined> {
    await this.arrive();
    return this.rows.get(key);
  }
  async insert(key: string, fields: SignInFields): Promise<boolean> {
    await this.arrive(true);
    if (this.rows.has(key)) return false;
    this.put(key, fields);
    return true;
  }
  async replace(key: string, fields: SignInFields, etag: string): Promise<boolean> {
    await this.arrive(true);
    if (this.rows.get(key)?.etag !== etag) return false;
    this.put(key, fields);
    return true;
  }
  async remove(key: string, etag: string): Promise<boolean> {
    await this.arrive(true);
    return this.rows.get(key)?.etag === etag && this.rows.delete(key);
  }
  private put(key: string, fields: SignInFields): void {
    this.rows.set(key, { fields, etag: String(++this.etag) });
  }
  private async arrive(writing = false): Promise<void> {
    await Promise.resolve();
    if (this.down) throw new Error('the table does not answer');
    const hook = writing ? this.beforeWrite : undefined;
    this.beforeWrite = writing ? undefined : this.beforeWrite;
    await hook?.();
  }
}

export interface World {
  readonly clock: StillClock;
  readonly entra: EntraEmulator;
  readonly identity: ManagedIdentityEmulator;
  readonly vault: KeyVaultEmulator;
  readonly rows: MemorySignInRows;
  readonly clientId: string;
  /** The managed identity's object id, as the app's federated credential names it. */
  readonly principalId: string;
  readonly log: LogEvent[];
  readonly settings: SignInSettings;
  /** Another worker: its own memory, the same vault and rows. */
  worker(options?: {
    readonly atOnce?: boolean;
    readonly credential?: ClientCredential;
    readonly settings?: Partial<SignInSettings>;
  }): SignIn;
  /** As if the mailbox had been connected just now. */
  connect(mailbox: Mailbox): Promise<void>;
  close(): Promise<void>;
}

/** A mailbox whose three names are one address. */
export function mailbox(address: string, signIn: Mailbox['signIn'] = 'delegated'): Mailbox {
  return {
    address,
    signIn,
    imapUser: address,
    smtpUser: address,
    send: true,
    receive: true,
    folder: 'INBOX',
    afterFetch: { kind: 'none' },
    fetchFrom: { kind: 'all' },
    limits: { messagesPerMinute: 30, recipientsPerDay: 10_000, connections: 3 },
  };
}

export const support = mailbox('support@example.test');
export const robot = mailbox('robot@example.test', 'application');

// One certificate authority and one identity endpoint per test file: the client libraries keep their TLS context,
// and the first endpoint that they found, as long as the process lives.
let certificates: Promise<Certificates> | undefined;

/** Those of this test file; its process trusts them. */
export async function fileCertificates(): Promise<Certificates> {
  return (certificates ??= trustedCertificates());
}

async function trustedCertificates(): Promise<Certificates> {
  const made = await makeCertificates();
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), made.ca]);
  return made;
}

let identityEndpoint: Promise<ManagedIdentityEmulator> | undefined;
let currentEntra: EntraEmulator | undefined;

async function identityFor(entra: EntraEmulator, clock: Clock): Promise<ManagedIdentityEmulator> {
  currentEntra = entra;
  identityEndpoint ??= startManagedIdentity({
    clock,
    entra: {
      tenant: TENANT,
      get issuer() {
        return currentEntra?.issuer ?? '';
      },
      sign: (claims, livesMs) => (currentEntra ?? entra).sign(claims, livesMs),
    },
    identity: { clientId: randomUUID(), principalId: randomUUID() },
    // The library goes by the machine's clock and keeps what it has, so these tokens outlast any test.
    tokenMs: 2 * 365 * DAY_MS,
  });
  return identityEndpoint;
}

afterAll(async () => {
  await (await identityEndpoint)?.close();
});

export async function startWorld(options: Partial<EntraOptions> = {}): Promise<World> {
  const clock = new StillClock();
  const { cert, key } = await fileCertificates();
  const clientId = randomUUID();
  const principalId = randomUUID();
  const entra = await startEntra({
    cert,
    key,
    clock,
    tenant: TENANT,
    apps: [
      {
        clientId,
        redirectUris: [REDIRECT_URI],
        secrets: [{ value: 'right-secret' }],
        federated: [{ subject: principalId }],
        roles: ['IMAP.AccessAsApp', 'SMTP.SendAsApp'],
      },
    ],
    accounts: [{ upn: 'support@example.test' }, { upn: 'admin@example.test' }],
    ...options,
  });
  const identity = await identityFor(entra, clock);
  // The library also keeps tokens by client id: every world has an identity of its own.
  const identityClientId = randomUUID();
  identity.assign({ clientId: identityClientId, principalId });
  Object.assign(process.env, identity.env);
  const vault = await startVault({ cert, key, clock, entra });
  const rows = new MemorySignInRows();
  const log: LogEvent[] = [];
  const settings: SignInSettings = {
    authorityHost: entra.origin,
    tenant: TENANT,
    authorizeEndpoint: entra.authorizeEndpoint,
    tokenEndpoint: entra.tokenEndpoint,
    clientId,
    scopes: SCOPES,
    applicationScope: 'https://outlook.office365.com/.default',
    credential: { kind: 'managedIdentity', clientId: identityClientId },
  };
  const worker: World['worker'] = ({ atOnce = false, credential, settings: changed } = {}) =>
    createSignIn(
      {
        signIn: { ...settings, ...changed, ...(credential === undefined ? {} : { credential }) },
        vault: { url: vault.url, checkChallenge: false, storeGrantsAtOnce: atOnce },
      },
      { rows, clock, random: systemRandom, log: (event) => log.push(event) },
    );
  return {
    clock,
    entra,
    identity,
    vault,
    rows,
    clientId,
    principalId,
    log,
    settings,
    worker,
    async connect({ address }) {
      const refreshToken = entra.grant(address, clientId, SCOPES.join(' '));
      const answer = await worker().grants.connect(grantName(address), { refreshToken, account: address });
      if (answer.kind !== 'connected') throw new Error(answer.detail);
    },
    async close() {
      await Promise.all([vault.close(), entra.close()]);
    },
  };
}

export const refreshes = (world: World): number =>
  world.entra.calls.filter(({ grantType }) => grantType === 'refresh_token').length;

export const eventNames = (world: World): readonly string[] => world.log.map(({ name }) => name);
