import { expect, test } from '@jest/globals';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { makeCertificates } from '../../local/stack/certificates.ts';

test('a client that trusts the authority accepts the leaf by name and by address; one that does not refuses it', async () => {
  const { ca, cert, key } = await makeCertificates();
  const server = https.createServer({ cert, key }, (_request, response) => response.end('hello'));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const get = (host: string, trusted: string | undefined): Promise<string> =>
    new Promise((resolve) => {
      https
        .get({ host, port, ...(trusted === undefined ? {} : { ca: trusted }), agent: false }, (response) => {
          response.resume().on('end', () => {
            resolve(String(response.statusCode));
          });
        })
        .on('error', (error: NodeJS.ErrnoException) => {
          resolve(error.code ?? 'error');
        });
    });
  try {
    expect(await get('localhost', ca)).toBe('200');
    expect(await get('127.0.0.1', ca)).toBe('200');
    expect(await get('127.0.0.1', undefined)).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    expect(await get('127.0.0.1', (await makeCertificates()).ca)).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  } finally {
    server.close();
  }
});
