import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { azuriteAccount, startAzurite } from '../../local/stack/azurite.ts';
import { makeCertificates } from '../../local/stack/certificates.ts';

test('by identity over https, as in Azure: table, blob and queue', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'identity-'));
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  };
  const made = await makeCertificates();
  const ca = await file('ca.pem', made.ca);
  const https = { cert: await file('cert.pem', made.cert), key: await file('key.pem', made.key) };
  const azurite = await startAzurite({ https });
  try {
    const uri = (port: number): string => `https://127.0.0.1:${port}/${azuriteAccount}`;
    const { table, blob, queue } = azurite.ports;
    const program = fileURLToPath(new URL('identityProgram.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [program, uri(table), uri(blob), uri(queue)],
      { env: { NODE_EXTRA_CA_CERTS: ca }, timeout: 60_000 },
    );
    expect(JSON.parse(stdout)).toEqual({
      committed: 'ok',
      row: { n: 1 },
      content: 'hello',
      told: ['{}'],
      scopes: ['https://storage.azure.com/.default'],
      witnessed: true,
    });
  } finally {
    await azurite.stop();
    await rm(folder, { recursive: true });
  }
}, 120_000);
