// GET /api/health through the host, with the package as it is deployed.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPackage } from '../../local/build/buildPackage.ts';
import type { HostProcess } from '../../local/functionsHost/hostProcess.ts';
import { startStack, type Stack } from '../../local/stack/stack.ts';
import { systemClock } from '../../shared/clock.ts';
import { version } from '../../shared/version.ts';

let folder: string;
let stack: Stack;
const hosts: HostProcess[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'package-'));
  await buildPackage(folder);
  stack = await startStack({
    clock: systemClock,
    mailboxes: [{ address: 'desk@kunta.example', signIn: 'application' }],
  });
}, 60_000);
afterAll(async () => {
  await Promise.all(hosts.map((host) => host.stop()));
  await stack.close();
  await rm(folder, { recursive: true });
}, 60_000);

async function startHost(settings: Readonly<Record<string, string>>): Promise<string> {
  const host = await stack.startHost({
    appFolder: folder,
    timersOff: true,
    settings: { WEBSITE_AUTH_ENABLED: 'True', ...settings },
  });
  hosts.push(host);
  return host.url;
}

const viewer = {
  'x-ms-client-principal-idp': 'aad',
  'x-ms-client-principal': Buffer.from(
    JSON.stringify({
      claims: [
        { typ: 'oid', val: 'a1' },
        { typ: 'roles', val: 'MailBridge.Viewer' },
      ],
    }),
  ).toString('base64'),
};

test('anonymous: alive; a viewer: each mailbox', async () => {
  const url = `${await startHost({})}/api/health`;
  const open = await fetch(url);
  expect([open.status, await open.json()]).toEqual([200, { status: 'alive', version }]);
  const seen = await fetch(url, { headers: viewer });
  expect([seen.status, await seen.json()]).toEqual([
    200,
    {
      status: 'alive',
      version,
      ready: false,
      mailboxes: [
        {
          address: 'desk@kunta.example',
          send: { state: 'ready', detail: '' },
          receive: { state: 'notReady', detail: 'It has not been fetched yet.' },
        },
      ],
    },
  ]);
}, 60_000);

test('with settings that cannot be used it answers all the same', async () => {
  const url = `${await startHost({ MAILBOXES: '[{"adress":"desk@kunta.example"}]' })}/api/health`;
  const open = await fetch(url);
  expect([open.status, await open.json()]).toEqual([200, { status: 'alive', version }]);
  const seen = await fetch(url, { headers: viewer });
  expect(await seen.json()).toMatchObject({ ready: false, detail: expect.stringContaining('MAILBOXES') });
}, 60_000);
