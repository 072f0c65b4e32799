// A message of 150 MB passes in bounded memory, by a process of its own: from the stand-in over TLS to the emulator's
// blobs, raw bytes identical and the attachment too.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';
import { Content } from '../../local/emulators/exchange/content.ts';
import { noticeSchema } from '../../shared/contract/notice.ts';
import { queueNames } from '../../shared/storage/names.ts';
import { certificates, closeAll, exchangeWith, tokenFor } from '../local/exchange/harness.ts';
import { startEmulator, type Emulator } from '../storage/emulator.ts';
import { DESK } from './rig.ts';

let emulator: Emulator;

beforeAll(async () => {
  emulator = await startEmulator();
});

afterAll(async () => {
  await closeAll();
  await emulator.stop();
});

const line = `${Buffer.alloc(57, 'The same 57 bytes. ').toString('base64')}\r\n`;
const lineCount = 1_920_000;

test('150 MB, in less than 300 MB of memory', async () => {
  const head = Buffer.from(
    [
      'From: Kim <kim@fabrikam.test>',
      'Message-ID: <large@x>',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: application/zip; name=large.zip',
      'Content-Disposition: attachment; filename=large.zip',
      'Content-Transfer-Encoding: base64',
      '',
      '',
    ].join('\r\n'),
  );
  const chunk = Buffer.from(line.repeat(10_000));
  const pieces = [head, ...Array.from({ length: lineCount / 10_000 }, () => chunk), Buffer.from('--b--\r\n')];
  const raw = createHash('sha256');
  for (const piece of pieces) raw.update(piece);
  const exchange = await exchangeWith();
  const content = new Content(pieces);
  expect(content.sizeBytes).toBeGreaterThan(149_000_000);
  exchange.store.mailbox(DESK).deliver(content);
  const { ca } = await certificates();
  const order = {
    connectionString: emulator.azurite.connectionString,
    port: exchange.imapPort,
    ca,
    token: tokenFor(DESK),
    user: DESK,
    point: 'never',
    when: 'before',
    nth: 1,
  };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [fileURLToPath(new URL('./fetchingProcess.ts', import.meta.url)), JSON.stringify(order)],
    { env: { ...process.env, NODE_OPTIONS: '' } },
  );
  const report = z.object({ outcome: z.string(), peakBytes: z.number() }).parse(JSON.parse(stdout));
  expect(report.outcome).toBe('fetched');
  expect(report.peakBytes).toBeLessThan(300_000_000);
  const queue = emulator.clients.queues.getQueueClient(queueNames.inboundMail);
  const { receivedMessageItems } = await queue.receiveMessages();
  const { data } = noticeSchema.parse(JSON.parse(receivedMessageItems[0]?.messageText ?? ''));
  if (!('raw' in data)) throw new Error('the notice itself was too long');
  expect(data.kind).toBe('message');
  expect(data.raw).toMatchObject({ sizeBytes: content.sizeBytes, sha256: raw.digest('hex') });
  expect(data.parts).toMatchObject([{ filename: 'large.zip', sizeBytes: 57 * lineCount }]);
}, 180_000);
