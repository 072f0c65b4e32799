// The programs of docs/http.md, each run as it is published where its interpreter is there.
import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parseSubmission } from '../../shared/contract/submission.ts';
import { stateAnswer } from '../../shared/http/routes.ts';
import { queueNames } from '../../shared/storage/names.ts';
import { mailboxOf } from '../inbound/rig.ts';
import { keys, mailbox, startHttpRig, type HttpRig } from './rig.ts';

const snippets = join(import.meta.dirname, '..', '..', 'docs', 'snippets');
const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;
const when = (program: string): ((name: string, run: () => Promise<void>) => void) =>
  has(program) ? test : test.skip;

let rig: HttpRig;
beforeAll(async () => {
  rig = await startHttpRig();
}, 120_000);
afterAll(() => rig.close(), 60_000);

/** Its output; rejects if it fails. The emulators are in this process, so that it must not wait. */
function run(
  program: string,
  file: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = spawn(program, [join(snippets, file)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      BRIDGE_URL: rig.host.url,
      BRIDGE_KEY: keys.both,
      MAILBOX: mailbox,
      RECIPIENT: 'citizen@example.org',
      ...environment,
    },
  });
  const [out, error] = [buffer(child.stdout), buffer(child.stderr)];
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      Promise.all([out, error]).then(([text, trouble]) => {
        if (code === 0) resolve(text.toString());
        else
          reject(new Error(`${file} ended with ${String(code)}: ${text.toString()} ${trouble.toString()}`));
      }, reject);
    });
  });
}

const sent = (output: string): void => {
  expect(stateAnswer.parse(JSON.parse(output))).toMatchObject({ mailbox, state: 'waiting' });
};

when('curl')('sendMail.sh', async () => {
  sent(await run('sh', 'sendMail.sh'));
});

when('pwsh')('sendMail.ps1', async () => {
  sent(await run('pwsh', 'sendMail.ps1'));
});

when('python3')('sendMail.py', async () => {
  sent(await run('python3', 'sendMail.py'));
});

when('python3')('readEvents.py', async () => {
  const queue = rig.stack.store.queues.getQueueClient(queueNames.mailStatus);
  for (const sequence of [2, 1])
    await queue.sendMessage(
      JSON.stringify({ type: `type${String(sequence)}`, data: { submissionId: 'S-1', sequence } }),
    );
  expect(await run('python3', 'readEvents.py')).toContain('S-1 type2');
  expect((await queue.peekMessages({ numberOfMessages: 32 })).peekedMessageItems).toEqual([]);
});

// The store's emulator takes tokens over HTTPS alone, so that a stand-in takes this request.
when('python3')('queueDirect.py', async () => {
  const seen: { url: string; authorization: string; version: string; body: string }[] = [];
  const server = createServer((request, response) => {
    buffer(request).then(
      (body) => {
        seen.push({
          url: request.url ?? '',
          authorization: request.headers.authorization ?? '',
          version: String(request.headers['x-ms-version']),
          body: body.toString(),
        });
        response.end(JSON.stringify({ access_token: 'the-token' }));
      },
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  try {
    await run('python3', 'queueDirect.py', {
      AUTHORITY: url,
      STORAGE: url,
      TENANT: 'tenant',
      CLIENT_ID: 'client',
      CLIENT_SECRET: 'secret',
    });
  } finally {
    server.close();
  }
  const [token, message] = seen;
  expect(token?.url).toBe('/tenant/oauth2/v2.0/token');
  expect(new URLSearchParams(token?.body).get('scope')).toBe('https://storage.azure.com/.default');
  expect(message).toMatchObject({
    url: '/outbound-mail/messages?messagettl=-1',
    authorization: 'Bearer the-token',
    version: '2021-12-02',
  });
  const text = /<MessageText>(.*)<\/MessageText>/.exec(message?.body ?? '')?.[1] ?? '';
  const json = text
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
  const parsed = parseSubmission(json, {
    mailboxes: [mailboxOf(mailbox)],
    maxima: { recipientsCount: 500, contentBytes: 1_000_000 },
    uploadContainer: 'outbound-uploads',
  });
  expect(parsed.kind).toBe('ok');
});
