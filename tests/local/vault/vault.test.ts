// The vault's emulator, as the real client library sees it.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { SecretClient } from '@azure/keyvault-secrets';
import tls from 'node:tls';
import { makeCertificates } from '../../../local/stack/certificates.ts';
import { startEntra } from '../../../local/emulators/entra/entra.ts';
import type { EntraEmulator } from '../../../local/emulators/entra/entra.ts';
import { startVault } from '../../../local/emulators/keyVault/vault.ts';
import type { KeyVaultEmulator } from '../../../local/emulators/keyVault/vault.ts';
import { systemClock } from '../../../shared/clock.ts';

const TENANT = '11111111-2222-4333-8444-555555555555';
const certificates = makeCertificates();
let entra: EntraEmulator;
let vault: KeyVaultEmulator;
const asked: string[] = [];

const clientWith = (audience: string): SecretClient =>
  new SecretClient(
    vault.url,
    {
      getToken: async (scopes, options) => {
        asked.push(`${String(scopes)} ${options?.tenantId ?? ''}`);
        return {
          token: await entra.sign({ aud: audience, tid: TENANT }, 3_600_000),
          expiresOnTimestamp: Date.now() + 3_600_000,
        };
      },
    },
    { disableChallengeResourceVerification: true, retryOptions: { maxRetries: 0 } },
  );

beforeEach(async () => {
  const { ca, cert, key } = await certificates;
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), ca]);
  entra = await startEntra({ cert, key, clock: systemClock, tenant: TENANT, apps: [], accounts: [] });
  vault = await startVault({ cert, key, clock: systemClock, entra });
  asked.length = 0;
});
afterEach(async () => {
  await Promise.all([vault.close(), entra.close()]);
});

const client = (): SecretClient => clientWith('https://vault.azure.net');
const refusal = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'no refusal',
    (error: unknown) => {
      const { statusCode, code } = error as { statusCode?: number; code?: string };
      return [statusCode, code];
    },
  );

test('the challenge tells the client tenant and resource; a token for another resource is not let in', async () => {
  await client().setSecret('a', 'one');
  expect(asked).toEqual([`https://vault.azure.net/.default ${TENANT}`]);
  expect(await refusal(clientWith('https://outlook.office365.com').getSecret('a'))).toEqual([
    401,
    'Unauthorized',
  ]);
  expect(vault.calls).toEqual(['PUT secrets/a']);
});

test('every set is one more version; the newest is what is read, an old one by its version', async () => {
  const first = await client().setSecret('a', 'one', {
    tags: { generation: 'x' },
    contentType: 'application/json',
  });
  await client().setSecret('a', 'two');
  expect((await client().getSecret('a')).value).toBe('two');
  const old = await client().getSecret('a', { version: first.properties.version ?? '' });
  expect([old.value, old.properties.tags, old.properties.contentType]).toEqual([
    'one',
    { generation: 'x' },
    'application/json',
  ]);
  for (let count = 0; count < 60; count++) await client().setSecret('a', `value ${count}`);
  let versions = 0;
  for await (const { name } of client().listPropertiesOfSecretVersions('a')) versions += name === 'a' ? 1 : 0;
  expect(versions).toBe(62);
  const names: string[] = [];
  for await (const { name } of client().listPropertiesOfSecrets()) names.push(name);
  expect(names).toEqual(['a']);
});

test('a deleted name is taken until it is recovered, with its versions', async () => {
  await client().setSecret('a', 'one');
  await (await client().beginDeleteSecret('a')).pollUntilDone();
  expect(await refusal(client().getSecret('a'))).toEqual([404, 'SecretNotFound']);
  expect(await refusal(client().setSecret('a', 'two'))).toEqual([409, 'Conflict']);
  expect((await client().getDeletedSecret('a')).name).toBe('a');
  await (await client().beginRecoverDeletedSecret('a')).pollUntilDone();
  expect((await client().getSecret('a')).value).toBe('one');
});

describe('refusals', () => {
  test('names, size, disabled versions, absence', async () => {
    expect(await refusal(client().setSecret('under_score', 'x'))).toEqual([400, 'BadParameter']);
    expect(await refusal(client().setSecret('big', 'x'.repeat(26_000)))).toEqual([400, 'BadParameter']);
    const { properties } = await client().setSecret('a', 'one');
    await client().updateSecretProperties('a', properties.version ?? '', { enabled: false });
    expect(await refusal(client().getSecret('a'))).toEqual([403, 'Forbidden']);
    expect(await refusal(client().getSecret('none'))).toEqual([404, 'SecretNotFound']);
  });

  test.each([
    [{ kind: 'throttled', retryAfterSeconds: 3 }, 429],
    [{ kind: 'outage' }, 503],
    [{ kind: 'forbidden' }, 403],
  ] as const)('%j, once', async (fault, status) => {
    await client().setSecret('a', 'one');
    vault.injectFault(fault, 1);
    expect(await refusal(client().getSecret('a'))).toMatchObject([status, expect.any(String)]);
    expect((await client().getSecret('a')).value).toBe('one');
  });

  test('read-only: reads go on, writes do not', async () => {
    await client().setSecret('a', 'one');
    vault.injectFault({ kind: 'readOnly' });
    expect((await client().getSecret('a')).value).toBe('one');
    expect(await refusal(client().setSecret('a', 'two'))).toMatchObject([503, expect.any(String)]);
  });
});
